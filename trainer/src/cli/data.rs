//! `spikelet data`: list, fetch, check and show data sets.

use super::folder::DataFolder;
use super::{model, show};
use crate::data::fetch::{self, Outcome, Patience};
use crate::data::{self, DatasetName, Samples};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, clap::Subcommand)]
enum DataCommand {
    /// List the data sets, and which are there.
    List {
        #[command(flatten)]
        folder: DataFolder,
    },
    /// Fetch what is missing of a data set, and verify it.
    Fetch(FetchArgs),
    /// Load a data set, and count its samples.
    Check {
        #[command(flatten)]
        set: Set,
    },
    /// Write a PNG with a few samples of each class.
    Sheet {
        #[command(flatten)]
        set: Set,
        /// PNG file to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Samples per class.
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=200))]
        columns: u16,
    },
    /// Train a linear classifier, to see how hard a data set is.
    Linear {
        #[command(flatten)]
        set: Set,
    },
}

#[derive(Debug, clap::Args)]
struct Set {
    /// Data set: digits, mnist, fashion-mnist, nmnist, images:FOLDER or events:FOLDER.
    #[arg(long, value_name = "SET", default_value_t = DatasetName::Digits)]
    dataset: DatasetName,
    #[command(flatten)]
    folder: DataFolder,
}

#[derive(Debug, clap::Args)]
struct FetchArgs {
    /// Data set: mnist or fashion-mnist.
    #[arg(long, value_name = "SET")]
    dataset: DatasetName,
    #[command(flatten)]
    folder: DataFolder,
    /// Address of a folder that holds the files, instead of the official places; may be given again for mirrors.
    #[arg(long, value_name = "URL", hide = true)]
    from: Vec<String>,
    /// Milliseconds that a silent server is waited for.
    #[arg(long, value_name = "MS", hide = true)]
    wait: Option<u64>,
}

impl Set {
    fn load(&self) -> anyhow::Result<data::Dataset> {
        self.folder.load(self.dataset.clone())
    }
}

#[derive(Serialize)]
struct Listed {
    dataset: DatasetName,
    ready: bool,
    note: String,
}

#[derive(Serialize)]
struct Checked {
    dataset: DatasetName,
    width: usize,
    height: usize,
    channels: usize,
    classes: Vec<String>,
    train: Vec<usize>,
    test: Vec<usize>,
    /// If it is only a part of a published set.
    subset: Option<String>,
    /// Of images: share of the training pixels that are not background.
    inked: Option<f64>,
    /// Of images: mean of the training pixels, 0 to 1.
    mean: Option<f64>,
    /// Of recordings: mean number of events of a training recording.
    events: Option<f64>,
    /// Of recordings: mean length of a training recording in milliseconds.
    milliseconds: Option<f64>,
}

#[derive(Serialize)]
struct Fetched {
    file: PathBuf,
    outcome: Outcome,
}

pub fn run(args: DataArgs, json: bool) -> anyhow::Result<()> {
    match args.command {
        DataCommand::List { folder } => show::show(json, &list(&folder), |sets| {
            let rows = sets.iter().map(|set| {
                let state = if set.ready { "ready" } else { "not there" };
                vec![set.dataset.to_string(), state.to_owned(), set.note.clone()]
            });
            println!("{}", show::table(&["data set", "state", ""], rows));
            println!("Your own: images:FOLDER and events:FOLDER, with a folder for each class in it.");
        }),
        DataCommand::Fetch(args) => show::show(json, &fetch(&args)?, |files| {
            for Fetched { file, outcome } in files {
                let words = match outcome {
                    Outcome::Present => "was there and is right",
                    Outcome::Fetched => "was fetched and is right",
                };
                println!("{} {words}", file.display());
            }
        }),
        DataCommand::Check { set } => show::show(json, &check(&set)?, print_checked),
        DataCommand::Sheet { set, out, columns } => {
            let data = set.load()?;
            let png = data::contact_sheet(&data.train, data.classes, usize::from(columns))?;
            model::write_atomically(&out, &png)?;
            show::show(json, &serde_json::json!({ "file": out }), |_| println!("wrote {}", out.display()))
        }
        DataCommand::Linear { set } => {
            let accuracy = data::linear_accuracy(&set.load()?);
            let result = serde_json::json!({ "dataset": set.dataset, "accuracy": accuracy });
            show::show(json, &result, |_| {
                println!(
                    "a linear classifier gets {} of the test samples of {}",
                    show::percent(accuracy),
                    set.dataset
                );
            })
        }
    }
}

/// Looks at names and the beginnings of files only, so that large sets are listed at once.
fn list(folder: &DataFolder) -> Vec<Listed> {
    let one = |dataset: DatasetName| match folder.survey(&dataset) {
        Ok(counts) => {
            let kind = if dataset.has_events() { "recordings" } else { "images" };
            let note = counts
                .subset(&dataset)
                .unwrap_or_else(|| format!("{} training and {} test {kind}", counts.train, counts.test));
            Listed { dataset, ready: true, note }
        }
        Err(error) => Listed { dataset, ready: false, note: error.to_string() },
    };
    DatasetName::ALL.map(one).into()
}

fn fetch(args: &FetchArgs) -> anyhow::Result<Vec<Fetched>> {
    let mut patience = Patience::default();
    if let Some(milliseconds) = args.wait {
        let wait = Duration::from_millis(milliseconds);
        patience = Patience { answer: wait, silence: wait, pause: wait / 10, ..patience };
    }
    let mut files = Vec::new();
    fetch::fetch(&args.dataset, args.folder.path(), &args.from, patience, |file, outcome| {
        files.push(Fetched { file: file.to_owned(), outcome });
    })?;
    Ok(files)
}

fn check(set: &Set) -> anyhow::Result<Checked> {
    let data = set.load()?;
    let subset = data.subset();
    let (mut inked, mut mean, mut events, mut milliseconds) = (None, None, None, None);
    match &data.train {
        Samples::Images(images) => {
            let count = images.pixels.len() as f64;
            let ink = images.pixels.iter().filter(|&&pixel| pixel > 0).count();
            inked = Some(ink as f64 / count);
            mean = Some(images.pixels.iter().map(|&pixel| f64::from(pixel)).sum::<f64>() / count / 255.0);
        }
        Samples::Recordings(recordings) => {
            let count = recordings.len() as f64;
            let all = &recordings.recordings;
            let sum: usize = all.iter().map(|recording| recording.events().count()).sum();
            events = Some(sum as f64 / count);
            let time: f64 = all.iter().map(|recording| f64::from(recording.duration())).sum();
            milliseconds = Some(time / count / 1000.0);
        }
    }
    Ok(Checked {
        dataset: set.dataset.clone(),
        width: data.train.width(),
        height: data.train.height(),
        channels: data.train.channels(),
        train: data.train.class_counts(data.classes),
        test: data.test.class_counts(data.classes),
        classes: data.class_names,
        subset,
        inked,
        mean,
        events,
        milliseconds,
    })
}

fn print_checked(checked: &Checked) {
    let Checked { dataset, width, height, channels, .. } = checked;
    match checked.events {
        None => println!("{dataset}: images of {width} × {height} pixels"),
        Some(_) => println!("{dataset}: recordings of {width} × {height} pixels and {channels} polarities"),
    }
    if let Some(subset) = &checked.subset {
        println!("This is {subset}.");
    }
    let row = |((name, train), test): ((&String, &usize), &usize)| {
        vec![name.clone(), show::grouped(*train as u64), show::grouped(*test as u64)]
    };
    let classes = checked.classes.iter().zip(&checked.train).zip(&checked.test).map(row);
    let sum = |counts: &[usize]| show::grouped(counts.iter().sum::<usize>() as u64);
    let all = vec!["all".to_owned(), sum(&checked.train), sum(&checked.test)];
    println!("{}", show::table(&["class", "train", "test"], classes.chain([all])));
    if let (Some(inked), Some(mean)) = (checked.inked, checked.mean) {
        println!("{} of the pixels have ink; their mean is {mean:.3}", show::percent(inked));
    }
    if let (Some(events), Some(milliseconds)) = (checked.events, checked.milliseconds) {
        println!("A recording has {events:.0} events in {milliseconds:.0} ms in the mean");
    }
}
