//! The paper's tables and figures, made again: which networks ([`plan`]), their [`runs`], trained by [`workers`], and what
//! came of it ([`table`]); figures 1 and 6 are of one [`mod@neuron`].
//!
//! ```text
//! OUT/runs/NETWORK/eEPOCHS-TSTEPS-SAMPLES/seedS/   one run, as `train` writes it; shared by all items
//! OUT/ITEM/SCHEDULE/RESULT.md, result.json, result.csv, figure.svg, figure.png, figure.csv
//! ```

mod curves;
mod findings;
mod markdown;
pub mod neuron;
pub mod plan;
pub mod runs;
pub mod table;

use crate::checkpoint::write_atomically;
use crate::plot::Figure;
use crate::workers::{self, Manner};
use anyhow::{Context, Result, bail};
use neuron::Finding;
use plan::{Item, Job};
use runs::Plan;
use std::fs;
use std::path::{Path, PathBuf};
use table::Table;

/// A figure of one neuron: its findings and its numbers, in `OUT/ITEM`.
///
/// # Errors
/// If a file cannot be written, or a finding does not hold.
pub fn neuron(item: Item, out: &Path) -> Result<Vec<Finding>> {
    let (figure, findings) = match item {
        Item::Fig1 => neuron::figure_1(),
        Item::Fig6 => neuron::figure_6(),
        _ => bail!("{} is of trained networks", item.name()),
    };
    let folder = make(out.join(item.name()))?;
    write_figure(&figure, &folder)?;
    let text = format!(
        "# {}\n\n{}\n\n![figure](figure.svg)\n\nThe figure's numbers are in [figure.csv](figure.csv).\n\n{}",
        figure.title,
        figure.note,
        markdown::findings(&findings)
    );
    write_atomically(&folder.join("RESULT.md"), text.as_bytes())?;
    write_atomically(&folder.join("result.json"), serde_json::to_string_pretty(&findings)?.as_bytes())?;
    if let Some(finding) = findings.iter().find(|finding| !finding.holds) {
        bail!("a finding of the paper does not hold here: {}", finding.statement);
    }
    Ok(findings)
}

/// The folder of an item's results with the schedule of a plan.
pub fn folder(item: Item, plan: &Plan<'_>) -> PathBuf {
    plan.out.join(item.name()).join(plan.slug())
}

/// Trains what is left to train of an item's networks, and writes its results after each run. Networks that several items
/// need are trained once. Runs that other processes train are waited for, and taken up where those end early.
///
/// # Errors
/// If nothing is chosen, a file cannot be written, or Ctrl-C was pressed. A run that fails is named in the table.
pub fn networks(item: Item, plan: &Plan<'_>, manner: Manner, report: impl FnMut(&str)) -> Result<Table> {
    let jobs = item.jobs();
    let chosen = plan.chosen(&jobs)?;
    // Seed after seed, so that there is something of everything early.
    let tasks: Vec<_> =
        (0..plan.seeds).flat_map(|seed| chosen.iter().map(move |job| plan.task(job, seed))).collect();
    let mut table = None;
    workers::work(&tasks, plan.data, manner, report, |failures| {
        table = Some(write(item, &jobs, plan, failures)?);
        Ok(())
    })?;
    table.context("a table is written before the first run")
}

/// Writes an item's results from the runs that are there, and trains none.
///
/// # Errors
/// If a file cannot be written, or a run's files are damaged.
pub fn partial(item: Item, plan: &Plan<'_>) -> Result<Table> {
    write(item, &item.jobs(), plan, &[])
}

fn write(item: Item, jobs: &[Job], plan: &Plan<'_>, failures: &[String]) -> Result<Table> {
    let folder = make(folder(item, plan))?;
    let mut table = Table::collect(item, jobs, plan, failures)?;
    table.findings = findings::of(item, &table);
    let figure = curves::figure(item, jobs, plan, &table)?;
    if let Some(figure) = &figure {
        write_figure(figure, &folder)?;
    }
    let text = markdown::table(&table, item, figure.is_some());
    write_atomically(&folder.join("RESULT.md"), text.as_bytes())?;
    write_atomically(&folder.join("result.csv"), &table.csv()?)?;
    write_atomically(&folder.join("result.json"), serde_json::to_string_pretty(&table)?.as_bytes())?;
    Ok(table)
}

fn write_figure(figure: &Figure, folder: &Path) -> Result<()> {
    figure.write(&folder.join("figure"))?;
    write_atomically(&folder.join("figure.csv"), &figure.csv()?)
}

fn make(folder: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    Ok(folder)
}
