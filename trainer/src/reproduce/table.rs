//! What came of an item's networks, as a table.

use super::neuron::Finding;
use super::plan::{Item, Job};
use super::runs::Plan;
use crate::workers::run::{Finished, State};
use anyhow::{Result, anyhow};
use serde::Serialize;
use std::fmt;

/// Mean over seeds, and their standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// Standard deviation of the sample (divided by n - 1); 0 for a single one.
    pub deviation: f64,
}

impl Spread {
    /// Of some values; `None` if there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (!values.is_empty()).then(|| Self { mean, deviation: (squares / (count - 1.0).max(1.0)).sqrt() })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = f.precision().unwrap_or(2);
        write!(f, "{:.places$} ± {:.places$}", self.mean, self.deviation)
    }
}

/// A network.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Like `mnist/rate/src/2`.
    pub name: String,
    /// Times that the training set is shown.
    pub epochs: usize,
    /// Timesteps of a sample.
    pub steps: usize,
    /// Training and validation samples; all if absent.
    pub train_samples: Option<usize>,
    /// Seeds that are trained.
    pub runs: usize,
    /// Runs that are not finished.
    pub missing: Vec<Missing>,
    /// A sentence if the data are only a part of the published set.
    pub subset: Option<String>,
    /// Test accuracy in per cent.
    pub accuracy: Option<Spread>,
    /// The same in the paper.
    pub paper: Option<f64>,
    /// Share of timesteps with a spike in per cent (Eq. 2): mean of all neurons on the test set.
    pub activity: Option<Spread>,
    /// On the test set.
    pub cross_entropy: Option<Spread>,
    /// Of training and validation, all epochs of all seeds alike.
    pub seconds_per_epoch: Option<Spread>,
}

impl Row {
    /// A measure in words; one seed has no deviation.
    pub fn words(&self, value: Option<Spread>, places: usize) -> String {
        match value {
            None => "–".to_owned(),
            Some(value) if self.runs < 2 => format!("{:.places$}", value.mean),
            Some(value) => format!("{value:.places$}"),
        }
    }
}

/// A run that is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Its seed.
    pub seed: u64,
    /// Epochs done.
    pub epochs: usize,
}

/// An item's networks.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Like `table1`.
    pub item: String,
    /// How long they were trained, in words.
    pub schedule: String,
    /// The command that makes these results.
    pub command: String,
    /// Seeds that were asked for.
    pub seeds: u64,
    /// The networks.
    pub rows: Vec<Row>,
    /// What the paper says of them, and whether it is so here; only of what is trained.
    pub findings: Vec<Finding>,
    /// A sentence for each run that failed.
    pub failures: Vec<String>,
}

impl Table {
    /// The results that are there of `jobs` with the settings of `plan`, without findings.
    ///
    /// # Errors
    /// If a run's files are damaged.
    pub fn collect(item: Item, jobs: &[Job], plan: &Plan<'_>, failures: &[String]) -> Result<Self> {
        let rows = jobs.iter().map(|job| row(job, plan)).collect::<Result<_>>()?;
        let (item, schedule, failures) = (item, plan.schedule(item), failures.to_vec());
        let (item, command) = (item.name(), plan.command(item));
        Ok(Self { item, schedule, command, seeds: plan.seeds, rows, findings: Vec::new(), failures })
    }

    /// The row of a network, if it has any run.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name && row.runs > 0)
    }

    /// Names of the columns of [`cells`](Self::cells).
    pub const HEADING: [&'static str; 9] = [
        "network",
        "epochs, T, samples",
        "seeds",
        "test accuracy, %",
        "paper, %",
        "difference",
        "activity, %",
        "cross-entropy",
        "s per epoch",
    ];

    /// The table as text, row by row.
    pub fn cells(&self) -> impl Iterator<Item = Vec<String>> {
        self.rows.iter().map(|row| {
            let spread = |value, places| row.words(value, places);
            let samples = row.train_samples.map_or("all".to_owned(), |count| count.to_string());
            let difference = row.accuracy.zip(row.paper).map(|(ours, paper)| ours.mean - paper);
            vec![
                row.name.clone(),
                format!("{}, {}, {samples}", row.epochs, row.steps),
                format!("{} of {}", row.runs, self.seeds),
                spread(row.accuracy, 2),
                row.paper.map_or("–".to_owned(), |paper| format!("{paper:.2}")),
                difference.map_or("–".to_owned(), |difference| format!("{difference:+.2}")),
                spread(row.activity, 2),
                spread(row.cross_entropy, 4),
                spread(row.seconds_per_epoch, 2),
            ]
        })
    }

    /// The table's numbers as CSV, empty where there are none.
    ///
    /// # Errors
    /// None but those of memory.
    pub fn csv(&self) -> Result<Vec<u8>> {
        let mut table = csv::Writer::from_writer(Vec::new());
        let measures = ["accuracy", "activity", "cross_entropy", "seconds_per_epoch"];
        let mut heading =
            ["network", "epochs", "steps", "train_samples", "runs", "paper"].map(str::to_owned).to_vec();
        heading.extend(measures.iter().flat_map(|name| [(*name).to_owned(), format!("{name}_deviation")]));
        table.write_record(&heading)?;
        for row in &self.rows {
            let samples = row.train_samples.map_or("all".to_owned(), |count| count.to_string());
            let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
            let mut record = vec![row.name.clone(), row.epochs.to_string(), row.steps.to_string(), samples];
            record.extend([row.runs.to_string(), number(row.paper)]);
            for value in [row.accuracy, row.activity, row.cross_entropy, row.seconds_per_epoch] {
                record.push(number(value.map(|value| value.mean)));
                record.push(number(value.map(|value| value.deviation)));
            }
            table.write_record(&record)?;
        }
        table.into_inner().map_err(|error| anyhow!("{error}"))
    }
}

fn row(job: &Job, plan: &Plan<'_>) -> Result<Row> {
    let config = plan.config(job, 0);
    let (mut runs, mut missing) = (Vec::new(), Vec::new());
    for seed in 0..plan.seeds {
        match plan.state(job, seed)? {
            State::Finished(run) => runs.push(*run),
            State::Missing { epochs } => missing.push(Missing { seed, epochs }),
        }
    }
    let of = |value: &dyn Fn(&Finished) -> f64| Spread::of(&runs.iter().map(value).collect::<Vec<_>>());
    let seconds: Vec<f64> = runs.iter().flat_map(|run| &run.metrics).map(|epoch| epoch.seconds).collect();
    Ok(Row {
        name: job.name.clone(),
        epochs: config.epochs,
        steps: config.steps,
        train_samples: config.train_samples,
        runs: runs.len(),
        missing,
        subset: runs.iter().find_map(|run| run.result.subset.clone()),
        accuracy: of(&|run| 100.0 * run.result.test.accuracy),
        paper: job.paper,
        activity: of(&|run| run.activity(&config.layers)),
        cross_entropy: of(&|run| run.result.test.cross_entropy),
        seconds_per_epoch: Spread::of(&seconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_of_the_sample() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[3.0]), Some(Spread { mean: 3.0, deviation: 0.0 }));
        let spread = Spread::of(&[1.0, 3.0]).unwrap();
        assert_eq!(spread, Spread { mean: 2.0, deviation: 2f64.sqrt() });
        assert_eq!(format!("{spread:.3}"), "2.000 ± 1.414");
    }
}
