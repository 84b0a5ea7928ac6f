//! What came of a sweep, at any moment of it.

use super::Sweep;
use crate::reproduce::table::{Missing, Spread};
use crate::workers::run::{Finished, State, state};
use anyhow::{Result, anyhow};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

/// A point's runs.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Settings and values.
    pub values: Vec<(String, String)>,
    /// Seeds that are trained.
    pub runs: usize,
    /// Those that are not, with the epochs they have.
    pub missing: Vec<Missing>,
    /// Of the chosen epoch, in per cent.
    pub validation_accuracy: Option<Spread>,
    /// In per cent.
    pub test_accuracy: Option<Spread>,
    /// On the test set.
    pub cross_entropy: Option<Spread>,
    /// Share of timesteps with a spike in per cent (Eq. 2): mean of all neurons on the test set.
    pub activity: Option<Spread>,
    /// Of training and validation, all epochs of all seeds alike.
    pub seconds_per_epoch: Option<Spread>,
}

/// All points of a sweep.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Names of the settings that are varied.
    pub settings: Vec<String>,
    /// Seeds that each point has.
    pub seeds: u64,
    /// One per point, in order.
    pub rows: Vec<Row>,
    /// Index of the point with the best mean validation accuracy of those with all seeds.
    pub best: Option<usize>,
    /// A sentence for each run that failed.
    pub failures: Vec<String>,
}

impl Table {
    /// From the runs that are there.
    ///
    /// # Errors
    /// If a run's files are damaged.
    pub fn collect(sweep: &Sweep, out: &Path, failures: &[String]) -> Result<Self> {
        let mut rows = Vec::new();
        for point in &sweep.points {
            let (mut runs, mut missing) = (Vec::new(), Vec::new());
            for seed in 0..sweep.seeds {
                match state(&Sweep::folder(out, point, seed), &Sweep::config(point, seed))? {
                    State::Finished(run) => runs.push(*run),
                    State::Missing { epochs } => missing.push(Missing { seed, epochs }),
                }
            }
            let of =
                |value: &dyn Fn(&Finished) -> f64| Spread::of(&runs.iter().map(value).collect::<Vec<_>>());
            let seconds: Vec<f64> =
                runs.iter().flat_map(|run| &run.metrics).map(|epoch| epoch.seconds).collect();
            rows.push(Row {
                values: point.values.clone(),
                runs: runs.len(),
                missing,
                validation_accuracy: of(&|run| 100.0 * run.result.validation_accuracy),
                test_accuracy: of(&|run| 100.0 * run.result.test.accuracy),
                cross_entropy: of(&|run| run.result.test.cross_entropy),
                activity: of(&|run| run.activity(&point.config.layers)),
                seconds_per_epoch: Spread::of(&seconds),
            });
        }
        let whole = rows.iter().enumerate().filter(|(_, row)| row.missing.is_empty());
        let means = whole.filter_map(|(index, row)| Some((index, row.validation_accuracy?.mean)));
        // The first of equals.
        let best = means.rev().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(index, _)| index);
        let settings = sweep
            .points
            .first()
            .map_or(Vec::new(), |point| point.values.iter().map(|(setting, _)| setting.clone()).collect());
        Ok(Self { settings, seeds: sweep.seeds, rows, best, failures: failures.to_vec() })
    }

    /// Names of the columns of [`cells`](Self::cells).
    pub fn heading(&self) -> Vec<&str> {
        let settings = self.settings.iter().map(String::as_str);
        let measures =
            ["seeds", "validation, %", "test, %", "cross-entropy", "activity, %", "s per epoch", ""];
        settings.chain(measures).collect()
    }

    /// The table as text, row by row.
    pub fn cells(&self) -> impl Iterator<Item = Vec<String>> {
        self.rows.iter().enumerate().map(|(index, row)| {
            let words = |value: Option<Spread>, places: usize| match value {
                None => "–".to_owned(),
                Some(value) if row.runs < 2 => format!("{:.places$}", value.mean),
                Some(value) => format!("{value:.places$}"),
            };
            let mut cells: Vec<String> = row.values.iter().map(|(_, value)| value.clone()).collect();
            cells.extend([
                format!("{} of {}", row.runs, self.seeds),
                words(row.validation_accuracy, 2),
                words(row.test_accuracy, 2),
                words(row.cross_entropy, 4),
                words(row.activity, 2),
                words(row.seconds_per_epoch, 2),
                if self.best == Some(index) { "best" } else { "" }.to_owned(),
            ]);
            cells
        })
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = "# Sweep\n\nMean ± standard deviation over seeds. The best point is chosen by validation accuracy; the \
                        test set is for reading only.\n\n"
            .to_owned();
        let heading = self.heading();
        let _ = writeln!(text, "| {} |\n|{}", heading.join(" | "), "---|".repeat(heading.len()));
        for cells in self.cells() {
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        if !self.failures.is_empty() {
            text.push_str("\nFailed:\n\n");
            for failure in &self.failures {
                let _ = writeln!(text, "- {failure}");
            }
        }
        text
    }

    /// The table's numbers as CSV, empty where there are none.
    ///
    /// # Errors
    /// None but those of memory.
    pub fn csv(&self) -> Result<Vec<u8>> {
        let mut table = csv::Writer::from_writer(Vec::new());
        let measures =
            ["validation_accuracy", "test_accuracy", "cross_entropy", "activity", "seconds_per_epoch"];
        let mut heading = self.settings.clone();
        heading.push("runs".to_owned());
        heading.extend(measures.iter().flat_map(|name| [(*name).to_owned(), format!("{name}_deviation")]));
        table.write_record(&heading)?;
        for row in &self.rows {
            let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
            let mut record: Vec<String> = row.values.iter().map(|(_, value)| value.clone()).collect();
            record.push(row.runs.to_string());
            for value in [
                row.validation_accuracy,
                row.test_accuracy,
                row.cross_entropy,
                row.activity,
                row.seconds_per_epoch,
            ] {
                record.push(number(value.map(|value| value.mean)));
                record.push(number(value.map(|value| value.deviation)));
            }
            table.write_record(&record)?;
        }
        table.into_inner().map_err(|error| anyhow!("{error}"))
    }
}
