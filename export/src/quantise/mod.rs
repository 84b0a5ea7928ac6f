//! Quantiser: from float weights to the integers of a model file.
//!
//! Each output neuron has a scale of its own, its largest weight becoming ±127. A current is kept in weight steps
//! of its neuron, so the scale costs SRC one multiplication per neuron and timestep, whatever the number of synapses, and
//! LIF nothing: its thresholds are kept in weight steps too.

mod lif;
mod src;

pub use lif::FloatLif;
pub use src::FloatSrc;

use crate::header::LayerHeader;
use crate::write::LayerBlocks;
use spikelet_runtime::{MAX_WIDTH, Synapses};
use std::fmt;
use std::vec::Vec;

/// Largest magnitude of an 8-bit weight.
const MOST: f64 = 127.0;

/// A layer in floating point.
#[derive(Clone, Copy, Debug)]
pub struct FloatLayer<'a> {
    /// `[neurons][inputs]`, row-major.
    pub weight: &'a [f32],
    /// Number of neurons.
    pub neurons: usize,
    /// Its cells.
    pub cell: FloatCell<'a>,
}

/// The cells of a layer in floating point.
#[derive(Clone, Copy, Debug)]
pub enum FloatCell<'a> {
    /// Spiking Recurrent Cells.
    Src {
        /// Their constants.
        constants: FloatSrc,
        /// b_h per neuron.
        bias: &'a [f32],
        /// h and h_s per neuron before the first timestep; both 0 if `None`.
        initial: Option<(&'a [f32], &'a [f32])>,
    },
    /// Leaky integrate-and-fire neurons.
    Lif(FloatLif),
}

/// A quantised layer.
#[derive(Clone, Debug)]
pub struct QuantisedLayer {
    /// What goes into the header.
    pub header: LayerHeader,
    /// What goes into the file behind it.
    pub blocks: LayerBlocks,
    /// What quantising did.
    pub report: LayerReport,
}

/// What quantising did to a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LayerReport {
    /// Number of weights.
    pub weights: usize,
    /// Weights that were not 0 and are now.
    pub zeroed: usize,
    /// Weights cut off at ±127 steps.
    pub saturated: usize,
    /// Neurons without any weight but 0.
    pub unconnected: usize,
    /// Root of the mean squared error of the weights, relative to the root of their mean square.
    pub relative_error: f64,
}

/// Why a layer cannot be quantised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum QuantiseError {
    /// A weight, bias or initial state is infinite or not a number.
    NotFinite {
        /// The neuron it belongs to.
        neuron: usize,
    },
    /// Weights, biases and initial states do not make a rectangle of at most [`MAX_WIDTH`] inputs and neurons.
    Shape,
    /// A weight is larger than the device's format holds.
    Large {
        /// The neuron it belongs to.
        neuron: usize,
        /// Its magnitude.
        weight: f64,
        /// The largest possible.
        most: f64,
    },
    /// A constant of the cell is out of the device's range.
    Constant(&'static str),
}

impl fmt::Display for QuantiseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite { neuron } => {
                write!(
                    f,
                    "neuron {neuron} has a weight or bias that is no number: train again with a lower rate"
                )
            }
            Self::Shape => {
                write!(f, "weights and biases do not fit together, or a side is not 1 to {MAX_WIDTH}")
            }
            Self::Large { neuron, weight, most } => {
                write!(f, "neuron {neuron} has a weight of {weight}, but the device holds at most {most:.1}")
            }
            Self::Constant(range) => write!(f, "a cell's constant is out of the device's range: {range}"),
        }
    }
}

impl std::error::Error for QuantiseError {}

/// Quantises a layer to 8-bit weights with a scale per neuron.
///
/// # Errors
/// [`QuantiseError`] if the layer does not fit the device's formats.
///
/// ```
/// use spikelet_export::quantise::{FloatCell, FloatLayer, FloatLif, FloatSrc, quantise};
///
/// // One neuron with two inputs.
/// let weight = &[0.5, -0.25];
/// let cell = FloatCell::Src { constants: FloatSrc::PAPER, bias: &[-6.0], initial: None };
/// let src = quantise(&FloatLayer { weight, neurons: 1, cell }).unwrap();
/// // A row per input, padded to four bytes.
/// assert_eq!(src.blocks.weights, [127, 0, 0, 0, -64, 0, 0, 0]);
/// assert_eq!(src.report.zeroed, 0);
///
/// let cell = FloatCell::Lif(FloatLif { leak: 0.9, threshold: 1.0, rest: 0.0 });
/// let lif = quantise(&FloatLayer { weight, neurons: 1, cell }).unwrap();
/// assert_eq!(lif.blocks.weights, src.blocks.weights);
/// // A threshold of two largest weights, 254 steps, and a resting potential of 0, in 1/256 of a step.
/// assert_eq!(lif.blocks.neurons, [[254 * 256, 0]]);
/// ```
pub fn quantise(layer: &FloatLayer<'_>) -> Result<QuantisedLayer, QuantiseError> {
    let &FloatLayer { weight, neurons, cell } = layer;
    let inputs = weight.len().checked_div(neurons).unwrap_or(0);
    let width = 1..=MAX_WIDTH;
    if !width.contains(&neurons) || !width.contains(&inputs) || weight.len() != neurons * inputs {
        return Err(QuantiseError::Shape);
    }
    let rows = || weight.chunks_exact(inputs);
    if let Some(neuron) = rows().position(|row| !row.iter().all(|weight| weight.is_finite())) {
        return Err(QuantiseError::NotFinite { neuron });
    }
    let largest = |row: &[f32]| row.iter().fold(0.0f64, |largest, &w| largest.max(f64::from(w).abs()));
    let steps: Vec<f64> = rows().map(|row| largest(row) / MOST).collect();
    let (steps, cell, neuron_block, initial) = match cell {
        FloatCell::Src { constants, bias, initial } => {
            let (cell, neurons) = src::neurons(&constants, bias, initial.is_some(), &steps)?;
            let initial = initial.map_or(Ok(Vec::new()), |states| src::initial(states, bias.len()))?;
            (steps, cell, neurons, initial)
        }
        FloatCell::Lif(constants) => {
            let (cell, steps, neurons) = lif::neurons(&constants, steps)?;
            (steps, cell, neurons, Vec::new())
        }
    };
    let (weights, report) = weights(weight, inputs, &steps);
    let header = LayerHeader { neurons: neurons as u16, bits: 8, cell };
    Ok(QuantisedLayer { header, blocks: LayerBlocks { weights, neurons: neuron_block, initial }, report })
}

/// The block of weights, in the given step of each neuron.
fn weights(weight: &[f32], inputs: usize, steps: &[f64]) -> (Vec<i8>, LayerReport) {
    let stride = Synapses::stride(steps.len() as u16);
    let mut block = std::vec![0; inputs * stride];
    let mut report = LayerReport { weights: weight.len(), ..Default::default() };
    let (mut squared_error, mut square) = (0.0, 0.0);
    for (neuron, (row, &step)) in weight.chunks_exact(inputs).zip(steps).enumerate() {
        report.unconnected += usize::from(row.iter().all(|&weight| weight == 0.0));
        for (input, &weight) in row.iter().enumerate() {
            let weight = f64::from(weight);
            let steps = if step > 0.0 { (weight / step).round() } else { 0.0 };
            let kept = steps.clamp(-MOST, MOST);
            report.saturated += usize::from(kept != steps);
            report.zeroed += usize::from(kept == 0.0 && weight != 0.0);
            squared_error += (kept * step - weight).powi(2);
            square += weight.powi(2);
            block[input * stride + neuron] = kept as i8;
        }
    }
    report.relative_error = if square > 0.0 { (squared_error / square).sqrt() } else { 0.0 };
    (block, report)
}

/// [`QuantiseError::Constant`] unless it fits.
const fn refuse(fits: bool, range: &'static str) -> Result<(), QuantiseError> {
    if fits { Ok(()) } else { Err(QuantiseError::Constant(range)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIF: FloatCell<'_> = FloatCell::Lif(FloatLif { leak: 0.9, threshold: 1.0, rest: 0.0 });

    #[test]
    fn counts_what_is_lost() {
        let weight = &[1.0, 0.001, 0.0, /* neuron 1 */ 0.0, 0.0, 0.0];
        let src = FloatCell::Src { constants: FloatSrc::PAPER, bias: &[-6.0; 2], initial: None };
        for cell in [src, LIF] {
            let q = quantise(&FloatLayer { weight, neurons: 2, cell }).unwrap();
            assert_eq!(
                LayerReport { relative_error: 0.0, ..q.report },
                LayerReport { weights: 6, zeroed: 1, saturated: 0, unconnected: 1, relative_error: 0.0 }
            );
        }
    }

    #[test]
    fn weights_that_make_no_layer_are_refused() {
        let error = |weight: &[f32], neurons| {
            let cell = LIF;
            quantise(&FloatLayer { weight, neurons, cell }).unwrap_err()
        };
        assert_eq!(error(&[1.0, f32::NAN], 2), QuantiseError::NotFinite { neuron: 1 });
        assert_eq!(error(&[1.0, 2.0, 3.0], 2), QuantiseError::Shape);
        assert_eq!(error(&[], 0), QuantiseError::Shape);
        assert_eq!(error(&[], 1), QuantiseError::Shape);
    }
}
