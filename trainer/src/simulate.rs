//! A model on the host, in the very code that runs on the device.

use crate::data::Samples;
use crate::spike_train::{Encoding, Show, SpikeTrain};
use crate::stage::{self, Stage};
use rayon::prelude::*;
use serde::Serialize;
use spikelet_export::{ModelFile, SelfTestError};
use spikelet_runtime::formats::{Current, Score};
use spikelet_runtime::{MAX_WIDTH, MemoryView, Need, Network, Potentials, Spike};

/// When a sample's timesteps end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Stop {
    /// With its sequence.
    #[default]
    AtTheEnd,
    /// As soon as the network has decided, by the margin of its model.
    WhenDecided,
}

/// What a network says of one sample; equal on host and device in every bit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Inference {
    /// The class with the highest score.
    pub class: u16,
    /// Timesteps made.
    pub steps: u16,
    /// Bits of each class's [`Score`] after the last timestep.
    pub scores: Vec<i32>,
    /// Per layer: spiking timesteps summed over its neurons.
    pub spike_counts: Vec<u32>,
}

/// What simulating a set of samples gave.
#[derive(Clone, Debug, Default)]
pub struct Simulation {
    /// One per sample, in order.
    pub inferences: Vec<Inference>,
    /// Per layer and neuron: spiking timesteps over all samples.
    pub neuron_spikes: Vec<Vec<u64>>,
    /// Per layer: timesteps over all samples in which a current was kept within its range.
    pub saturations: Vec<u64>,
    /// Input spikes over all samples.
    pub input_spikes: u64,
}

/// Memory for a network of any size on the heap.
#[derive(Debug)]
pub struct HostMemory {
    currents: Vec<Current>,
    potentials: Vec<Potentials>,
    sums: Vec<i32>,
    spikes: Box<heapless::Vec<Spike, MAX_WIDTH>>,
    scores: Vec<Score>,
    votes: Vec<u32>,
}

impl HostMemory {
    /// Memory for what a model needs.
    pub fn new(need: Need) -> Self {
        Self {
            currents: vec![Current::ZERO; need.neurons],
            potentials: vec![Potentials::REST; need.potentials],
            sums: vec![0; need.widest],
            spikes: Box::default(),
            scores: vec![Score::ZERO; need.classes],
            votes: vec![0; need.classes],
        }
    }

    /// The memory as a network takes it.
    pub fn view(&mut self) -> MemoryView<'_> {
        MemoryView {
            currents: &mut self.currents,
            potentials: &mut self.potentials,
            sums: &mut self.sums,
            spikes: &mut *self.spikes,
            scores: &mut self.scores,
            votes: &mut self.votes,
        }
    }

    /// i of SRC or V of LIF per neuron, and h and h_s per neuron of SRC, layer after layer: as the last network left them.
    pub fn states(&self) -> (Vec<Current>, Vec<Potentials>) {
        (self.currents.clone(), self.potentials.clone())
    }
}

/// Runs one spike train through the model until `stop`, in any memory that is large enough for it.
///
/// # Panics
/// If the memory was made for a smaller model.
pub fn infer(file: &ModelFile<'_>, memory: &mut HostMemory, train: &SpikeTrain, stop: Stop) -> Inference {
    let mut network =
        Network::new(file.model(), memory.view()).expect("host memory is as large as the model needs");
    run(&mut network, train, stop, |_, _| {})
}

/// Runs one spike train through a network, from rest until `stop`, and shows `observe` the spikes of each layer.
fn run(
    network: &mut Network<'_, '_>,
    train: &SpikeTrain,
    stop: Stop,
    mut observe: impl FnMut(usize, &[Spike]),
) -> Inference {
    network.reset();
    let mut steps = 0;
    for t in 0..train.steps() {
        network.step_observed(train.at(t), &mut observe);
        steps = t as u16 + 1;
        if stop == Stop::WhenDecided && network.has_decided() {
            break;
        }
    }
    Inference {
        class: network.class(),
        steps,
        scores: network.scores().iter().map(|score| score.to_bits()).collect(),
        spike_counts: network.spike_counts().to_vec(),
    }
}

/// Runs a model's self-test on the host.
///
/// # Errors
/// [`SelfTestError`] if this program computes something else than the one that wrote the model.
pub fn self_test(file: &ModelFile<'_>) -> Result<(), SelfTestError> {
    let mut memory = HostMemory::new(file.model().need());
    let mut spiking = Box::new(heapless::Vec::<u16, MAX_WIDTH>::new());
    // The memory is as large as the model needs.
    let network = Network::new(file.model(), memory.view()).ok();
    network.map_or(Err(SelfTestError::Room), |mut network| file.self_test(&mut network, &mut *spiking))
}

/// Runs every sample through the model, encoded in its evaluation stream; calls `done` after each.
///
/// The result does not depend on the number of threads.
///
/// # Panics
/// If the samples have another number of inputs than the model, or are images and the model is for recordings.
pub fn simulate(file: &ModelFile<'_>, samples: &Samples, done: impl Fn() + Sync) -> Simulation {
    simulate_until(file, samples, Stop::AtTheEnd, done)
}

/// The same, each sample's timesteps ending as `stop` says.
///
/// # Panics
/// As [`simulate`].
pub fn simulate_until(
    file: &ModelFile<'_>,
    samples: &Samples,
    stop: Stop,
    done: impl Fn() + Sync,
) -> Simulation {
    let need = file.model().need();
    assert_eq!(samples.inputs(), need.inputs, "the samples do not fit the model");
    let encoding = Encoding::of_model(file);
    // Few long pieces: each has counters of its own.
    let piece = samples.len().div_ceil(8 * rayon::current_num_threads()).max(1);
    let pieces: Vec<Simulation> = (0..samples.len())
        .into_par_iter()
        .chunks(piece)
        .map(|indices| {
            let mut memory = HostMemory::new(need);
            let mut simulator = Simulator::new(file, memory.view());
            for index in indices {
                simulator.present(&encoding.train(samples, index, Show::Evaluation), stop);
                done();
            }
            simulator.total
        })
        .collect();
    pieces.into_iter().reduce(Simulation::plus).unwrap_or_default()
}

struct Simulator<'m, 'a> {
    network: Network<'m, 'a>,
    total: Simulation,
}

impl<'m, 'a> Simulator<'m, 'a> {
    fn new(file: &'m ModelFile<'m>, memory: MemoryView<'a>) -> Self {
        let model = file.model();
        let counters = model.layers().iter().map(|layer| vec![0; usize::from(layer.synapses().neurons())]);
        let saturations = vec![0; model.layers().len()];
        let total = Simulation { neuron_spikes: counters.collect(), saturations, ..Simulation::default() };
        let network = Network::new(model, memory).expect("host memory is as large as the model needs");
        Self { network, total }
    }

    fn present(&mut self, train: &SpikeTrain, stop: Stop) {
        let _timer = stage::time(Stage::Forward, 0);
        let Self { network, total } = self;
        let inference = run(network, train, stop, |layer, spikes| {
            for spike in spikes {
                total.neuron_spikes[layer][usize::from(spike.neuron)] += 1;
            }
        });
        total.input_spikes += u64::from(train.offsets[usize::from(inference.steps)]);
        for (total, &count) in total.saturations.iter_mut().zip(network.saturations()) {
            *total += u64::from(count);
        }
        total.inferences.push(inference);
    }
}

impl Simulation {
    fn plus(mut self, next: Self) -> Self {
        self.inferences.extend(next.inferences);
        for (layer, more) in self.neuron_spikes.iter_mut().zip(next.neuron_spikes) {
            layer.iter_mut().zip(more).for_each(|(count, more)| *count += more);
        }
        self.saturations.iter_mut().zip(next.saturations).for_each(|(count, more)| *count += more);
        self.input_spikes += next.input_spikes;
        self
    }

    /// The classes the model chose, in order.
    pub fn classes(&self) -> Vec<u8> {
        self.inferences.iter().map(|inference| inference.class as u8).collect()
    }

    /// Mean cross-entropy of the softmax of the scores (section 4.3), for one label per sample.
    pub fn cross_entropy(&self, labels: &[u8]) -> f64 {
        let of = |(inference, &label): (&Inference, &u8)| {
            let scores = inference.scores.iter().map(|&bits| Score::from_bits(bits).to_num::<f64>());
            let scores: Vec<f64> = scores.collect();
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = scores.iter().map(|score| (score - most).exp()).sum();
            most + sum.ln() - scores[usize::from(label)]
        };
        self.inferences.iter().zip(labels).map(of).sum::<f64>() / self.inferences.len() as f64
    }

    /// Mean number of timesteps of a sample.
    pub fn mean_steps(&self) -> f64 {
        self.steps() / self.inferences.len() as f64
    }

    /// Timesteps of all samples.
    pub fn steps(&self) -> f64 {
        self.inferences.iter().map(|inference| f64::from(inference.steps)).sum()
    }

    /// Per layer: share of timesteps in which a neuron spikes (Eq. 2).
    pub fn activity(&self) -> Vec<f64> {
        let slots = self.steps();
        let share = |layer: &Vec<u64>| layer.iter().sum::<u64>() as f64 / (slots * layer.len() as f64);
        self.neuron_spikes.iter().map(share).collect()
    }

    /// Per layer: neurons that never spiked.
    pub fn never_spiking(&self) -> Vec<Vec<usize>> {
        self.which(|count| count == 0)
    }

    /// Per layer: neurons that spiked in more than nine of ten timesteps.
    pub fn always_spiking(&self) -> Vec<Vec<usize>> {
        let most = 0.9 * self.steps();
        self.which(|count| count as f64 > most)
    }

    /// Per layer: neurons whose spiking timesteps are so many.
    fn which(&self, are: impl Fn(u64) -> bool) -> Vec<Vec<usize>> {
        let of = |layer: &Vec<u64>| (0..layer.len()).filter(|&neuron| are(layer[neuron])).collect();
        self.neuron_spikes.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_of_scores_by_hand() {
        let of = |scores: [f64; 2]| Inference {
            scores: scores.iter().map(|&score| Score::from_num(score).to_bits()).collect(),
            ..Inference::default()
        };
        let simulation =
            Simulation { inferences: vec![of([0.0, 0.0]), of([3.0, 1.0])], ..Simulation::default() };
        // ln 2, and ln(1 + e²) - 0 for the score that is 2 lower.
        let expected = (2f64.ln() + (1.0 + 2f64.exp()).ln()) / 2.0;
        assert!((simulation.cross_entropy(&[1, 1]) - expected).abs() < 1e-12);
    }
}
