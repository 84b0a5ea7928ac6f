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
//! What is here is the layer as a whole; [`crate::neurons`] advances its neurons.

use crate::formats::{Coefficient, Current, Gate, Membrane};
use crate::integrator::Integrator;
use crate::layer::{LayerStates, Update};
use crate::neurons;
use crate::spikes::LayerSpikes;
use crate::synapses::Synapses;

/// Most that |ρ| + |r| + |r_s| may be: with it, and with |b_h| at most 8, Eq. 3d's sum fits 32 bits.
const COEFFICIENT_LIMIT: i32 = 23 << 11;
/// Most bits of a bias: |b_h| of 8, and half of the distance of two entries of tanh.
pub const MOST_BIAS: i32 = (8 << 26) + (1 << 18);
/// Most bits of h and h_s: what tanh makes of 1.
pub const MOST_STATE: i16 = 32760;

/// The constants of a layer's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrcConstants {
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

/// Constants of one neuron as they lie in a model: its gain, and its bias, bits of b_h + 1/256 as an
/// [`Argument`](crate::formats::Argument) within ±[`MOST_BIAS`].
///
/// The gain is the size of its weight step, or of the part of one that sums are counted in, in units of 2^-25 ρ. The 1/256
/// in the bias makes the index into the table of tanh, whose entries are 1/128 apart, round to nearest.
pub type NeuronConstants = [i32; 2];

/// A layer's weights, biases and constants, in place; the state of its neurons is elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct SrcLayer<'m> {
    synapses: Synapses<'m>,
    neurons: &'m [NeuronConstants],
    integrator: Integrator,
    constants: SrcConstants,
    initial: &'m [InitialState],
}

/// Why parts do not make a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SrcLayerError {
    /// There must be constants for each neuron, and initial states for all or none.
    Length,
    /// α is not below 1 (without a leak, currents never rest), a shift is above 8, z or a gate is below 0, |ρ| + |r| + |r_s| is
    /// more than 23, a gain is negative, or a bias is not within ±8.
    Constants,
    /// An initial state is beyond ±[`MOST_STATE`], as no state ever is.
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
        integrator: Integrator,
        constants: SrcConstants,
    ) -> Result<Self, SrcLayerError> {
        if neurons.len() != usize::from(synapses.neurons()) {
            return Err(SrcLayerError::Length);
        }
        let SrcConstants { rho, r, r_s, z_s_hyp, z_s_dep, z, .. } = constants;
        let sum: i32 = [rho, r, r_s].iter().map(|c| i32::from(c.to_bits()).abs()).sum();
        let possible = integrator.is_possible()
            && [z_s_hyp, z_s_dep, z].iter().all(|&z| z >= Gate::ZERO)
            && sum <= COEFFICIENT_LIMIT
            && neurons.iter().all(|&[gain, bias]| gain >= 0 && (-MOST_BIAS..=MOST_BIAS).contains(&bias));
        if !possible {
            return Err(SrcLayerError::Constants);
        }
        Ok(Self { synapses, neurons, integrator, constants, initial: &[] })
    }

    /// The same layer with an initial state for each of its neurons, instead of 0.
    ///
    /// # Errors
    /// [`SrcLayerError`] if there is not one for each neuron, or one is beyond ±[`MOST_STATE`].
    pub fn with_initial(self, initial: &'m [InitialState]) -> Result<Self, SrcLayerError> {
        if initial.len() != self.neurons.len() {
            return Err(SrcLayerError::Length);
        }
        if initial.iter().flatten().any(|&bits| !(-MOST_STATE..=MOST_STATE).contains(&bits)) {
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

    /// How its neurons integrate their inputs.
    pub const fn integrator(&self) -> &Integrator {
        &self.integrator
    }

    /// The constants of the layer's cells.
    pub const fn constants(&self) -> &SrcConstants {
        &self.constants
    }

    /// Advances every neuron by one timestep and lists the neurons that spike. The list is cleared first.
    ///
    /// If the layer has `received` spikes, `sums` are those of its spiking inputs' weights; else what they hold does not matter. They
    /// are working memory: afterwards they hold anything.
    ///
    /// tanh comes from a table of steps of 1/128, so h errs by at most 0.017 (0.012 from ρ tanh(i / ρ), 0.004 from tanh itself) and
    /// h_s by at most 2e-4 in one step from equal states (asserted against the f64 twin), wherever h is not so near 0.5 that z_s
    /// switches in one of the two only. Sums cannot overflow; currents saturate at ±8 ρ, which the result says. States, sums and
    /// spikes must have room for every neuron; what has none is not advanced.
    #[inline]
    pub fn update(
        &self,
        received: bool,
        sums: &mut [i32],
        states: &mut LayerStates<'_>,
        spikes: &mut LayerSpikes,
    ) -> Update {
        spikes.clear();
        neurons::advance(self, received, sums, states, spikes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{Argument, Decay};
    use crate::reference::{self, Cell};
    use crate::spikes::Spike;
    use crate::synapses::{Shape, Width};
    use heapless::Vec;

    const SHAPE: Shape<'_> = Shape::new(1, 1, Width::Eight);
    const INTEGRATOR: Integrator = Integrator { decay: Decay::lit("0.9"), shift: 0, proved: true };

    fn synapses(block: &[u32]) -> Synapses<'_> {
        Synapses::new(&block[..SHAPE.words()], SHAPE).unwrap()
    }

    fn constants() -> SrcConstants {
        Cell::PAPER.to_fixed()
    }

    /// One step from equal states, over a grid of states, currents and biases, for every kind of cell.
    #[test]
    #[cfg_attr(miri, ignore = "arithmetic over many values: too long for it")]
    fn one_step_stays_near_the_f64_twin() {
        let block = [0; 4];
        let synapses = synapses(&block);
        let gates = [GatedBy::Current, GatedBy::Previous];
        let kinds = gates
            .into_iter()
            .flat_map(|gate| [SpikeKind::Graded, SpikeKind::Binary].map(|kind| (gate, kind)));
        for (z, (gated_by, kind)) in kinds.flat_map(|kind| [0.0, 0.3, 0.99].map(|z| (z, kind))) {
            let cell = Cell { z, gated_by, spikes: kind, ..Cell::PAPER };
            let (mut worst_h, mut worst_h_s) = (0.0f64, 0.0f64);
            for bias in [-7.9, -6.0, -5.0, -4.0, 0.0] {
                let bias = Argument::from_num(bias);
                // A sum of 1 adds one bit to a current.
                let neurons = [[1 << 13, bias.to_bits() + (1 << 18)]];
                let layer = SrcLayer::new(synapses, &neurons, INTEGRATOR, cell.to_fixed()).unwrap();
                for step in 0..50_000u32 {
                    // A low-discrepancy walk through the cube of states.
                    let unit = |k: u32| f64::from(step.wrapping_mul(k) >> 8) / f64::from(1 << 24);
                    let i = (unit(0x9E37_79B1) - 0.5) * 14.0;
                    let h = Membrane::from_num((unit(0x85EB_CA77) - 0.5) * 1.999);
                    let h_s = Membrane::from_num((unit(0xC2B2_AE3D) - 0.5) * 1.999);
                    let sum = (i * 4096.0) as i32;
                    let input = f64::from(sum) / 4096.0 * cell.rho;
                    let twin = reference::step(&cell, input, h.to_num(), h_s.to_num(), bias.to_num());
                    let (mut currents, mut potentials) = ([Current::ZERO], [Potentials { h, h_s }]);
                    let mut spikes = Vec::<Spike, 1>::new();
                    let mut states = LayerStates { currents: &mut currents, potentials: &mut potentials };
                    layer.update(true, &mut [sum], &mut states, &mut spikes);
                    worst_h = worst_h.max((potentials[0].h.to_num::<f64>() - twin.h).abs());
                    let clear = (twin.h - 0.5).abs() > 0.017;
                    if clear || gated_by == GatedBy::Previous {
                        worst_h_s = worst_h_s.max((potentials[0].h_s.to_num::<f64>() - twin.h_s).abs());
                    }
                    let s: f64 = spikes.first().map_or(0.0, |s| s.value().to_num());
                    match kind {
                        SpikeKind::Binary => assert!(!clear || s == twin.s, "s {s} of h {}", twin.h),
                        SpikeKind::Graded => {
                            assert!((s - twin.s).abs() <= 1.0 / 256.0 + 0.017, "s {s} of h {}", twin.h);
                        }
                    }
                }
            }
            assert!(worst_h <= 0.017, "h errs by {worst_h} with {gated_by:?}, {kind:?}, z = {z}");
            assert!(worst_h_s <= 2e-4, "h_s errs by {worst_h_s} with {gated_by:?}, {kind:?}, z = {z}");
        }
    }

    #[test]
    fn initial_states_are_put_in() {
        let shape = Shape::new(1, 2, Width::Eight);
        let block = [0; 4];
        let synapses = Synapses::new(&block[..shape.words()], shape).unwrap();
        let layer = SrcLayer::new(synapses, &[[0; 2]; 2], INTEGRATOR, constants()).unwrap();
        let mut currents = [Current::ONE; 2];
        let mut potentials = [Potentials::REST; 2];
        let mut states = LayerStates { currents: &mut currents, potentials: &mut potentials };
        layer.with_initial(&[[5, -6], [32760, -32760]]).unwrap().reset(&mut states);
        assert_eq!(currents, [Current::ZERO; 2]);
        assert_eq!(potentials.map(|p| [p.h.to_bits(), p.h_s.to_bits()]), [[5, -6], [32760, -32760]]);
        let refused = |initial| layer.with_initial(initial).unwrap_err();
        assert_eq!(refused(&[[0; 2]]), SrcLayerError::Length);
        assert_eq!(refused(&[[0; 2], [0, -32761]]), SrcLayerError::Initial);
        assert_eq!(refused(&[[0; 2], [32761, 0]]), SrcLayerError::Initial);
    }

    #[test]
    #[cfg_attr(miri, ignore = "arithmetic over many values: too long for it")]
    fn extremes_do_not_overflow() {
        let block = [0; 4];
        let synapses = synapses(&block);
        let most = |r, r_s| SrcConstants {
            rho: Coefficient::from_num(4),
            r: Coefficient::from_num(r),
            r_s: Coefficient::from_num(r_s),
            z_s_hyp: Gate::MAX,
            z_s_dep: Gate::MAX,
            z: Gate::ZERO,
            gated_by: GatedBy::Previous,
            spikes: SpikeKind::Binary,
        };
        let sums = [most(15, -4), most(-15, 4), most(4, 15)];
        let all = sums.into_iter().flat_map(|c| [Gate::ZERO, Gate::MAX].map(|z| SrcConstants { z, ..c }));
        for constants in all {
            for gain in [0, i32::MAX] {
                for bias in [-MOST_BIAS, 0, MOST_BIAS] {
                    let neurons = [[gain, bias]];
                    let integrator = Integrator { decay: Decay::from_bits(8191), shift: 8, proved: false };
                    let layer = SrcLayer::new(synapses, &neurons, integrator, constants).unwrap();
                    for sum in [-(1 << 29), -1, 0, 1 << 29] {
                        for (h, h_s) in
                            [(-MOST_STATE, -MOST_STATE), (MOST_STATE, MOST_STATE), (1, -MOST_STATE)]
                        {
                            let (h, h_s) = (Membrane::from_bits(h), Membrane::from_bits(h_s));
                            let mut potentials = [Potentials { h, h_s }];
                            let mut states =
                                LayerStates { currents: &mut [Current::MIN], potentials: &mut potentials };
                            for _ in 0..3 {
                                layer.update(true, &mut [sum], &mut states, &mut Vec::<Spike, 1>::new());
                                let most = -MOST_STATE..=MOST_STATE;
                                let Potentials { h, h_s } = states.potentials[0];
                                assert!(most.contains(&h.to_bits()) && most.contains(&h_s.to_bits()));
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn constants_out_of_range_are_refused() {
        let block = [0; 4];
        let synapses = synapses(&block);
        let refused = |constants| SrcLayer::new(synapses, &[[0; 2]], INTEGRATOR, constants).unwrap_err();
        let paper = constants();
        for bad in [
            SrcConstants { z_s_hyp: Gate::from_num(-0.1), ..paper },
            SrcConstants { z: Gate::from_num(-0.1), ..paper },
            SrcConstants { z_s_dep: Gate::from_num(-0.1), ..paper },
            SrcConstants { rho: Coefficient::MAX, r: Coefficient::MAX, ..paper },
        ] {
            assert_eq!(refused(bad), SrcLayerError::Constants);
        }
        let of = |neurons: &[NeuronConstants], integrator| {
            SrcLayer::new(synapses, neurons, integrator, paper).unwrap_err()
        };
        let one = Integrator { decay: Decay::from_num(1), ..INTEGRATOR };
        assert_eq!(of(&[[0; 2]], one), SrcLayerError::Constants);
        assert_eq!(of(&[[0; 2]], Integrator { shift: 9, ..INTEGRATOR }), SrcLayerError::Constants);
        assert_eq!(of(&[[-1, 0]], INTEGRATOR), SrcLayerError::Constants);
        assert_eq!(of(&[[0, MOST_BIAS + 1]], INTEGRATOR), SrcLayerError::Constants);
        assert_eq!(of(&[[0; 2]; 2], INTEGRATOR), SrcLayerError::Length);
    }

    /// With its input gone, a cell of the paper's constants comes to rest from any state, for biases as training finds them.
    #[test]
    #[cfg_attr(miri, ignore = "arithmetic over many values: too long for it")]
    fn cells_come_to_rest() {
        let block = [0; 4];
        let synapses = synapses(&block);
        let mut most = 0;
        for bias in (-80..=-55).map(|tenth| Argument::from_num(f64::from(tenth) / 10.0)) {
            let neurons = [[1, (bias.to_bits() + (1 << 18)).max(-MOST_BIAS)]];
            let layer = SrcLayer::new(synapses, &neurons, INTEGRATOR, constants()).unwrap();
            for start in 0..200u32 {
                let state = |k: u32| Membrane::from_bits((start.wrapping_mul(k) >> 16) as i16 / 2);
                let mut potentials = [Potentials { h: state(0x9E37_79B1), h_s: state(0x85EB_CA77) }];
                let mut currents = [Current::from_bits(start.wrapping_mul(0xC2B2_AE3D) as i16)];
                let mut states = LayerStates { currents: &mut currents, potentials: &mut potentials };
                let mut spikes = Vec::<Spike, 1>::new();
                let steps = (0..200).find(|_| layer.update(false, &mut [77], &mut states, &mut spikes).rests);
                most = most.max(steps.unwrap_or_else(|| panic!("b_h {bias} does not rest")));
            }
        }
        assert!((60..200).contains(&most), "{most} steps");
    }
}
