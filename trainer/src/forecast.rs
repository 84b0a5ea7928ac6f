//! How much memory a training takes: told before it begins, and measured when it is done.
//!
//! With B samples in a batch (no more than there are), T timesteps of the whole sequence, n_l neurons in layer l (n_0
//! inputs), P learnt numbers, and 4 bytes per number:
//!
//! | part | bytes |
//! |---|---|
//! | data | as they lie in memory: a byte per pixel, four per event |
//! | weights | 36 P: values, Adam's two moments, and the copies of all three that are written as a checkpoint |
//! | activations, SRC and LIF | 4 k B T Σ n_l, k blocks kept per layer (2 for SRC, 4 where α, ρ, z, r, r_s or z_s is learnt, 1 for LIF), and the spikes: ¼ B T Σ n_l, about 3 % of all neurons spiking, for a batch of training and one of evaluation |
//! | activations, GRU and BRC | 4 (k + 1) B T Σ n_l with k = 4 for GRU and 3 for BRC |
//! | gradients, SRC and LIF | 8 B T max n_l: of a layer's currents and of those above |
//! | gradients, GRU and BRC | 4 (2 k + 4) B T max n_l |
//! | program | 24 MB |
//!
//! All of it is linear in the number of layers, in T and in B. `tests/tests/memory.rs` holds it against the most that
//! trainings really took: within a factor of [`FACTOR`] for each kind of cell.

use crate::cell::Cell;
use crate::config::Config;
use crate::data::{Dataset, Samples};
use crate::kernel::SpikingLayer;
use crate::recurrent;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;

/// The most by which a forecast and what the training took differ, either way.
pub const FACTOR: f64 = 1.5;

/// Samples of a batch of evaluation.
const EVALUATED: usize = 128;

/// Bytes that a training takes, part by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// The data set.
    pub data: u64,
    /// Weights, what the optimiser knows of them, and a checkpoint while it is written.
    pub weights: u64,
    /// What a batch's forward pass keeps.
    pub activations: u64,
    /// What its backward pass adds.
    pub gradients: u64,
    /// The program itself.
    pub program: u64,
}

impl Forecast {
    /// For a config that fits the data.
    pub fn of(config: &Config, data: &Dataset) -> Self {
        let (steps, batch) = (config.sequence() as u64, config.batch.min(config.samples(data)) as u64);
        let neurons: Vec<u64> = config.layers[1..].iter().map(|&count| count as u64).collect();
        let (sum, most) = (neurons.iter().sum::<u64>(), neurons.iter().copied().max().unwrap_or(0));
        let (activations, gradients) = match recurrent::Kind::of(&config.cell) {
            None => {
                let kept = 4 * kept(&config.cell) * batch * steps * sum;
                let spikes = (batch + EVALUATED as u64) * steps * sum / 4;
                (kept + spikes, 8 * batch * steps * most)
            }
            Some(kind) => {
                let kept = kind.kept() as u64;
                (4 * (kept + 1) * batch * steps * sum, 4 * (2 * kept + 4) * batch * steps * most)
            }
        };
        let weights = 36 * parameters(config);
        let data = bytes(&data.train) + bytes(&data.test);
        Self { data, weights, activations, gradients, program: 24_000_000 }
    }

    /// All parts together.
    pub const fn total(&self) -> u64 {
        self.data + self.weights + self.activations + self.gradients + self.program
    }

    /// A sentence if the machine has not so much memory; `None` also where that is not known.
    pub fn warning(&self, batch: usize) -> Option<String> {
        let machine = machine_memory()?;
        (self.total() > machine).then(|| self.too_much(machine, batch))
    }

    fn too_much(&self, machine: u64, batch: usize) -> String {
        format!(
            "warning: this training takes about {}, more than the {} of this machine: lower --batch, which is {batch}, or the \
             number of timesteps",
            words(self.total()),
            words(machine)
        )
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "memory: about {} (activations {}, gradients {}, weights and optimiser {}, data {})",
            words(self.total()),
            words(self.activations),
            words(self.gradients),
            words(self.weights),
            words(self.data)
        )
    }
}

/// Blocks that a layer of spiking cells keeps.
fn kept(cell: &Cell) -> u64 {
    let parameters: Vec<f32> =
        cell.parameters(1).iter().flat_map(|p| vec![p.start as f32; p.length]).collect();
    SpikingLayer::new(cell, 1, &parameters).map_or(0, |layer| layer.kept() as u64)
}

/// P, the learnt numbers of a network.
fn parameters(config: &Config) -> u64 {
    let layer = |pair: &[usize]| {
        let (inputs, neurons) = (pair[0], pair[1]);
        match recurrent::Kind::of(&config.cell) {
            Some(kind) => {
                let (rows, columns) = kind.recurrent_shape(neurons);
                3 * neurons * (inputs + 1) + rows * columns
            }
            None => {
                let cell = config.cell.parameters(neurons);
                inputs * neurons + cell.iter().map(|parameter| parameter.length).sum::<usize>()
            }
        }
    };
    config.layers.windows(2).map(layer).sum::<usize>() as u64
}

fn bytes(samples: &Samples) -> u64 {
    match samples {
        Samples::Images(images) => (images.pixels.len() + images.labels.len()) as u64,
        Samples::Recordings(recordings) => recordings.bytes() as u64,
    }
}

/// A number of bytes for people: `1.23 GB`, `55 MB`.
pub fn words(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes >= 1e9 => format!("{:.2} GB", bytes / 1e9),
        bytes if bytes >= 1e6 => format!("{:.0} MB", bytes / 1e6),
        bytes => format!("{:.0} kB", bytes / 1e3),
    }
}

/// Bytes of memory that this process may have: the machine's, or less where a control group says so; `None` where that
/// is not known (it is on Linux).
pub fn machine_memory() -> Option<u64> {
    let kilobytes = field(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit = limits.iter().find_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    Some(limit.unwrap_or(u64::MAX).min(1024 * kilobytes))
}

/// The most bytes that this process has had in memory at once since [`forget_peak`]; `None` where that is not known (it
/// is on Linux).
pub fn peak_memory() -> Option<u64> {
    Some(1024 * field(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")?)
}

/// Lets [`peak_memory`] count from now on, so that each of a process's trainings has a figure of its own.
pub fn forget_peak() {
    // Where that is refused, the figure is of the whole process.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::CellName;
    use crate::data::{DatasetName, Images};
    use crate::network::Network;

    fn data() -> Dataset {
        let images = Images { width: 28, height: 28, pixels: vec![0; 784 * 1000], labels: vec![0; 1000] };
        let samples = Samples::Images(images);
        let class_names = vec![String::new(); 10];
        Dataset { name: DatasetName::Digits, classes: 10, class_names, train: samples.clone(), test: samples }
    }

    fn forecast(change: impl FnOnce(&mut Config)) -> Forecast {
        let mut config = Config::default();
        change(&mut config);
        Forecast::of(&config, &data())
    }

    #[test]
    fn a_default_training_by_hand() {
        let slots = 64 * 200 * 612;
        let expected = Forecast {
            data: 2 * 785 * 1000,
            weights: 36 * (784 * 512 + 512 + 512 * 100 + 100),
            activations: 8 * slots + (64 + 128) * 200 * 612 / 4,
            gradients: 8 * 64 * 200 * 512,
            program: 24_000_000,
        };
        assert_eq!(forecast(|_| ()), expected);
        assert_eq!(words(expected.total()), "163 MB");
    }

    #[test]
    fn parameters_are_counted_for_every_cell() {
        for cell in [CellName::Src, CellName::Lif, CellName::Gru, CellName::Brc] {
            let mut config = Config { layers: vec![784, 30, 20], ..Config::default() };
            config.set_cell(cell);
            let network = Network::<f32>::new(config.architecture(10), 0).unwrap();
            let named: usize = network.named().iter().map(|p| p.value.elem_count()).sum();
            assert_eq!(parameters(&config), named as u64, "{cell:?}");
        }
    }

    #[test]
    fn memory_grows_linearly() {
        let of = |layers: usize, steps: usize, batch: usize| {
            let mut widths = vec![784];
            widths.resize(layers, 512);
            widths.push(100);
            forecast(|config| (config.layers, config.steps, config.batch) = (widths, steps, batch)).total()
                as i64
        };
        // Equal differences for equal steps.
        let ways: [&dyn Fn(usize) -> i64; 3] =
            [&|k| of(k, 200, 64), &|k| of(3, 10 * k, 64), &|k| of(3, 200, 16 * k)];
        for at in ways {
            assert_eq!(at(5) - at(4), at(4) - at(3));
            assert!(at(5) > at(4));
        }
        let deepest = of(15, 200, 64);
        assert!(deepest < 8_000_000_000, "15 layers of 512 take {}", words(deepest as u64));
    }

    #[test]
    fn a_batch_is_no_larger_than_the_training_set() {
        let large = |batch| forecast(|config| config.batch = batch);
        assert_eq!(large(1000), large(1_000_000));
    }

    #[test]
    fn what_cannot_fit_has_a_sentence() {
        let forecast = forecast(|_| ());
        assert!(machine_memory().is_none_or(|machine| machine > 100_000_000));
        let sentence = forecast.too_much(100_000_000, 64);
        assert_eq!(
            sentence,
            "warning: this training takes about 163 MB, more than the 100 MB of this machine: lower --batch, which is 64, or \
             the number of timesteps"
        );
        assert_eq!(forecast.warning(64), None);
        let huge = Forecast { activations: u64::MAX / 2, ..forecast };
        assert_eq!(huge.warning(64).is_some(), machine_memory().is_some());
    }
}
