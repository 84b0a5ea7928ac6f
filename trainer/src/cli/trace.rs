//! `spikelet trace`: one sample's way through a run's network.

use super::model::{ImagesArgs, write_atomically};
use super::sample::{self, Split};
use super::show;
use crate::plot::Figure;
use crate::spike_train::Show;
use crate::trace::{self, Choice, Trace};
use anyhow::ensure;
use serde::Serialize;
use std::path::PathBuf;

/// Width and height of a panel in pixels.
const PANEL: (u32, u32) = (900, 240);

#[derive(Debug, clap::Args)]
pub struct TraceArgs {
    /// Folder of a run, or a checkpoint in it.
    run: PathBuf,
    /// Index of the sample, counted from 0.
    #[arg(long, default_value_t = 0, value_name = "N")]
    sample: usize,
    /// Samples of which it is one.
    #[arg(long, value_enum, default_value_t = Split::Test)]
    split: Split,
    /// Neurons whose states are written [default: the most active ones of each layer].
    #[arg(long, value_name = "LAYER:INDEX,…", conflicts_with = "most")]
    neurons: Option<Choice>,
    /// How many of the most active neurons of each layer.
    #[arg(long, default_value_t = 2, value_name = "N")]
    most: usize,
    /// Show only the first so many timesteps [default: all].
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Folder to write to [default: trace-SPLIT-N in the run's folder].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    images: ImagesArgs,
}

/// What `trace` writes to `trace.json`.
#[derive(Debug, Serialize)]
struct Written<'a> {
    sample: Sample,
    #[serde(flatten)]
    trace: &'a Trace,
}

/// Which sample it is.
#[derive(Clone, Debug, Serialize)]
struct Sample {
    dataset: String,
    split: &'static str,
    index: usize,
    label: usize,
    label_name: String,
}

/// What `trace` prints.
#[derive(Debug, Serialize)]
struct Summary {
    sample: Sample,
    /// The class with the highest score.
    class: usize,
    class_name: String,
    steps: usize,
    /// After the last timestep.
    scores: Vec<f32>,
    input_spikes: usize,
    layers: Vec<Layer>,
    /// Layer and index.
    neurons: Vec<(usize, usize)>,
    files: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Layer {
    neurons: usize,
    spikes: usize,
    activity: f64,
}

pub fn run(args: TraceArgs, json: bool) -> anyhow::Result<()> {
    let (trained, data) = sample::open(&args.run, &args.images)?;
    let samples = args.split.of(&data);
    let split = if args.split == Split::Test { "test" } else { "train" };
    ensure!(
        args.sample < samples.len(),
        "--sample must be 0 to {}: {} has {} samples in --split {split}",
        samples.len().saturating_sub(1),
        data.name,
        samples.len()
    );
    let mut train = trained.config.encoding().train(samples, args.sample, Show::Evaluation);
    if let Some(steps) = args.steps {
        ensure!((1..=train.steps()).contains(&steps), "--steps must be 1 to {}", train.steps());
        train.offsets.truncate(steps + 1);
        train.inputs.truncate(train.offsets[steps] as usize);
    }
    let choice = args.neurons.clone().unwrap_or(Choice::Most(args.most));
    let trace = trace::trace(&trained.network, train, samples.inputs(), &choice)?;

    let label = usize::from(samples.labels()[args.sample]);
    let sample = Sample {
        dataset: data.name.to_string(),
        split,
        index: args.sample,
        label,
        label_name: data.class_names[label].clone(),
    };
    let folder = args.out.clone().unwrap_or_else(|| {
        let run = if args.run.is_dir() { Some(args.run.as_path()) } else { args.run.parent() };
        run.unwrap_or(&args.run).join(format!("trace-{split}-{}", args.sample))
    });
    let mut files = Vec::new();
    let title = format!(
        "{} {split} sample {}, {}",
        sample.dataset,
        sample.index,
        answer(&sample, &data.class_names[trace.class])
    );
    let mut figure = Figure::new(&title, 1, trace::panels(&trace, &data.class_names, label));
    figure.size = PANEL;
    files.extend(figure.write(&sample::in_folder(&folder, "rasters")?)?);
    let (panels, columns) = trace::neurons(&trace);
    if !panels.is_empty() {
        let mut figure = Figure::new(&title, columns, panels);
        figure.size = (PANEL.0 / columns as u32, PANEL.1);
        files.extend(figure.write(&folder.join("neurons"))?);
    }
    let json_text = serde_json::to_string(&Written { sample: sample.clone(), trace: &trace })?;
    let texts = [
        ("trace.csv", trace::csv(&trace)),
        ("spikes.csv", trace::spikes_csv(&trace)),
        ("trace.json", json_text),
    ];
    for (name, text) in texts {
        write_atomically(&folder.join(name), text.as_bytes())?;
        files.push(folder.join(name));
    }
    let layer = |raster: &trace::Raster| Layer {
        neurons: raster.neurons,
        spikes: raster.spikes.len(),
        activity: raster.activity(trace.steps),
    };
    let summary = Summary {
        sample,
        class: trace.class,
        class_name: data.class_names[trace.class].clone(),
        steps: trace.steps,
        scores: trace.scores.iter().filter_map(|class| class.last().copied()).collect(),
        input_spikes: trace.input.spikes.len(),
        layers: trace.layers.iter().map(layer).collect(),
        neurons: trace.neurons.iter().map(|neuron| (neuron.layer, neuron.neuron)).collect(),
        files,
    };
    show::show(json, &summary, print)
}

fn answer(sample: &Sample, class: &str) -> String {
    let mark = if sample.label_name == class { "rightly" } else { "wrongly" };
    format!("label {}, {mark} taken for {class}", sample.label_name)
}

fn print(summary: &Summary) {
    let Sample { dataset, split, index, .. } = &summary.sample;
    println!("{dataset} {split} sample {index}, {}", answer(&summary.sample, &summary.class_name));
    let mut rows =
        vec![vec!["input".to_owned(), String::new(), summary.input_spikes.to_string(), String::new()]];
    rows.extend(summary.layers.iter().enumerate().map(|(index, layer)| {
        vec![
            index.to_string(),
            layer.neurons.to_string(),
            layer.spikes.to_string(),
            show::percent(layer.activity),
        ]
    }));
    println!("{}", show::table(&["layer", "neurons", "spikes", "activity"], rows));
    if summary.layers.is_empty() {
        println!("The cells of this network do not spike: h of the chosen neurons is in their place.");
    }
    let neurons: Vec<String> =
        summary.neurons.iter().map(|(layer, index)| format!("{layer}:{index}")).collect();
    println!("neurons {}", neurons.join(", "));
    summary.files.iter().for_each(|file| println!("{}", file.display()));
}
