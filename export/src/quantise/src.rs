//! What the quantiser makes of Spiking Recurrent Cells.

use super::{MOST, QuantiseError, refuse};
use crate::header::CellHeader;
use spikelet_runtime::formats::{Coefficient, CurrentGain, Gate, Loss, Membrane, TanhArgument};
use spikelet_runtime::{GatedBy, InitialState, NeuronConstants, SpikeKind, SrcConstants};
use std::vec::Vec;

/// The constants of Eq. 1 and 3 in floating point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FloatSrc {
    /// α of the leaky integrator.
    pub alpha: f64,
    /// ρ, bound of the input.
    pub rho: f64,
    /// r, positive feedback.
    pub r: f64,
    /// r_s, negative feedback.
    pub r_s: f64,
    /// z_s at rest.
    pub z_s_hyp: f64,
    /// z_s in a spike.
    pub z_s_dep: f64,
    /// z, inertia of h.
    pub z: f64,
    /// Which h decides about z_s.
    pub gated_by: GatedBy,
    /// What a spike says.
    pub spikes: SpikeKind,
}

impl FloatSrc {
    /// The constants of the paper's experiments (appendix A).
    pub const PAPER: Self = Self {
        alpha: 0.9,
        rho: 3.0,
        r: 2.0,
        r_s: -7.0,
        z_s_hyp: 0.9,
        z_s_dep: 0.0,
        z: 0.0,
        gated_by: GatedBy::Current,
        spikes: SpikeKind::Graded,
    };

    fn fixed(&self) -> Result<SrcConstants, QuantiseError> {
        let &Self { alpha, rho, r, r_s, z_s_hyp, z_s_dep, z, gated_by, spikes } = self;
        refuse((0.0..1.0).contains(&alpha), "α must be at least 0 and below 1")?;
        refuse(rho > 0.0, "ρ must be above 0")?;
        refuse([z_s_hyp, z_s_dep].iter().all(|z| (0.0..=1.0).contains(z)), "z_s must be 0 to 1")?;
        refuse((0.0..1.0).contains(&z), "z must be at least 0 and below 1")?;
        // The runtime's bound is 23; half an LSB each is lost to rounding.
        refuse(rho + r.abs() + r_s.abs() < 23.0, "|ρ| + |r| + |r_s| must be below 23")?;
        let coefficient = |value| {
            Coefficient::checked_from_num(value)
                .ok_or(QuantiseError::Constant("ρ, r and r_s must be within ±16"))
        };
        Ok(SrcConstants {
            loss: Loss::saturating_from_num(1.0 - alpha).max(Loss::DELTA),
            rho: coefficient(rho)?,
            r: coefficient(r)?,
            r_s: coefficient(r_s)?,
            z_s_hyp: Gate::from_num(z_s_hyp),
            z_s_dep: Gate::from_num(z_s_dep),
            z: Gate::from_num(z),
            gated_by,
            spikes,
        })
    }
}

/// The header and the block of neurons, given the size of each one's weight step.
pub(super) fn neurons(
    constants: &FloatSrc,
    bias: &[f32],
    initial: bool,
    steps: &[f64],
) -> Result<(CellHeader, Vec<NeuronConstants>), QuantiseError> {
    if bias.len() != steps.len() {
        return Err(QuantiseError::Shape);
    }
    let cell = CellHeader::of_src(constants.fixed()?, initial);
    let neuron = |(neuron, (&bias, &step)): (usize, (&f32, &f64))| {
        if !bias.is_finite() {
            return Err(QuantiseError::NotFinite { neuron });
        }
        Ok([gain(neuron, step, constants.rho)?, TanhArgument::saturating_from_num(bias).to_bits()])
    };
    let neurons = bias.iter().zip(steps).enumerate().map(neuron).collect::<Result<_, _>>()?;
    Ok((cell, neurons))
}

/// Bits of the [`CurrentGain`] of a neuron whose weights are multiples of `step`.
fn gain(neuron: usize, step: f64, rho: f64) -> Result<i32, QuantiseError> {
    let gain = 8.0 * step / rho;
    CurrentGain::checked_from_num(gain).map(CurrentGain::to_bits).ok_or(QuantiseError::Large {
        neuron,
        weight: step * MOST,
        most: MOST * rho / 8.0,
    })
}

/// The block of initial states.
pub(super) fn initial(
    (h, h_s): (&[f32], &[f32]),
    neurons: usize,
) -> Result<Vec<InitialState>, QuantiseError> {
    if h.len() != neurons || h_s.len() != neurons {
        return Err(QuantiseError::Shape);
    }
    let state = |(neuron, (&h, &h_s)): (usize, (&f32, &f32))| {
        if !h.is_finite() || !h_s.is_finite() {
            return Err(QuantiseError::NotFinite { neuron });
        }
        refuse(h.abs() <= 1.0 && h_s.abs() <= 1.0, "h and h_s before the first timestep must be within ±1")?;
        // No state ever is -1: ±1 becomes ±32767/32768, as it does in tanh.
        Ok([h, h_s].map(|state| Membrane::saturating_from_num(state).to_bits().max(-i16::MAX)))
    };
    h.iter().zip(h_s).enumerate().map(state).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{FloatCell, FloatLayer, quantise};
    use super::*;

    const PAPER: FloatSrc = FloatSrc::PAPER;

    fn layer<'a>(weight: &'a [f32], bias: &'a [f32]) -> FloatLayer<'a> {
        FloatLayer {
            weight,
            neurons: bias.len(),
            cell: FloatCell::Src { constants: PAPER, bias, initial: None },
        }
    }

    #[test]
    fn real_weights_come_back_within_half_a_step() {
        let weight: Vec<f32> = (0..300).map(|k| ((k * 7919) % 601) as f32 / 300.0 - 1.0).collect();
        let bias = [-6.0, -4.0, -5.5];
        let q = quantise(&layer(&weight, &bias)).unwrap();
        for neuron in 0..3 {
            let step = f64::from(q.blocks.neurons[neuron][0]) / 2f64.powi(31) * 3.0 / 8.0;
            for input in 0..100 {
                let back = f64::from(q.blocks.weights[input * 4 + neuron]) * step;
                let real = f64::from(weight[neuron * 100 + input]);
                assert!((back - real).abs() <= step * 0.5001, "{back} is not {real}");
            }
            assert_eq!(q.blocks.neurons[neuron][1], (bias[neuron] * 16384.0) as i32);
        }
        assert!(q.report.relative_error < 0.01);
        assert_eq!((q.report.saturated, q.blocks.initial.len()), (0, 0));
    }

    #[test]
    fn every_constant_and_state_is_kept() {
        let constants =
            FloatSrc { z: 0.25, gated_by: GatedBy::Previous, spikes: SpikeKind::Binary, alpha: 0.5, ..PAPER };
        let cell = FloatCell::Src {
            constants,
            bias: &[-4.0; 3],
            initial: Some((&[-0.5, 1.0, -1.0], &[0.25, 0.0, 1.0])),
        };
        let q = quantise(&FloatLayer { weight: &[1.0; 3], neurons: 3, cell }).unwrap();
        assert_eq!(
            q.header.cell,
            CellHeader::Src {
                loss: 1 << 30,
                rho: 3 << 11,
                r: 2 << 11,
                r_s: -7 << 11,
                z_s_hyp: 29491,
                z_s_dep: 0,
                z: 1 << 13,
                previous: true,
                binary: true,
                initial: true,
            }
        );
        assert_eq!(q.blocks.initial, [[-(1 << 14), 1 << 13], [32767, 0], [-32767, 32767]]);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let error = |weight: &[f32], bias: &[f32]| quantise(&layer(weight, bias)).unwrap_err();
        assert_eq!(error(&[1.0, 1.0], &[0.0, f32::INFINITY]), QuantiseError::NotFinite { neuron: 1 });
        assert!(matches!(error(&[50.0], &[0.0]), QuantiseError::Large { neuron: 0, .. }));
        let of = |constants, initial| {
            let cell = FloatCell::Src { constants, bias: &[0.0], initial };
            quantise(&FloatLayer { weight: &[1.0], neurons: 1, cell }).unwrap_err()
        };
        for constants in [
            FloatSrc { alpha: 1.0, ..PAPER },
            FloatSrc { rho: 0.0, ..PAPER },
            FloatSrc { z_s_dep: 1.5, ..PAPER },
            FloatSrc { z: 1.0, ..PAPER },
            FloatSrc { z: -0.1, ..PAPER },
            FloatSrc { r: 15.0, r_s: -15.0, ..PAPER },
            FloatSrc { r: 16.0, rho: 0.5, ..PAPER },
            FloatSrc { r: f64::NAN, ..PAPER },
        ] {
            assert!(matches!(of(constants, None), QuantiseError::Constant(_)), "{constants:?}");
        }
        assert_eq!(of(PAPER, Some((&[0.0; 2], &[0.0]))), QuantiseError::Shape);
        assert_eq!(of(PAPER, Some((&[0.0], &[f32::NAN]))), QuantiseError::NotFinite { neuron: 0 });
        assert!(matches!(of(PAPER, Some((&[-1.1], &[0.0]))), QuantiseError::Constant(_)));
    }
}
