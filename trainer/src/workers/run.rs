//! One of many runs: where it is, whether it is done, and its training.

use super::claim::Claim;
use crate::config::Config;
use crate::data::{self, Dataset};
use crate::train::{self, EpochMetrics, RunResult};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// A run to be trained by whichever worker comes first.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// For people.
    pub name: String,
    /// Its folder, as `spikelet train` writes it.
    pub folder: PathBuf,
    /// Its settings.
    pub config: Config,
}

/// A finished run.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its result.
    pub result: RunResult,
    /// Its epochs.
    pub metrics: Vec<EpochMetrics>,
}

impl Finished {
    /// Share of timesteps with a spike (Eq. 2), in per cent: mean of all neurons on the test set. `layers` are the
    /// config's.
    pub fn activity(&self, layers: &[usize]) -> f64 {
        let neurons = &layers[1..];
        let shares = self.result.test.activity.iter().zip(neurons);
        let sum: f64 = shares.map(|(share, &count)| share * count as f64).sum();
        100.0 * sum / neurons.iter().sum::<usize>() as f64
    }
}

/// How a run stands.
#[derive(Clone, Debug)]
pub enum State {
    /// It is done.
    Finished(Box<Finished>),
    /// It is not.
    Missing {
        /// Epochs done.
        epochs: usize,
    },
}

/// How a run came to be what it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Trained {
    /// It was finished already.
    Before,
    /// It was trained, or gone on with.
    Now(Box<RunResult>),
    /// Another process is at it.
    Elsewhere,
}

fn is_finished(folder: &Path, config: &Config) -> bool {
    folder.join("result.json").is_file() && train::read_config(folder).is_ok_and(|found| found == *config)
}

/// How the run of `config` in `folder` stands.
///
/// # Errors
/// If its files are damaged.
pub fn state(folder: &Path, config: &Config) -> Result<State> {
    if !is_finished(folder, config) {
        let metrics = fs::read_to_string(folder.join("metrics.jsonl")).unwrap_or_default();
        return Ok(State::Missing { epochs: metrics.lines().count() });
    }
    let path = folder.join("result.json");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let result = serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
    let metrics = train::read_metrics(folder, config.epochs)?;
    Ok(State::Finished(Box::new(Finished { result, metrics })))
}

/// Trains runs one after the other, and keeps the data set of the last one.
#[derive(Debug)]
pub struct Trainer<'a> {
    folder: Option<&'a Path>,
    data: Option<Dataset>,
}

impl<'a> Trainer<'a> {
    /// Nothing loaded yet; `folder` holds the data sets, if not the usual one does.
    pub const fn new(folder: Option<&'a Path>) -> Self {
        Self { folder, data: None }
    }

    /// Trains a run unless that is done; goes on where an earlier worker stopped; calls `begins` before it does.
    ///
    /// # Errors
    /// One sentence: the data are not there, the folder holds a run with other settings, or the training fails.
    pub fn train(&mut self, task: &Task, begins: impl FnOnce()) -> Result<Trained> {
        let Task { folder, config, .. } = task;
        if is_finished(folder, config) {
            return Ok(Trained::Before);
        }
        let Some(_claim) = Claim::take(folder)? else { return Ok(Trained::Elsewhere) };
        // Another process may have finished it just before it let go of the claim.
        if is_finished(folder, config) {
            return Ok(Trained::Before);
        }
        let resume = folder.join("config.json").is_file();
        ensure!(
            !resume || train::read_config(folder)? == *config,
            "{} holds a run with other settings: move it away, or choose another folder with --out",
            folder.display()
        );
        if self.data.as_ref().is_none_or(|data| data.name != config.dataset) {
            // Only one in memory.
            self.data = None;
        }
        let data = match self.data.take() {
            Some(data) => data,
            None => data::load(config.dataset.clone(), self.folder)?,
        };
        let data = self.data.insert(data);
        begins();
        Ok(Trained::Now(Box::new(train::train(config, data, folder, resume)?)))
    }
}
