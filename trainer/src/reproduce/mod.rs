//! The paper's tables and figures, made again: which networks ([`plan`]), their training ([`runs`]), and what came of
//! it ([`table`]); figures 1 and 6 are of one [`neuron`].

pub mod claim;
mod curves;
pub mod neuron;
pub mod plan;
pub mod runs;
pub mod table;

use crate::checkpoint::write_atomically;
use anyhow::{Context, Result, bail, ensure};
use neuron::Finding;
use plan::{Item, Job};
use runs::{Plan, Runs, Trained};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use table::Table;

/// A figure of one neuron: its findings, in `OUT/ITEM/result.json`, `RESULT.md`, `figure.svg` and `figure.png`.
///
/// # Errors
/// If a file cannot be written, or a finding does not hold.
pub fn neuron(item: Item, out: &Path) -> Result<Vec<Finding>> {
    let (figure, findings) = match item {
        Item::Fig1 => neuron::figure_1(),
        Item::Fig6 => neuron::figure_6(),
        _ => bail!("{} is of trained networks", item.name()),
    };
    let folder = item_folder(item, out)?;
    figure.write(&folder.join("figure"))?;
    let mut text = format!("# {}\n\n![figure](figure.svg)\n\n", figure.title);
    for finding in &findings {
        let mark = if finding.holds { "holds" } else { "does not hold" };
        let _ = writeln!(text, "- {}: {mark}", finding.statement);
    }
    write_atomically(&folder.join("RESULT.md"), text.as_bytes())?;
    write_atomically(&folder.join("result.json"), serde_json::to_string_pretty(&findings)?.as_bytes())?;
    if let Some(finding) = findings.iter().find(|finding| !finding.holds) {
        bail!("a finding of the paper does not hold here: {}", finding.statement);
    }
    Ok(findings)
}

/// Trains what is left to train of an item's networks, and writes `RESULT.md` and `result.json` in `OUT/ITEM` after each
/// run, and the figure at the end. Networks that several items need are trained once.
///
/// # Errors
/// If nothing is chosen, a file cannot be written, or Ctrl-C was pressed. A run that fails is named in the table.
pub fn networks(item: Item, plan: &Plan<'_>, mut report: impl FnMut(&str)) -> Result<Table> {
    let jobs = item.jobs();
    let chosen: Vec<&Job> = jobs.iter().filter(|job| plan.chooses(&job.name)).collect();
    ensure!(!chosen.is_empty(), "--only names no network of {}: --list shows them", item.name());
    let folder = item_folder(item, plan.out)?;
    let mut runs = Runs::new(plan);
    let mut failures = Vec::new();
    let mut table = write_table(item, &jobs, plan, &failures, &folder)?;
    // Seed after seed, so that there is something of everything early.
    for seed in 0..plan.seeds {
        for job in &chosen {
            match runs.train(job, seed) {
                Ok(Trained::Before) => continue,
                Ok(Trained::Now) => {}
                Ok(Trained::Elsewhere) => {
                    report(&format!("{}, seed {seed}: another process trains it", job.name));
                }
                Err(error) if crate::train::is_stopped() => {
                    return Err(error.context("the same command goes on from here"));
                }
                Err(error) => {
                    let sentence = format!("{}, seed {seed}: {error:#}", job.name);
                    report(&sentence);
                    failures.push(sentence);
                }
            }
            table = write_table(item, &jobs, plan, &failures, &folder)?;
        }
    }
    if let Some(figure) = curves::figure(item, &jobs, plan)? {
        figure.write(&folder.join("figure"))?;
    }
    Ok(table)
}

fn write_table(
    item: Item,
    jobs: &[Job],
    plan: &Plan<'_>,
    failures: &[String],
    folder: &Path,
) -> Result<Table> {
    let table = Table::collect(item, jobs, plan, failures)?;
    write_atomically(&folder.join("RESULT.md"), table.markdown().as_bytes())?;
    write_atomically(&folder.join("result.json"), serde_json::to_string_pretty(&table)?.as_bytes())?;
    Ok(table)
}

fn item_folder(item: Item, out: &Path) -> Result<std::path::PathBuf> {
    let folder = out.join(item.name());
    fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    Ok(folder)
}
