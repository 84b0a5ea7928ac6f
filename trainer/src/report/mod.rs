//! A run's report: one HTML file with everything in it, which needs no network and no script to be read.
//!
//! What stands in it is collected in [`Report`]; [`Report::html`] makes the page from `templates/report.html`.

mod charts;
mod facts;
mod page;
mod samples;

pub use facts::{Facts, Table};
pub use samples::{Example, Mistake, Picture, examples, mistakes};

use crate::config::Config;
use crate::data::Dataset;
use crate::evaluate::Evaluation;
use crate::train::{EpochMetrics, RunResult};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// All that a report says.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The run's folder.
    pub run: String,
    /// Its settings.
    pub config: Config,
    /// Number of learnt parameters.
    pub parameters: usize,
    /// A sentence if the data are only a part of a published set.
    pub subset: Option<String>,
    /// A name for each class.
    pub class_names: Vec<String>,
    /// Its epochs; none of a network that was imported.
    pub epochs: Vec<EpochMetrics>,
    /// What its training came to, once it is done.
    pub result: Option<RunResult>,
    /// The network on the test samples.
    pub test: Evaluation,
    /// Some samples' ways through the network.
    #[serde(skip)]
    pub examples: Vec<Example>,
    /// The first test samples that were taken for another class.
    pub mistakes: Vec<Mistake>,
    /// What `spikelet inspect` knows of the run's model, if there is one.
    pub model: Option<Value>,
    /// What `spikelet run` measured with it, if a file holds that.
    pub board: Option<Value>,
}

impl Report {
    /// The page.
    ///
    /// # Errors
    /// If a figure cannot be drawn.
    pub fn html(&self) -> Result<String> {
        page::html(self)
    }

    /// How many test samples were taken for another class.
    pub fn wrong(&self) -> usize {
        let right: u32 = (0..self.test.confusion.len()).map(|class| self.test.confusion[class][class]).sum();
        self.test.samples - right as usize
    }
}

/// The epochs of a run that are written down, and its result if it is done.
///
/// # Errors
/// If a file is damaged.
pub fn training(run: &Path) -> Result<(Vec<EpochMetrics>, Option<RunResult>)> {
    let metrics = run.join("metrics.jsonl");
    let epochs = match fs::read_to_string(&metrics) {
        Ok(text) => crate::train::read_metrics(run, text.lines().count())?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", metrics.display())),
    };
    let path = run.join("result.json");
    let result = match fs::read(&path) {
        Ok(bytes) => {
            Some(serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    Ok((epochs, result))
}

/// What `spikelet --json run` or `demo` printed.
///
/// # Errors
/// If the file is none of that.
pub fn read_board(path: &Path) -> Result<Value> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let run = if value["board"].is_object() { &value["board"] } else { &value };
    ensure!(
        run["instructions_per_step"].is_number() && run["board"].is_string(),
        "{} holds no measures of a board: write there what `spikelet --json run MODEL` prints",
        path.display()
    );
    Ok(run.clone())
}

/// Name of a class.
fn class_name(data: &Dataset, class: usize) -> String {
    data.class_names.get(class).cloned().unwrap_or_else(|| class.to_string())
}
