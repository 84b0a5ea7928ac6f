//! Compares the neuron update of SRC with its plain form: random, extreme and adversarial constants, states and sums.

use crate::noise::Noise;
use heapless::Vec;
use spikelet_runtime::formats::{Coefficient, Current, Decay, Gate, Membrane};
use spikelet_runtime::neurons::plain;
use spikelet_runtime::{
    GatedBy, Integrator, LayerStates, MOST_BIAS, MOST_STATE, NeuronConstants, Potentials, Shape, Spike,
    SpikeKind, SrcConstants, SrcLayer, Synapses, Update, Width,
};

/// Most neurons of a layer that is compared.
const NEURONS: usize = 67;
/// Entries of states and sums, more than the largest layer needs.
const ROOM: usize = NEURONS + 5;
/// What entries hold that nothing may overwrite.
const GUARD: i32 = 0x5A5A_5A5A;
/// Timesteps from each start.
const STEPS: u32 = 4;

/// The paper's constants.
pub const PAPER: SrcConstants = SrcConstants {
    rho: Coefficient::lit("3"),
    r: Coefficient::lit("2"),
    r_s: Coefficient::lit("-7"),
    z_s_hyp: Gate::lit("0.9"),
    z_s_dep: Gate::ZERO,
    z: Gate::ZERO,
    gated_by: GatedBy::Current,
    spikes: SpikeKind::Graded,
};

/// Cells whose sums reach the ends of what a layer may have: every |ρ| + |r| + |r_s| is 23.
const EXTREMES: [SrcConstants; 3] = {
    let most = SrcConstants { z_s_hyp: Gate::MAX, z_s_dep: Gate::MAX, ..PAPER };
    [
        SrcConstants {
            rho: Coefficient::lit("4"),
            r: Coefficient::lit("15"),
            r_s: Coefficient::lit("-4"),
            ..most
        },
        SrcConstants {
            rho: Coefficient::lit("-4"),
            r: Coefficient::lit("-15"),
            r_s: Coefficient::lit("4"),
            ..most
        },
        SrcConstants {
            rho: Coefficient::lit("4"),
            r: Coefficient::lit("4"),
            r_s: Coefficient::lit("15"),
            ..most
        },
    ]
};

/// States of a layer and its working memory.
#[derive(Clone)]
struct Cells {
    /// With one that is another layer's before them, or none: they then begin within a word, or do not.
    currents: [Current; ROOM + 1],
    before: usize,
    potentials: [Potentials; ROOM],
    sums: [i32; ROOM],
    spikes: Vec<Spike, ROOM>,
}

impl Cells {
    const fn new(before: usize) -> Self {
        Self {
            currents: [Current::ZERO; ROOM + 1],
            before,
            potentials: [Potentials::REST; ROOM],
            sums: [GUARD; ROOM],
            spikes: Vec::new(),
        }
    }

    fn advance(
        &mut self,
        update: impl FnOnce(&mut [i32], &mut LayerStates<'_>, &mut Vec<Spike, ROOM>) -> Update,
    ) -> Update {
        let Self { currents, before, potentials, sums, spikes } = self;
        update(sums, &mut LayerStates { currents: &mut currents[*before..], potentials }, spikes)
    }
}

/// Compares all cases; how many timesteps there were.
///
/// # Panics
/// With the case, if the kernel differs.
pub fn compare() -> u32 {
    let mut noise = Noise(3);
    let mut count = 0;
    for cell in [PAPER, SrcConstants { z_s_dep: Gate::lit("0.1"), ..PAPER }].into_iter().chain(EXTREMES) {
        for gated_by in [GatedBy::Current, GatedBy::Previous] {
            for spikes in [SpikeKind::Graded, SpikeKind::Binary] {
                for z in [Gate::ZERO, Gate::lit("0.3"), Gate::MAX] {
                    // The paper's kind, which has kernels of its own, is compared with more starts.
                    let starts = if z == Gate::ZERO && gated_by == GatedBy::Current { 4 } else { 1 };
                    for _ in 0..starts {
                        count += compare_cell(SrcConstants { gated_by, spikes, z, ..cell }, &mut noise);
                    }
                }
            }
        }
    }
    count
}

/// Compares layers of a kind of cell, for all numbers of neurons.
fn compare_cell(constants: SrcConstants, noise: &mut Noise) -> u32 {
    let mut count = 0;
    for size in [1, 2, 3, 4, 5, 8, 31, 64, NEURONS] {
        for proved in [true, false] {
            let shape = Shape { rows: Some(&[Shape::PRUNED]), ..Shape::new(1, size as u16, Width::Eight) };
            let decay = noise.pick([Decay::lit("0.9"), Decay::ZERO, Decay::from_bits(8191)]);
            let integrator = Integrator { decay, shift: 0, proved };
            let mut neurons = [[0; 2]; NEURONS];
            for neuron in &mut neurons[..size] {
                *neuron = neuron_constants(proved, noise);
            }
            let layer = Synapses::new(&[], shape)
                .map(|synapses| SrcLayer::new(synapses, &neurons[..size], integrator, constants));
            let Ok(Ok(layer)) = layer else { panic!("{constants:?} of {size} neurons is refused") };
            compare_layer(&layer, proved, noise);
            count += STEPS;
        }
    }
    count
}

/// A neuron's gain and bias.
fn neuron_constants(proved: bool, noise: &mut Noise) -> NeuronConstants {
    let usual = noise.below(1 << 17) as i32;
    // With sums of at most 2^10, the greatest gain that can be proved, or any at all.
    let most = if proved { 1 << 20 } else { i32::MAX };
    let gain = noise.pick([0, usual, usual, most]);
    // The usual biases are from -6 to -4.
    let usual = (noise.below(2 << 26) as i32) - (6 << 26);
    let any = noise.around_zero(MOST_BIAS);
    [gain, noise.pick([usual, usual, any, MOST_BIAS, -MOST_BIAS])]
}

fn compare_layer(layer: &SrcLayer<'_>, proved: bool, noise: &mut Noise) {
    let size = layer.neurons().len();
    let mut fast = Cells::new(noise.below(2) as usize);
    for current in &mut fast.currents {
        let any = noise.bits() as i16;
        *current = Current::from_bits(noise.pick([0, any, any, i16::MAX, i16::MIN]));
    }
    for potentials in &mut fast.potentials {
        let mut state = || {
            let any = noise.around_zero(MOST_STATE.into()) as i16;
            // Around 0.5, where z_s switches and binary cells spike, and around the least graded spike.
            Membrane::from_bits(noise.pick([0, any, any, 16384, 16385, 63, 64, MOST_STATE, -MOST_STATE]))
        };
        *potentials = Potentials { h: state(), h_s: state() };
    }
    let mut slow = fast.clone();
    for step in 0..STEPS {
        let received = noise.below(4) > 0;
        for sum in &mut fast.sums[..size] {
            let usual = noise.around_zero(1 << 10);
            let most = if proved { 1 << 10 } else { 1 << 29 };
            *sum = noise.pick([0, usual, usual, most, -most]);
        }
        slow.sums = fast.sums;
        let result =
            fast.advance(|sums, states, spikes| layer.update(received, &mut sums[..size], states, spikes));
        let plainly = slow.advance(|sums, states, spikes| {
            spikes.clear();
            plain::advance(layer, received, 0, &sums[..size], states, spikes)
        });
        let case = (layer.constants(), layer.integrator(), size, received, step);
        assert_eq!(result, plainly, "SRC {case:?}");
        assert_eq!(fast.currents[0], slow.currents[0], "SRC {case:?}: what is before the first neuron");
        for neuron in 0..ROOM {
            let of = |cells: &Cells| (cells.currents[neuron + cells.before], cells.potentials[neuron]);
            assert_eq!(of(&fast), of(&slow), "SRC {case:?}: neuron {neuron}");
        }
        assert_eq!(fast.spikes, slow.spikes, "SRC {case:?}: the list of spikes");
        assert!(fast.sums[size..].iter().all(|&sum| sum == GUARD), "SRC {case:?} writes behind its sums");
    }
}
