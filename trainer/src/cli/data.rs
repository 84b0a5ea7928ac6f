//! `spikelet data`: list, check and show data sets.

use super::folder::DataFolder;
use super::{model, show};
use crate::data::{self, DatasetName};
use serde::Serialize;
use std::path::PathBuf;

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
    /// Load a data set, and count its images.
    Check {
        #[command(flatten)]
        set: Set,
    },
    /// Write a PNG with a few images of each class.
    Sheet {
        #[command(flatten)]
        set: Set,
        /// PNG file to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Images per class.
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
    /// Data set.
    #[arg(long, default_value_t = DatasetName::Digits)]
    dataset: DatasetName,
    #[command(flatten)]
    folder: DataFolder,
}

impl Set {
    fn load(&self) -> anyhow::Result<data::Dataset> {
        self.folder.load(self.dataset)
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
    train: Vec<usize>,
    test: Vec<usize>,
    /// Share of the training pixels that are not background.
    inked: f64,
    /// Mean of the training pixels, 0 to 1.
    mean: f64,
}

pub fn run(args: DataArgs, json: bool) -> anyhow::Result<()> {
    match args.command {
        DataCommand::List { folder } => show::show(json, &list(&folder), |sets| {
            let rows = sets.iter().map(|set| {
                let state = if set.ready { "ready" } else { "not there" };
                vec![set.dataset.to_string(), state.to_owned(), set.note.clone()]
            });
            println!("{}", show::table(&["data set", "state", ""], rows));
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
                    "a linear classifier gets {} of the test images of {}",
                    show::percent(accuracy),
                    set.dataset
                );
            })
        }
    }
}

fn list(folder: &DataFolder) -> Vec<Listed> {
    let one = |dataset| match folder.load(dataset) {
        Ok(data) => Listed {
            dataset,
            ready: true,
            note: format!("{} training and {} test images", data.train.len(), data.test.len()),
        },
        Err(error) => Listed { dataset, ready: false, note: error.to_string() },
    };
    DatasetName::ALL.map(one).into()
}

fn check(set: &Set) -> anyhow::Result<Checked> {
    let data = set.load()?;
    let pixels = &data.train.pixels;
    let count = pixels.len() as f64;
    Ok(Checked {
        dataset: set.dataset,
        width: data.train.width,
        height: data.train.height,
        train: data.train.class_counts(data.classes),
        test: data.test.class_counts(data.classes),
        inked: pixels.iter().filter(|&&pixel| pixel > 0).count() as f64 / count,
        mean: pixels.iter().map(|&pixel| f64::from(pixel)).sum::<f64>() / count / 255.0,
    })
}

fn print_checked(checked: &Checked) {
    println!("{}: images of {} × {} pixels", checked.dataset, checked.width, checked.height);
    let row = |(class, (train, test)): (usize, (&usize, &usize))| {
        vec![class.to_string(), show::grouped(*train as u64), show::grouped(*test as u64)]
    };
    let classes = checked.train.iter().zip(&checked.test).enumerate().map(row);
    let sum = |counts: &[usize]| show::grouped(counts.iter().sum::<usize>() as u64);
    let all = vec!["all".to_owned(), sum(&checked.train), sum(&checked.test)];
    println!("{}", show::table(&["class", "train", "test"], classes.chain([all])));
    println!("{} of the pixels have ink; their mean is {:.3}", show::percent(checked.inked), checked.mean);
}
