//! `spikelet eval`: measure a run or a model on a test set.

use super::{export, model, show};
use crate::data::{self, Dataset};
use crate::deploy::{self, Measured};
use crate::progress;
use crate::simulate::{Stop, simulate_until};
use crate::train;
use serde::Serialize;
use spikelet_export::ModelFile;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct EvalArgs {
    /// Folder of a run, measured in float and in fixed point, or a model file or the name of a model that comes with Spikelet,
    /// measured in fixed point.
    #[arg(value_parser = model::named)]
    path: PathBuf,
    /// Use only the first so many test images.
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// Let a sample's timesteps end as soon as the network has decided too, if a model says when.
    #[arg(long, value_enum, default_value_t, value_name = "WHETHER")]
    early_exit: model::EarlyExit,
    #[command(flatten)]
    images: model::ImagesArgs,
}

/// What `eval` measures; one entry per arithmetic.
#[derive(Debug, Serialize)]
struct Measures {
    dataset: data::DatasetName,
    samples: usize,
    /// A sentence if the data are only a part of the published set.
    subset: Option<String>,
    results: Vec<Result>,
    /// Epochs of the run, and their mean duration in seconds, validation included; not of a model or a single checkpoint.
    epochs: Option<usize>,
    seconds_per_epoch: Option<f64>,
    /// Why a run was not measured in fixed point, if it was not.
    only_float: Option<String>,
}

#[derive(Debug, Serialize)]
struct Result {
    arithmetic: &'static str,
    accuracy: f64,
    /// Mean timesteps of a sample.
    mean_steps: f64,
    cross_entropy: f64,
    /// Per layer, share of timesteps with a spike (Eq. 2).
    activity: Vec<f64>,
    confusion: Vec<Vec<u32>>,
}

pub fn run(args: EvalArgs, json: bool) -> anyhow::Result<()> {
    let is_model = args.path.extension().is_some_and(|extension| extension == "spk");
    let measures = if is_model { of_model(&args)? } else { of_run(&args)? };
    show::show(json, &measures, |measures| print(measures, &args.path))
}

fn of_model(args: &EvalArgs) -> anyhow::Result<Measures> {
    let bytes = model::read(&args.path)?;
    let file = model::open(&bytes, &args.path)?;
    let data = args.images.load(file.header()?.provenance.data)?;
    let images = model::first(&data.test, args.samples)?;
    let mut results = vec![fixed(&file, &data, &images, Stop::AtTheEnd)?];
    if args.early_exit.stop(&file) == Stop::WhenDecided {
        results.push(fixed(&file, &data, &images, Stop::WhenDecided)?);
    }
    Ok(measures(&data, &images, results))
}

fn measures(data: &Dataset, images: &data::Samples, results: Vec<Result>) -> Measures {
    Measures {
        dataset: data.name.clone(),
        samples: images.len(),
        subset: data.subset(),
        results,
        epochs: None,
        seconds_per_epoch: None,
        only_float: None,
    }
}

fn of_run(args: &EvalArgs) -> anyhow::Result<Measures> {
    let trained = deploy::open_run(&args.path)?;
    let data = args.images.load(&trained.config.dataset.to_string())?;
    let images = model::first(&data.test, args.samples)?;
    let quantised = deploy::quantise_network(&trained, None);
    let (fixed, only_float) =
        match quantised.and_then(|q| q.model(&trained.config, &images, Measured::default())) {
            Ok(bytes) => (Some(fixed(&ModelFile::open(&bytes)?, &data, &images, Stop::AtTheEnd)?), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
    let float = export::float(&trained, &images)?;
    let float = Result {
        arithmetic: "float",
        accuracy: float.accuracy,
        mean_steps: trained.config.sequence() as f64,
        cross_entropy: float.cross_entropy,
        activity: float.activity,
        confusion: float.confusion,
    };
    let results = std::iter::once(float).chain(fixed).collect();
    let epochs = seconds(&args.path)?;
    Ok(Measures {
        epochs: epochs.as_ref().map(Vec::len),
        seconds_per_epoch: epochs.map(|seconds| seconds.iter().sum::<f64>() / seconds.len() as f64),
        only_float,
        ..measures(&data, &images, results)
    })
}

/// The durations of a run's epochs; `None` if there are none, as where the run is a checkpoint from elsewhere.
fn seconds(run: &Path) -> anyhow::Result<Option<Vec<f64>>> {
    let Ok(text) = std::fs::read_to_string(run.join("metrics.jsonl")) else { return Ok(None) };
    let metrics = train::read_metrics(run, text.lines().count())?;
    let seconds: Vec<f64> = metrics.iter().map(|epoch| epoch.seconds).collect();
    Ok((!seconds.is_empty()).then_some(seconds))
}

fn fixed(file: &ModelFile<'_>, data: &Dataset, images: &data::Samples, stop: Stop) -> anyhow::Result<Result> {
    model::check_fit(file, data)?;
    let bar = progress::bar("fixed point", images.len(), "samples");
    let simulation = simulate_until(file, images, stop, || bar.inc(1));
    bar.finish_and_clear();
    let chosen = simulation.classes();
    Ok(Result {
        arithmetic: match stop {
            Stop::AtTheEnd => "fixed point",
            Stop::WhenDecided => "fixed point, deciding early",
        },
        accuracy: model::correct(images.labels(), &chosen) as f64 / images.len() as f64,
        mean_steps: simulation.mean_steps(),
        cross_entropy: simulation.cross_entropy(images.labels()),
        activity: simulation.activity(),
        confusion: model::confusion(data.classes, images.labels(), &chosen),
    })
}

fn print(measures: &Measures, path: &Path) {
    println!("{} on {} test images of {}", path.display(), measures.samples, measures.dataset);
    if let Some(subset) = &measures.subset {
        println!("{} is {subset}", measures.dataset);
    }
    if let (Some(epochs), Some(seconds)) = (measures.epochs, measures.seconds_per_epoch) {
        println!("{epochs} epochs of {seconds:.1} s");
    }
    for result in &measures.results {
        println!(
            "\n{}: accuracy {}, {:.1} timesteps, cross-entropy {:.4}, activity per layer {}",
            result.arithmetic,
            show::percent(result.accuracy),
            result.mean_steps,
            result.cross_entropy,
            show::activity(&result.activity)
        );
        println!("{}", show::confusion(&result.confusion));
    }
    if let Some(why) = &measures.only_float {
        println!("\nnot measured in fixed point: {why}");
    }
}
