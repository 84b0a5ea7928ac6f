//! The definition of a neuron's timestep, one neuron after the other.
//!
//! ```text
//! i    = the integrator's                                        3a
//! x    = tanh of i / ρ rounded to 1/128                           3b without its ρ, Q15
//! a    = ρ x + r h + r_s h_s + b_h                               in 3d, Q26
//! h'   = tanh of a rounded to 1/128                               3d, Q15
//! h'  += z (h - h'), rounded                                     1b
//! h_s' = z_s h_s + (1 - z_s) h, rounded to 2^-12                 3c, 3e
//! ```
//!
//! h_s has three bits less than its format so that states come to rest: with finer ones, a neuron's slow approach to
//! its rest state goes on for longer than its sequences.

use super::{Constants, HALF};
use crate::formats::{Current, Membrane};
use crate::integrator::{integrate, integrate_any, saturate};
use crate::layer::{LayerStates, Update};
use crate::spikes::{LayerSpikes, Spike, SpikeValue};
use crate::src_layer::{Potentials, SrcLayer};
use crate::tanh::{SIDE, STEP, entry};

/// Bits of a current between two entries of tanh.
const CURRENT_STEP: u32 = 5;
/// Bits of h_s that are always 0 after a timestep.
pub const COARSE: u32 = 3;

/// Advances the neurons of a layer from the `first` on; see [`SrcLayer::update`]. Appends to `spikes`.
#[inline(always)]
pub fn advance(
    layer: &SrcLayer<'_>,
    received: bool,
    first: usize,
    sums: &[i32],
    states: &mut LayerStates<'_>,
    spikes: &mut LayerSpikes,
) -> Update {
    let constants = Constants::of(layer);
    let (mut saturated, mut changed) = (false, false);
    let states = states.currents.iter_mut().zip(states.potentials.iter_mut());
    let neurons = states.zip(layer.neurons().iter().zip(sums)).enumerate().skip(first);
    for (neuron, ((current, potentials), (&[gain, bias], &sum))) in neurons {
        let sum = if received { sum } else { 0 };
        let before = (*current, *potentials);
        let [i, h, h_s] =
            [current.to_bits(), potentials.h.to_bits(), potentials.h_s.to_bits()].map(i32::from);
        let (i, beyond) = current_of(&constants, i, sum, gain);
        let next = membrane(&constants, argument(&constants, input(i), h, h_s, bias), h);
        let next_h_s = slow(&constants, h, h_s, next);
        *current = Current::from_bits(i as i16);
        *potentials =
            Potentials { h: Membrane::from_bits(next as i16), h_s: Membrane::from_bits(next_h_s as i16) };
        saturated |= beyond;
        changed |= before != (*current, *potentials);
        push(&constants, neuron, next, spikes);
    }
    Update { saturated, rests: !received && !changed && spikes.is_empty() }
}

/// The next current, and whether it was saturated.
#[inline(always)]
pub fn current_of(constants: &Constants, i: i32, sum: i32, gain: i32) -> (i32, bool) {
    saturate(if constants.proved {
        integrate(constants.alpha, i, sum, gain)
    } else {
        integrate_any(constants.alpha, i, sum, gain)
    })
}

/// The entry of tanh for a current.
#[inline(always)]
pub fn input_entry(i: i32) -> i32 {
    (i + (1 << (CURRENT_STEP - 1))) >> CURRENT_STEP
}

/// tanh(i / ρ), Q15.
#[inline(always)]
fn input(i: i32) -> i32 {
    entry(input_entry(i))
}

/// The argument of tanh in Eq. 3d, Q26: within 2^31, by the bounds of the coefficients and of the bias.
#[inline(always)]
pub fn argument(constants: &Constants, x: i32, h: i32, h_s: i32, bias: i32) -> i32 {
    constants.rho * x + constants.r * h + constants.r_s * h_s + bias
}

/// The entry of tanh for an argument.
#[inline(always)]
pub fn argument_entry(argument: i32) -> i32 {
    (argument >> STEP).clamp(-SIDE, SIDE - 1)
}

/// The least and the most argument of an entry of tanh, -1024 to 1023.
pub const fn arguments_of(entry: i32) -> [i32; 2] {
    let least = if entry <= -SIDE { i32::MIN } else { entry << STEP };
    let most = if entry >= SIDE - 1 { i32::MAX } else { ((entry + 1) << STEP) - 1 };
    [least, most]
}

/// The next h.
#[inline(always)]
pub fn membrane(constants: &Constants, argument: i32, h: i32) -> i32 {
    inert(constants, entry(argument_entry(argument)), h)
}

/// Eq. 1b: z h + (1 - z) next.
#[inline(always)]
pub(crate) fn inert(constants: &Constants, next: i32, h: i32) -> i32 {
    // |h - next| < 2^16 and z < 2^15.
    next + ((constants.z * (h - next) + (1 << 14)) >> 15)
}

/// The next h_s.
#[inline(always)]
pub fn slow(constants: &Constants, h: i32, h_s: i32, next: i32) -> i32 {
    let gate = if constants.previous { h } else { next };
    // Each share chosen by itself: vector code blends numbers, not pairs.
    let kept = if gate > HALF { constants.dep[0] } else { constants.hyp[0] };
    let taken = if gate > HALF { constants.dep[1] } else { constants.hyp[1] };
    // Both shares add up to at most 2^15, so the product is below 2^30 and h_s stays within its format.
    ((kept * h_s + taken * h + (1 << (14 + COARSE))) >> (15 + COARSE)) << COARSE
}

/// Lists a neuron if it spikes (Eq. 3f).
#[inline(always)]
pub(crate) fn push(constants: &Constants, neuron: usize, h: i32, spikes: &mut LayerSpikes) {
    if constants.spikes(h) {
        let spike = if constants.binary {
            Spike::binary(neuron as u16)
        } else {
            Spike::new(neuron as u16, graded(h))
        };
        // There is room for every neuron.
        let _ = spikes.push(spike);
    }
}

/// ReLU(h) of h from [`super::SMALLEST`] bits on, rounded to the nearest 1/256 and at most 255/256 (Eq. 3f).
#[inline(always)]
pub(crate) fn graded(h: i32) -> SpikeValue {
    SpikeValue::from_bits(((h + 64) >> 7).min(255) as u16)
}

#[cfg(test)]
mod tests {
    use super::super::SMALLEST;
    use super::*;

    #[test]
    fn graded_spikes_round_to_nearest() {
        assert_eq!([64, 191, 192, 16384, 32767].map(|h| graded(h).to_bits()), [1, 1, 2, 128, 255]);
        assert_eq!(SMALLEST, 64, "what is below would round to 0");
    }

    #[test]
    fn entries_and_their_arguments_fit_together() {
        let mut next = i32::MIN;
        for entry in -SIDE..SIDE {
            let [least, most] = arguments_of(entry);
            assert_eq!((least, [least, most].map(argument_entry)), (next, [entry; 2]));
            next = most.wrapping_add(1);
        }
        assert_eq!(next, i32::MIN, "every argument is of one entry");
    }
}
