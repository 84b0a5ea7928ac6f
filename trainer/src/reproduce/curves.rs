//! The figures of trained networks: 2, 3 and 5 are curves over the epochs, 4 is bars of activity.

use super::plan::{Item, Job};
use super::runs::{Finished, Plan};
use super::table::{Spread, Table};
use crate::plot::{Bars, Figure, Line, Lines, Panel};
use crate::train::EpochMetrics;
use anyhow::Result;

type Measure = fn(&EpochMetrics) -> f64;

const TRAIN_LOSS: (&str, Measure) = ("training cross-entropy", |epoch| epoch.train_loss);
const TRAIN_ACCURACY: (&str, Measure) = ("training accuracy, %", |epoch| 100.0 * epoch.train_accuracy);
const LOSS: (&str, Measure) = ("validation cross-entropy", |epoch| epoch.validation_loss);
const ACCURACY: (&str, Measure) = ("validation accuracy, %", |epoch| 100.0 * epoch.validation_accuracy);
const SECONDS: (&str, Measure) = ("seconds per epoch", |epoch| epoch.seconds);

/// The figure of an item from the runs that are there; `None` for a table, or if there is no run.
///
/// # Errors
/// If a run's files are damaged.
pub fn figure(item: Item, jobs: &[Job], plan: &Plan<'_>) -> Result<Option<Figure>> {
    let (title, measures): (&str, &[_]) = match item {
        Item::Fig2 => ("Figure 2: 5 SRC layers with and without the ReLU bypass", &[TRAIN_LOSS, ACCURACY]),
        Item::Fig3 => ("Figure 3: SRC on Fashion-MNIST, latency code", &[TRAIN_ACCURACY, ACCURACY]),
        Item::Fig4 => return activity(item, jobs, plan),
        Item::Fig5 => ("Figure 5: deep networks on MNIST, rate code", &[LOSS, ACCURACY, SECONDS]),
        Item::Table1 | Item::Fig1 | Item::Fig6 => return Ok(None),
    };
    let mut networks = Vec::new();
    for job in jobs {
        let runs = plan.finished(job)?;
        if !runs.is_empty() {
            networks.push((job, runs));
        }
    }
    if networks.is_empty() {
        return Ok(None);
    }
    let panel = |&(y, measure): &(&str, Measure)| {
        let lines = networks.iter().map(|(job, runs)| line(&job.name, runs, measure)).collect();
        Panel::Lines(Lines { title: y.to_owned(), x: "epoch".to_owned(), y: y.to_owned(), lines })
    };
    Ok(Some(Figure::new(title, measures.len(), measures.iter().map(panel).collect())))
}

/// Mean over the runs, with their standard deviation as the band.
fn line(name: &str, runs: &[Finished], measure: Measure) -> Line {
    let epochs = runs.iter().map(|run| run.metrics.len()).min().unwrap_or(0);
    let mut line = Line { name: name.to_owned(), ..Line::default() };
    for epoch in 0..epochs {
        let values: Vec<f64> = runs.iter().map(|run| measure(&run.metrics[epoch])).collect();
        if let Some(spread) = Spread::of(&values) {
            line.points.push(((epoch + 1) as f64, spread.mean));
            line.spread.push(spread.deviation);
        }
    }
    line
}

/// Figure 4: one panel per code, a group per number of layers, a bar per cell.
fn activity(item: Item, jobs: &[Job], plan: &Plan<'_>) -> Result<Option<Figure>> {
    let table = Table::collect(item, jobs, plan, &[])?;
    if table.rows.iter().all(|row| row.runs == 0) {
        return Ok(None);
    }
    let layers = [1, 2, 3, 5];
    let panel = |code: &str| {
        let series = ["src", "lif"].map(|cell| {
            let value = |count: usize| {
                let name = format!("mnist/{code}/{cell}/{count}");
                table.rows.iter().find(|row| row.name == name)?.activity.map(|activity| activity.mean)
            };
            (cell.to_uppercase(), layers.map(value).into())
        });
        Panel::Bars(Bars {
            title: format!("MNIST, {code} code"),
            y: "activity, %".to_owned(),
            groups: layers.map(|count| format!("{count} layers")).into(),
            series: series.into(),
        })
    };
    let panels = ["rate", "latency"].map(panel).into();
    Ok(Some(Figure::new("Figure 4: mean spiking activity on the test set", 2, panels)))
}
