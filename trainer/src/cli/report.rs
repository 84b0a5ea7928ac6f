//! `spikelet report`: a run's report as one HTML file.

use super::model::{ImagesArgs, first, write_atomically};
use super::{export, inspect, model, sample, show};
use crate::report::{self, Report};
use anyhow::ensure;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// Folder of a run.
    run: PathBuf,
    /// File to write [default: report.html in the run's folder].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Measure on the first so many test samples only.
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// Samples of which the spikes are shown, each of another class.
    #[arg(long, default_value_t = 3, value_name = "N")]
    examples: usize,
    /// Misclassified samples that are shown, at most.
    #[arg(long, default_value_t = 30, value_name = "N")]
    mistakes: usize,
    /// File with what `spikelet --json run MODEL` printed [default: board.json in the run's folder, if it is there].
    #[arg(long, value_name = "FILE")]
    board: Option<PathBuf>,
    #[command(flatten)]
    images: ImagesArgs,
}

/// What `report` wrote.
#[derive(Debug, Serialize)]
struct Summary {
    file: PathBuf,
    bytes: usize,
    samples: usize,
    accuracy: f64,
    mistakes: usize,
    /// True if the costs of a model are in it.
    model: bool,
    /// True if the measures of a board are in it.
    board: bool,
}

pub fn run(args: ReportArgs, json: bool) -> anyhow::Result<()> {
    ensure!(
        args.run.is_dir() || !args.run.exists(),
        "{} is a file: a report is made of a run's folder",
        args.run.display()
    );
    let (trained, mut data) = sample::open(&args.run, &args.images)?;
    let subset = data.subset();
    data.test = first(&data.test, args.samples)?;
    let out = args.out.clone().unwrap_or_else(|| args.run.join("report.html"));
    ensure!(!out.is_dir(), "{} is a folder: name a file with --out", out.display());
    let (epochs, result) = report::training(&args.run)?;
    let path = args.run.join("model.spk");
    let model = if path.is_file() {
        let bytes = model::read(&path)?;
        Some(serde_json::to_value(inspect::inspect(&model::open(&bytes, &path)?, path.clone())?)?)
    } else {
        None
    };
    let default = args.run.join("board.json");
    let board = args.board.clone().or_else(|| default.is_file().then_some(default));
    let board = board.map(|path| report::read_board(&path)).transpose()?;
    let test = export::float(&trained, &data.test)?;
    let report = Report {
        run: args.run.display().to_string(),
        parameters: trained.network.named().iter().map(|parameter| parameter.value.elem_count()).sum(),
        subset,
        class_names: data.class_names.clone(),
        epochs,
        result,
        examples: report::examples(&trained, &data, args.examples)?,
        mistakes: report::mistakes(&data, &test, args.mistakes)?,
        test,
        config: trained.config,
        model,
        board,
    };
    let html = report.html()?;
    write_atomically(&out, html.as_bytes())?;
    let summary = Summary {
        file: out,
        bytes: html.len(),
        samples: report.test.samples,
        accuracy: report.test.accuracy,
        mistakes: report.wrong(),
        model: report.model.is_some(),
        board: report.board.is_some(),
    };
    show::show(json, &summary, |summary| {
        println!(
            "{}: test accuracy {} of {} samples, {} B",
            summary.file.display(),
            show::percent(summary.accuracy),
            show::grouped(summary.samples as u64),
            show::grouped(summary.bytes as u64)
        );
    })
}
