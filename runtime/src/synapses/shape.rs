//! What a block of weights holds, and where.

use super::Width;
use crate::MAX_WIDTH;

/// Inputs and neurons of a block of weights, their width, and which of both have a row or column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape<'m> {
    /// Number of inputs.
    pub inputs: u16,
    /// Number of neurons.
    pub neurons: u16,
    /// Width of a weight.
    pub width: Width,
    /// For each input its row, or [`Shape::PRUNED`]; `None` if each has its own.
    pub rows: Option<&'m [u16]>,
    /// The neurons that have a column, ascending; `None` if all have.
    pub columns: Option<&'m [u16]>,
}

/// Why weights do not make synapses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SynapsesError {
    /// No inputs or neurons, or more than [`MAX_WIDTH`] of them.
    Width,
    /// There is not one row for each input in the table, or columns do not ascend or have no neuron.
    Table,
    /// The block's length is not [`Shape::words`].
    Length,
    /// This build has no kernels of the width.
    Unbuilt,
}

impl Shape<'_> {
    /// In the table of rows: the input has none.
    pub const PRUNED: u16 = u16::MAX;
}

impl<'m> Shape<'m> {
    /// Every input has a row and every neuron a column.
    pub const fn new(inputs: u16, neurons: u16, width: Width) -> Self {
        Self { inputs, neurons, width, rows: None, columns: None }
    }

    /// Words of the block.
    pub fn words(&self) -> usize {
        self.rows_kept() * self.row_words()
    }

    pub(super) fn check(&self) -> Result<(), SynapsesError> {
        let width = 1..=MAX_WIDTH;
        if !width.contains(&usize::from(self.inputs)) || !width.contains(&usize::from(self.neurons)) {
            return Err(SynapsesError::Width);
        }
        if self.rows.is_some_and(|rows| rows.len() != usize::from(self.inputs)) {
            return Err(SynapsesError::Table);
        }
        let mut next = 0;
        for &column in self.columns.unwrap_or(&[]) {
            if column < next || column >= self.neurons {
                return Err(SynapsesError::Table);
            }
            next = column + 1;
        }
        Ok(())
    }

    /// Rows of the block: one more than the largest in the table.
    fn rows_kept(&self) -> usize {
        match self.rows {
            None => usize::from(self.inputs),
            Some(rows) => {
                let kept = rows.iter().filter(|&&row| row != Shape::PRUNED);
                kept.max().map_or(0, |&row| usize::from(row) + 1)
            }
        }
    }

    /// Columns of a row.
    #[inline]
    pub(crate) fn columns_kept(&self) -> usize {
        self.columns.map_or(usize::from(self.neurons), <[u16]>::len)
    }

    /// The column of a neuron, if it has one.
    pub(super) fn column(&self, neuron: u16) -> Option<usize> {
        match self.columns {
            None => Some(usize::from(neuron)),
            Some(columns) => columns.iter().position(|&column| column == neuron),
        }
    }

    /// Words of a plane of a row.
    #[inline]
    pub fn plane_words(&self, bits: u32) -> usize {
        (self.columns_kept() * bits as usize).div_ceil(32)
    }

    /// Words of a row.
    #[inline]
    pub fn row_words(&self) -> usize {
        self.width.planes().iter().map(|&bits| self.plane_words(bits)).sum()
    }

    /// Fills a block, of [`Shape::words`] words, with the weight of each input and neuron that has a row and a column. Weights
    /// beyond the width's most become the most.
    pub fn pack(&self, block: &mut [u32], weight: impl Fn(u16, u16) -> i8) {
        block.fill(0);
        let (words, most) = (self.row_words(), i32::from(self.width.most()));
        for input in 0..self.inputs {
            let row = match self.rows {
                None => input,
                Some(rows) => rows.get(usize::from(input)).copied().unwrap_or(Self::PRUNED),
            };
            let Some(row) = block.get_mut(usize::from(row) * words..).and_then(|rest| rest.get_mut(..words))
            else {
                continue;
            };
            for column in 0..self.columns_kept() {
                let neuron = self.columns.map_or(column as u16, |c| c.get(column).copied().unwrap_or(0));
                let weight = i32::from(weight(input, neuron)).clamp(-most, most);
                let (mut biased, mut first) = ((weight + most) as u32, 0);
                for &bits in self.width.planes() {
                    let fields = 32 / bits as usize;
                    if let Some(word) = row.get_mut(first + column / fields) {
                        *word |= (biased & ((1 << bits) - 1)) << (bits * (column % fields) as u32);
                    }
                    biased >>= bits;
                    first += self.plane_words(bits);
                }
            }
        }
    }
}
