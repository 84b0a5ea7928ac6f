//! Sweeps: the same training with other settings, each with several seeds, by any number of processes.
//!
//! ```text
//! OUT/sweep.json                        the points and the seeds: all that another process needs
//! OUT/lr=0.001_layers=784-100/seedS/    one run, as `train` writes it
//! OUT/RESULT.md, result.json, result.csv
//! ```

pub mod grid;
pub mod table;

use crate::checkpoint::write_atomically;
use crate::config::Config;
use crate::workers::run::Task;
use crate::workers::{self, Manner};
use anyhow::{Context, Result, ensure};
use grid::Point;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use table::Table;

/// What is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Each point is trained with the seeds 0 up to this.
    pub seeds: u64,
    /// The points.
    pub points: Vec<Point>,
}

impl Sweep {
    fn path(out: &Path) -> PathBuf {
        out.join("sweep.json")
    }

    /// True if there is a sweep in the folder `out`.
    pub fn is_in(out: &Path) -> bool {
        Self::path(out).is_file()
    }

    /// The sweep in the folder `out`.
    ///
    /// # Errors
    /// One sentence if there is none, or if it is damaged.
    pub fn read(out: &Path) -> Result<Self> {
        let path = Self::path(out);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("{} holds no sweep to go on with: name what to vary", out.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Begins the sweep in the folder `out`, or finds it there.
    ///
    /// # Errors
    /// If the folder holds another sweep, or cannot be written to.
    pub fn begin(&self, out: &Path) -> Result<()> {
        if Self::is_in(out) {
            ensure!(
                Self::read(out)? == *self,
                "{} holds another sweep: leave out all settings to go on with it, or choose another folder with --out",
                out.display()
            );
            return Ok(());
        }
        fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
        write_atomically(&Self::path(out), serde_json::to_string_pretty(self)?.as_bytes())
    }

    /// The config of a run.
    pub fn config(point: &Point, seed: u64) -> Config {
        Config { seed, ..point.config.clone() }
    }

    /// The folder of a run.
    pub fn folder(out: &Path, point: &Point, seed: u64) -> PathBuf {
        out.join(point.folder()).join(format!("seed{seed}"))
    }

    /// Every run, seed after seed, so that there is something of every point early.
    pub fn tasks(&self, out: &Path) -> Vec<Task> {
        let of = |seed: u64| {
            self.points.iter().map(move |point| Task {
                name: format!("{}, seed {seed}", point.name()),
                folder: Self::folder(out, point, seed),
                config: Self::config(point, seed),
            })
        };
        (0..self.seeds).flat_map(of).collect()
    }

    /// Trains what is left to train, and writes the table after each run.
    ///
    /// # Errors
    /// If a file cannot be written, or Ctrl-C was pressed. A run that fails is named in the table.
    pub fn train(
        &self,
        out: &Path,
        data: Option<&Path>,
        manner: Manner,
        report: impl FnMut(&str),
    ) -> Result<Table> {
        let mut table = None;
        workers::work(&self.tasks(out), data, manner, report, |failures| {
            table = Some(self.write(out, failures)?);
            Ok(())
        })?;
        table.context("a table is written before the first run")
    }

    /// Writes the table of the runs that are there, and trains none.
    ///
    /// # Errors
    /// If a file cannot be written, or a run's files are damaged.
    pub fn write(&self, out: &Path, failures: &[String]) -> Result<Table> {
        let table = Table::collect(self, out, failures)?;
        write_atomically(&out.join("RESULT.md"), table.markdown().as_bytes())?;
        write_atomically(&out.join("result.csv"), &table.csv()?)?;
        write_atomically(&out.join("result.json"), serde_json::to_string_pretty(&table)?.as_bytes())?;
        Ok(table)
    }
}
