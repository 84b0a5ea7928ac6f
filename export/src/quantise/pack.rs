//! Packs whole weight steps into a layer's blocks, without the rows and columns that hold only zeros.

use spikelet_runtime::{Shape, Width};
use std::vec::Vec;

/// A layer's weights as they lie in a file.
pub(super) struct Packed {
    /// Number of rows, if not every input has one.
    pub kept_rows: Option<u16>,
    /// Number of columns, if not every neuron has one.
    pub kept_columns: Option<u16>,
    /// The row of each input, or 65,535; empty if every input has one.
    pub rows: Vec<u16>,
    /// Neurons that have a column; empty if every one has.
    pub columns: Vec<u16>,
    /// The block of weights.
    pub weights: Vec<u32>,
}

/// Packs `counts`, `[neurons][inputs]`.
///
/// A table of rows costs 2 bytes per input and one of columns 2 bytes per column: they are made only where they save more.
pub(super) fn pack(counts: &[i8], inputs: usize, width: Width) -> Packed {
    let neurons = counts.len() / inputs;
    let of = |input: usize, neuron: usize| counts[neuron * inputs + input];
    let kept_inputs: Vec<bool> =
        (0..inputs).map(|input| (0..neurons).any(|neuron| of(input, neuron) != 0)).collect();
    let mut row = 0;
    let mut next_row = |kept: &bool| {
        row += u16::from(*kept);
        if *kept { row - 1 } else { u16::MAX }
    };
    let rows: Vec<u16> = kept_inputs.iter().map(&mut next_row).collect();
    let columns: Vec<u16> =
        (0..neurons as u16).filter(|&n| (0..inputs).any(|input| of(input, usize::from(n)) != 0)).collect();

    // With neither table, with one, with both: the smallest.
    let whole = Shape::new(inputs as u16, neurons as u16, width);
    let shapes = [(false, false), (true, false), (false, true), (true, true)].map(|(by_row, by_column)| {
        Shape { rows: by_row.then_some(&rows[..]), columns: by_column.then_some(&columns[..]), ..whole }
    });
    let bytes = |shape: &Shape<'_>| {
        4 * shape.words() + 2 * (shape.rows.map_or(0, <[u16]>::len) + shape.columns.map_or(0, <[u16]>::len))
    };
    let shape = shapes.into_iter().min_by_key(bytes).unwrap_or(whole);
    let mut weights = std::vec![0; shape.words()];
    shape.pack(&mut weights, |input, neuron| of(usize::from(input), usize::from(neuron)));
    let (by_row, by_column) = (shape.rows.is_some(), shape.columns.is_some());
    Packed {
        kept_rows: by_row.then_some(row),
        kept_columns: by_column.then_some(columns.len() as u16),
        rows: if by_row { rows } else { Vec::new() },
        columns: if by_column { columns } else { Vec::new() },
        weights,
    }
}
