//! Sums of rows times the values of graded spikes, one spike after the other.

use super::{EIGHT, FOUR, ONE, Synapses, TWO, round};
use crate::spikes::Spike;

/// Sums the rows of spikes times their values for each column, less `shift` bits.
#[inline]
pub(super) fn sum(synapses: &Synapses<'_>, spikes: &[Spike], shift: u8, sums: &mut [i32]) {
    let shape = synapses.shape();
    let mut values = 0;
    sums.fill(0);
    for spike in spikes {
        let Some(row) = synapses.row(spike.neuron) else { continue };
        let value = i32::from(spike.value().to_bits());
        values += value;
        let (mut row, mut scale) = (row, 0);
        for &bits in shape.width.planes() {
            let (plane, rest) = row.split_at_checked(shape.plane_words(bits)).unwrap_or((row, &[]));
            match bits {
                8 if EIGHT => add_graded::<8>(plane, value << scale, sums),
                4 if FOUR => add_graded::<4>(plane, value << scale, sums),
                2 if TWO => add_graded::<2>(plane, value << scale, sums),
                1 if ONE => add_graded::<1>(plane, value << scale, sums),
                _ => {}
            }
            row = rest;
            scale += bits;
        }
    }
    round(values * i32::from(shape.width.most()), shift, sums);
}

/// Adds a plane's fields times a value.
#[inline(always)]
fn add_graded<const BITS: u32>(plane: &[u32], value: i32, sums: &mut [i32]) {
    let fields = (32 / BITS) as usize;
    let mask = (1u32 << BITS) - 1;
    let mut whole = sums.chunks_exact_mut(fields);
    let mut words = plane.iter();
    for (sums, &word) in whole.by_ref().zip(words.by_ref()) {
        for (field, sum) in sums.iter_mut().enumerate() {
            *sum += (word >> (BITS * field as u32) & mask) as i32 * value;
        }
    }
    if let Some(&word) = words.next() {
        for (field, sum) in whole.into_remainder().iter_mut().enumerate() {
            *sum += (word >> (BITS * field as u32) & mask) as i32 * value;
        }
    }
}
