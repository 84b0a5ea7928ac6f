//! What the quantiser makes of leaky integrate-and-fire neurons.

use super::{QuantiseError, refuse};
use crate::header::CellHeader;
use spikelet_runtime::formats::Current;
use spikelet_runtime::{LifNeuron, lif_neuron};
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

/// What a neuron's membrane is counted in: the larger of V_thresh and V_rest, so that both fit.
pub(super) fn unit(constants: &FloatLif) -> Result<f64, QuantiseError> {
    let &FloatLif { threshold, rest, .. } = constants;
    refuse(threshold.is_finite() && rest.is_finite() && rest < threshold, "V_rest must be below V_thresh")?;
    Ok(threshold.abs().max(rest.abs()))
}

/// The header and the block of neurons, given each one's gain.
pub(super) fn neurons(
    constants: &FloatLif,
    gains: &[i32],
) -> Result<(CellHeader, Vec<LifNeuron>), QuantiseError> {
    let unit = unit(constants)?;
    let bits = |value: f64| value / unit * f64::from(Current::ONE.to_bits());
    // A membrane is a whole number of bits and spikes above the threshold only: rounding down changes nothing.
    let threshold = Current::from_bits(bits(constants.threshold).floor() as i16);
    let rest = Current::from_bits(bits(constants.rest).round() as i16).min(threshold);
    Ok((CellHeader::Lif {}, gains.iter().map(|&gain| lif_neuron(gain, threshold, rest)).collect()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::layer;
    use super::super::{FloatCell, quantise};
    use super::*;
    use spikelet_runtime::lif_levels;

    const LIF: FloatLif = FloatLif { leak: 0.9, threshold: 1.0, rest: -0.5 };

    #[test]
    fn thresholds_are_in_the_unit_of_their_neuron() {
        for (lif, levels) in [
            (LIF, (4096, -2048)),
            (FloatLif { threshold: 0.5, rest: -2.0, ..LIF }, (1024, -4096)),
            // 4096 / 3 = 1365.33
            (FloatLif { threshold: 1.0, rest: -3.0, ..LIF }, (1365, -4096)),
            (FloatLif { threshold: -1.0, rest: -3.0, ..LIF }, (-1366, -4096)),
        ] {
            let q = quantise(&layer(&[0.5, 0.1, -2.0, 1.0], 2, FloatCell::Lif(lif))).unwrap();
            assert_eq!((q.header.cell, q.header.decay), (CellHeader::Lif {}, 7373));
            let (threshold, rest) = lif_levels(q.blocks.neurons[1]);
            assert_eq!((threshold.to_bits(), rest.to_bits()), levels);
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        for lif in [
            FloatLif { leak: 1.0, ..LIF },
            FloatLif { leak: f64::NAN, ..LIF },
            FloatLif { threshold: f64::INFINITY, ..LIF },
            FloatLif { rest: 1.0, ..LIF },
        ] {
            let refused = quantise(&layer(&[1.0], 1, FloatCell::Lif(lif)));
            assert!(matches!(refused, Err(QuantiseError::Constant(_))), "{lif:?}");
        }
    }
}
