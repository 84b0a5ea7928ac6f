//! Event-driven synapses: only inputs that spike add their weights (the sum in Eq. 3a).
//!
//! # Layout
//!
//! A layer's weights stand in one block, one row per input, one column per neuron, one byte each, so that a
//! spike adds one contiguous row:
//!
//! ```text
//!            neuron 0   1   2 … N-1  padding to a multiple of 4 bytes, zero
//! input 0        [ w   w   w      w   0 ]
//! input 1        [ w   w   w      w   0 ]
//! …
//! ```
//!
//! # Range
//!
//! A weight times a spike is at most 127 * 256 in magnitude (|w| <= 127 is checked when a model is opened), a
//! timestep adds at most [`crate::MAX_WIDTH`] spikes, and currents enter within ±2^27: no sum leaves ±2^30.

use crate::MAX_WIDTH;
use crate::formats::Current;
use crate::spikes::Spike;

/// A spike of value 1 in the unit of [`crate::SpikeValue`].
const ONE: i32 = 256;

/// The weights from one layer's inputs to its neurons, in place.
#[derive(Clone, Copy, Debug)]
pub struct Synapses<'m> {
    weights: &'m [i8],
    inputs: u16,
    neurons: u16,
}

/// Why weights do not make synapses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SynapsesError {
    /// No inputs or neurons, or more than [`MAX_WIDTH`] of them.
    Width,
    /// The block's length is not inputs times stride.
    Length,
}

impl<'m> Synapses<'m> {
    /// Synapses from `inputs` to `neurons`, whose `weights` are laid out as the module says.
    ///
    /// # Errors
    /// [`SynapsesError`] if the widths are not in 1 to [`MAX_WIDTH`], or the block has another length than
    /// `inputs * stride(neurons)`.
    pub fn new(weights: &'m [i8], inputs: u16, neurons: u16) -> Result<Self, SynapsesError> {
        let width = 1..=MAX_WIDTH;
        if !width.contains(&usize::from(inputs)) || !width.contains(&usize::from(neurons)) {
            return Err(SynapsesError::Width);
        }
        if weights.len() != usize::from(inputs) * Self::stride(neurons) {
            return Err(SynapsesError::Length);
        }
        Ok(Self { weights, inputs, neurons })
    }

    /// Bytes from one row to the next.
    pub const fn stride(neurons: u16) -> usize {
        (neurons as usize).next_multiple_of(4)
    }

    /// Number of inputs.
    pub const fn inputs(&self) -> u16 {
        self.inputs
    }

    /// Number of neurons.
    pub const fn neurons(&self) -> u16 {
        self.neurons
    }

    /// The weights from one input to each neuron; `None` if there is no such input.
    #[inline]
    pub fn row(&self, input: u16) -> Option<&'m [i8]> {
        let start = usize::from(input) * Self::stride(self.neurons);
        self.weights.get(start..start + usize::from(self.neurons))
    }

    /// Adds the weights of each spiking input to the currents, one per neuron.
    ///
    /// An input that is listed twice adds its weights twice. Inputs that do not exist add nothing, and neither do
    /// spikes behind the first [`MAX_WIDTH`] of the list: so many always fit, whichever inputs they are of.
    pub fn add(&self, spiking: &[u16], currents: &mut [Current]) {
        let spiking = spiking.get(..MAX_WIDTH).unwrap_or(spiking);
        self.add_rows(spiking.iter().map(|&input| (input, ONE)), currents);
    }

    /// Adds the weights of each graded spike, times its value, to the currents, one per neuron.
    ///
    /// Spikes of inputs that do not exist add nothing, nor do those behind the first [`MAX_WIDTH`] of the list.
    pub fn add_graded(&self, spikes: &[Spike], currents: &mut [Current]) {
        let spikes = spikes.get(..MAX_WIDTH).unwrap_or(spikes);
        self.add_rows(spikes.iter().map(|s| (s.neuron, i32::from(s.value().to_bits()))), currents);
    }

    /// Four rows share one pass over the currents: loading and storing a current costs as much as two weights.
    #[inline]
    fn add_rows(&self, events: impl Iterator<Item = (u16, i32)>, currents: &mut [Current]) {
        let mut rows = events.filter_map(|(input, value)| Some((self.row(input)?, value))).fuse();
        loop {
            match [rows.next(), rows.next(), rows.next(), rows.next()] {
                [Some(a), Some(b), Some(c), Some(d)] => add_four([a, b, c, d], currents),
                rest => return rest.into_iter().flatten().for_each(|row| add_one(row, currents)),
            }
        }
    }
}

/// A row of weights and the value of the spike that adds it.
type Event<'m> = (&'m [i8], i32);

#[inline]
fn add_one((row, value): Event<'_>, currents: &mut [Current]) {
    for (current, weight) in currents.iter_mut().zip(row) {
        *current = Current::from_bits(current.to_bits() + i32::from(*weight) * value);
    }
}

#[inline]
fn add_four([a, b, c, d]: [Event<'_>; 4], currents: &mut [Current]) {
    let weights = a.0.iter().zip(b.0).zip(c.0.iter().zip(d.0));
    for (current, ((wa, wb), (wc, wd))) in currents.iter_mut().zip(weights) {
        let left = i32::from(*wa) * a.1 + i32::from(*wb) * b.1;
        let right = i32::from(*wc) * c.1 + i32::from(*wd) * d.1;
        *current = Current::from_bits(current.to_bits() + left + right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spikes::SpikeValue;
    use std::{vec, vec::Vec};

    fn block(inputs: u16, neurons: u16) -> Vec<i8> {
        let mut block = vec![0; usize::from(inputs) * Synapses::stride(neurons)];
        for (input, row) in block.chunks_mut(Synapses::stride(neurons)).enumerate() {
            for (neuron, weight) in row.iter_mut().take(usize::from(neurons)).enumerate() {
                *weight = ((input * 31 + neuron * 17) % 255) as i8;
            }
        }
        block
    }

    /// The sum as the paper writes it, one synapse at a time.
    fn plain(block: &[i8], neurons: u16, spikes: &[(u16, i32)]) -> Vec<i32> {
        let stride = Synapses::stride(neurons);
        let weight = |input: u16, n: usize| i32::from(block[usize::from(input) * stride + n]);
        (0..usize::from(neurons)).map(|n| spikes.iter().map(|&(i, v)| weight(i, n) * v).sum()).collect()
    }

    #[test]
    fn adds_what_the_formula_says() {
        for neurons in [1, 3, 4, 5, 100] {
            let (inputs, block) = (40, block(40, neurons));
            let synapses = Synapses::new(&block, inputs, neurons).unwrap();
            for count in 0..=inputs {
                let spiking: Vec<u16> = (0..count).map(|k| (k * 7) % inputs).collect();
                let mut currents = vec![Current::ZERO; usize::from(neurons)];
                synapses.add(&spiking, &mut currents);
                let events: Vec<_> = spiking.iter().map(|&i| (i, 256)).collect();
                let bits: Vec<i32> = currents.iter().map(|c| c.to_bits()).collect();
                assert_eq!(bits, plain(&block, neurons, &events));

                let events: Vec<_> = spiking.iter().map(|&i| (i, 1 + i32::from(i) * 6)).collect();
                let spikes: Vec<_> =
                    events.iter().map(|&(i, v)| Spike::new(i, SpikeValue::from_bits(v as u16))).collect();
                let mut currents = vec![Current::ZERO; usize::from(neurons)];
                synapses.add_graded(&spikes, &mut currents);
                let bits: Vec<i32> = currents.iter().map(|c| c.to_bits()).collect();
                assert_eq!(bits, plain(&block, neurons, &events));
            }
        }
    }

    #[test]
    fn bad_inputs_add_nothing_and_never_panic() {
        let block = block(4, 5);
        let synapses = Synapses::new(&block, 4, 5).unwrap();
        let mut currents = [Current::ZERO; 5];
        synapses.add(&[4, 5, u16::MAX], &mut currents);
        assert_eq!(currents, [Current::ZERO; 5]);
        // One spike more than a timestep may have: the last is ignored.
        let most = [0u16; MAX_WIDTH];
        let mut full = [Current::ZERO; 5];
        synapses.add(&most, &mut full);
        synapses.add(&[&most[..], &[3]].concat(), &mut currents);
        assert_eq!(currents, full);
    }

    #[test]
    fn inputs_listed_twice_count_twice() {
        let block = block(6, 5);
        let synapses = Synapses::new(&block, 6, 5).unwrap();
        let mut currents = [Current::ZERO; 5];
        synapses.add(&[1, 1, 2, 2, 2, 5], &mut currents);
        let expected = plain(&block, 5, &[(1, 512), (2, 768), (5, 256)]);
        assert_eq!(currents.map(Current::to_bits)[..], expected);
    }

    #[test]
    fn the_largest_sum_fits() {
        let inputs = MAX_WIDTH as u16;
        let block = vec![-127i8; usize::from(inputs) * 4];
        let synapses = Synapses::new(&block, inputs, 1).unwrap();
        // Each input once is as much as one input as often.
        let all: Vec<u16> = (0..inputs).collect();
        let mut currents = [Current::from_bits(-(1 << 27))];
        synapses.add(&all, &mut currents);
        assert_eq!(currents[0].to_bits(), -(1 << 27) - 127 * 256 * 16384);
        assert!(currents[0].to_bits() > -(1 << 30));
    }

    #[test]
    fn wrong_shapes_are_refused() {
        let block = [0; 16];
        assert_eq!(Synapses::new(&block, 4, 5).unwrap_err(), SynapsesError::Length);
        assert_eq!(Synapses::new(&block, 0, 4).unwrap_err(), SynapsesError::Width);
        assert_eq!(Synapses::new(&block, 4, 0).unwrap_err(), SynapsesError::Width);
        assert_eq!(Synapses::new(&block, 1, u16::MAX).unwrap_err(), SynapsesError::Width);
        assert!(Synapses::new(&block, 4, 4).is_ok());
    }
}
