//! The page.

use super::charts::{self, Chart};
use super::facts::{Facts, Table, short};
use super::{Mistake, Picture, Report};
use crate::cli::show::{grouped, percent};
use anyhow::{Context, Result};
use askama::Template;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'r> {
    title: String,
    subtitle: String,
    summary: Vec<(String, String)>,
    settings: Facts,
    curves: Vec<Chart>,
    epochs: Table,
    confusion: Confusion<'r>,
    activity: Chart,
    activity_rows: Vec<(String, String)>,
    examples: Vec<Shown<'r>>,
    mistakes: &'r [Mistake],
    wrong: usize,
    model: Option<Facts>,
    board: Option<Facts>,
    /// A sentence if the board ran another model.
    other_model: Option<String>,
    version: &'static str,
    numbers: String,
}

struct Confusion<'r> {
    names: &'r [String],
    rows: Vec<ConfusionRow<'r>>,
}

struct ConfusionRow<'r> {
    name: &'r str,
    cells: Vec<Cell>,
    /// Share of the class that was recognised.
    right: String,
}

struct Cell {
    count: u32,
    /// 0 to 100: how strong its colour is.
    strength: u32,
    right: bool,
}

struct Shown<'r> {
    index: usize,
    label: &'r str,
    answer: &'r str,
    right: bool,
    picture: &'r Picture,
    charts: Vec<Chart>,
}

/// Makes the page.
pub fn html(report: &Report) -> Result<String> {
    let config = &report.config;
    let cell = config.cell.name().to_string().to_uppercase();
    let coding = serde_json::to_value(config.coding)?;
    let subtitle = format!(
        "{} {cell} network, {} code, {} timesteps, on {}",
        config.shape(),
        coding.as_str().unwrap_or_default(),
        config.sequence(),
        config.dataset
    );
    let (model, board) = (report.model.as_ref(), report.board.as_ref());
    let other_model = match (model, board) {
        (Some(model), Some(board)) if model["id"] != board["model"] => Some(format!(
            "The board ran model {}, not this one: measure again.",
            board["model"].as_str().unwrap_or("of unknown name")
        )),
        _ => None,
    };
    let numbers = serde_json::to_string(report)?.replace('<', "\\u003c");
    let page = Page {
        title: format!("Run {}", report.run),
        subtitle,
        summary: summary(report),
        settings: Facts::of(&serde_json::to_value(config)?, true),
        curves: if report.epochs.is_empty() { Vec::new() } else { charts::curves(&report.epochs)? },
        epochs: epochs(report),
        confusion: confusion(report),
        activity: charts::activity(&report.test.activity)?,
        activity_rows: activity_rows(report),
        examples: examples(report)?,
        mistakes: &report.mistakes,
        wrong: report.wrong(),
        model: model.map(|model| Facts::of(model, false)),
        board: board.map(|board| Facts::of(board, false)),
        other_model,
        version: env!("CARGO_PKG_VERSION"),
        numbers,
    };
    page.render().context("the page cannot be made")
}

fn summary(report: &Report) -> Vec<(String, String)> {
    let test = &report.test;
    let row = |name: &str, value: String| (name.to_owned(), value);
    let mut rows = vec![
        row(
            "test accuracy",
            format!("{} of {} samples", percent(test.accuracy), grouped(test.samples as u64)),
        ),
        row("test cross-entropy", format!("{:.4}", test.cross_entropy)),
    ];
    if let Some(subset) = &report.subset {
        rows.push(row("data", subset.clone()));
    }
    if let Some(result) = &report.result {
        rows.push(row("best epoch", format!("{} of {}", result.best_epoch, report.epochs.len())));
        rows.push(row("its validation accuracy", percent(result.validation_accuracy)));
        rows.push(row("training speed", format!("{:.0} samples/s", result.samples_per_second)));
    } else if report.epochs.is_empty() {
        rows.push(row("training", "none: the network was imported".to_owned()));
    } else {
        let (done, all) = (report.epochs.len(), report.config.epochs);
        rows.push(row("training", format!("{done} of {all} epochs so far")));
    }
    let seconds: f64 = report.epochs.iter().map(|epoch| epoch.seconds).sum();
    if seconds > 0.0 {
        rows.push(row("time of training", format!("{} s", short((10.0 * seconds).round() / 10.0))));
    }
    rows.push(row("parameters", grouped(report.parameters as u64)));
    rows
}

fn epochs(report: &Report) -> Table {
    let heading =
        ["epoch", "loss", "accuracy", "validation loss", "accuracy", "activity", "rate", "samples/s"];
    let row = |epoch: &crate::train::EpochMetrics| {
        let activity: Vec<String> = epoch.activity.iter().map(|&share| percent(share)).collect();
        vec![
            epoch.epoch.to_string(),
            format!("{:.4}", epoch.train_loss),
            percent(epoch.train_accuracy),
            format!("{:.4}", epoch.validation_loss),
            percent(epoch.validation_accuracy),
            activity.join(", "),
            short(epoch.learning_rate),
            format!("{:.0}", epoch.samples_per_second),
        ]
    };
    Table {
        title: String::new(),
        heading: heading.map(str::to_owned).into(),
        rows: report.epochs.iter().map(row).collect(),
    }
}

fn confusion(report: &Report) -> Confusion<'_> {
    let names = &report.class_names;
    let row = |(label, counts): (usize, &Vec<u32>)| {
        let all = counts.iter().sum::<u32>();
        let cell = |(answer, &count): (usize, &u32)| {
            let share = f64::from(count) / f64::from(all.max(1));
            Cell { count, strength: (100.0 * share.sqrt()).round() as u32, right: answer == label }
        };
        let right =
            if all == 0 { "none".to_owned() } else { percent(f64::from(counts[label]) / f64::from(all)) };
        ConfusionRow {
            name: names.get(label).map_or("", String::as_str),
            cells: counts.iter().enumerate().map(cell).collect(),
            right,
        }
    };
    Confusion { names, rows: report.test.confusion.iter().enumerate().map(row).collect() }
}

fn activity_rows(report: &Report) -> Vec<(String, String)> {
    let layers = report.test.activity.iter().zip(&report.config.layers[1..]).enumerate();
    let row = |(layer, (&share, neurons)): (usize, (&f64, &usize))| {
        let spikes = share * *neurons as f64;
        (
            format!("layer {layer}, {} neurons", grouped(*neurons as u64)),
            format!("{}, {spikes:.2} spikes per timestep", percent(share)),
        )
    };
    layers.map(row).collect()
}

fn examples<'r>(report: &'r Report) -> Result<Vec<Shown<'r>>> {
    let name = |class: usize| report.class_names.get(class).map_or("", String::as_str);
    let shown = |example: &'r super::Example| {
        let super::Example { index, label, picture, trace } = example;
        Ok(Shown {
            index: *index,
            label: name(*label),
            answer: name(trace.class),
            right: *label == trace.class,
            picture,
            charts: charts::example(example, &report.class_names)?,
        })
    };
    report.examples.iter().map(shown).collect()
}
