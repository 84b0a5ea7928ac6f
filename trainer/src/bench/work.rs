//! How much work a stage is, counted from the network's shape and the spikes that it really has.
//!
//! With T timesteps, N neurons of a layer, S spikes that come in per sample, B samples in a batch and P learnt numbers:
//!
//! | stage | floating-point operations per batch | bytes to and from memory per batch |
//! |---|---|---|
//! | encoding | none | 2 S B written: an index per spike |
//! | forward | B (v S N + 60 T N) | 4 k B T N written: what the backward pass needs |
//! | ∂L/∂s product | 2 B T N N_above | 4 B T N_above read |
//! | scan | 10 B T N | 4 B T N (k + 1), read and written |
//! | ∂L/∂W | B v S N | 4 B T N read, 4 N_below N written |
//! | loss and readout | 2 B S of the last layer | 4 B S |
//! | optimiser | 16 P | 32 P: the gradient twice, weights and two moments read and written |
//!
//! v is 1 for spikes of value 1, which are only added, and 2 for graded ones; 60 stands for the two tanh of a neuron (22
//! each) and Eq. 3b to 3e (16), and is 6 for LIF. Weights are taken to stay in the caches. So the counts say what has to be
//! done, not what a program does.

use crate::cell::{Cell, SpikeKind};
use crate::config::Config;
use crate::stage::Stage;

/// Operations and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Floating-point operations, a multiply-add being two.
    pub operations: f64,
    /// Bytes that have to come from memory or go there.
    pub bytes: f64,
}

/// What the counts need to know of a network at work.
#[derive(Clone, Debug)]
pub struct Load {
    /// B.
    pub batch: f64,
    /// T of the whole sequence.
    pub steps: f64,
    /// Inputs, then neurons per layer.
    pub widths: Vec<f64>,
    /// Spikes per sample: of the input, then of each layer.
    pub spikes: Vec<f64>,
    /// Learnt numbers.
    pub parameters: f64,
    /// Blocks kept for the backward pass.
    kept: f64,
    /// Operations of a neuron's timestep.
    neuron_step: f64,
    /// True if layers give graded spikes.
    graded: bool,
}

impl Load {
    /// Of a config, with `spikes` per sample: of the input, then of each layer.
    pub fn new(config: &Config, parameters: usize, spikes: Vec<f64>) -> Self {
        let (kept, neuron_step, graded) = match &config.cell {
            Cell::Src(cell) => (2.0, 60.0, cell.spikes == SpikeKind::Graded),
            _ => (1.0, 6.0, false),
        };
        Self {
            batch: config.batch as f64,
            steps: config.sequence() as f64,
            widths: config.layers.iter().map(|&width| width as f64).collect(),
            spikes,
            parameters: parameters as f64,
            kept,
            neuron_step,
            graded,
        }
    }

    /// Number of layers.
    pub fn layers(&self) -> usize {
        self.widths.len() - 1
    }

    /// What a batch is in a stage of a layer.
    pub fn of(&self, stage: Stage, layer: usize) -> Work {
        let Self { batch, steps, parameters, kept, .. } = *self;
        let (below, neurons) = (self.widths[layer], self.widths[layer + 1]);
        let slots = batch * steps * neurons;
        let per_spike = if layer > 0 && self.graded { 2.0 } else { 1.0 };
        let added = batch * per_spike * self.spikes[layer] * neurons;
        let last = batch * self.spikes[self.layers()];
        let (operations, bytes) = match stage {
            Stage::Encoding => (0.0, 2.0 * batch * self.spikes[0]),
            Stage::Forward => (added + self.neuron_step * slots, 4.0 * kept * slots),
            Stage::Product => match self.widths.get(layer + 2) {
                Some(above) => (2.0 * slots * above, 4.0 * batch * steps * above),
                None => (0.0, 0.0),
            },
            Stage::Scan => (10.0 * slots, 4.0 * (kept + 1.0) * slots),
            Stage::WeightGradient => (added, 4.0 * slots + 4.0 * below * neurons),
            Stage::Loss => (2.0 * last, 4.0 * last),
            Stage::Optimiser => (16.0 * parameters, 32.0 * parameters),
        };
        Work { operations, bytes }
    }

    /// All stages of all layers.
    pub fn total(&self) -> Work {
        let sum = |work: Work, other: Work| Work {
            operations: work.operations + other.operations,
            bytes: work.bytes + other.bytes,
        };
        self.stages().map(|(stage, layer)| self.of(stage, layer)).fold(Work::default(), sum)
    }

    /// Every stage, in the order in which a batch goes through them.
    pub fn stages(&self) -> impl Iterator<Item = (Stage, usize)> + use<> {
        let layers = self.layers();
        let forward = (0..layers).map(|layer| (Stage::Forward, layer));
        let backward = (0..layers).rev().flat_map(move |layer| {
            let product = (layer + 1 < layers).then_some((Stage::Product, layer));
            product.into_iter().chain([(Stage::Scan, layer), (Stage::WeightGradient, layer)])
        });
        std::iter::once((Stage::Encoding, 0))
            .chain(forward)
            .chain([(Stage::Loss, 0)])
            .chain(backward)
            .chain([(Stage::Optimiser, 0)])
    }
}

/// A stage in words: `forward 784-512`.
pub fn name(stage: Stage, layer: usize, widths: &[usize]) -> String {
    let shape = |at: usize| {
        let pair = &widths[at..=at + 1];
        // Layers of one shape differ by their number.
        let same = widths.windows(2).filter(|other| *other == pair).count() > 1;
        let number = if same { format!(", layer {at}") } else { String::new() };
        format!("{}-{}{number}", pair[0], pair[1])
    };
    match stage {
        Stage::Encoding => "encoding".to_owned(),
        Stage::Forward => format!("forward {}", shape(layer)),
        // The product is with the weights above.
        Stage::Product => format!("∂L/∂s product {}", shape(layer + 1)),
        Stage::Scan => format!("scan {}", shape(layer)),
        Stage::WeightGradient => format!("∂L/∂W {}", shape(layer)),
        Stage::Loss => "readout and loss".to_owned(),
        Stage::Optimiser => "clipping and Adam".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_by_hand() {
        let config = Config { layers: vec![10, 4, 3], steps: 5, batch: 2, ..Config::default() };
        let load = Load::new(&config, 55, vec![20.0, 6.0, 4.0]);
        let of = |stage, layer| load.of(stage, layer);
        assert_eq!(of(Stage::Forward, 0).operations, 2.0 * (20.0 * 4.0 + 60.0 * 20.0));
        assert_eq!(of(Stage::Forward, 1).operations, 2.0 * (2.0 * 6.0 * 3.0 + 60.0 * 15.0));
        assert_eq!(of(Stage::Product, 0), Work { operations: 2.0 * 2.0 * 5.0 * 4.0 * 3.0, bytes: 120.0 });
        assert_eq!(of(Stage::Product, 1), Work::default());
        assert_eq!(of(Stage::Optimiser, 0).bytes, 32.0 * 55.0);
        let names: Vec<_> = load.stages().map(|(stage, layer)| name(stage, layer, &[10, 4, 3])).collect();
        assert_eq!(names[..3], ["encoding", "forward 10-4", "forward 4-3"]);
        assert_eq!(names[4..7], ["scan 4-3", "∂L/∂W 4-3", "∂L/∂s product 4-3"]);
        assert_eq!(name(Stage::Scan, 1, &[4, 4, 4]), "scan 4-4, layer 1");
    }
}
