//! Quantiser: from float weights to the integers of a model file.
//!
//! Each output neuron has a scale of its own, its largest weight becoming ±127. A current is kept in weight steps
//! of its neuron, so the scale costs one multiplication per neuron and timestep, whatever the number of synapses.

use crate::write::LayerBlocks;
use spikelet_runtime::formats::{Coefficient, CurrentGain, Gate, Loss, TanhArgument};
use spikelet_runtime::{GatedBy, MAX_WIDTH, SpikeKind, SrcConstants, Synapses};
use std::fmt;

/// Largest magnitude of an 8-bit weight.
const MOST: f64 = 127.0;

/// A layer of Spiking Recurrent Cells in floating point.
#[derive(Clone, Copy, Debug)]
pub struct FloatLayer<'a> {
    /// `[neurons][inputs]`, row-major.
    pub weight: &'a [f32],
    /// b_h per neuron.
    pub bias: &'a [f32],
    /// The cells' constants.
    pub cell: FloatCell,
}

/// The constants of Eq. 3 in floating point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FloatCell {
    /// α of the leaky integrator.
    pub alpha: f64,
    /// ρ, bound of the input.
    pub rho: f64,
    /// r, positive feedback.
    pub r: f64,
    /// r_s, negative feedback.
    pub r_s: f64,
    /// z_s at rest.
    pub z_s_hyp: f64,
    /// z_s in a spike.
    pub z_s_dep: f64,
}

/// A quantised layer.
#[derive(Clone, Debug)]
pub struct QuantisedLayer {
    /// What goes into the file.
    pub blocks: LayerBlocks,
    /// What goes into the header.
    pub constants: SrcConstants,
    /// Number of neurons.
    pub neurons: u16,
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
    /// A weight or bias is infinite or not a number.
    NotFinite {
        /// The neuron it belongs to.
        neuron: usize,
    },
    /// Weights and biases do not make a rectangle of at most [`MAX_WIDTH`] inputs and neurons.
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
/// use spikelet_export::quantise::{FloatCell, FloatLayer, quantise};
///
/// let cell = FloatCell { alpha: 0.9, rho: 3.0, r: 2.0, r_s: -7.0, z_s_hyp: 0.9, z_s_dep: 0.0 };
/// // One neuron with two inputs.
/// let layer = FloatLayer { weight: &[0.5, -0.25], bias: &[-6.0], cell };
/// let quantised = quantise(&layer).unwrap();
/// // A row per input, padded to four bytes.
/// assert_eq!(quantised.blocks.weights, [127, 0, 0, 0, -64, 0, 0, 0]);
/// assert_eq!(quantised.report.zeroed, 0);
/// ```
pub fn quantise(layer: &FloatLayer<'_>) -> Result<QuantisedLayer, QuantiseError> {
    let neurons = layer.bias.len();
    let inputs = layer.weight.len().checked_div(neurons).unwrap_or(0);
    let width = 1..=MAX_WIDTH;
    if !width.contains(&neurons) || !width.contains(&inputs) || layer.weight.len() != neurons * inputs {
        return Err(QuantiseError::Shape);
    }
    let constants = constants(&layer.cell)?;
    let stride = Synapses::stride(neurons as u16);
    let mut blocks = LayerBlocks { weights: std::vec![0; inputs * stride], ..Default::default() };
    let mut report = LayerReport { weights: layer.weight.len(), ..Default::default() };
    let (mut squared_error, mut square) = (0.0, 0.0);
    for (neuron, (row, &bias)) in layer.weight.chunks_exact(inputs).zip(layer.bias).enumerate() {
        if !row.iter().chain([&bias]).all(|value| value.is_finite()) {
            return Err(QuantiseError::NotFinite { neuron });
        }
        let largest = row.iter().fold(0.0f64, |largest, &w| largest.max(f64::from(w).abs()));
        let step = largest / MOST;
        let gain = gain(neuron, step, layer.cell.rho)?;
        blocks.neurons.push([gain, TanhArgument::saturating_from_num(bias).to_bits()]);
        report.unconnected += usize::from(largest == 0.0);
        for (input, &weight) in row.iter().enumerate() {
            let weight = f64::from(weight);
            let steps = if step > 0.0 { (weight / step).round() } else { 0.0 };
            let kept = steps.clamp(-MOST, MOST);
            report.saturated += usize::from(kept != steps);
            report.zeroed += usize::from(kept == 0.0 && weight != 0.0);
            squared_error += (kept * step - weight).powi(2);
            square += weight.powi(2);
            blocks.weights[input * stride + neuron] = kept as i8;
        }
    }
    report.relative_error = if square > 0.0 { (squared_error / square).sqrt() } else { 0.0 };
    Ok(QuantisedLayer { blocks, constants, neurons: neurons as u16, report })
}

/// Bits of the [`CurrentGain`] of a neuron whose weights are multiples of `step`.
fn gain(neuron: usize, step: f64, rho: f64) -> Result<i32, QuantiseError> {
    let gain = 8.0 * step / rho;
    CurrentGain::checked_from_num(gain).map(CurrentGain::to_bits).ok_or(QuantiseError::Large {
        neuron,
        weight: step * MOST,
        most: MOST * rho / 8.0,
    })
}

fn constants(cell: &FloatCell) -> Result<SrcConstants, QuantiseError> {
    let &FloatCell { alpha, rho, r, r_s, z_s_hyp, z_s_dep } = cell;
    let refuse = |fits: bool, range| {
        if fits { Ok(()) } else { Err(QuantiseError::Constant(range)) }
    };
    refuse((0.0..1.0).contains(&alpha), "α must be at least 0 and below 1")?;
    refuse(rho > 0.0, "ρ must be above 0")?;
    refuse([z_s_hyp, z_s_dep].iter().all(|z| (0.0..=1.0).contains(z)), "z_s must be 0 to 1")?;
    // The runtime's bound is 23; half an LSB each is lost to rounding.
    refuse(rho + r.abs() + r_s.abs() < 23.0, "|ρ| + |r| + |r_s| must be below 23")?;
    let coefficient = |value| {
        Coefficient::checked_from_num(value).ok_or(QuantiseError::Constant("ρ, r and r_s must be within ±16"))
    };
    Ok(SrcConstants {
        loss: Loss::saturating_from_num(1.0 - alpha).max(Loss::DELTA),
        rho: coefficient(rho)?,
        r: coefficient(r)?,
        r_s: coefficient(r_s)?,
        z_s_hyp: Gate::from_num(z_s_hyp),
        z_s_dep: Gate::from_num(z_s_dep),
        z: Gate::ZERO,
        gated_by: GatedBy::Current,
        spikes: SpikeKind::Graded,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const CELL: FloatCell = FloatCell { alpha: 0.9, rho: 3.0, r: 2.0, r_s: -7.0, z_s_hyp: 0.9, z_s_dep: 0.0 };

    fn layer<'a>(weight: &'a [f32], bias: &'a [f32]) -> FloatLayer<'a> {
        FloatLayer { weight, bias, cell: CELL }
    }

    #[test]
    fn real_weights_come_back_within_half_a_step() {
        let weight: Vec<f32> = (0..300).map(|k| ((k * 7919) % 601) as f32 / 300.0 - 1.0).collect();
        let bias = [-6.0, -4.0, -5.5];
        let q = quantise(&layer(&weight, &bias)).unwrap();
        for neuron in 0..3 {
            let step = f64::from(q.blocks.neurons[neuron][0]) / 2f64.powi(31) * 3.0 / 8.0;
            for input in 0..100 {
                let back = f64::from(q.blocks.weights[input * 4 + neuron]) * step;
                let real = f64::from(weight[neuron * 100 + input]);
                assert!((back - real).abs() <= step * 0.5001, "{back} is not {real}");
            }
            assert_eq!(q.blocks.neurons[neuron][1], (bias[neuron] * 16384.0) as i32);
        }
        assert!(q.report.relative_error < 0.01);
        assert_eq!(q.report.saturated, 0);
    }

    #[test]
    fn counts_what_is_lost() {
        let q = quantise(&layer(&[1.0, 0.001, 0.0, /* neuron 1 */ 0.0, 0.0, 0.0], &[-6.0; 2])).unwrap();
        assert_eq!(
            LayerReport { relative_error: 0.0, ..q.report },
            LayerReport { weights: 6, zeroed: 1, saturated: 0, unconnected: 1, relative_error: 0.0 }
        );
        assert_eq!(q.blocks.neurons[1][0], 0);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let error = |weight: &[f32], bias: &[f32]| quantise(&layer(weight, bias)).unwrap_err();
        assert_eq!(error(&[f32::NAN], &[0.0]), QuantiseError::NotFinite { neuron: 0 });
        assert_eq!(error(&[1.0, 1.0], &[0.0, f32::INFINITY]), QuantiseError::NotFinite { neuron: 1 });
        assert_eq!(error(&[1.0, 2.0, 3.0], &[0.0, 0.0]), QuantiseError::Shape);
        assert_eq!(error(&[], &[]), QuantiseError::Shape);
        assert!(matches!(error(&[50.0], &[0.0]), QuantiseError::Large { neuron: 0, .. }));
        let constant = |cell| quantise(&FloatLayer { weight: &[1.0], bias: &[0.0], cell }).unwrap_err();
        for cell in [
            FloatCell { alpha: 1.0, ..CELL },
            FloatCell { rho: 0.0, ..CELL },
            FloatCell { z_s_dep: 1.5, ..CELL },
            FloatCell { r: 15.0, r_s: -15.0, ..CELL },
            FloatCell { r: 16.0, rho: 0.5, ..CELL },
            FloatCell { r: f64::NAN, ..CELL },
        ] {
            assert!(matches!(constant(cell), QuantiseError::Constant(_)), "{cell:?}");
        }
    }
}
