//! A layer of Spiking Recurrent Cells (paper, Eq. 3a to 3f).
//!
//! ```text
//! i[t]   = α i[t-1] + W s_in[t]                                (3a)
//! x[t]   = ρ tanh(i[t] / ρ)                                    (3b)
//! h[t]   = z h[t-1] + (1 - z) tanh(x[t] + r h[t-1] + r_s h_s[t-1] + b_h)     (1b, 3d)
//! z_s    = z_s^dep if h > 0.5, else z_s^hyp; h as the gate says              (3c)
//! h_s[t] = z_s h_s[t-1] + (1 - z_s) h[t-1]                     (3e)
//! s[t]   = ReLU(h[t]), or 1 while h[t] > 0.5                   (3f)
//! ```
//!
//! The paper's experiments have z = 0, the gate at h\[t\] and graded spikes: for them there is a loop without any
//! other case, chosen once per layer and timestep.

use crate::formats::{Coefficient, Current, Gate, Loss, Membrane, kept, leak};
use crate::layer::LayerStates;
use crate::spikes::{LayerSpikes, Spike, SpikeValue};
use crate::synapses::Synapses;
use crate::tanh::{END, tanh_from};

/// Currents are kept within ±2^27 bits, that is ±2^19 weight steps.
pub(crate) const CURRENT_LIMIT: i32 = 1 << 27;
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
    /// z of Eq. 1b, the inertia of h; paper: 0.
    pub z: Gate,
    /// Which h decides about z_s; paper: the current one.
    pub gated_by: GatedBy,
    /// What a spike says; paper: graded.
    pub spikes: SpikeKind,
}

/// Which h decides about z_s in Eq. 3c.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GatedBy {
    /// h\[t\], as the equation is printed.
    #[default]
    Current,
    /// h\[t-1\], as the authors' hardware does it (arXiv 2605.10679).
    Previous,
}

/// What a spike says (Eq. 3f).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpikeKind {
    /// s = ReLU(h).
    #[default]
    Graded,
    /// s = 1 while h > 0.5, as the authors' hardware does it.
    Binary,
}

/// Bits of a neuron's h and h_s before the first timestep.
pub type InitialState = [i16; 2];

/// Constants of one neuron as they lie in a model: bits of its [`CurrentGain`](crate::formats::CurrentGain), and of
/// its b_h as a [`TanhArgument`](crate::formats::TanhArgument).
pub type NeuronConstants = [i32; 2];

/// A layer's weights, biases and constants, in place; the state of its neurons is elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct SrcLayer<'m> {
    synapses: Synapses<'m>,
    neurons: &'m [NeuronConstants],
    constants: SrcConstants,
    initial: &'m [InitialState],
}

/// Why parts do not make a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SrcLayerError {
    /// There must be constants for each neuron, and initial states for all or none.
    Length,
    /// The loss is not above 0 (without a leak, currents never rest), z or a gate is outside 0 to 1, or |ρ| + |r| + |r_s| is more than 23.
    Constants,
    /// An initial state is -1, which no state ever is.
    Initial,
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
    /// Both 0, as at the start of a sequence if the model says nothing else.
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
        let SrcConstants { loss, rho, r, r_s, z_s_hyp, z_s_dep, z, .. } = constants;
        let sum: i32 = [rho, r, r_s].iter().map(|c| i32::from(c.to_bits()).abs()).sum();
        let gate = Gate::ZERO..=Gate::ONE;
        if loss <= 0 || ![z_s_hyp, z_s_dep, z].iter().all(|z| gate.contains(z)) || sum > COEFFICIENT_LIMIT {
            return Err(SrcLayerError::Constants);
        }
        Ok(Self { synapses, neurons, constants, initial: &[] })
    }

    /// The same layer with an initial state for each of its neurons, instead of 0.
    ///
    /// # Errors
    /// [`SrcLayerError`] if there is not one for each neuron, or one is -1.
    pub fn with_initial(self, initial: &'m [InitialState]) -> Result<Self, SrcLayerError> {
        if initial.len() != self.neurons.len() {
            return Err(SrcLayerError::Length);
        }
        if initial.iter().flatten().any(|&bits| bits == i16::MIN) {
            return Err(SrcLayerError::Initial);
        }
        Ok(Self { initial, ..self })
    }

    /// The initial state of each neuron; empty where all are 0.
    pub const fn initial(&self) -> &'m [InitialState] {
        self.initial
    }

    /// Puts the states as they are before the first timestep.
    pub fn reset(&self, states: &mut LayerStates<'_>) {
        let mut initial = self.initial.iter();
        for (current, potentials) in states.currents.iter_mut().zip(states.potentials.iter_mut()) {
            let &[h, h_s] = initial.next().unwrap_or(&[0; 2]);
            *current = Current::ZERO;
            *potentials = Potentials { h: Membrane::from_bits(h), h_s: Membrane::from_bits(h_s) };
        }
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
    /// h errs by at most 6e-4 (6.5e-4 with z > 0) and h_s by at most 3e-5 in one step from equal states (asserted against the
    /// f64 twin), wherever h is not so near 0.5 that z_s switches in one of the two only. Sums cannot overflow;
    /// currents saturate at ±2^19 weight steps. States and spikes must have room for every neuron; what has
    /// none is not advanced.
    pub fn update(&self, states: &mut LayerStates<'_>, spikes: &mut LayerSpikes) {
        let SrcConstants { z, gated_by, spikes: kind, .. } = self.constants;
        if z == Gate::ZERO && gated_by == GatedBy::Current && kind == SpikeKind::Graded {
            self.advance::<false>(states, spikes);
        } else {
            self.advance::<true>(states, spikes);
        }
    }

    /// [`SrcLayer::update`]; `GENERAL` is false where z is 0, the gate at h\[t\] and spikes are graded.
    #[inline(always)]
    fn advance<const GENERAL: bool>(&self, states: &mut LayerStates<'_>, spikes: &mut LayerSpikes) {
        spikes.clear();
        let z = self.constants.z.to_bits();
        let previous = self.constants.gated_by == GatedBy::Previous;
        let binary = self.constants.spikes == SpikeKind::Binary;
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
            let mut next = tanh_from((sum >> 12).saturating_add(bias));
            if GENERAL {
                // As for h_s below: |h - next| < 2^16 and z <= 2^15.
                next += (z * (h - next) + (1 << 14)) >> 15;
            }

            let gate = if GENERAL && previous { h } else { next };
            let z_s = if gate > HALF { z_s_dep } else { z_s_hyp };
            // |h_s - h| < 2^16 and z_s <= 2^15: the product fits 32 bits.
            let next_h_s = h + ((z_s * (h_s - h) + (1 << 14)) >> 15);

            *current = Current::from_bits(leak(i, kept));
            *potentials =
                Potentials { h: Membrane::from_bits(next as i16), h_s: Membrane::from_bits(next_h_s as i16) };
            if GENERAL && binary {
                if next > HALF {
                    let _ = spikes.push(Spike::binary(neuron as u16));
                }
            } else if next >= SMALLEST {
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
    SpikeValue::from_bits(((h + 64) >> 7).min(255) as u16)
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

    /// One step from equal states, over a grid of states, currents and biases, for every kind of cell.
    #[test]
    fn one_step_stays_near_the_f64_twin() {
        let weights = [0i8; 4];
        let synapses = Synapses::new(&weights, 1, 1).unwrap();
        let scale = 0.01f64;
        let gain = CurrentGain::from_num(8.0 * scale / 3.0).to_bits();
        let gates = [GatedBy::Current, GatedBy::Previous];
        let kinds = gates
            .into_iter()
            .flat_map(|gate| [SpikeKind::Graded, SpikeKind::Binary].map(|kind| (gate, kind)));
        for (z, (gated_by, kind)) in kinds.flat_map(|kind| [0.0, 0.3, 0.99].map(|z| (z, kind))) {
            let cell = Cell { z, gated_by, spikes: kind, ..Cell::PAPER };
            let (mut worst_h, mut worst_h_s) = (0.0f64, 0.0f64);
            for bias in [-8.0, -6.0, -5.0, -4.0, 0.0] {
                let bias = TanhArgument::from_num(bias);
                let neurons = [[gain, bias.to_bits()]];
                let layer = SrcLayer::new(synapses, &neurons, cell.to_fixed()).unwrap();
                for step in 0..50_000u32 {
                    // A low-discrepancy walk through the cube of states.
                    let unit = |k: u32| f64::from(step.wrapping_mul(k) >> 8) / f64::from(1 << 24);
                    let i = Current::from_num((unit(0x9E37_79B1) - 0.5) * 4000.0);
                    let h = Membrane::from_num((unit(0x85EB_CA77) - 0.5) * 1.999);
                    let h_s = Membrane::from_num((unit(0xC2B2_AE3D) - 0.5) * 1.999);
                    let input = i.to_num::<f64>() * scale;
                    let twin = reference::step(&cell, input, h.to_num(), h_s.to_num(), bias.to_num());
                    let (mut currents, mut potentials) = ([i], [Potentials { h, h_s }]);
                    let mut spikes = Vec::<Spike, 1>::new();
                    let mut states = LayerStates { currents: &mut currents, potentials: &mut potentials };
                    layer.update(&mut states, &mut spikes);
                    worst_h = worst_h.max((potentials[0].h.to_num::<f64>() - twin.h).abs());
                    let clear = (twin.h - 0.5).abs() > 6.5e-4;
                    if clear || gated_by == GatedBy::Previous {
                        worst_h_s = worst_h_s.max((potentials[0].h_s.to_num::<f64>() - twin.h_s).abs());
                    }
                    let s: f64 = spikes.first().map_or(0.0, |s| s.value().to_num());
                    match kind {
                        SpikeKind::Binary => assert!(!clear || s == twin.s, "s {s} of h {}", twin.h),
                        SpikeKind::Graded => {
                            assert!((s - twin.s).abs() <= 1.0 / 256.0 + 6.5e-4, "s {s} of h {}", twin.h);
                        }
                    }
                }
            }
            let most_h = if z == 0.0 { 6e-4 } else { 6.5e-4 };
            assert!(worst_h <= most_h, "h errs by {worst_h} with {gated_by:?}, {kind:?}, z = {z}");
            assert!(worst_h_s <= 3e-5, "h_s errs by {worst_h_s} with {gated_by:?}, {kind:?}, z = {z}");
        }
    }

    #[test]
    fn initial_states_are_put_in() {
        let weights = [0i8; 4];
        let synapses = Synapses::new(&weights, 1, 2).unwrap();
        let layer = SrcLayer::new(synapses, &[[0; 2]; 2], constants()).unwrap();
        let mut currents = [Current::ONE; 2];
        let mut potentials = [Potentials::REST; 2];
        let mut states = LayerStates { currents: &mut currents, potentials: &mut potentials };
        layer.with_initial(&[[5, -6], [32767, -32767]]).unwrap().reset(&mut states);
        assert_eq!(currents, [Current::ZERO; 2]);
        assert_eq!(potentials.map(|p| [p.h.to_bits(), p.h_s.to_bits()]), [[5, -6], [32767, -32767]]);
        let refused = |initial| layer.with_initial(initial).unwrap_err();
        assert_eq!(refused(&[[0; 2]]), SrcLayerError::Length);
        assert_eq!(refused(&[[0; 2], [0, i16::MIN]]), SrcLayerError::Initial);
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
            z: Gate::ZERO,
            gated_by: GatedBy::Previous,
            spikes: SpikeKind::Binary,
        };
        let sums = [most(15, -4), most(-15, 4), most(4, 15)];
        let all = sums.into_iter().flat_map(|c| [Gate::ZERO, Gate::ONE].map(|z| SrcConstants { z, ..c }));
        for constants in all {
            for gain in [0, i32::MAX] {
                for bias in [i32::MIN, 0, i32::MAX] {
                    let neurons = [[gain, bias]];
                    let layer = SrcLayer::new(synapses, &neurons, constants).unwrap();
                    for i in [i32::MIN + 1, -(1 << 30), 0, 1 << 30, i32::MAX] {
                        for h in [-32767, 32767] {
                            for h_s in [-32767, 32767] {
                                let mut states = LayerStates {
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
            SrcConstants { z: Gate::from_num(1.1), ..paper },
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
