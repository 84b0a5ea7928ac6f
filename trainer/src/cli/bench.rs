//! `spikelet bench`: how fast this machine trains and evaluates, and what the kernels cost on boards.

mod device;
mod link;

use super::folder::DataFolder;
use super::settings::Settings;
use super::{model, show, train::with_threads};
use crate::bench::compare::Comparison;
use crate::bench::scaling::{Axis, Scaling, scaling};
use crate::bench::{self, Bench, Kind, StageFigure, infer};
use crate::config::Config;
use crate::data::Dataset;
use crate::kernel::simd::{self, Simd};
use anyhow::{bail, ensure};
use spikelet_export::ModelFile;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, clap::Subcommand)]
enum BenchCommand {
    /// Train batches for some seconds and show where the time goes; nothing is kept.
    Train(Box<TrainArgs>),
    /// Evaluate a model in fixed point on this machine.
    Infer(Box<InferArgs>),
    /// Train with more and fewer timesteps, samples, layers, neurons and threads.
    Scaling(Box<ScalingArgs>),
    /// Count what the kernels cost on emulated boards, and compare them with their plain forms.
    Device(device::DeviceArgs),
    /// Measure what comes through the line to an attached board.
    Link(link::LinkArgs),
}

/// What every bench takes.
#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    folder: DataFolder,
    /// Number of threads [default: as many as cores].
    #[arg(long)]
    threads: Option<usize>,
    /// Vector instructions of the training's kernels [default: the best there are].
    #[arg(long)]
    simd: Option<Simd>,
    /// Write what is measured as JSON.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct TrainArgs {
    #[command(flatten)]
    settings: Settings,
    /// Seconds to train for, warm-up not counted.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Show the figures of an earlier --out FILE beside the new ones.
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct InferArgs {
    /// Model file, or the name of a model that comes with Spikelet [default: a network of these settings, trained for a few batches so
    /// that it spikes as trained ones do].
    #[arg(value_parser = model::named)]
    model: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// Number of test samples [default: all, but no more than 10,000].
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// Seconds to go on for; the samples are shown at least once.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Show the figures of an earlier --out FILE beside the new ones.
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct ScalingArgs {
    #[command(flatten)]
    settings: Settings,
    /// What to vary, joined by commas [default: all].
    #[arg(long, value_delimiter = ',')]
    axes: Vec<Axis>,
    /// Seconds to train each point for, warm-up not counted.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Only the two smallest values of each axis.
    #[arg(long)]
    short: bool,
    /// Draw STEM.svg and STEM.png.
    #[arg(long, value_name = "STEM")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

pub fn run(args: BenchArgs, json: bool) -> anyhow::Result<()> {
    match args.command {
        BenchCommand::Train(args) => train(&args, json),
        BenchCommand::Infer(args) => infer(&args, json),
        BenchCommand::Scaling(args) => run_scaling(&args, json),
        BenchCommand::Device(args) => device::run(&args, json),
        BenchCommand::Link(args) => link::run(&args, json),
    }
}

fn check_seconds(seconds: f64) -> anyhow::Result<()> {
    ensure!(seconds > 0.0 && seconds <= 3600.0, "--seconds must be above 0 and at most 3600");
    Ok(())
}

/// The config and the data of some settings.
fn load(settings: &Settings, common: &Common) -> anyhow::Result<(Config, Dataset)> {
    simd::force(common.simd)?;
    let mut config = settings.config()?;
    let data = common.folder.load(config.dataset.clone())?;
    settings.fit(&mut config, &data)?;
    config.check(&data)?;
    Ok((config, data))
}

fn train(args: &TrainArgs, json: bool) -> anyhow::Result<()> {
    check_seconds(args.seconds)?;
    let earlier = earlier(args.compare.as_deref(), Kind::Train)?;
    let (config, data) = load(&args.settings, &args.common)?;
    let measured = with_threads(args.common.threads, || bench::train::train(&config, &data, args.seconds))?;
    finish(measured, earlier, &args.common, json)
}

fn infer(args: &InferArgs, json: bool) -> anyhow::Result<()> {
    check_seconds(args.seconds)?;
    let earlier = earlier(args.compare.as_deref(), Kind::Infer)?;
    simd::force(args.common.simd)?;
    ensure!(args.samples != Some(0), "--samples must be at least 1");
    let (bytes, data, origin) = match &args.model {
        Some(path) => {
            if !args.settings.is_but_data() {
                bail!("a model file says how its network is: leave out all settings but --dataset");
            }
            let bytes = model::read(path)?;
            let trained_on = model::open(&bytes, path)?.header()?.provenance.data.to_owned();
            let images = model::ImagesArgs::new(args.settings.dataset.clone(), args.common.folder.clone());
            let data = images.load(&trained_on)?;
            (bytes, data, "read from a file".to_owned())
        }
        None => {
            let (config, data) = load(&args.settings, &args.common)?;
            let bytes = with_threads(args.common.threads, || infer::trained_shortly(&config, &data))?;
            (bytes, data, format!("trained for {} batches only", infer::TRAINED))
        }
    };
    let file = ModelFile::open(&bytes)?;
    model::check_fit(&file, &data)?;
    let samples = args.samples.unwrap_or(data.test.len().min(10_000));
    let samples = model::first(&data.test, Some(samples))?;
    let measured = with_threads(args.common.threads, || {
        Ok(infer::infer(&file, &samples, &data.name.to_string(), &origin, args.seconds))
    })?;
    finish(measured, earlier, &args.common, json)
}

fn run_scaling(args: &ScalingArgs, json: bool) -> anyhow::Result<()> {
    check_seconds(args.seconds)?;
    let (config, data) = load(&args.settings, &args.common)?;
    let axes = if args.axes.is_empty() { &Axis::ALL[..] } else { &args.axes };
    let measured = with_threads(args.common.threads, || {
        scaling(&config, &data, axes, args.seconds, args.short, |axis, point| {
            eprintln!("{} {}: {:.0} samples/s", point.value, axis.words(), point.samples_per_second);
        })
    })?;
    if let Some(path) = &args.common.out {
        bench::write(path, &measured)?;
    }
    if let Some(stem) = &args.plot {
        measured.figure().write(stem)?;
    }
    show::show(json, &measured, print_scaling)
}

fn earlier(path: Option<&Path>, kind: Kind) -> anyhow::Result<Option<Bench>> {
    path.map(|path| bench::read_earlier(path, kind)).transpose()
}

/// Writes and prints a table.
fn finish(measured: Bench, earlier: Option<Bench>, common: &Common, json: bool) -> anyhow::Result<()> {
    if let Some(path) = &common.out {
        bench::write(path, &measured)?;
    }
    match earlier {
        None => show::show(json, &measured, print),
        Some(earlier) => show::show(json, &Comparison::new(&earlier, measured), |comparison| {
            print(&comparison.bench);
            print_comparison(comparison);
        }),
    }
}

/// A number with as many digits as say something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => show::grouped(value.round() as u64),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

fn print(bench: &Bench) {
    let machine = &bench.machine;
    let mut rows = bench.setting.clone();
    rows.push((
        "machine".to_owned(),
        format!(
            "{} threads, {}: {} GFLOP/s of multiply-adds, {} GB/s of memory",
            machine.threads,
            machine.simd.name(),
            number(machine.gflops),
            number(machine.gigabytes_per_second)
        ),
    ));
    rows.extend(bench.figures.iter().map(|figure| {
        let quartiles = figure.quartiles.filter(|[low, high]| low < high);
        let spread = quartiles.map_or(String::new(), |[low, high]| {
            format!(" (half of them {} to {})", number(low), number(high))
        });
        (figure.name.clone(), format!("{} {}{spread}", number(figure.value), figure.unit))
    }));
    println!("{}", show::list(rows));
    let per = match bench.bench {
        Kind::Train => "ms of threads per batch",
        Kind::Infer => "ms of threads per 1,000",
    };
    let has_rates = bench.stages.iter().any(|stage| stage.gflops.or(stage.gigabytes_per_second).is_some());
    let mut heading = vec!["stage", "share", per];
    if has_rates {
        heading.extend(["GFLOP/s", "of the machine", "GB/s", "of the machine"]);
    }
    let row = |stage: &StageFigure| {
        let mut cells = vec![
            stage.name.clone(),
            format!("{:.1} %", 100.0 * stage.share),
            format!("{:.2}", stage.milliseconds),
        ];
        if has_rates {
            for rate in [stage.gflops, stage.gigabytes_per_second] {
                cells.extend(rate.map_or(["–".to_owned(), "–".to_owned()], |[rate, share]| {
                    [number(rate), format!("{:.0} %", 100.0 * share)]
                }));
            }
        }
        cells
    };
    println!("{}", show::table(&heading, bench.stages.iter().map(row)));
}

fn print_comparison(comparison: &Comparison) {
    let words = |value: Option<f64>| value.map_or("–".to_owned(), number);
    let rows = comparison.compared.iter().map(|pair| {
        let ratio = pair.ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.3}"));
        vec![pair.name.clone(), words(pair.old), words(pair.new), pair.unit.clone(), ratio]
    });
    println!("{}", show::table(&["compared", "before", "now", "", "now / before"], rows));
    for difference in &comparison.differences {
        println!("not the same: {difference}");
    }
}

fn print_scaling(scaling: &Scaling) {
    println!("{}", scaling.base);
    for curve in &scaling.curves {
        let rows = curve.points.iter().map(|point| {
            vec![
                point.value.to_string(),
                number(point.samples_per_second),
                number(point.megaflop_per_sample),
                number(point.gflops),
                number(point.cost),
            ]
        });
        let heading = [
            curve.axis.words(),
            "samples/s",
            "MFLOP per sample",
            "GFLOP/s",
            "thread-ns per 1,000 operations",
        ];
        println!("{}", show::table(&heading, rows));
    }
}
