//! The runs of an item: where they are, which are done, and the training of the others.

use super::claim::Claim;
use super::plan::Job;
use crate::config::Config;
use crate::data::{self, Dataset};
use crate::train::{self, EpochMetrics, RunResult};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// What is trained: the paper's networks, shorter or on fewer samples where a setting says so.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Seeds 0 up to this.
    pub seeds: u64,
    /// Parts of names; a network with any of them is trained, all if there is none.
    pub only: &'a [String],
    /// Epochs instead of the paper's 100, or 200 for Fashion-MNIST.
    pub epochs: Option<usize>,
    /// Timesteps instead of the paper's 200.
    pub steps: Option<usize>,
    /// Training samples instead of all.
    pub train_samples: Option<usize>,
    /// The folder of all items and their runs.
    pub out: &'a Path,
    /// The folder with the data sets, if not the usual one.
    pub data: Option<&'a Path>,
}

impl Plan<'_> {
    /// True if a network of this name is to be trained.
    pub fn chooses(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }

    /// A job's config for a seed.
    pub fn config(&self, job: &Job, seed: u64) -> Config {
        let paper = job.config.clone();
        Config {
            seed,
            epochs: self.epochs.unwrap_or(paper.epochs),
            steps: self.steps.unwrap_or(paper.steps),
            train_samples: self.train_samples,
            ..paper
        }
    }

    /// The folder of a run.
    pub fn folder(&self, job: &Job, seed: u64) -> PathBuf {
        self.out.join("runs").join(job.name.replace('/', "-")).join(format!("seed{seed}"))
    }

    /// The finished runs of a job with these settings, seed after seed.
    ///
    /// # Errors
    /// If a run's files are damaged.
    pub fn finished(&self, job: &Job) -> Result<Vec<Finished>> {
        let runs = (0..self.seeds).map(|seed| {
            let folder = self.folder(job, seed);
            let config = self.config(job, seed);
            if !is_finished(&folder, &config) {
                return Ok(None);
            }
            let path = folder.join("result.json");
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let result =
                serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
            let metrics = train::read_metrics(&folder, config.epochs)?;
            Ok(Some(Finished { result, metrics }))
        });
        runs.filter_map(Result::transpose).collect()
    }
}

/// A finished run.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its result.
    pub result: RunResult,
    /// Its epochs.
    pub metrics: Vec<EpochMetrics>,
}

fn is_finished(folder: &Path, config: &Config) -> bool {
    folder.join("result.json").is_file() && train::read_config(folder).is_ok_and(|found| found == *config)
}

/// How a run came to be what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trained {
    /// It was finished already.
    Before,
    /// It was trained, or gone on with.
    Now,
    /// Another process is at it.
    Elsewhere,
}

/// Trains runs, and keeps the data set of the last one.
#[derive(Debug)]
pub struct Runs<'a> {
    plan: &'a Plan<'a>,
    data: Option<Dataset>,
}

impl<'a> Runs<'a> {
    /// Nothing loaded yet.
    pub const fn new(plan: &'a Plan<'a>) -> Self {
        Self { plan, data: None }
    }

    /// Trains a job with a seed, unless that is done.
    ///
    /// # Errors
    /// One sentence: the data are not there, the folder holds a run with other settings, or the training fails.
    pub fn train(&mut self, job: &Job, seed: u64) -> Result<Trained> {
        let (folder, config) = (self.plan.folder(job, seed), self.plan.config(job, seed));
        if is_finished(&folder, &config) {
            return Ok(Trained::Before);
        }
        let Some(_claim) = Claim::take(&folder)? else { return Ok(Trained::Elsewhere) };
        // Another process may have finished it just before it let go of the claim.
        if is_finished(&folder, &config) {
            return Ok(Trained::Before);
        }
        let resume = folder.join("config.json").is_file();
        ensure!(
            !resume || train::read_config(&folder)? == config,
            "{} holds a run with other settings: choose another folder with --out, or the settings of that run",
            folder.display()
        );
        if self.data.as_ref().is_none_or(|data| data.name != config.dataset) {
            // Only one in memory.
            self.data = None;
        }
        let data = match self.data.take() {
            Some(data) => data,
            None => data::load(config.dataset.clone(), self.plan.data)?,
        };
        let data = self.data.insert(data);
        train::train(&config, data, &folder, resume)?;
        Ok(Trained::Now)
    }
}
