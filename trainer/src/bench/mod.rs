//! Benchmarks that a person runs: how fast this machine trains ([`train`]) and evaluates in fixed point ([`infer`]), how
//! that grows with the work ([`scaling`]), what the machine could do at most ([`machine`]), and what the kernels cost on
//! emulated boards ([`device`]).
//!
//! Criterion's benchmarks of single kernels are in `trainer/benches`; these here time the whole, as commands run it.

pub mod compare;
pub mod device;
pub mod infer;
pub mod machine;
pub mod scaling;
pub mod train;
pub mod work;

use crate::checkpoint::write_atomically;
use anyhow::{Context, Result, ensure};
use machine::Machine;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// What was measured; what `--out` writes and `--compare` reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bench {
    /// What was timed.
    pub bench: Kind,
    /// Of Spikelet.
    pub version: String,
    /// Network, data and schedule in words, each under its name.
    pub setting: Vec<(String, String)>,
    /// What the machine can do.
    pub machine: Machine,
    /// The figures of the whole.
    pub figures: Vec<Figure>,
    /// Where the time goes; all shares together are 1.
    pub stages: Vec<StageFigure>,
}

/// What a [`Bench`] timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Training.
    Train,
    /// Evaluation in fixed point.
    Infer,
}

/// A measured number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Like `training speed`.
    pub name: String,
    /// Its value; the median where there are several.
    pub value: f64,
    /// Like `samples/s`.
    pub unit: String,
    /// Lower and upper quartile, where there are several values.
    pub quartiles: Option<[f64; 2]>,
}

/// What a stage takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageFigure {
    /// Like `forward 784-512`.
    pub name: String,
    /// Of the time of all threads.
    pub share: f64,
    /// Thread-milliseconds per batch, or per 1,000 samples where there are no batches.
    pub milliseconds: f64,
    /// 10⁹ operations per second that all threads would do if they did nothing else, and its share of the machine's.
    pub gflops: Option<[f64; 2]>,
    /// 10⁹ bytes per second, in the same way.
    pub gigabytes_per_second: Option<[f64; 2]>,
}

impl Figure {
    /// A single value.
    pub fn new(name: &str, value: f64, unit: &str) -> Self {
        Self { name: name.to_owned(), value, unit: unit.to_owned(), quartiles: None }
    }

    /// The median of several values, with their quartiles.
    ///
    /// # Panics
    /// If there is none.
    pub fn of(name: &str, values: &[f64], unit: &str) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
        Self { quartiles: Some([at(0.25), at(0.75)]), ..Self::new(name, at(0.5), unit) }
    }
}

impl Bench {
    /// The figure of a name.
    pub fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }
}

/// Writes measurements as JSON.
///
/// # Errors
/// If the file cannot be written.
pub fn write<T: Serialize>(path: &Path, measured: &T) -> Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    write_atomically(path, serde_json::to_string_pretty(measured)?.as_bytes())
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// One sentence if the file is not there or holds something else.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let measured = serde_json::from_str(&text);
    measured.with_context(|| format!("{} is no table of this kind: write one with --out", path.display()))
}

/// Reads an earlier [`Bench`] of the same kind.
///
/// # Errors
/// One sentence if the file is not there or holds something else.
pub fn read_earlier(path: &Path, kind: Kind) -> Result<Bench> {
    let earlier: Bench = read(path)?;
    let name = |kind| match kind {
        Kind::Train => "train",
        Kind::Infer => "infer",
    };
    ensure!(
        earlier.bench == kind,
        "{} is a table of `bench {}`: compare it with that",
        path.display(),
        name(earlier.bench)
    );
    Ok(earlier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_medians_with_quartiles() {
        let figure = Figure::of("speed", &[5.0, 1.0, 3.0, 2.0, 4.0], "samples/s");
        assert_eq!((figure.value, figure.quartiles), (3.0, Some([2.0, 4.0])));
        assert_eq!(Figure::of("speed", &[7.0], "").quartiles, Some([7.0, 7.0]));
    }
}
