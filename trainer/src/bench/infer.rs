//! How fast the host evaluates a model in the device's fixed point, as `spikelet eval` does.

use super::machine::Machine;
use super::{Bench, Figure, Kind, StageFigure};
use crate::config::Config;
use crate::data::{Dataset, Samples};
use crate::deploy::{self, Measured, Trained};
use crate::forecast;
use crate::simulate::{Simulation, simulate};
use crate::stage::{Stage, Watch};
use crate::train::Rehearsal;
use anyhow::Result;
use spikelet_export::{AlignedBytes, ModelFile};
use std::time::{Duration, Instant};

/// Batches that a network without a model file is trained for, so that its layers spike as trained ones do.
pub const TRAINED: usize = 60;

/// Repetitions, if the time allows them.
const REPEATS: usize = 7;

/// A model trained for [`TRAINED`] batches.
///
/// # Errors
/// If the config does not fit the data, or no device runs its cells.
pub fn trained_shortly(config: &Config, data: &Dataset) -> Result<AlignedBytes> {
    let mut rehearsal = Rehearsal::new(config, data)?;
    let quantised = |rehearsal: &Rehearsal<'_>| {
        let trained = Trained { config: config.clone(), network: rehearsal.network().clone() };
        deploy::quantise_network(&trained, None)
    };
    // What no device runs is refused before the training.
    quantised(&rehearsal)?;
    rehearsal.train(TRAINED)?;
    quantised(&rehearsal)?.model(config, &data.test, Measured::default())
}

/// Shows `samples` to a model, again and again for about so many seconds (at least once), on the threads of the pool
/// that this is called in. `origin` says where the model comes from.
///
/// # Panics
/// If the samples do not fit the model.
pub fn infer(file: &ModelFile<'_>, samples: &Samples, data: &str, origin: &str, seconds: f64) -> Bench {
    let machine = Machine::measure();
    // What the first samples fetch, the others find.
    simulate(file, &samples.take(samples.len().min(64)), || {});
    forecast::forget_peak();
    let watch = Watch::start();
    let (begin, mut times, mut simulation) = (Instant::now(), Vec::new(), Simulation::default());
    while times.is_empty() || (times.len() < REPEATS && begin.elapsed().as_secs_f64() < seconds) {
        let start = Instant::now();
        simulation = simulate(file, samples, || {});
        times.push(start.elapsed().as_secs_f64());
    }
    let (seen, memory) = (watch.stop(), forecast::peak_memory());

    let layers = file.model().layers().iter().map(|layer| layer.synapses());
    let widths: Vec<(f64, f64)> =
        layers.map(|synapses| (f64::from(synapses.inputs()), f64::from(synapses.neurons()))).collect();
    let steps = f64::from(file.model().steps());
    let count = samples.len() as f64;
    let spikes = std::iter::once(simulation.input_spikes as f64)
        .chain(simulation.neuron_spikes.iter().map(|layer| layer.iter().sum::<u64>() as f64));
    let synaptic: f64 = spikes.zip(&widths).map(|(spikes, &(_, neurons))| spikes * neurons).sum();
    let neuron_steps: f64 = count * steps * widths.iter().map(|&(_, neurons)| neurons).sum::<f64>();

    let passes = times.len() as f64;
    let network = seen.spent(Stage::Forward, 0).as_secs_f64() / passes;
    let of = |value: &dyn Fn(f64) -> f64| times.iter().map(|&time| value(time)).collect::<Vec<f64>>();
    let mut figures = vec![
        Figure::of("evaluation speed", &of(&|time| count / time), "samples/s"),
        Figure::of("time for 10,000 samples", &of(&|time| 10_000.0 * time / count), "s"),
        Figure::of("synaptic operations", &of(&|time| synaptic / time / 1e6), "10⁶/s"),
        Figure::new(
            "neuron's timestep, its synapses included",
            1e9 * network / neuron_steps,
            "ns on one thread",
        ),
    ];
    figures.extend(memory.map(|bytes| Figure::new("most memory taken", bytes as f64 / 1e6, "MB")));
    let shape: Vec<String> = std::iter::once(widths.first().map_or(0.0, |&(inputs, _)| inputs))
        .chain(widths.iter().map(|&(_, neurons)| neurons))
        .map(|width| width.to_string())
        .collect();
    let activity = simulation.activity();
    let activity: Vec<String> = activity.iter().map(|share| format!("{:.2} %", 100.0 * share)).collect();
    let setting = [
        ("model", format!("{}, {origin}", shape.join("-"))),
        ("data", format!("{} test samples of {data}, T = {steps}", samples.len())),
        ("timed", format!("{} passes", times.len())),
        ("activity per layer", activity.join(", ")),
    ];
    let wall: f64 = times.iter().sum();
    Bench {
        bench: Kind::Infer,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        setting: setting.map(|(name, value)| (name.to_owned(), value)).into(),
        figures,
        stages: stages(
            &[
                ("encoding", seen.spent(Stage::Encoding, 0)),
                ("network in fixed point", seen.spent(Stage::Forward, 0)),
            ],
            wall * machine.threads as f64,
            count * passes,
        ),
        machine,
    }
}

/// Shares of `all` thread-seconds in which so many samples were shown.
fn stages(spent: &[(&str, Duration)], all: f64, samples: f64) -> Vec<StageFigure> {
    let row = |name: &str, seconds: f64| StageFigure {
        name: name.to_owned(),
        share: seconds / all,
        milliseconds: 1e6 * seconds / samples,
        gflops: None,
        gigabytes_per_second: None,
    };
    let known: f64 = spent.iter().map(|(_, time)| time.as_secs_f64()).sum();
    let mut rows: Vec<_> = spent.iter().map(|(name, time)| row(name, time.as_secs_f64())).collect();
    rows.push(row("waiting, rest", (all - known).max(0.0)));
    rows
}
