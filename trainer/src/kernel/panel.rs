//! Panels: a layer's neurons, 64 by 64.
//!
//! The neurons of a layer know nothing of each other, so a panel goes through all timesteps of a sample on its own, with
//! its sums in registers and all its numbers in the nearest caches. What a layer keeps of a sample, and the gradients at
//! its currents, stand panel after panel:
//!
//! | block | shape |
//! |---|---|
//! | a sample's states | per panel `[kept blocks, timesteps, neurons of the panel]` |
//! | a batch's ∂L/∂i | per panel `[samples, timesteps, neurons of the panel]` |
//! | weights | per panel `[inputs, neurons of the panel]` |

use super::{Block, Real, zeros};
use rayon::prelude::*;
use std::ops::Range;

/// Neurons whose sums stay in registers together: enough sums side by side to hide how long an addition takes.
pub const PANEL: usize = 64;

/// The panels of a layer of so many neurons; the last one may have fewer than [`PANEL`].
pub fn panels(neurons: usize) -> impl ExactSizeIterator<Item = Range<usize>> + Clone {
    (0..neurons.div_ceil(PANEL)).map(move |index| index * PANEL..((index + 1) * PANEL).min(neurons))
}

/// A layer's weights, `[inputs, neurons]`, cut into panels: what a few neurons take from all spikes of a sample lies close
/// together.
#[derive(Clone, Debug)]
pub struct Panels<R> {
    neurons: usize,
    inputs: usize,
    numbers: Block<R>,
}

impl<R: Real> Panels<R> {
    /// Panels of `weights`, which lead to so many neurons.
    pub fn new(weights: &[R], neurons: usize) -> Self {
        let inputs = weights.len() / neurons;
        let mut numbers = zeros(weights.len());
        numbers.par_chunks_mut(PANEL * inputs).enumerate().for_each(|(index, panel)| {
            let width = panel.len() / inputs;
            for (to, from) in panel.chunks_exact_mut(width).zip(weights.chunks_exact(neurons)) {
                to.copy_from_slice(&from[index * PANEL..][..width]);
            }
        });
        Self { neurons, inputs, numbers }
    }

    /// The neurons of each panel, and their weights.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Range<usize>, &[R])> {
        panels(self.neurons).zip(self.numbers.chunks(PANEL * self.inputs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_neuron_is_in_one_panel() {
        for neurons in [1, 63, 64, 65, 100, 512] {
            let all: Vec<usize> = panels(neurons).flatten().collect();
            assert_eq!(all, (0..neurons).collect::<Vec<_>>());
            let weights: Vec<f32> = (0..3 * neurons).map(|k| k as f32).collect();
            for (columns, panel) in Panels::new(&weights, neurons).iter() {
                for (input, row) in panel.chunks_exact(columns.len()).enumerate() {
                    assert_eq!(row, &weights[input * neurons..][columns.clone()]);
                }
            }
        }
    }
}
