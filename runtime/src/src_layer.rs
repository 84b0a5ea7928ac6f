//! A layer of Spiking Recurrent Cells (paper, Eq. 3a to 3f).
//!
//! ```text
//! i[t]   = α i[t-1] + W s_in[t]                                (3a)
//! x[t]   = ρ tanh(i[t] / ρ)                                    (3b)
//! h[t]   = tanh(x[t] + r h[t-1] + r_s h_s[t-1] + b_h)          (3d)
//! z_s    = z_s^dep if h[t] > 0.5, else z_s^hyp                 (3c)
//! h_s[t] = z_s h_s[t-1] + (1 - z_s) h[t-1]                     (3e)
//! s[t]   = ReLU(h[t])                                          (3f)
//! ```

use crate::formats::{Coefficient, Current, Gate, Loss, Membrane, kept, leak};
use crate::spikes::{LayerSpikes, Spike, SpikeValue};
use crate::synapses::Synapses;
use crate::tanh::{END, tanh_from};

/// Currents are kept within ±2^27 bits, that is ±2^19 weight steps.
const CURRENT_LIMIT: i32 = 1 << 27;
/// Most that |ρ| + |r| + |r_s| may be: with it, Eq. 3d's sum of products fits 32 bits.
const COEFFICIENT_LIMIT: i32 = 23 << 11;

/// The constants of a layer's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrcConstants {
    /// 1 - α, the share of its current that the leaky integrator loses each timestep; paper: 0.1.
    pub loss: Loss,
    /// ρ, the bound of the input x; paper: 3.
    pub rho: Coefficient,
    /// r, the positive feedback; paper: 2.
    pub r: Coefficient,
    /// r_s, the negative feedback; paper: -7.
    pub r_s: Coefficient,
    /// z_s of a neuron at rest; paper: 0.9.
    pub z_s_hyp: Gate,
    /// z_s of a spiking neuron; paper: 0.
    pub z_s_dep: Gate,
}

/// Constants of one neuron as they lie in a model: bits of its [`CurrentGain`](crate::formats::CurrentGain), and of
/// its b_h as a [`TanhArgument`](crate::formats::TanhArgument).
pub type NeuronConstants = [i32; 2];

/// A layer's weights, biases and constants, in place; the state of its neurons is elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct SrcLayer<'m> {
    synapses: Synapses<'m>,
    neurons: &'m [NeuronConstants],
    constants: SrcConstants,
}

/// Why parts do not make a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SrcLayerError {
    /// There must be constants for each neuron.
    Length,
    /// The loss is not above 0 (without a leak, currents never rest), a gate is outside 0 to 1, or |ρ| + |r| + |r_s| is more than 23.
    Constants,
}

/// States of a layer's neurons, one entry each, all 0 at the start of a sequence.
#[derive(Debug)]
pub struct SrcStates<'a> {
    /// α i: the current as it enters the next timestep, leak done.
    pub currents: &'a mut [Current],
    /// h and h_s.
    pub potentials: &'a mut [Potentials],
}

/// The two states of Eq. 3 that a neuron has besides its current.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(4))]
pub struct Potentials {
    /// h, the fast state or membrane potential.
    pub h: Membrane,
    /// h_s, the slow state that ends a spike.
    pub h_s: Membrane,
}

impl Potentials {
    /// Both 0, as at the start of a sequence.
    pub const REST: Self = Self { h: Membrane::ZERO, h_s: Membrane::ZERO };
}

impl<'m> SrcLayer<'m> {
    /// A layer of as many neurons as `synapses` lead to, each with its constants.
    ///
    /// # Errors
    /// [`SrcLayerError`] if a length does not fit or a constant is out of its range.
    pub fn new(
        synapses: Synapses<'m>,
        neurons: &'m [NeuronConstants],
        constants: SrcConstants,
    ) -> Result<Self, SrcLayerError> {
        if neurons.len() != usize::from(synapses.neurons()) {
            return Err(SrcLayerError::Length);
        }
        let SrcConstants { loss, rho, r, r_s, z_s_hyp, z_s_dep } = constants;
        let sum: i32 = [rho, r, r_s].iter().map(|c| i32::from(c.to_bits()).abs()).sum();
        let gate = Gate::ZERO..=Gate::ONE;
        if loss <= 0 || !gate.contains(&z_s_hyp) || !gate.contains(&z_s_dep) || sum > COEFFICIENT_LIMIT {
            return Err(SrcLayerError::Constants);
        }
        Ok(Self { synapses, neurons, constants })
    }

    /// The synapses from the layer's inputs to its neurons.
    pub const fn synapses(&self) -> &Synapses<'m> {
        &self.synapses
    }

    /// The constants of each neuron.
    pub const fn neurons(&self) -> &'m [NeuronConstants] {
        self.neurons
    }

    /// The constants of the layer's cells.
    pub const fn constants(&self) -> &SrcConstants {
        &self.constants
    }

    /// Advances every neuron by one timestep, after this timestep's spikes have been added to the currents,
    /// and lists the neurons that spike. The list is cleared first.
    ///
    /// h errs by at most 6e-4 and h_s by at most 3e-5 in one step from equal states (asserted against the
    /// f64 twin), wherever h is not so near 0.5 that z_s switches in one of the two only. Sums cannot overflow;
    /// currents saturate at ±2^19 weight steps. States and spikes must have room for every neuron; what has
    /// none is not advanced.
    pub fn update(&self, states: &mut SrcStates<'_>, spikes: &mut LayerSpikes) {
        spikes.clear();
        let [rho, r, r_s] =
            [self.constants.rho, self.constants.r, self.constants.r_s].map(|c| i32::from(c.to_bits()));
        let [z_s_hyp, z_s_dep] = [self.constants.z_s_hyp, self.constants.z_s_dep].map(Gate::to_bits);
        let kept = kept(self.constants.loss);
        let neurons = states.currents.iter_mut().zip(states.potentials.iter_mut()).zip(self.neurons);
        for (neuron, ((current, potentials), &[gain, bias])) in neurons.enumerate() {
            let i = current.to_bits().clamp(-CURRENT_LIMIT, CURRENT_LIMIT - 1);
            let h = i32::from(potentials.h.to_bits());
            let h_s = i32::from(potentials.h_s.to_bits());

            let x = tanh_from(scaled(i, gain) + END);
            // |sum| <= 23 * 2^11 * 2^15 + 2^29 < 2^31, by COEFFICIENT_LIMIT; Q26 becomes Q14, rounded down.
            let sum = rho * x + r * h + r_s * h_s + (END << 12);
            let next = tanh_from((sum >> 12).saturating_add(bias));

            let z_s = if next > HALF { z_s_dep } else { z_s_hyp };
            // |h_s - h| < 2^16 and z_s <= 2^15: the product fits 32 bits.
            let next_h_s = h + ((z_s * (h_s - h) + (1 << 14)) >> 15);

            *current = Current::from_bits(leak(i, kept));
            *potentials =
                Potentials { h: Membrane::from_bits(next as i16), h_s: Membrane::from_bits(next_h_s as i16) };
            if next >= SMALLEST {
                let _ = spikes.push(Spike::new(neuron as u16, graded(next)));
            }
        }
    }
}

/// Bits of h above which z_s switches (Eq. 3c).
const HALF: i32 = 1 << 14;
/// Bits of the least h that makes a spike: half of 1/256.
const SMALLEST: i32 = 64;

/// Bits of i / ρ as a [`crate::formats::TanhArgument`], rounded down. With |i| <= 2^27 the shift by 4 fits; then
/// Q8+4 times Q31+3 is Q14 in the upper word, within ±2^30.
#[inline]
fn scaled(i: i32, gain: i32) -> i32 {
    ((i64::from(i << 4) * i64::from(gain)) >> 32) as i32
}

/// ReLU(h) of h from [`SMALLEST`] bits on, rounded to the nearest 1/256 and at most 255/256 (Eq. 3f).
#[inline]
fn graded(h: i32) -> SpikeValue {
    SpikeValue::from_bits(((h + 64) >> 7).min(255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{CurrentGain, TanhArgument};
    use crate::reference::{self, Cell};
    use heapless::Vec;

    fn constants() -> SrcConstants {
        Cell::PAPER.to_fixed()
    }

    /// One step from equal states, over a grid of states, currents and biases.
    #[test]
    fn one_step_stays_near_the_f64_twin() {
        let weights = [0i8; 4];
        let synapses = Synapses::new(&weights, 1, 1).unwrap();
        let scale = 0.01f64;
        let gain = CurrentGain::from_num(8.0 * scale / 3.0).to_bits();
        let (mut worst_h, mut worst_h_s) = (0.0f64, 0.0f64);
        for bias in [-8.0, -6.0, -5.0, -4.0, 0.0] {
            let bias = TanhArgument::from_num(bias);
            let neurons = [[gain, bias.to_bits()]];
            let layer = SrcLayer::new(synapses, &neurons, constants()).unwrap();
            for step in 0..200_000u32 {
                // A low-discrepancy walk through the cube of states.
                let unit = |k: u32| f64::from(step.wrapping_mul(k) >> 8) / f64::from(1 << 24);
                let i = Current::from_num((unit(0x9E37_79B1) - 0.5) * 4000.0);
                let h = Membrane::from_num((unit(0x85EB_CA77) - 0.5) * 1.999);
                let h_s = Membrane::from_num((unit(0xC2B2_AE3D) - 0.5) * 1.999);
                let twin = reference::step(
                    &Cell::PAPER,
                    i.to_num::<f64>() * scale,
                    h.to_num(),
                    h_s.to_num(),
                    bias.to_num(),
                );
                let (mut currents, mut potentials) = ([i], [Potentials { h, h_s }]);
                let mut spikes = Vec::<Spike, 1>::new();
                let mut states = SrcStates { currents: &mut currents, potentials: &mut potentials };
                layer.update(&mut states, &mut spikes);
                let h_error = (potentials[0].h.to_num::<f64>() - twin.h).abs();
                worst_h = worst_h.max(h_error);
                if (twin.h - 0.5).abs() > 6e-4 {
                    worst_h_s = worst_h_s.max((potentials[0].h_s.to_num::<f64>() - twin.h_s).abs());
                }
                let s = spikes.first().map_or(0.0, |s| s.value().to_num());
                assert!((s - twin.h.max(0.0)).abs() <= 1.0 / 256.0 + 6e-4, "s {s} of h {}", twin.h);
            }
        }
        assert!(worst_h <= 6e-4, "h errs by {worst_h}");
        assert!(worst_h_s <= 3e-5, "h_s errs by {worst_h_s}");
    }

    #[test]
    fn extremes_do_not_overflow() {
        let weights = [0i8; 4];
        let synapses = Synapses::new(&weights, 1, 1).unwrap();
        let most = |r, r_s| SrcConstants {
            rho: Coefficient::from_num(4),
            r: Coefficient::from_num(r),
            r_s: Coefficient::from_num(r_s),
            z_s_hyp: Gate::ONE,
            z_s_dep: Gate::ONE,
            loss: Loss::MAX,
        };
        for constants in [most(15, -4), most(-15, 4), most(4, 15)] {
            for gain in [0, i32::MAX] {
                for bias in [i32::MIN, 0, i32::MAX] {
                    let neurons = [[gain, bias]];
                    let layer = SrcLayer::new(synapses, &neurons, constants).unwrap();
                    for i in [i32::MIN + 1, -(1 << 30), 0, 1 << 30, i32::MAX] {
                        for h in [-32767, 32767] {
                            for h_s in [-32767, 32767] {
                                let mut states = SrcStates {
                                    currents: &mut [Current::from_bits(i)],
                                    potentials: &mut [Potentials {
                                        h: Membrane::from_bits(h),
                                        h_s: Membrane::from_bits(h_s),
                                    }],
                                };
                                layer.update(&mut states, &mut Vec::<Spike, 1>::new());
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn constants_out_of_range_are_refused() {
        let weights = [0i8; 4];
        let synapses = Synapses::new(&weights, 1, 1).unwrap();
        let refused = |constants| SrcLayer::new(synapses, &[[0; 2]], constants).unwrap_err();
        let paper = constants();
        for bad in [
            SrcConstants { loss: Loss::ZERO, ..paper },
            SrcConstants { z_s_hyp: Gate::from_num(1.1), ..paper },
            SrcConstants { z_s_dep: Gate::from_num(-0.1), ..paper },
            SrcConstants { rho: Coefficient::MAX, r: Coefficient::MAX, ..paper },
        ] {
            assert_eq!(refused(bad), SrcLayerError::Constants);
        }
        assert_eq!(SrcLayer::new(synapses, &[[0; 2]; 2], paper).unwrap_err(), SrcLayerError::Length);
    }

    #[test]
    fn graded_spikes_round_to_nearest() {
        assert_eq!([64, 191, 192, 16384, 32767].map(|h| graded(h).to_bits()), [1, 1, 2, 128, 255]);
        assert_eq!(SMALLEST, 64, "what is below would round to 0");
    }
}
