//! The figures of trained networks: 2, 3 and 5 are curves over the epochs, 4 is bars of activity, and Table 1 has one of
//! accuracies beside the paper's.

use super::plan::{Item, Job, TABLE_1_COLUMNS};
use super::runs::Plan;
use super::table::{Spread, Table};
use crate::plot::{Bars, Compared, Figure, Line, Lines, Panel};
use crate::train::EpochMetrics;
use crate::workers::run::Finished;
use anyhow::Result;

type Measure = fn(&EpochMetrics) -> f64;

const TRAIN_LOSS: (&str, Measure) = ("training cross-entropy", |epoch| epoch.train_loss);
const TRAIN_ACCURACY: (&str, Measure) = ("training accuracy, %", |epoch| 100.0 * epoch.train_accuracy);
const LOSS: (&str, Measure) = ("validation cross-entropy", |epoch| epoch.validation_loss);
const ACCURACY: (&str, Measure) = ("validation accuracy, %", |epoch| 100.0 * epoch.validation_accuracy);
const SECONDS: (&str, Measure) = ("seconds per epoch", |epoch| epoch.seconds);

/// The figure of an item from the runs that are there; `None` if there is no run.
///
/// # Errors
/// If a run's files are damaged.
pub fn figure(item: Item, jobs: &[Job], plan: &Plan<'_>, table: &Table) -> Result<Option<Figure>> {
    if table.rows.iter().all(|row| row.runs == 0) {
        return Ok(None);
    }
    let mut figure = match item {
        Item::Table1 => accuracies(table),
        Item::Fig2 => {
            let title = "Figure 2: 5 SRC layers on MNIST, rate code, with and without the ReLU bypass";
            Figure::new(title, 2, curves(jobs, plan, &[TRAIN_LOSS, ACCURACY])?)
        }
        Item::Fig3 => {
            let title = "Figure 3: SRC on Fashion-MNIST, latency code";
            Figure::new(title, 2, curves(jobs, plan, &[TRAIN_ACCURACY, ACCURACY])?)
        }
        Item::Fig4 => activity(table),
        Item::Fig5 => {
            let mut panels = curves(jobs, plan, &[LOSS, SECONDS, ACCURACY, TRAIN_ACCURACY])?;
            panels.insert(2, by_depth(table, "test cross-entropy", |row| row.cross_entropy, |_| None));
            panels.push(by_depth(table, "test accuracy, %", |row| row.accuracy, |row| row.paper));
            Figure::new("Figure 5: deep networks on MNIST, rate code", 3, panels)
        }
        Item::Fig1 | Item::Fig6 | Item::Fpga | Item::Devices | Item::Results => return Ok(None),
    };
    figure.note = note(item, table);
    Ok(Some(figure))
}

/// The schedule, the seeds, and the paper's values where a panel does not show them.
fn note(item: Item, table: &Table) -> String {
    let counts = table.rows.iter().map(|row| row.runs).filter(|&runs| runs > 0);
    let (least, most) = counts.fold((usize::MAX, 0), |(least, most), runs| (least.min(runs), most.max(runs)));
    let what = if item == Item::Fig4 { "mean" } else { "mean ± standard deviation" };
    let seeds = match (least, most) {
        (1, 1) => "one seed".to_owned(),
        (least, most) if least == most => format!("{what} of {most} seeds"),
        (least, most) => format!("{what} of {least} to {most} seeds"),
    };
    let missing: usize = table.rows.iter().map(|row| row.missing.len()).sum();
    let missing = if missing > 0 { format!("; {missing} runs are still missing") } else { String::new() };
    let paper = match item {
        Item::Fig2 => " The paper: no learning without the bypass.",
        Item::Fig3 => {
            " The paper: training accuracy near 100 %, validation accuracy the lower the more layers."
        }
        Item::Fig4 => {
            " The paper gives no numbers: SRC spikes most without hidden layers, LIF least; both are comparable."
        }
        Item::Fig5 => {
            " The paper: SRC learns in all depths, LIF with 10 layers unstably and with 15 not at all."
        }
        _ => "",
    };
    let subset = table.rows.iter().find_map(|row| row.subset.as_ref());
    let subset = subset.map_or(String::new(), |subset| format!(" N-MNIST here is {subset}."));
    format!("{}; {seeds}{missing}.{paper}{subset}", table.schedule)
}

/// A panel per measure, a curve per network.
fn curves(jobs: &[Job], plan: &Plan<'_>, measures: &[(&str, Measure)]) -> Result<Vec<Panel>> {
    let mut networks = Vec::new();
    for job in jobs {
        let runs = plan.finished(job)?;
        if !runs.is_empty() {
            networks.push((job, runs));
        }
    }
    let panel = |&(y, measure): &(&str, Measure)| {
        // The test accuracy stands where there is room for it: in panels of accuracy.
        let with_test = y == ACCURACY.0;
        let lines = networks.iter().map(|(job, runs)| line(job, runs, measure, with_test)).collect();
        Panel::Lines(Lines { title: y.to_owned(), x: "epoch".to_owned(), y: y.to_owned(), lines })
    };
    Ok(measures.iter().map(panel).collect())
}

/// Mean over the runs, with their standard deviation as the band.
fn line(job: &Job, runs: &[Finished], measure: Measure, with_test: bool) -> Line {
    let tests: Vec<f64> = runs.iter().map(|run| 100.0 * run.result.test.accuracy).collect();
    let test = Spread::of(&tests).filter(|_| with_test).map_or(String::new(), |test| {
        let paper = job.paper.map_or(String::new(), |paper| format!(", paper {paper:.2}"));
        let ours = if runs.len() > 1 { format!("{test:.1}") } else { format!("{:.1}", test.mean) };
        format!(": test {ours} %{paper}")
    });
    let epochs = runs.iter().map(|run| run.metrics.len()).min().unwrap_or(0);
    let mut line = Line { name: format!("{}{test}", label(&job.name)), ..Line::default() };
    for epoch in 0..epochs {
        let values: Vec<f64> = runs.iter().map(|run| measure(&run.metrics[epoch])).collect();
        if let Some(spread) = Spread::of(&values) {
            line.points.push(((epoch + 1) as f64, spread.mean));
            line.spread.push(spread.deviation);
        }
    }
    line
}

/// A network's name in a legend: cell and layers, and the bypass where it is off.
fn label(name: &str) -> String {
    let parts: Vec<&str> = name.split('/').collect();
    let (cell, layers) = (parts.get(2).unwrap_or(&"").to_uppercase(), parts.get(3).unwrap_or(&""));
    format!("{cell}, {}{}", layers_in_words(layers), if parts.len() > 4 { ", no bypass" } else { "" })
}

fn layers_in_words(count: impl std::fmt::Display) -> String {
    let count = count.to_string();
    if count == "1" { "1 layer".to_owned() } else { format!("{count} layers") }
}

type Cells = [(&'static str, &'static str); 2];
const CELLS: Cells = [("src", "SRC"), ("lif", "LIF")];

/// Figure 4: one panel per code, a group per number of layers, a bar per cell.
fn activity(table: &Table) -> Figure {
    let layers = [1, 2, 3, 5];
    let panel = |code: &str| {
        let series = CELLS.map(|(cell, name)| {
            let value =
                |count: usize| Some(table.row(&format!("mnist/{code}/{cell}/{count}"))?.activity?.mean);
            (name.to_owned(), layers.map(value).into())
        });
        Panel::Bars(Bars {
            title: format!("MNIST, {code} code"),
            y: "activity, %".to_owned(),
            groups: layers.map(layers_in_words).into(),
            series: series.into(),
        })
    };
    let panels = ["rate", "latency"].map(panel).into();
    Figure::new("Figure 4: mean spiking activity on the test set", 2, panels)
}

/// A measure of figure 5's networks against their depth.
fn by_depth(
    table: &Table,
    title: &str,
    ours: impl Fn(&super::table::Row) -> Option<Spread>,
    paper: impl Fn(&super::table::Row) -> Option<f64>,
) -> Panel {
    let layers = [5, 10, 15];
    let row = |cell: &str, count: usize| {
        table.rows.iter().find(|row| row.name == format!("mnist/rate/{cell}/{count}"))
    };
    compared(title, title, &layers, row, ours, paper)
}

/// Table 1: a panel per data set and code.
fn accuracies(table: &Table) -> Figure {
    let panel = |&(start, title): &(&str, &str)| {
        let row = |cell: &str, count: usize| {
            table.rows.iter().find(|row| row.name == format!("{start}/{cell}/{count}"))
        };
        compared(title, "test accuracy, %", &[1, 2, 3, 5], row, |row| row.accuracy, |row| row.paper)
    };
    let any = |(start, _): &&(&str, &str)| {
        table.rows.iter().any(|row| row.runs > 0 && row.name.starts_with(&format!("{start}/")))
    };
    let panels: Vec<_> = TABLE_1_COLUMNS.iter().filter(any).map(panel).collect();
    Figure::new("Table 1: test accuracies beside the paper's", panels.len().min(3), panels)
}

fn compared<'t>(
    title: &str,
    y: &str,
    layers: &[usize],
    row: impl Fn(&str, usize) -> Option<&'t super::table::Row>,
    ours: impl Fn(&super::table::Row) -> Option<Spread>,
    paper: impl Fn(&super::table::Row) -> Option<f64>,
) -> Panel {
    let series = CELLS.map(|(cell, name)| {
        let value = |&count: &usize| ours(row(cell, count)?).map(|value| (value.mean, value.deviation));
        (name.to_owned(), layers.iter().map(value).collect())
    });
    let published = CELLS.map(|(cell, name)| {
        let value = |&count: &usize| paper(row(cell, count)?);
        (format!("{name}, paper"), layers.iter().map(value).collect())
    });
    Panel::Compared(Compared {
        title: title.to_owned(),
        y: y.to_owned(),
        groups: layers.iter().map(layers_in_words).collect(),
        series: series.into(),
        published: published.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn labels_name_cell_depth_and_bypass() {
        assert_eq!(label("mnist/rate/src/1"), "SRC, 1 layer");
        assert_eq!(label("mnist/rate/lif/15"), "LIF, 15 layers");
        assert_eq!(label("mnist/rate/src/5/relu"), "SRC, 5 layers, no bypass");
    }
}
