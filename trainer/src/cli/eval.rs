//! `spikelet eval`: measure a run or a model on a test set.

use super::{export, model, show};
use crate::data::{self, Dataset};
use crate::deploy::{self, Measured};
use crate::progress;
use crate::simulate::simulate;
use serde::Serialize;
use spikelet_export::ModelFile;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct EvalArgs {
    /// Folder of a run, measured in float and in fixed point, or a model file, measured in fixed point.
    path: PathBuf,
    /// Use only the first so many test images.
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    #[command(flatten)]
    images: model::ImagesArgs,
}

/// What `eval` measures; one entry per arithmetic.
#[derive(Debug, Serialize)]
struct Measures {
    dataset: data::DatasetName,
    samples: usize,
    results: Vec<Result>,
    /// Why a run was not measured in fixed point, if it was not.
    only_float: Option<String>,
}

#[derive(Debug, Serialize)]
struct Result {
    arithmetic: &'static str,
    accuracy: f64,
    /// Only in float.
    cross_entropy: Option<f64>,
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
    let result = fixed(&file, &data, &images)?;
    Ok(Measures { dataset: data.name, samples: images.len(), results: vec![result], only_float: None })
}

fn of_run(args: &EvalArgs) -> anyhow::Result<Measures> {
    let trained = deploy::open_run(&args.path)?;
    let data = args.images.load(&trained.config.dataset.to_string())?;
    let images = model::first(&data.test, args.samples)?;
    let quantised = deploy::quantise_network(&trained);
    let (fixed, only_float) =
        match quantised.and_then(|q| q.model(&trained.config, &images, Measured::default())) {
            Ok(bytes) => (Some(fixed(&ModelFile::open(&bytes)?, &data, &images)?), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
    let float = export::float(&trained, &images)?;
    let float = Result {
        arithmetic: "float",
        accuracy: float.accuracy,
        cross_entropy: Some(float.cross_entropy),
        activity: float.activity,
        confusion: float.confusion,
    };
    let results = std::iter::once(float).chain(fixed).collect();
    Ok(Measures { dataset: data.name, samples: images.len(), results, only_float })
}

fn fixed(file: &ModelFile<'_>, data: &Dataset, images: &data::Samples) -> anyhow::Result<Result> {
    model::check_fit(file, data)?;
    let bar = progress::bar("fixed point", images.len(), "samples");
    let simulation = simulate(file, images, || bar.inc(1));
    bar.finish_and_clear();
    let chosen = simulation.classes();
    Ok(Result {
        arithmetic: "fixed point",
        accuracy: model::correct(images.labels(), &chosen) as f64 / images.len() as f64,
        cross_entropy: None,
        activity: simulation.activity(file.model().steps()),
        confusion: model::confusion(data.classes, images.labels(), &chosen),
    })
}

fn print(measures: &Measures, path: &Path) {
    println!("{} on {} test images of {}", path.display(), measures.samples, measures.dataset);
    for result in &measures.results {
        let entropy =
            result.cross_entropy.map_or(String::new(), |value| format!(", cross-entropy {value:.4}"));
        println!(
            "\n{}: accuracy {}{entropy}, activity per layer {}",
            result.arithmetic,
            show::percent(result.accuracy),
            show::activity(&result.activity)
        );
        println!("{}", show::confusion(&result.confusion));
    }
    if let Some(why) = &measures.only_float {
        println!("\nnot measured in fixed point: {why}");
    }
}
