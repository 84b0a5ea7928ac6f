//! Event-driven synapses: only inputs that spike add their weights (the sum in Eq. 3a).
//!
//! # Layout
//!
//! A layer's weights stand in one block of words, one row per input, so that a spike adds one contiguous row. Weights are
//! biased: what is stored is w + most, from 0 to 2 most, so that many add up side by side in one word without a
//! borrow; the bias, the same for every weight, is subtracted from the sum once.
//!
//! A row is one or two planes, one after the other. A plane is 8, 4, 2 or 1 bits of each weight, one field per column, from
//! the lowest bits of its first word on, and ends with fields of 0 up to a whole word:
//!
//! | width | planes |
//! |---|---|
//! | 8 | 8 bits |
//! | 5 | the lower 4 bits, then the highest |
//! | 4 | 4 bits |
//! | 3 | the lower 2 bits, then the highest |
//! | 2 | 2 bits |
//!
//! Inputs and neurons whose weights are all 0 may be left out: a table then says which row an input has, or which neurons
//! the columns are of.
//!
//! # Range
//!
//! A weight times a spike is at most 127 × 256 in magnitude and a timestep has at most [`crate::MAX_WIDTH`] spikes: no sum
//! leaves ±2^29, and no biased one 2^30.

#[cfg(not(thumb))]
mod lanes;
mod shape;
mod width;

pub use shape::{Shape, SynapsesError};
pub use width::Width;

use crate::MAX_WIDTH;
use crate::spikes::Spike;

/// The weights from one layer's inputs to its neurons, in place.
#[derive(Clone, Copy, Debug)]
pub struct Synapses<'m> {
    block: &'m [u32],
    shape: Shape<'m>,
    /// Words of a row.
    row_words: usize,
}

impl<'m> Synapses<'m> {
    /// Synapses whose weights lie in `block` as [`Shape::pack`] puts them.
    ///
    /// # Errors
    /// [`SynapsesError`] if the widths are not in 1 to [`MAX_WIDTH`], a table does not fit them, the block has another length
    /// than [`Shape::words`], or this build has no kernels of the width.
    pub fn new(block: &'m [u32], shape: Shape<'m>) -> Result<Self, SynapsesError> {
        shape.check()?;
        if !shape.width.is_built() {
            return Err(SynapsesError::Unbuilt);
        }
        if block.len() != shape.words() {
            return Err(SynapsesError::Length);
        }
        let row_words = shape.row_words();
        Ok(Self { block, shape, row_words })
    }

    /// Number of inputs.
    pub const fn inputs(&self) -> u16 {
        self.shape.inputs
    }

    /// Number of neurons.
    pub const fn neurons(&self) -> u16 {
        self.shape.neurons
    }

    /// Width of the weights.
    pub const fn width(&self) -> Width {
        self.shape.width
    }

    /// What the block holds.
    pub const fn shape(&self) -> &Shape<'m> {
        &self.shape
    }

    /// The block.
    pub const fn block(&self) -> &'m [u32] {
        self.block
    }

    /// The weight from an input to a neuron; `None` if there is no such input or neuron. For looking, not for running.
    pub fn weight(&self, input: u16, neuron: u16) -> Option<i8> {
        if input >= self.shape.inputs || neuron >= self.shape.neurons {
            return None;
        }
        let (Some(row), Some(column)) = (self.row(input), self.shape.column(neuron)) else {
            return Some(0);
        };
        // Fields of damaged blocks may be one above the most; sums of them still fit.
        Some(self.of_row(row, column).min(127) as i8)
    }

    /// The weight in a column of a row.
    fn of_row(&self, mut plane: &[u32], column: usize) -> i32 {
        let (mut shift, mut biased) = (0, 0);
        for &bits in self.shape.width.planes() {
            let at = column * bits as usize;
            let field = plane.get(at / 32).map_or(0, |word| word >> (at % 32));
            biased |= (field & ((1 << bits) - 1)) << shift;
            shift += bits;
            plane = plane.get(self.shape.plane_words(bits)..).unwrap_or(&[]);
        }
        biased as i32 - i32::from(self.shape.width.most())
    }

    /// Sums of the columns, one synapse at a time.
    #[cfg(test)]
    fn sum_plainly(&self, spiking: &[u16], sums: &mut [i32]) {
        for (column, sum) in self.columns_of(sums).iter_mut().enumerate() {
            let rows = spiking.iter().filter_map(|&input| self.row(input));
            *sum = rows.map(|row| self.of_row(row, column)).sum();
        }
    }

    /// The number of an input's row, which is below that of rows; `None` if it is pruned or does not exist.
    #[inline(always)]
    pub(crate) fn row_of(&self, input: u16) -> Option<u16> {
        if input >= self.shape.inputs {
            return None;
        }
        match self.shape.rows {
            None => Some(input),
            Some(rows) => rows.get(usize::from(input)).copied().filter(|&row| row != Shape::PRUNED),
        }
    }

    /// The row of an input; `None` if it is pruned or does not exist.
    #[inline]
    pub(crate) fn row(&self, input: u16) -> Option<&'m [u32]> {
        let row = self.row_of(input)?;
        self.block.get(usize::from(row) * self.row_words..)?.get(..self.row_words)
    }

    /// Sums the weights of spiking inputs for each neuron: `sums[n]` = Σ w over the list, written, not added.
    ///
    /// An input that is listed twice adds its weights twice. Inputs that do not exist add nothing, and neither do those
    /// behind the first [`MAX_WIDTH`] of the list: so many always fit, whichever inputs they are of. Neurons beyond `sums` get
    /// none. Entries behind the neurons, up to a multiple of 16, may be overwritten: kernels write whole words, and it costs time if
    /// there is no room for the last.
    pub fn sum(&self, spiking: &[u16], sums: &mut [i32]) {
        let spiking = spiking.get(..MAX_WIDTH).unwrap_or(spiking);
        #[cfg(thumb)]
        crate::arm::sums::sum(self, spiking, sums);
        #[cfg(not(thumb))]
        lanes::sum(self, spiking, self.columns_of(sums));
        self.spread(sums);
    }

    /// Words of a row.
    #[cfg(thumb)]
    pub(crate) const fn row_words(&self) -> usize {
        self.row_words
    }

    /// The entries of the sums that columns are summed in.
    #[cfg(not(thumb))]
    fn columns_of<'s>(&self, sums: &'s mut [i32]) -> &'s mut [i32] {
        let columns = self.shape.columns_kept().min(sums.len());
        sums.get_mut(..columns).unwrap_or(&mut [])
    }

    /// Sums the weights of each graded spike times its value: `sums[n]` = Σ w v over the list, v in 1/256, with `shift` bits
    /// rounded away (to nearest, halves up), written, not added. `shift` is at most 8.
    ///
    /// Otherwise as [`Synapses::sum`].
    pub fn sum_graded(&self, spikes: &[Spike], shift: u8, sums: &mut [i32]) {
        let spikes = spikes.get(..MAX_WIDTH).unwrap_or(spikes);
        #[cfg(thumb)]
        crate::arm::sums::sum_graded(self, spikes, shift & 15, sums);
        #[cfg(not(thumb))]
        lanes::sum_graded(self, spikes, shift & 15, self.columns_of(sums));
        self.spread(sums);
    }

    /// Moves the sums of the kept columns to their neurons, with 0 for all others.
    fn spread(&self, sums: &mut [i32]) {
        let Some(columns) = self.shape.columns else { return };
        let neurons = usize::from(self.shape.neurons).min(sums.len());
        let mut left = columns.partition_point(|&kept| usize::from(kept) < neurons);
        // From the last on: a column stands at or before its neuron, so nothing is overwritten that is still needed.
        for neuron in (0..neurons).rev() {
            let mut sum = 0;
            if let Some(column) = left.checked_sub(1)
                && columns.get(column).is_some_and(|&kept| usize::from(kept) == neuron)
            {
                sum = sums.get(column).copied().unwrap_or(0);
                left = column;
            }
            if let Some(to) = sums.get_mut(neuron) {
                *to = sum;
            }
        }
    }
}

/// Takes the bias, in 1/256, from sums of graded spikes, and rounds `shift` bits away.
#[inline]
pub(crate) fn round(bias: i32, shift: u8, sums: &mut [i32]) {
    let start = ((1 << shift) >> 1) - bias;
    for sum in sums {
        *sum = (*sum + start) >> shift;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spikes::SpikeValue;
    use std::{vec, vec::Vec};

    /// A network's worth of weights, any of them, and the block that holds them.
    struct Case {
        inputs: u16,
        neurons: u16,
        width: Width,
        weights: Vec<i8>,
        rows: Option<Vec<u16>>,
        columns: Option<Vec<u16>>,
        block: Vec<u32>,
    }

    impl Case {
        fn new(
            inputs: u16,
            neurons: u16,
            width: Width,
            prune: bool,
            weight: impl Fn(u16, u16) -> i8,
        ) -> Self {
            let kept = |n: u16| !prune || n % 3 != 1;
            let all = (0..inputs).flat_map(|i| (0..neurons).map(move |n| (i, n)));
            let weights =
                all.map(|(i, n)| if kept(i) && kept(n) { weight(i, n) } else { 0 }).collect::<Vec<_>>();
            let mut next = 0;
            let rows = prune.then(|| {
                let row = |i| {
                    next += u16::from(kept(i));
                    if kept(i) { next - 1 } else { Shape::PRUNED }
                };
                (0..inputs).map(row).collect::<Vec<_>>()
            });
            let columns = prune.then(|| (0..neurons).filter(|&n| kept(n)).collect::<Vec<_>>());
            let mut case = Self { inputs, neurons, width, weights, rows, columns, block: Vec::new() };
            let mut block = vec![0; case.shape().words()];
            case.shape().pack(&mut block, |i, n| case.weight(i, n));
            case.block = block;
            case
        }

        fn shape(&self) -> Shape<'_> {
            let Self { inputs, neurons, width, ref rows, ref columns, .. } = *self;
            Shape { inputs, neurons, width, rows: rows.as_deref(), columns: columns.as_deref() }
        }

        fn weight(&self, input: u16, neuron: u16) -> i8 {
            self.weights[usize::from(input) * usize::from(self.neurons) + usize::from(neuron)]
        }

        /// The sum as the paper writes it, one synapse at a time.
        fn plain(&self, spikes: &[(u16, i32)]) -> Vec<i32> {
            let sum = |n| {
                let known = spikes.iter().filter(|(i, _)| *i < self.inputs);
                known.map(|&(i, v)| i32::from(self.weight(i, n)) * v).sum()
            };
            (0..self.neurons).map(sum).collect()
        }

        fn check(&self, spiking: &[u16]) {
            let synapses = Synapses::new(&self.block, self.shape()).unwrap();
            let mut sums = vec![77; usize::from(self.neurons)];
            synapses.sum(spiking, &mut sums);
            let mut plainly = vec![0; usize::from(self.neurons)];
            synapses.sum_plainly(spiking, &mut plainly);
            synapses.spread(&mut plainly);
            assert_eq!(sums, plainly);
            let events: Vec<_> = spiking.iter().map(|&i| (i, 1)).collect();
            assert_eq!(sums, self.plain(&events), "{:?}, {} spikes", self.shape(), spiking.len());
            let mut short = vec![77; usize::from(self.neurons / 2)];
            synapses.sum(spiking, &mut short);
            assert_eq!(short, sums[..short.len()], "{:?}, room for half", self.shape());

            let events: Vec<_> = spiking.iter().map(|&i| (i, 1 + i32::from(i) * 37 % 256)).collect();
            let spikes: Vec<_> =
                events.iter().map(|&(i, v)| Spike::new(i, SpikeValue::from_bits(v as u16))).collect();
            for shift in [0, 3, 8] {
                synapses.sum_graded(&spikes, shift, &mut sums);
                let rounded = |sum: i32| (sum + ((1 << shift) >> 1)) >> shift;
                let expected: Vec<_> = self.plain(&events).into_iter().map(rounded).collect();
                assert_eq!(sums, expected, "{:?}, shift {shift}", self.shape());
                synapses.sum_graded(&spikes, shift, &mut short);
                assert_eq!(short, sums[..short.len()], "{:?}, shift {shift}, room for half", self.shape());
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "arithmetic over many values: too long for it")]
    fn sums_are_what_the_formula_says() {
        for width in Width::ALL {
            let most = i32::from(width.most());
            for neurons in [1, 3, 8, 16, 33, 61, 100, 127, 254, 512] {
                for prune in [false, true] {
                    let weight = |i: u16, n: u16| {
                        ((i32::from(i) * 31 + i32::from(n) * 17) % (2 * most + 1) - most) as i8
                    };
                    let case = Case::new(40, neurons, width, prune, weight);
                    for count in [0, 1, 2, 15, 16, 17, 40] {
                        let spiking: Vec<u16> = (0..count).map(|k| k * 7 % 40).collect();
                        case.check(&spiking);
                    }
                }
            }
        }
    }

    /// All weights at an end of their range, more spikes than lanes hold, unknown and repeated inputs.
    #[test]
    #[cfg_attr(miri, ignore = "arithmetic over many values: too long for it")]
    fn extremes_and_bad_lists() {
        for width in Width::ALL {
            for sign in [1, -1] {
                let case = Case::new(700, 70, width, false, |_, _| width.most() * sign);
                let all: Vec<u16> = (0..700).collect();
                case.check(&all);
                let twice: Vec<u16> = all.iter().chain(&all).copied().collect();
                case.check(&twice);
                case.check(&[3, 3, 700, 699, u16::MAX, 0, 0]);
                case.check(&[u16::MAX; 300]);
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "arithmetic over many values: too long for it")]
    fn the_longest_list_fits_and_what_is_behind_it_is_ignored() {
        let case = Case::new(1, 5, Width::Eight, false, |_, n| if n == 0 { -127 } else { 127 });
        let synapses = Synapses::new(&case.block, case.shape()).unwrap();
        let mut sums = [0; 5];
        synapses.sum(&[0; MAX_WIDTH + 1], &mut sums);
        let most = 127 * MAX_WIDTH as i32;
        assert_eq!(sums, [-most, most, most, most, most]);
        synapses.sum_graded(&[Spike::binary(0); MAX_WIDTH + 1], 0, &mut sums);
        assert_eq!(sums, [-most * 256, most * 256, most * 256, most * 256, most * 256]);
    }

    #[test]
    fn blocks_have_their_true_size() {
        let bytes = |width| 4 * Shape::new(784, 512, width).words();
        assert_eq!(Width::ALL.map(bytes), [8, 5, 4, 3, 2].map(|bits| 784 * 512 * bits / 8));
        let case = Case::new(40, 100, Width::Four, true, |_, _| 1);
        // 27 of 40 rows, 67 of 100 columns in 9 words.
        assert_eq!(case.block.len(), 27 * 9);
    }

    #[test]
    fn weights_are_read_back() {
        for width in Width::ALL {
            let most = i16::from(width.most());
            let case =
                Case::new(9, 21, width, true, |i, n| (((i * 5 + n) as i16) % (2 * most + 1) - most) as i8);
            let synapses = Synapses::new(&case.block, case.shape()).unwrap();
            for (i, n) in (0..9).flat_map(|i| (0..21).map(move |n| (i, n))) {
                assert_eq!(synapses.weight(i, n), Some(case.weight(i, n)), "{width:?}, {i}, {n}");
            }
            assert_eq!((synapses.weight(9, 0), synapses.weight(0, 21)), (None, None));
        }
    }

    #[test]
    fn wrong_shapes_are_refused() {
        let block = [0; 16];
        let error = |shape| Synapses::new(&block, shape).unwrap_err();
        let new = |inputs, neurons| Shape::new(inputs, neurons, Width::Eight);
        assert_eq!(error(new(4, 5)), SynapsesError::Length);
        assert_eq!(error(new(0, 4)), SynapsesError::Width);
        assert_eq!(error(new(4, 0)), SynapsesError::Width);
        assert_eq!(error(new(1, u16::MAX)), SynapsesError::Width);
        assert_eq!(error(Shape { rows: Some(&[0, 1]), ..new(4, 16) }), SynapsesError::Table);
        assert_eq!(error(Shape { rows: Some(&[0, 4, 1, 2]), ..new(4, 16) }), SynapsesError::Length);
        for columns in [&[0u16, 0][..], &[2, 1], &[16]] {
            assert_eq!(error(Shape { columns: Some(columns), ..new(4, 16) }), SynapsesError::Table);
        }
        assert!(Synapses::new(&block, new(4, 16)).is_ok());
        assert!(
            Synapses::new(&block[..4], Shape { rows: Some(&[Shape::PRUNED, 0, 0, 0]), ..new(4, 16) }).is_ok()
        );
    }
}
