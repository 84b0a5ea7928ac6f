//! The paper's tables and figures, made again: which networks ([`plan`]), their training ([`runs`]), and what came of
//! it ([`table`]); figures 1 and 6 are of one [`mod@neuron`].
//!
//! ```text
//! OUT/runs/NETWORK/eEPOCHS-TSTEPS-SAMPLES/seedS/   one run, as `train` writes it; shared by all items
//! OUT/ITEM/SCHEDULE/RESULT.md, result.json, result.csv, figure.svg, figure.png, figure.csv
//! ```

pub mod claim;
mod curves;
mod findings;
mod markdown;
pub mod neuron;
pub mod plan;
pub mod runs;
pub mod table;

use crate::checkpoint::write_atomically;
use crate::plot::Figure;
use anyhow::{Context, Result, bail};
use neuron::Finding;
use plan::{Item, Job};
use runs::{Plan, Runs, Trained};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use table::Table;

/// How long to wait before looking again at runs that other processes train.
const WAIT: Duration = Duration::from_secs(1);

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
pub fn networks(item: Item, plan: &Plan<'_>, mut report: impl FnMut(&str)) -> Result<Table> {
    let jobs = item.jobs();
    let chosen = plan.chosen(&jobs)?;
    // Seed after seed, so that there is something of everything early.
    let mut left: Vec<(u64, &Job)> =
        (0..plan.seeds).flat_map(|seed| chosen.iter().map(move |job| (seed, *job))).collect();
    let all = left.len();
    let mut runs = Runs::new(plan);
    let mut failures = Vec::new();
    let (mut table, mut waiting) = (write(item, &jobs, plan, &failures)?, false);
    while !left.is_empty() {
        let mut elsewhere = Vec::new();
        for &(seed, job) in &left {
            let name = format!("{}, seed {seed}", job.name);
            match runs.train(job, seed, || report(&format!("{name} ({all} runs in all)"))) {
                Ok(Trained::Before) => continue,
                Ok(Trained::Now(result)) => {
                    report(&format!(
                        "{name}: trained, {:.2} % of the test samples",
                        100.0 * result.test.accuracy
                    ));
                }
                Ok(Trained::Elsewhere) => {
                    elsewhere.push((seed, job));
                    continue;
                }
                Err(error) if crate::train::is_stopped() => {
                    return Err(error.context("the same command goes on from here"));
                }
                Err(error) => {
                    let sentence = format!("{name}: {error:#}");
                    report(&sentence);
                    failures.push(sentence);
                }
            }
            waiting = false;
            table = write(item, &jobs, plan, &failures)?;
        }
        left = elsewhere;
        if !left.is_empty() {
            if !waiting {
                report(&format!("waiting for {} runs that other processes train", left.len()));
                waiting = true;
            }
            if crate::train::is_stopped() {
                bail!("stopped while other processes train: the same command goes on from here");
            }
            std::thread::sleep(WAIT);
        }
    }
    // Others may have written an older table since.
    if table.rows.iter().any(|row| !row.missing.is_empty()) || waiting {
        table = write(item, &jobs, plan, &failures)?;
    }
    Ok(table)
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
