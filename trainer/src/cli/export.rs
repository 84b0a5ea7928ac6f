//! `spikelet export`: quantise a run and write a model file.

use super::card;
use super::exported_layer::{self, ExportedLayer};
use super::folder::DataFolder;
use super::{model, show};
use crate::data;
use crate::data::Dataset;
use crate::deploy::{self, Measured, Trained};
use crate::early_exit::{self, EarlyExit};
use crate::evaluate::{Evaluation, evaluate};
use crate::progress;
use crate::simulate::{self, simulate};
use crate::train;
use crate::widths::Widths;
use anyhow::ensure;
use serde::Serialize;
use spikelet_export::ModelFile;
use spikelet_runtime::formats::Score;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// Folder of a run, or a checkpoint in it.
    run: PathBuf,
    /// Model file to write [default: model.spk in the run's folder].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Width of a weight in bits, 8, 5, 4, 3 or 2: one for all layers, or one for each, separated by commas
    /// [default: that of training, or 8].
    #[arg(long, value_name = "BITS")]
    bits: Option<Widths>,
    /// Measure the accuracy on so many test images only.
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// Let the model decide early, as soon as that loses at most so many percentage points of accuracy on validation
    /// samples.
    #[arg(long, value_name = "POINTS")]
    early_exit: Option<f64>,
    /// Write the model even if a layer never spikes.
    #[arg(long)]
    allow_silent: bool,
    /// Write the model's card beside it: what it is, how good, and what made it.
    #[arg(long)]
    card: bool,
    #[command(flatten)]
    folder: DataFolder,
}

/// What export did.
#[derive(Debug, Serialize)]
pub struct Exported {
    /// The model file.
    pub file: PathBuf,
    /// Its CRC.
    pub id: String,
    /// Its size.
    pub bytes: usize,
    /// Accuracy of the float network on the test images.
    pub float_accuracy: f64,
    /// Accuracy of the model on the same images, encoded alike.
    pub fixed_accuracy: f64,
    /// What fixed point loses of it, in percentage points; below 0 if it gains.
    pub points_lost: f64,
    /// Number of test images.
    pub samples: usize,
    /// What deciding early was fitted to, if it was.
    pub early_exit: Option<EarlyExit>,
    /// Per layer.
    pub layers: Vec<ExportedLayer>,
}

pub fn run(args: ExportArgs, json: bool) -> anyhow::Result<()> {
    let trained = deploy::open_run(&args.run)?;
    let out = args.out.clone().unwrap_or_else(|| {
        let folder =
            if args.run.is_dir() { args.run.as_path() } else { args.run.parent().unwrap_or(&args.run) };
        folder.join("model.spk")
    });
    ensure!(!out.is_dir(), "{} is a folder: name a file with --out", out.display());
    let data = args.folder.load(trained.config.dataset.clone())?;
    let images = model::first(&data.test, args.samples)?;
    let decision = args.early_exit.map(|points| Decision { data: &data, points });
    let exported = export(&trained, args.bits.as_ref(), &images, out, args.allow_silent, decision)?;
    if args.card {
        card::write(&exported, &trained.config, args.early_exit)?;
    }
    show::show(json, &exported, print)
}

/// What a model's early decisions are fitted to.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'d> {
    /// The run's data set; its validation samples are used.
    pub data: &'d Dataset,
    /// Most percentage points of accuracy that may be lost.
    pub points: f64,
}

/// Quantises a network, measures it against its float form on `images`, and writes its model to `out`.
pub fn export(
    trained: &Trained,
    bits: Option<&Widths>,
    images: &data::Samples,
    out: PathBuf,
    allow_silent: bool,
    decision: Option<Decision<'_>>,
) -> anyhow::Result<Exported> {
    let mut quantised = deploy::quantise_network(trained, bits)?;
    let draft = quantised.model(&trained.config, images, Measured::default())?;
    let file = ModelFile::open(&draft)?;

    let float = float(trained, images)?;
    let bar = progress::bar("fixed point", images.len(), "samples");
    let fixed = simulate(&file, images, || bar.inc(1));
    bar.finish_and_clear();
    let chosen = fixed.classes();
    let (float_correct, fixed_correct) =
        (model::correct(images.labels(), &float.chosen), model::correct(images.labels(), &chosen));
    let layers = exported_layer::layers(&file, &quantised.reports, &fixed);
    let silent = layers.iter().position(|layer| layer.silent == layer.neurons);
    if let Some(index) = silent {
        ensure!(
            allow_silent,
            "layer {index} never spikes on the test images, so the model cannot work: train it further, or write it all \
             the same with --allow-silent"
        );
    }
    let early_exit = decision.map(|decision| fit(trained, &file, decision)).transpose()?;
    quantised.margin = early_exit.map(|fitted| Score::from_num(fitted.margin));
    let samples = images.len();
    let measured = Measured {
        float_correct: float_correct as u32,
        fixed_correct: fixed_correct as u32,
        samples: samples as u32,
    };
    let bytes = quantised.model(&trained.config, images, measured)?;
    simulate::self_test(&ModelFile::open(&bytes)?)?;
    model::write_atomically(&out, &bytes)?;
    Ok(Exported {
        id: format!("{:08x}", ModelFile::open(&bytes)?.id()),
        bytes: bytes.len(),
        float_accuracy: float_correct as f64 / samples as f64,
        fixed_accuracy: fixed_correct as f64 / samples as f64,
        points_lost: 100.0 * (float_correct as f64 - fixed_correct as f64) / samples as f64,
        samples,
        early_exit,
        layers,
        file: out,
    })
}

/// Fits the margin of early decisions to the run's validation samples.
fn fit(trained: &Trained, file: &ModelFile<'_>, decision: Decision<'_>) -> anyhow::Result<EarlyExit> {
    let (_, validation) = train::split(&trained.config, decision.data);
    let bar = progress::bar("early exit", validation.len(), "samples");
    let fitted = early_exit::fit(file, &decision.data.train, &validation, decision.points, || bar.inc(1));
    bar.finish_and_clear();
    fitted
}

/// The float network on all of `images`.
pub fn float(trained: &Trained, images: &data::Samples) -> anyhow::Result<Evaluation> {
    let indices: Vec<usize> = (0..images.len()).collect();
    let bar = progress::bar("float", images.len(), "samples");
    let evaluation =
        evaluate(&trained.network, &trained.config, images, &indices, |count| bar.inc(count as u64))?;
    bar.finish_and_clear();
    Ok(evaluation)
}

fn print(exported: &Exported) {
    if let Some(early) = &exported.early_exit {
        println!(
            "{}",
            show::list([
                ("early exit", format!("when the best score leads by {:.2}", early.margin)),
                (
                    "mean timesteps",
                    format!("{:.1}, of {} validation samples", early.mean_steps, early.samples)
                ),
                (
                    "their accuracy",
                    format!(
                        "{} early, {} at the end; others lose at most {:.2} points, with 99 % confidence",
                        show::percent(early.accuracy),
                        show::percent(early.accuracy_at_the_end),
                        early.loss_bound
                    ),
                ),
            ])
        );
    }
    let accuracy = |share| format!("{} of {} test samples", show::percent(share), exported.samples);
    println!(
        "{}",
        show::list([
            ("accuracy in float", accuracy(exported.float_accuracy)),
            ("accuracy in fixed point", accuracy(exported.fixed_accuracy)),
            ("lost by it", format!("{:.2} percentage points", exported.points_lost)),
            ("model", format!("{} ({})", exported.file.display(), exported.id)),
            ("size", format!("{} B", show::grouped(exported.bytes as u64))),
        ])
    );
    exported_layer::print(&exported.layers);
}
