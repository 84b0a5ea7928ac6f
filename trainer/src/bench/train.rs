//! How fast a network trains: real batches, from pixels to Adam's step, as `spikelet train` makes them.

use super::machine::Machine;
use super::work::{self, Load, Work};
use super::{Bench, Figure, Kind, StageFigure};
use crate::config::Config;
use crate::data::Dataset;
use crate::forecast;
use crate::network::Network;
use crate::spike_train::Show;
use crate::stage::{Seen, Stage, Watch};
use crate::train::Rehearsal;
use anyhow::Result;
use std::time::{Duration, Instant};

/// Batches before the clock runs: memory is fetched, and layers begin to spike.
const WARM_UP: usize = 8;

/// Fewest batches that are timed.
const LEAST: usize = 4;

/// A trained stretch of batches.
#[derive(Debug)]
pub struct Stretch {
    /// Times of stages and batches.
    pub seen: Seen,
    /// The work per batch.
    pub load: Load,
    /// Per layer, share of timesteps with a spike at the end (Eq. 2).
    pub activity: Vec<f64>,
    /// The most memory taken meanwhile, in bytes, where that is known.
    pub memory: Option<u64>,
}

impl Stretch {
    /// Trains for about so many seconds, warm-up not counted, on the threads of the pool that this is called in.
    ///
    /// # Errors
    /// If the config does not fit the data, or the training comes to no number.
    pub fn train(config: &Config, data: &Dataset, seconds: f64) -> Result<Self> {
        let mut rehearsal = Rehearsal::new(config, data)?;
        rehearsal.train(1)?;
        let start = Instant::now();
        rehearsal.train(WARM_UP)?;
        let batch = start.elapsed().as_secs_f64() / WARM_UP as f64;
        let batches = ((seconds / batch) as usize).max(LEAST);
        forecast::forget_peak();
        let watch = Watch::start();
        rehearsal.train(batches)?;
        let seen = watch.stop();
        let memory = forecast::peak_memory();
        let (spikes, activity) = look(config, data, rehearsal.network())?;
        let parameters =
            rehearsal.network().named().iter().map(|parameter| parameter.value.elem_count()).sum();
        Ok(Self { seen, load: Load::new(config, parameters, spikes), activity, memory })
    }

    /// Samples per second of each batch.
    pub fn speeds(&self) -> Vec<f64> {
        let batches = self.seen.batches.iter();
        batches.map(|(samples, time)| *samples as f64 / time.as_secs_f64().max(1e-9)).collect()
    }
}

/// Spikes per sample of input and layers, and the layers' activity, on a batch of training samples.
fn look(config: &Config, data: &Dataset, network: &Network<f32>) -> Result<(Vec<f64>, Vec<f64>)> {
    let count = config.batch.min(data.train.len());
    let indices: Vec<usize> = (0..count).collect();
    let batch = config.encoding().batch(&data.train, &indices, Show::Training { epoch: 0 });
    let input: usize = batch.trains.iter().map(|train| train.inputs.len()).sum();
    let output = network.forward(batch, None)?;
    let spikes = std::iter::once(input as f64).chain(output.spiking.iter().copied());
    Ok((spikes.map(|spikes| spikes / count as f64).collect(), output.activity()))
}

/// Trains for about so many seconds and says what that took.
///
/// # Errors
/// If the config does not fit the data, or the training comes to no number.
pub fn train(config: &Config, data: &Dataset, seconds: f64) -> Result<Bench> {
    let machine = Machine::measure();
    let stretch = Stretch::train(config, data, seconds)?;
    let Stretch { seen, load, activity, memory } = &stretch;
    let samples: usize = seen.batches.iter().map(|(samples, _)| samples).sum();
    let mut figures = vec![
        Figure::of("training speed, per batch", &stretch.speeds(), "samples/s"),
        Figure::new("training speed, all batches", samples as f64 / seen.wall.as_secs_f64(), "samples/s"),
        Figure::new("work of a sample", load.total().operations / load.batch / 1e6, "MFLOP"),
    ];
    figures.extend(memory.map(|bytes| Figure::new("most memory taken", bytes as f64 / 1e6, "MB")));
    let setting = [
        ("network", format!("{} {}", config.cell.name(), config.shape())),
        ("data", format!("{}, T = {}, batch {}", data.name, config.sequence(), config.batch)),
        ("timed", format!("{} batches behind {WARM_UP} of warm-up", seen.batches.len())),
        (
            "activity per layer",
            activity.iter().map(|a| format!("{:.2} %", 100.0 * a)).collect::<Vec<_>>().join(", "),
        ),
    ];
    Ok(Bench {
        bench: Kind::Train,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        setting: setting.map(|(name, value)| (name.to_owned(), value)).into(),
        figures,
        stages: stages(config, &machine, seen, load),
        machine,
    })
}

/// What each stage took; what is left is the rest.
fn stages(config: &Config, machine: &Machine, seen: &Seen, load: &Load) -> Vec<StageFigure> {
    let all = seen.wall.as_secs_f64() * machine.threads as f64;
    let batches = seen.batches.len() as f64;
    let samples: usize = seen.batches.iter().map(|(samples, _)| samples).sum();
    // The last batch of an epoch may be smaller than the others.
    let whole = samples as f64 / load.batch;
    let mut rows = Vec::new();
    let mut known = 0.0;
    for (stage, layer) in load.stages() {
        let spent = seen.spent(stage, layer);
        // Cells that do not spike have ways of their own, which have no timers.
        if spent == Duration::ZERO {
            continue;
        }
        let (seconds, Work { operations, bytes }) = (spent.as_secs_f64(), load.of(stage, layer));
        known += seconds;
        let times = if stage == Stage::Optimiser { batches } else { whole };
        let rate = |count: f64, most: f64| {
            let rate = count * times / (seconds / machine.threads as f64) / 1e9;
            (count > 0.0).then_some([rate, rate / most])
        };
        rows.push(StageFigure {
            name: work::name(stage, layer, &config.layers),
            share: seconds / all,
            milliseconds: 1e3 * seconds / batches,
            gflops: rate(operations, machine.gflops),
            gigabytes_per_second: rate(bytes, machine.gigabytes_per_second),
        });
    }
    let rest = (all - known).max(0.0);
    rows.push(StageFigure {
        name: "graph, waiting, rest".to_owned(),
        share: rest / all,
        milliseconds: 1e3 * rest / batches,
        gflops: None,
        gigabytes_per_second: None,
    });
    rows
}
