//! 64 neurons side by side, for vector units: the same steps as in [`super::plain`], each for all of them before the next.
//!
//! The loops have no branch and a fixed length, so the compiler makes vector code of all but the look-ups of tanh.
//! [`Advance`] is compiled for each set of vector instructions: everything here is inlined into it.

use super::{Constants, plain};
use crate::formats::{Current, Membrane};
use crate::integrator::{integrate, integrate_any};
use crate::layer::{LayerStates, Update};
use crate::spikes::LayerSpikes;
use crate::src_layer::{NeuronConstants, Potentials, SrcLayer};
use crate::tanh::{SIDE, TANH};

/// Neurons side by side: with fewer, the compiler unrolls the loops and makes vector code of a part only.
const LANES: usize = 64;

/// [`TANH`] in a table whose length is a power of two: masked indices are within it, so that nothing needs checking.
static ENTRIES: [i32; 4096] = {
    let mut entries = [0; 4096];
    let mut index = 0;
    while index < TANH.len() {
        entries[index] = TANH[index] as i32;
        index += 1;
    }
    entries
};

/// Bits of tanh(k / 128) of each lane, for k from -1024 to 1024.
#[inline(always)]
fn look_up(k: [i32; LANES]) -> [i32; LANES] {
    let mut entries = [0; LANES];
    for lane in 0..LANES {
        entries[lane] = ENTRIES[(k[lane] + SIDE) as usize % ENTRIES.len()];
    }
    entries
}

/// [`advance`] as pulp dispatches it. A type, since a closure of this size would not be inlined where the instructions are.
#[derive(Debug)]
pub struct Advance<'n, 'm, 'a> {
    /// The layer.
    pub layer: &'n SrcLayer<'m>,
    /// False if there are no sums.
    pub received: bool,
    /// The neurons' sums.
    pub sums: &'n [i32],
    /// Their states.
    pub states: &'n mut LayerStates<'a>,
    /// Where spikes are appended.
    pub spikes: &'n mut LayerSpikes,
}

impl pulp::NullaryFnOnce for Advance<'_, '_, '_> {
    type Output = Update;

    #[inline(always)]
    fn call(self) -> Update {
        advance(self.layer, self.received, self.sums, self.states, self.spikes)
    }
}

/// Advances the neurons of a layer; see [`SrcLayer::update`]. Appends to `spikes`.
#[inline(always)]
pub fn advance(
    layer: &SrcLayer<'_>,
    received: bool,
    sums: &[i32],
    states: &mut LayerStates<'_>,
    spikes: &mut LayerSpikes,
) -> Update {
    let constants = Constants::of(layer);
    let (currents, last_currents) = states.currents.as_chunks_mut::<LANES>();
    let (potentials, last_potentials) = states.potentials.as_chunks_mut::<LANES>();
    let (neurons, last_neurons) = layer.neurons().as_chunks::<LANES>();
    let (sums, last_sums) = sums.get(..layer.neurons().len()).unwrap_or(sums).as_chunks::<LANES>();
    let (mut saturated, mut changed) = (false, false);
    let mut first = 0;
    for ((currents, potentials), (neurons, sums)) in
        currents.iter_mut().zip(potentials).zip(neurons.iter().zip(sums))
    {
        // A copy: chosen by reference, each lane would be loaded for itself.
        let sums = if received { *sums } else { [0; LANES] };
        let (beyond, other) = block(&constants, first, &sums, neurons, currents, potentials, spikes);
        saturated |= beyond;
        changed |= other;
        first += LANES;
    }
    // The last few, in a block of their own.
    let count = last_neurons.len().min(last_currents.len()).min(last_potentials.len()).min(last_sums.len());
    if count > 0 {
        let mut block_sums = [0; LANES];
        let mut block_neurons = [[0; 2]; LANES];
        let mut block_currents = [Current::ZERO; LANES];
        let mut block_potentials = [Potentials::REST; LANES];
        if received {
            block_sums.iter_mut().zip(last_sums).for_each(|(to, from)| *to = *from);
        }
        block_neurons.iter_mut().zip(last_neurons).for_each(|(to, from)| *to = *from);
        block_currents.iter_mut().zip(&*last_currents).for_each(|(to, from)| *to = *from);
        block_potentials.iter_mut().zip(&*last_potentials).for_each(|(to, from)| *to = *from);
        // What is behind the count has a gain of 0, so it does not saturate, and is not looked at.
        let before = (block_currents, block_potentials);
        let beyond =
            next_states(&constants, &block_sums, &block_neurons, &mut block_currents, &mut block_potentials);
        let lanes = || 0..count;
        saturated |= beyond != 0;
        changed |= lanes()
            .any(|lane| before.0[lane] != block_currents[lane] || before.1[lane] != block_potentials[lane]);
        last_currents.iter_mut().zip(block_currents).for_each(|(to, from)| *to = from);
        last_potentials.iter_mut().zip(block_potentials).for_each(|(to, from)| *to = from);
        for (lane, potentials) in block_potentials.iter().take(count).enumerate() {
            plain::push(&constants, first + lane, i32::from(potentials.h.to_bits()), spikes);
        }
    }
    Update { saturated, rests: !received && !changed && spikes.is_empty() }
}

/// One block; says whether a current was saturated and whether a state changed.
#[inline(always)]
fn block(
    constants: &Constants,
    first: usize,
    sums: &[i32; LANES],
    neurons: &[NeuronConstants; LANES],
    currents: &mut [Current; LANES],
    potentials: &mut [Potentials; LANES],
    spikes: &mut LayerSpikes,
) -> (bool, bool) {
    let before = (*currents, *potentials);
    let beyond = next_states(constants, sums, neurons, currents, potentials);
    let mut changed = 0;
    for lane in 0..LANES {
        changed |= i32::from(before.0[lane].to_bits() ^ currents[lane].to_bits());
        changed |= i32::from(before.1[lane].h.to_bits() ^ potentials[lane].h.to_bits());
        changed |= i32::from(before.1[lane].h_s.to_bits() ^ potentials[lane].h_s.to_bits());
    }
    let mut spiking = [0u8; LANES];
    for lane in 0..LANES {
        spiking[lane] = u8::from(constants.spikes(i32::from(potentials[lane].h.to_bits())));
    }
    // Few spike: eight at a time are looked at as one number.
    for (eight, spiking) in spiking.as_chunks::<8>().0.iter().enumerate() {
        let mut spiking = u64::from_le_bytes(*spiking);
        while spiking != 0 {
            let lane = (8 * eight + spiking.trailing_zeros() as usize / 8) % LANES;
            plain::push(constants, first + lane, i32::from(potentials[lane].h.to_bits()), spikes);
            spiking &= spiking - 1;
        }
    }
    (beyond != 0, changed != 0)
}

/// The next states of a block; other bits than 0 if a current was saturated.
#[inline(always)]
fn next_states(
    constants: &Constants,
    sums: &[i32; LANES],
    neurons: &[NeuronConstants; LANES],
    currents: &mut [Current; LANES],
    potentials: &mut [Potentials; LANES],
) -> i32 {
    let (mut i, mut h, mut h_s) = ([0i32; LANES], [0i32; LANES], [0i32; LANES]);
    for lane in 0..LANES {
        i[lane] = i32::from(currents[lane].to_bits());
        h[lane] = i32::from(potentials[lane].h.to_bits());
        h_s[lane] = i32::from(potentials[lane].h_s.to_bits());
    }
    // Two loops, so that the one of proved sums has no 64-bit product.
    let mut next_i = [0; LANES];
    if constants.proved {
        for lane in 0..LANES {
            next_i[lane] = integrate(constants.alpha, i[lane], sums[lane], neurons[lane][0]);
        }
    } else {
        for lane in 0..LANES {
            next_i[lane] = integrate_any(constants.alpha, i[lane], sums[lane], neurons[lane][0]);
        }
    }
    let mut beyond = 0;
    for lane in 0..LANES {
        i[lane] = next_i[lane].clamp(i32::from(i16::MIN), i32::from(i16::MAX));
        beyond |= i[lane] ^ next_i[lane];
    }
    let x = look_up(i.map(plain::input_entry));
    let mut next = [0; LANES];
    for lane in 0..LANES {
        let argument = plain::argument(constants, x[lane], h[lane], h_s[lane], neurons[lane][1]);
        next[lane] = plain::argument_entry(argument);
    }
    let mut next = look_up(next);
    if !constants.simple {
        for lane in 0..LANES {
            next[lane] = plain::inert(constants, next[lane], h[lane]);
        }
    }
    for lane in 0..LANES {
        h_s[lane] = plain::slow(constants, h[lane], h_s[lane], next[lane]);
    }
    for lane in 0..LANES {
        currents[lane] = Current::from_bits(i[lane] as i16);
        potentials[lane].h = Membrane::from_bits(next[lane] as i16);
        potentials[lane].h_s = Membrane::from_bits(h_s[lane] as i16);
    }
    beyond
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{Coefficient, Decay, Gate};
    use crate::integrator::Integrator;
    use crate::neurons::plain;
    use crate::spikes::Spike;
    use crate::src_layer::{GatedBy, MOST_BIAS, SpikeKind, SrcConstants};
    use crate::synapses::{Shape, Synapses, Width};
    use std::vec;
    use std::vec::Vec;

    /// A few numbers that look random.
    struct Noise(u64);

    impl Noise {
        fn next(&mut self) -> u32 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as u32
        }

        fn within(&mut self, most: i32) -> i32 {
            (self.next() as i32).rem_euclid(2 * most + 1) - most
        }
    }

    /// Every kind of cell, any number of neurons, sums from none to extreme: equal in every bit for many timesteps.
    #[test]
    #[cfg_attr(miri, ignore = "arithmetic over many values: too long for it")]
    fn equals_plain() {
        let mut noise = Noise(1);
        for neurons in [1u16, 7, 16, 17, 40, 100] {
            let shape = Shape::new(1, neurons, Width::Eight);
            let block = vec![0u32; shape.words()];
            let synapses = Synapses::new(&block, shape).unwrap();
            for (kind, gated_by, z) in [
                (SpikeKind::Graded, GatedBy::Current, Gate::ZERO),
                (SpikeKind::Binary, GatedBy::Previous, Gate::from_num(0.3)),
                (SpikeKind::Binary, GatedBy::Current, Gate::MAX),
            ] {
                for proved in [true, false] {
                    let constants = SrcConstants {
                        rho: Coefficient::from_num(3),
                        r: Coefficient::from_num(2),
                        r_s: Coefficient::from_num(-7),
                        z_s_hyp: Gate::from_num(0.9),
                        z_s_dep: Gate::ZERO,
                        z,
                        gated_by,
                        spikes: kind,
                    };
                    let integrator = Integrator { decay: Decay::from_num(0.9), shift: 0, proved };
                    // Few neurons all come to rest, with b_h from -8 to -5.6; among more, with b_h to 0, some do not.
                    let span = if neurons > 16 { MOST_BIAS / 2 } else { MOST_BIAS / 20 * 3 };
                    let bias = |noise: &mut Noise| noise.within(span) + span - MOST_BIAS;
                    let of: Vec<[i32; 2]> = (0..neurons).map(|_| [1 << 18, bias(&mut noise)]).collect();
                    let layer = SrcLayer::new(synapses, &of, integrator, constants).unwrap();
                    let count = usize::from(neurons);
                    let mut states =
                        [0, 1].map(|_| (vec![Current::ZERO; count], vec![Potentials::REST; count]));
                    let mut rested = false;
                    for t in 0..300 {
                        let scale = if proved { 1 << 12 } else { 1 << 24 };
                        let sums: Vec<i32> =
                            (0..count).map(|_| noise.within(scale) >> (noise.next() % 12)).collect();
                        let received = t % 100 < 10;
                        let mut lists = [(); 2].map(|()| Vec::<Spike>::new());
                        let mut updates = [Update::default(); 2];
                        for (index, (currents, potentials)) in states.iter_mut().enumerate() {
                            let mut spikes = heapless::Vec::<Spike, 100>::new();
                            let mut states = LayerStates { currents, potentials };
                            updates[index] = if index == 0 {
                                plain::advance(&layer, received, 0, &sums, &mut states, &mut spikes)
                            } else {
                                advance(&layer, received, &sums, &mut states, &mut spikes)
                            };
                            lists[index] = spikes.to_vec();
                        }
                        assert_eq!(updates[0], updates[1], "{neurons} neurons at {t}");
                        assert_eq!(lists[0], lists[1]);
                        assert_eq!(states[0], states[1]);
                        rested |= updates[0].rests;
                    }
                    assert!(rested || neurons > 16 || z > 0, "{neurons} neurons never rest");
                }
            }
        }
    }
}
