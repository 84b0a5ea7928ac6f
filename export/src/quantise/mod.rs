//! Quantiser: from float weights to the integers of a model file.
//!
//! Each output neuron has a scale of its own: its weights are whole numbers of its weight step. The step costs one
//! multiplication per neuron and timestep, by the neuron's gain, whatever the number of synapses.

mod lif;
mod pack;
mod src;
pub mod step;

pub use lif::FloatLif;
pub use src::FloatSrc;

use crate::header::LayerHeader;
use crate::write::LayerBlocks;
use spikelet_runtime::{MAX_WIDTH, MOST_INPUT, Width};
use std::fmt;
use std::vec::Vec;

/// A layer in floating point.
#[derive(Clone, Copy, Debug)]
pub struct FloatLayer<'a> {
    /// `[neurons][inputs]`, row-major.
    pub weight: &'a [f32],
    /// Number of neurons.
    pub neurons: usize,
    /// Width that its weights get.
    pub width: Width,
    /// What it receives.
    pub input: LayerInput,
    /// Its cells.
    pub cell: FloatCell<'a>,
}

/// What a layer receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LayerInput {
    /// The network's input: spikes of value 1.
    #[default]
    First,
    /// Spikes of value 1 of the layer below.
    Binary,
    /// Graded spikes of the layer below.
    Graded,
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
    /// Weights cut off at the most steps that their width holds.
    pub saturated: usize,
    /// The most that the sum of a neuron's inputs can bring in a timestep, as a share of what is proved to fit: above 1, sums
    /// are multiplied in 64 bits.
    pub most_input: f64,
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

/// Quantises a layer, with a scale per neuron.
///
/// # Errors
/// [`QuantiseError`] if the layer does not fit the device's formats.
///
/// ```
/// use spikelet_export::quantise::{FloatCell, FloatLayer, FloatLif, FloatSrc, LayerInput, quantise};
/// use spikelet_runtime::formats::Current;
/// use spikelet_runtime::{Width, lif_levels};
///
/// // One neuron with two inputs.
/// let weight = &[0.5, -0.5];
/// let cell = FloatCell::Src { constants: FloatSrc::PAPER, bias: &[-6.0], initial: None };
/// let layer = FloatLayer { weight, neurons: 1, width: Width::Eight, input: LayerInput::First, cell };
/// let src = quantise(&layer).unwrap();
/// // Its weights are 127 steps; in 2^-25 ρ a step is 2^25 / 127 × 0.5 / 3.
/// assert_eq!(src.blocks.neurons[0][0], 44_035);
/// assert_eq!(src.report.zeroed, 0);
///
/// let cell = FloatCell::Lif(FloatLif { leak: 0.9, threshold: 1.0, rest: 0.0 });
/// let lif = quantise(&FloatLayer { cell, ..layer }).unwrap();
/// assert_eq!(lif.blocks.weights, src.blocks.weights);
/// assert_eq!(lif_levels(lif.blocks.neurons[0]), (Current::ONE, Current::ZERO));
/// ```
pub fn quantise(layer: &FloatLayer<'_>) -> Result<QuantisedLayer, QuantiseError> {
    let &FloatLayer { weight, neurons, width, input, cell } = layer;
    let inputs = weight.len().checked_div(neurons).unwrap_or(0);
    let possible = 1..=MAX_WIDTH;
    if !possible.contains(&neurons) || !possible.contains(&inputs) || weight.len() != neurons * inputs {
        return Err(QuantiseError::Shape);
    }
    let rows = || weight.chunks_exact(inputs);
    if let Some(neuron) = rows().position(|row| !row.iter().all(|weight| weight.is_finite())) {
        return Err(QuantiseError::NotFinite { neuron });
    }
    let by_input: Vec<f32> =
        (0..inputs).flat_map(|input| weight.iter().skip(input).step_by(inputs).copied()).collect();
    let steps = step::steps(&by_input, neurons, width.most());
    if let Some(neuron) = steps.iter().position(|step| !step.is_finite()) {
        return Err(QuantiseError::NotFinite { neuron });
    }
    let units = match cell {
        FloatCell::Src { constants, .. } => std::vec![src::unit(&constants)?; neurons],
        FloatCell::Lif(constants) => std::vec![lif::unit(&constants)?; neurons],
    };
    let (shift, gains) = gains(&steps, &units, width, input)?;
    let (cell, decay, neuron_block, initial) = match cell {
        FloatCell::Src { constants, bias, initial } => {
            let (cell, neurons) = src::neurons(&constants, bias, initial.is_some(), &gains)?;
            let initial = initial.map_or(Ok(Vec::new()), |states| src::initial(states, bias.len()))?;
            (cell, src::decay(constants.alpha)?, neurons, initial)
        }
        FloatCell::Lif(constants) => {
            let (cell, neurons) = lif::neurons(&constants, &gains)?;
            (cell, src::decay(constants.leak)?, neurons, Vec::new())
        }
    };
    let (counts, mut report) = whole_steps(weight, inputs, &steps, width);
    report.most_input = most_input(&counts, inputs, &gains, input, shift);
    let packed = pack::pack(&counts, inputs, width);
    let header = LayerHeader {
        neurons: neurons as u16,
        bits: width.bits(),
        rows: packed.kept_rows,
        columns: packed.kept_columns,
        decay,
        shift,
        proved: report.most_input <= 1.0,
        cell,
    };
    let blocks = LayerBlocks {
        rows: packed.rows,
        columns: packed.columns,
        weights: packed.weights,
        neurons: neuron_block,
        initial,
    };
    Ok(QuantisedLayer { header, blocks, report })
}

/// Bits that a gain should have at least.
const GAIN_BITS: u32 = 11;
/// Most bits of the fraction of graded sums that are given up for that.
const MOST_SHIFT: u8 = 4;

/// The shift of a layer's sums and each neuron's gain: the size of what its sums are counted in, in units of 2^-25 of the unit
/// of its current.
fn gains(
    steps: &[f32],
    units: &[f64],
    width: Width,
    input: LayerInput,
) -> Result<(u8, Vec<i32>), QuantiseError> {
    let gain = |shift: u8| {
        let fraction = if input == LayerInput::First { 0 } else { 8 - i32::from(shift) };
        move |(&step, &unit): (&f32, &f64)| (f64::from(step) / unit * 2f64.powi(25 - fraction)).round()
    };
    let fine = |&shift: &u8| {
        let least = f64::from(1 << GAIN_BITS);
        steps.iter().zip(units).filter(|(step, _)| **step > 0.0).all(|pair| gain(shift)(pair) >= least)
    };
    let shift = match input {
        LayerInput::First => 0,
        LayerInput::Binary => 8,
        LayerInput::Graded => (0..MOST_SHIFT).find(fine).unwrap_or(MOST_SHIFT),
    };
    let gains = steps.iter().zip(units).enumerate().map(|(neuron, pair)| {
        let gain = gain(shift)(pair);
        if gain <= f64::from(i32::MAX) {
            return Ok(gain as i32);
        }
        let most = f64::from(width.most());
        let weight = f64::from(*pair.0) * most;
        let most = f64::from(i32::MAX) / gain * weight;
        Err(QuantiseError::Large { neuron, weight, most })
    });
    Ok((shift, gains.collect::<Result<_, _>>()?))
}

/// The most that any neuron's sum times its gain can be, as a share of [`MOST_INPUT`]: all inputs with weights of one sign
/// spike at once, with the value 1.
fn most_input(counts: &[i8], inputs: usize, gains: &[i32], input: LayerInput, shift: u8) -> f64 {
    let of = |(row, &gain): (&[i8], &i32)| {
        let sum = |sign: i64| row.iter().map(|&count| (i64::from(count) * sign).max(0)).sum::<i64>();
        let most = sum(1).max(sum(-1));
        let most = if input == LayerInput::First { most } else { (most << (8 - shift)) + 1 };
        most as f64 * f64::from(gain) / MOST_INPUT as f64
    };
    counts.chunks_exact(inputs).zip(gains).map(of).fold(0.0, f64::max)
}

/// The weights, `[neurons][inputs]`, in the given step of each neuron.
fn whole_steps(weight: &[f32], inputs: usize, steps: &[f32], width: Width) -> (Vec<i8>, LayerReport) {
    let most = f32::from(width.most());
    let mut counts = Vec::with_capacity(weight.len());
    let mut report = LayerReport { weights: weight.len(), ..Default::default() };
    let (mut squared_error, mut square) = (0.0, 0.0);
    for (row, &step) in weight.chunks_exact(inputs).zip(steps) {
        report.unconnected += usize::from(row.iter().all(|&weight| weight == 0.0));
        let inverse = step::inverse(step);
        for &weight in row {
            let kept = step::clipped(weight * inverse, width.most());
            report.saturated += usize::from(weight.abs() * inverse > most + 0.5);
            report.zeroed += usize::from(kept == 0.0 && weight != 0.0);
            squared_error += f64::from(kept * step - weight).powi(2);
            square += f64::from(weight).powi(2);
            counts.push(kept as i8);
        }
    }
    report.relative_error = if square > 0.0 { (squared_error / square).sqrt() } else { 0.0 };
    (counts, report)
}

/// [`QuantiseError::Constant`] unless it fits.
const fn refuse(fits: bool, range: &'static str) -> Result<(), QuantiseError> {
    if fits { Ok(()) } else { Err(QuantiseError::Constant(range)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIF: FloatCell<'_> = FloatCell::Lif(FloatLif { leak: 0.9, threshold: 1.0, rest: 0.0 });

    /// A first layer of 8 bits.
    pub(super) fn layer<'a>(weight: &'a [f32], neurons: usize, cell: FloatCell<'a>) -> FloatLayer<'a> {
        FloatLayer { weight, neurons, width: Width::Eight, input: LayerInput::First, cell }
    }

    #[test]
    fn counts_what_is_lost() {
        let weight = &[1.0, 0.001, 0.0, /* neuron 1 */ 0.0, 0.0, 0.0];
        let src = FloatCell::Src { constants: FloatSrc::PAPER, bias: &[-6.0; 2], initial: None };
        for cell in [src, LIF] {
            let q = quantise(&layer(weight, 2, cell)).unwrap();
            assert_eq!(
                LayerReport { relative_error: 0.0, most_input: 0.0, ..q.report },
                LayerReport { weights: 6, zeroed: 1, unconnected: 1, ..Default::default() }
            );
            assert!(q.header.proved && q.report.most_input > 0.0);
        }
    }

    #[test]
    fn weights_are_cut_off_where_many_gain_by_it() {
        let mut weight = [0.03f32; 60].map(|w| w);
        for (k, w) in weight.iter_mut().enumerate() {
            *w *= (k as f32 * 0.618).fract() * 2.0 - 1.0;
        }
        weight[7] = 1.0;
        let q = quantise(&FloatLayer { width: Width::Three, ..layer(&weight, 1, LIF) }).unwrap();
        assert_eq!(q.report.saturated, 0, "one so large is all that counts");
        weight[7] = 0.06;
        let q = quantise(&FloatLayer { width: Width::Three, ..layer(&weight, 1, LIF) }).unwrap();
        assert_eq!(q.report.saturated, 1);
        assert!(q.report.relative_error < 0.4, "{:?}", q.report);
    }

    /// All that can come at once is proved to fit, or is not called proved.
    #[test]
    fn ranges_are_proved_or_not() {
        for (input, unit) in [(LayerInput::First, 1.0), (LayerInput::Binary, 1.0), (LayerInput::Graded, 1.0)]
        {
            for (count, proved) in [(47, true), (49, false)] {
                // So many weights of 1 threshold: with a gain of 2^25 a threshold, 48 are the most.
                let weight = std::vec![unit; count];
                let q = quantise(&FloatLayer { input, ..layer(&weight, 1, LIF) }).unwrap();
                assert_eq!(q.header.proved, proved, "{input:?}, {count}: {}", q.report.most_input);
            }
        }
    }

    #[test]
    fn graded_sums_keep_bits_where_gains_have_them() {
        let of = |weight: &[f32], input| {
            let q = quantise(&FloatLayer { input, ..layer(weight, 1, LIF) }).unwrap();
            (q.header.shift, q.blocks.neurons[0][0])
        };
        // A step of 2^25 / 127 in 2^-25 of a threshold, in 256ths and in larger parts.
        assert_eq!(of(&[1.0], LayerInput::First), (0, 264_208));
        assert_eq!(of(&[1.0], LayerInput::Binary), (8, 264_208));
        assert_eq!(of(&[1.0], LayerInput::Graded), (1, 2064));
        assert_eq!(of(&[0.01], LayerInput::Graded), (4, 165));
        assert_eq!(of(&[8.0], LayerInput::Graded), (0, 8257));
    }

    #[test]
    fn weights_that_make_no_layer_are_refused() {
        let error = |weight: &[f32], neurons| quantise(&layer(weight, neurons, LIF)).unwrap_err();
        assert_eq!(error(&[1.0, f32::NAN], 2), QuantiseError::NotFinite { neuron: 1 });
        assert_eq!(error(&[1.0, 2.0, 3.0], 2), QuantiseError::Shape);
        assert_eq!(error(&[], 0), QuantiseError::Shape);
        assert_eq!(error(&[], 1), QuantiseError::Shape);
        assert!(matches!(error(&[1e6], 1), QuantiseError::Large { neuron: 0, .. }));
    }
}
