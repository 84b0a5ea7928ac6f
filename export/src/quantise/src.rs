//! What the quantiser makes of Spiking Recurrent Cells.

use super::{QuantiseError, refuse};
use crate::header::CellHeader;
use spikelet_runtime::formats::{Argument, Coefficient, Decay, Gate, Membrane};
use spikelet_runtime::{
    GatedBy, InitialState, MOST_BIAS, MOST_STATE, NeuronConstants, SpikeKind, SrcConstants,
};
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
        let &Self { rho, r, r_s, z_s_hyp, z_s_dep, z, gated_by, spikes, .. } = self;
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
            rho: coefficient(rho)?,
            r: coefficient(r)?,
            r_s: coefficient(r_s)?,
            z_s_hyp: Gate::saturating_from_num(z_s_hyp),
            z_s_dep: Gate::saturating_from_num(z_s_dep),
            z: Gate::saturating_from_num(z),
            gated_by,
            spikes,
        })
    }
}

/// What a neuron's current is counted in: ρ, of constants that fit.
pub(super) fn unit(constants: &FloatSrc) -> Result<f64, QuantiseError> {
    constants.fixed()?;
    Ok(constants.rho)
}

/// Bits of the [`Decay`] of a leaky integrator that keeps `alpha` each timestep.
pub(super) fn decay(alpha: f64) -> Result<u16, QuantiseError> {
    refuse(
        (0.0..1.0).contains(&alpha),
        "the share α that a leaky integrator keeps must be at least 0 and below 1",
    )?;
    let below_one = Decay::ONE.to_bits() - 1;
    Ok(Decay::from_num(alpha).to_bits().min(below_one))
}

/// The header and the block of neurons, given each one's gain.
pub(super) fn neurons(
    constants: &FloatSrc,
    bias: &[f32],
    initial: bool,
    gains: &[i32],
) -> Result<(CellHeader, Vec<NeuronConstants>), QuantiseError> {
    if bias.len() != gains.len() {
        return Err(QuantiseError::Shape);
    }
    let cell = CellHeader::of_src(constants.fixed()?, initial);
    let neuron = |(neuron, (&bias, &gain)): (usize, (&f32, &i32))| {
        if !bias.is_finite() {
            return Err(QuantiseError::NotFinite { neuron });
        }
        // Beyond ±8 the table of tanh ends: a neuron of such a bias does as one of 8.
        let bias = Argument::saturating_from_num(f64::from(bias) + 1.0 / 256.0).to_bits();
        Ok([gain, bias.clamp(-MOST_BIAS, MOST_BIAS)])
    };
    let neurons = bias.iter().zip(gains).enumerate().map(neuron).collect::<Result<_, _>>()?;
    Ok((cell, neurons))
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
        // ±1 becomes ±32760/32768, as it does in tanh.
        Ok([h, h_s]
            .map(|state| Membrane::saturating_from_num(state).to_bits().clamp(-MOST_STATE, MOST_STATE)))
    };
    h.iter().zip(h_s).enumerate().map(state).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::layer;
    use super::super::{FloatCell, FloatLayer, quantise};
    use super::*;
    use spikelet_runtime::{Shape, Synapses, Width};

    const PAPER: FloatSrc = FloatSrc::PAPER;

    fn src<'a>(weight: &'a [f32], bias: &'a [f32]) -> FloatLayer<'a> {
        layer(weight, bias.len(), FloatCell::Src { constants: PAPER, bias, initial: None })
    }

    #[test]
    fn real_weights_come_back_within_half_a_step() {
        let weight: Vec<f32> = (0..300).map(|k| ((k * 7919) % 601) as f32 / 300.0 - 1.0).collect();
        let bias = [-6.0, -4.0, -5.5];
        for width in Width::ALL {
            let q = quantise(&FloatLayer { width, ..src(&weight, &bias) }).unwrap();
            let synapses = Synapses::new(&q.blocks.weights, Shape::new(100, 3, width)).unwrap();
            for neuron in 0..3u16 {
                let [gain, constant] = q.blocks.neurons[usize::from(neuron)];
                let step = f64::from(gain) / 2f64.powi(25) * 3.0;
                for input in 0..100 {
                    let back = f64::from(synapses.weight(input, neuron).unwrap()) * step;
                    let real = f64::from(weight[usize::from(neuron) * 100 + usize::from(input)]);
                    let clipped = real.clamp(-step * f64::from(width.most()), step * f64::from(width.most()));
                    assert!((back - clipped).abs() <= step * 0.501, "{width:?}: {back} is not {real}");
                }
                let expected = (f64::from(bias[usize::from(neuron)]) + 1.0 / 256.0) * 2f64.powi(26);
                assert_eq!(constant, expected as i32);
            }
            assert!(q.report.relative_error < 0.6 / f64::from(width.most()), "{}", q.report.relative_error);
            assert!(q.header.proved && q.blocks.initial.is_empty());
        }
    }

    #[test]
    fn every_constant_and_state_is_kept() {
        let constants =
            FloatSrc { z: 0.25, gated_by: GatedBy::Previous, spikes: SpikeKind::Binary, alpha: 0.5, ..PAPER };
        let cell = FloatCell::Src {
            constants,
            bias: &[-4.0, -9.0, 9.0],
            initial: Some((&[-0.5, 1.0, -1.0], &[0.25, 0.0, 1.0])),
        };
        let q = quantise(&layer(&[1.0; 3], 3, cell)).unwrap();
        assert_eq!(
            q.header.cell,
            CellHeader::Src {
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
        assert_eq!(q.header.decay, 4096);
        assert_eq!(q.blocks.initial, [[-(1 << 14), 1 << 13], [32760, 0], [-32760, 32760]]);
        assert_eq!([1, 2].map(|neuron| q.blocks.neurons[neuron][1]), [-MOST_BIAS, MOST_BIAS]);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let error = |weight: &[f32], bias: &[f32]| quantise(&src(weight, bias)).unwrap_err();
        assert_eq!(error(&[1.0, 1.0], &[0.0, f32::INFINITY]), QuantiseError::NotFinite { neuron: 1 });
        assert!(matches!(error(&[50_000.0], &[0.0]), QuantiseError::Large { neuron: 0, .. }));
        let of = |constants, initial| {
            let cell = FloatCell::Src { constants, bias: &[0.0], initial };
            quantise(&layer(&[1.0], 1, cell)).unwrap_err()
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
