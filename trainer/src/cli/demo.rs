//! `spikelet demo`: the whole path, from images to a digit said by a microcontroller.

use super::export::{self, Exported};
use super::folder::DataFolder;
use super::run::{self, BoardRun, Shown};
use super::{model, show};
use crate::config::{Coding, Config, parse_layers};
use crate::data::{self, DatasetName};
use crate::deploy;
use crate::device::{self, Board, InputKind, Wire};
use crate::interrupt;
use crate::simulate::Stop;
use crate::train::{self, RunResult};
use anyhow::{Context, ensure};
use serde::Serialize;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

/// Columns of the contact sheet.
const SHEET_COLUMNS: usize = 24;

#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Data set.
    #[arg(long, default_value_t = DatasetName::Digits)]
    dataset: DatasetName,
    /// Inputs and neurons per layer.
    #[arg(long, default_value = "784-512-100")]
    layers: String,
    /// Timesteps of a sequence.
    #[arg(long, default_value_t = 200)]
    steps: usize,
    /// Times that the training set is shown.
    #[arg(long, default_value_t = 4)]
    epochs: usize,
    /// Board.
    #[arg(long, default_value = "qemu:mps2-an386")]
    board: Board,
    /// Number of test samples shown to the board.
    #[arg(long, default_value_t = 200, value_name = "N")]
    samples: usize,
    /// Folder for all that is made; an interrupted demo goes on there.
    #[arg(long, value_name = "DIR", default_value = "runs/demo")]
    out: PathBuf,
    #[command(flatten)]
    folder: DataFolder,
}

/// What the demo shows.
#[derive(Debug, Serialize)]
struct Demo {
    trained: RunResult,
    exported: Exported,
    board: BoardRun,
    files: Vec<Written>,
    seconds: f64,
}

/// A file that was written.
#[derive(Debug, Serialize)]
struct Written {
    path: PathBuf,
    what: &'static str,
    bytes: u64,
}

pub fn run(args: DemoArgs, json: bool) -> anyhow::Result<()> {
    let start = Instant::now();
    // What is missing is better found before the training than after it.
    device::ensure_target(args.board.target())?;
    device::ensure_qemu()?;
    let layers =
        parse_layers(&args.layers).map_err(|error| anyhow::anyhow!("--layers {}: {error}", args.layers))?;
    let mut config =
        Config { dataset: args.dataset, layers, steps: args.steps, epochs: args.epochs, ..Config::default() };
    if config.dataset.has_events() {
        config.set_coding(Coding::Events);
    }
    let data = args.folder.load(config.dataset.clone())?;
    let images = model::first(&data.test, Some(args.samples))?;
    let resume = args.out.join("config.json").is_file();
    ensure!(
        !resume || train::read_config(&args.out)? == config,
        "{} holds a demo with other settings: choose another folder with --out",
        args.out.display()
    );

    eprintln!("1/4 training {} on {} images of {}", config.shape(), data.train.len(), data.name);
    interrupt::stop_on_ctrl_c();
    let trained = train::train(&config, &data, &args.out, resume)?;
    let sheet = args.out.join("images.png");
    model::write_atomically(&sheet, &data::contact_sheet(&data.train, data.classes, SHEET_COLUMNS)?)?;

    eprintln!("2/4 quantising, and measuring that on {} test images", data.test.len());
    let exported = export::export(
        &deploy::open_run(&args.out)?,
        None,
        &data.test,
        args.out.join("model.spk"),
        false,
        None,
    )?;

    eprintln!("3/4 building the firmware for {}, the first time with all it is made of", args.board);
    let bytes = model::read(&exported.file)?;
    let file = model::open(&bytes, &exported.file)?;
    let firmware = run::build(args.board, &exported.file)?;
    let elf = args.out.join("firmware.elf");
    let image = fs::read(&firmware.elf).with_context(|| format!("cannot read {}", firmware.elf.display()))?;
    model::write_atomically(&elf, &image)?;

    eprintln!("4/4 running {} test images on {}", images.len(), args.board);
    let shown = Shown { dataset: data.name, images: &images, input: InputKind::Spikes, stop: Stop::AtTheEnd };
    let board = run::run_on_board(Wire::Uart, args.board, &firmware, &file, &shown)?;

    let files = [
        (args.out.join("best.safetensors"), "trained network"),
        (exported.file.clone(), "quantised model"),
        (elf, "firmware with the model in it"),
        (args.out.join("metrics.jsonl"), "measures of each epoch"),
        (sheet, "some of the images"),
    ];
    let written = |(path, what): (PathBuf, _)| {
        let bytes = fs::metadata(&path).map_or(0, |file| file.len());
        Written { path, what, bytes }
    };
    let files = files.map(written).into();
    let demo = Demo { trained, exported, board, files, seconds: start.elapsed().as_secs_f64() };
    show::show(json, &demo, print)?;
    run::ensure_equal(&demo.board)
}

fn print(demo: &Demo) {
    let of =
        |share, samples| format!("{} of {} samples", show::percent(share), show::grouped(samples as u64));
    let mut rows = vec![
        ("accuracy in float".to_owned(), of(demo.exported.float_accuracy, demo.exported.samples)),
        ("accuracy in fixed point, host".to_owned(), of(demo.exported.fixed_accuracy, demo.exported.samples)),
    ];
    rows.extend(run::rows(&demo.board));
    rows.push(("training speed".to_owned(), format!("{:.0} samples/s", demo.trained.samples_per_second)));
    rows.push(("time for all of this".to_owned(), format!("{:.0} s", demo.seconds)));
    println!("{}", show::list(rows));
    let files = demo.files.iter().map(|file| {
        let size = format!("{} B", show::grouped(file.bytes));
        vec![file.path.display().to_string(), size, file.what.to_owned()]
    });
    println!("{}", show::table(&["file", "size", ""], files));
}
