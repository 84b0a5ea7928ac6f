//! How the time of a sample grows with the work: timesteps, batch, layers, width and threads, one at a time.

use super::machine::Machine;
use super::train::Stretch;
use crate::config::Config;
use crate::data::Dataset;
use crate::plot::{Figure, Line, Lines, Panel};
use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What is varied while all else stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// Timesteps.
    Steps,
    /// Samples in a batch.
    Batch,
    /// Hidden layers, all of the width of the first one.
    Layers,
    /// Neurons of each hidden layer.
    Width,
    /// Threads.
    Threads,
}

impl Axis {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Steps, Self::Batch, Self::Layers, Self::Width, Self::Threads];

    /// For tables and figures.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Steps => "timesteps",
            Self::Batch => "samples in a batch",
            Self::Layers => "hidden layers",
            Self::Width => "neurons per hidden layer",
            Self::Threads => "threads",
        }
    }

    /// The values that are measured.
    fn values(self, short: bool) -> Vec<usize> {
        let values: &[usize] = match self {
            Self::Steps => &[25, 50, 100, 200, 400, 800],
            Self::Batch => &[8, 16, 32, 64, 128, 256],
            Self::Layers => &[0, 1, 2, 4, 8],
            Self::Width => &[64, 128, 256, 512, 1024, 2048],
            Self::Threads => {
                let most = rayon::current_num_threads();
                return (1..=most).filter(|&count| count == most || count.is_power_of_two()).collect();
            }
        };
        values[..if short { 2 } else { values.len() }].to_vec()
    }

    /// The base with one value changed; for threads the base itself.
    fn config(self, base: &Config, value: usize) -> Config {
        let mut config = base.clone();
        let (inputs, last) = (base.layers[0], base.layers[base.layers.len() - 1]);
        let width = base.layers[1];
        let hidden = base.layers.len() - 2;
        match self {
            Self::Steps => config.steps = value,
            Self::Batch => config.batch = value,
            Self::Layers => config.layers = shape(inputs, width, value, last),
            Self::Width => config.layers = shape(inputs, value, hidden, last),
            Self::Threads => {}
        }
        config
    }
}

fn shape(inputs: usize, width: usize, hidden: usize, last: usize) -> Vec<usize> {
    let mut layers = vec![inputs];
    layers.resize(1 + hidden, width);
    layers.push(last);
    layers
}

/// One measured point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Of the axis.
    pub value: usize,
    /// Mean over the timed batches.
    pub samples_per_second: f64,
    /// Floating-point operations of a sample, 10⁶: counted as in [`super::work`].
    pub megaflop_per_sample: f64,
    /// Operations per second, 10⁹.
    pub gflops: f64,
    /// Thread-nanoseconds per 1,000 operations: the time of a sample, over all threads, divided by its work.
    pub cost: f64,
}

/// All points of an axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// What is varied.
    pub axis: Axis,
    /// In ascending order.
    pub points: Vec<Point>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// Of Spikelet.
    pub version: String,
    /// The network and schedule that one thing is changed of.
    pub base: String,
    /// What the machine can do.
    pub machine: Machine,
    /// One per axis.
    pub curves: Vec<Curve>,
}

/// Trains each point for about so many seconds; calls `done` with each point. With `short` each axis has two points.
///
/// # Errors
/// If a config does not fit the data, or a training comes to no number.
pub fn scaling(
    base: &Config,
    data: &Dataset,
    axes: &[Axis],
    seconds: f64,
    short: bool,
    mut done: impl FnMut(Axis, &Point),
) -> Result<Scaling> {
    let machine = Machine::measure();
    let mut curves = Vec::new();
    for &axis in axes {
        let mut points = Vec::new();
        for value in axis.values(short) {
            let config = axis.config(base, value);
            let threads = if axis == Axis::Threads { value } else { machine.threads };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
            let stretch = pool.install(|| Stretch::train(&config, data, seconds));
            let stretch = stretch.with_context(|| format!("{value} {}", axis.words()))?;
            let samples: usize = stretch.seen.batches.iter().map(|(samples, _)| samples).sum();
            let samples_per_second = samples as f64 / stretch.seen.wall.as_secs_f64();
            let operations = stretch.load.total().operations / stretch.load.batch;
            let point = Point {
                value,
                samples_per_second,
                megaflop_per_sample: operations / 1e6,
                gflops: operations * samples_per_second / 1e9,
                cost: 1e12 * threads as f64 / samples_per_second / operations,
            };
            done(axis, &point);
            points.push(point);
        }
        curves.push(Curve { axis, points });
    }
    let base = format!(
        "{} {} on {}, T = {}, batch {}",
        base.cell.name(),
        base.shape(),
        data.name,
        base.sequence(),
        base.batch
    );
    Ok(Scaling { version: env!("CARGO_PKG_VERSION").to_owned(), base, machine, curves })
}

impl Scaling {
    /// Throughput and cost per operation of each axis.
    pub fn figure(&self) -> Figure {
        let panel = |curve: &Curve, title: &str, y: &str, of: fn(&Point) -> f64| {
            let points = curve.points.iter().map(|point| (point.value as f64, of(point))).collect();
            // A curve that is flat shall look flat: the axis begins at 0, though nothing is drawn there.
            let zero = Line { points: vec![(f64::NAN, 0.0)], ..Line::default() };
            let line = Line { name: String::new(), points, spread: Vec::new() };
            Panel::Lines(Lines {
                title: title.to_owned(),
                x: curve.axis.words().to_owned(),
                y: y.to_owned(),
                lines: vec![line, zero],
            })
        };
        let curves = self.curves.iter().filter(|curve| !curve.points.is_empty());
        let panels = curves.flat_map(|curve| {
            [
                panel(curve, "training speed", "samples/s", |point| point.samples_per_second),
                panel(curve, "time per work", "thread-ns per 1,000 operations", |point| point.cost),
            ]
        });
        let mut figure = Figure::new("Training speed against the work", 2, panels.collect());
        figure.note =
            format!("{}; {} threads, {}", self.base, self.machine.threads, self.machine.simd.name());
        figure.size = (480, 260);
        figure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_axis_changes_one_thing() {
        let base = Config::default();
        assert_eq!(Axis::Layers.config(&base, 0).layers, [784, 100]);
        assert_eq!(Axis::Layers.config(&base, 3).layers, [784, 512, 512, 512, 100]);
        assert_eq!(Axis::Width.config(&base, 64).layers, [784, 64, 100]);
        assert_eq!(Axis::Steps.config(&base, 25), Config { steps: 25, ..base.clone() });
        assert_eq!(Axis::Batch.config(&base, 8), Config { batch: 8, ..base.clone() });
        let pool = rayon::ThreadPoolBuilder::new().num_threads(6).build().unwrap();
        assert_eq!(pool.install(|| Axis::Threads.values(false)), [1, 2, 4, 6]);
    }
}
