//! What the quantiser makes of leaky integrate-and-fire neurons.

use super::{QuantiseError, refuse};
use crate::header::CellHeader;
use spikelet_runtime::LifNeuron;
use spikelet_runtime::formats::{Current, Loss};
use std::vec::Vec;

/// The constants of leaky integrate-and-fire neurons in floating point (paper, section 2.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FloatLif {
    /// α_V, leak of the membrane.
    pub leak: f64,
    /// V_thresh, above which a neuron spikes.
    pub threshold: f64,
    /// V_rest, the potential after a spike.
    pub rest: f64,
}

/// Most weight steps that a threshold takes: half of what a membrane holds.
const HIGHEST: f64 = (1 << 18) as f64;

/// The header, the size of each neuron's weight step, and the block of neurons, given the steps that suit the weights.
///
/// Where weights are so small that a threshold would be above [`HIGHEST`] of their steps, more than 2,000 of the largest
/// weight, the step is enlarged until it is not.
pub(super) fn neurons(
    constants: &FloatLif,
    mut steps: Vec<f64>,
) -> Result<(CellHeader, Vec<f64>, Vec<LifNeuron>), QuantiseError> {
    let &FloatLif { leak, threshold, rest } = constants;
    refuse((0.0..1.0).contains(&leak), "α_V must be at least 0 and below 1")?;
    refuse(threshold.is_finite() && rest.is_finite() && rest < threshold, "V_rest must be below V_thresh")?;
    let least = threshold.abs().max(rest.abs()) / HIGHEST;
    steps.iter_mut().for_each(|step| *step = step.max(least));
    let neurons = steps.iter().map(|step| {
        let bits = |value: f64| value / step * f64::from(Current::ONE.to_bits());
        // A membrane is a whole number of bits and spikes above the threshold only: rounding down changes nothing.
        let threshold = bits(threshold).floor() as i32;
        [threshold, (bits(rest).round() as i32).min(threshold)]
    });
    let neurons = neurons.collect();
    let loss = Loss::saturating_from_num(1.0 - leak).max(Loss::DELTA);
    Ok((CellHeader::Lif { loss: loss.to_bits() }, steps, neurons))
}

#[cfg(test)]
mod tests {
    use super::super::{FloatCell, FloatLayer, quantise};
    use super::*;

    const LIF: FloatLif = FloatLif { leak: 0.9, threshold: 1.0, rest: -0.5 };

    #[test]
    fn thresholds_are_in_steps_of_their_neuron() {
        let layer = FloatLayer { weight: &[0.5, 0.1, -2.0, 1.0], neurons: 2, cell: FloatCell::Lif(LIF) };
        let q = quantise(&layer).unwrap();
        assert_eq!(q.header.cell, CellHeader::Lif { loss: Loss::from_num(0.1).to_bits() });
        assert_eq!(q.blocks.weights[..2], [127, -127]);
        // 1 is 254 and 63.5 steps.
        assert_eq!(q.blocks.neurons, [[254 << 8, -127 << 8], [16256, -8128]]);
    }

    #[test]
    fn rounds_thresholds_down() {
        let lif = FloatLif { threshold: 1.0 / 3.0, rest: 0.0, ..LIF };
        let q = quantise(&FloatLayer { weight: &[1.0], neurons: 1, cell: FloatCell::Lif(lif) }).unwrap();
        // 127 × 256 / 3 = 10837.33
        assert_eq!(q.blocks.neurons, [[10837, 0]]);
    }

    #[test]
    fn weights_too_small_to_reach_the_threshold_still_fit() {
        let weight = &[1e-6, -1e-6, /* neuron 1 */ 0.0, 0.0, /* neuron 2 */ 0.001, 0.0];
        let q = quantise(&FloatLayer { weight, neurons: 3, cell: FloatCell::Lif(LIF) }).unwrap();
        assert_eq!(q.blocks.neurons[..2], [[1 << 26, -(1 << 25)]; 2]);
        assert_eq!(q.blocks.weights, [0, 0, 127, 0, 0, 0, 0, 0]);
        assert_eq!((q.report.zeroed, q.report.unconnected), (2, 1));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        for lif in [
            FloatLif { leak: 1.0, ..LIF },
            FloatLif { leak: f64::NAN, ..LIF },
            FloatLif { threshold: f64::INFINITY, ..LIF },
            FloatLif { rest: 1.0, ..LIF },
        ] {
            let layer = FloatLayer { weight: &[1.0], neurons: 1, cell: FloatCell::Lif(lif) };
            assert!(matches!(quantise(&layer), Err(QuantiseError::Constant(_))), "{lif:?}");
        }
    }
}
