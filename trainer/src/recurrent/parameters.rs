//! What a dense recurrent layer learns, in memory and in checkpoints.
//!
//! | checkpoint | shape | what |
//! |---|---|---|
//! | `layers.L.input.weight` | `[3 · neurons, inputs]` | U_z, U_r, U_h below each other |
//! | `layers.L.recurrent.weight` | `[3 · neurons, neurons]` for GRU | W_z, W_r, W_h below each other |
//! | | `[2, neurons]` for BRC | w_z and w_r |
//! | `layers.L.bias` | `[3 · neurons]` | b_z, b_r, b_h |
//!
//! L is counted from 0 at the bottom. These are the shapes of PyTorch, whose `GRU` orders the gates r, z, n instead.

use super::Kind;
use crate::kernel::Real;
use candle_core::{Device, Result, Var, bail};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Learnt parameters of a layer.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// U, `[inputs, 3 · neurons]`: transposed to what checkpoints hold, so that a spike adds one row.
    pub input: Var,
    /// W or w, as in checkpoints.
    pub recurrent: Var,
    /// b_z, b_r and b_h, `[3 · neurons]`.
    pub bias: Var,
}

/// Bound of BRC's vectors at the start of training: the cells begin near w = 0, but not all alike.
const VECTOR_BOUND: f64 = 0.1;

impl Parameters {
    /// The layers of a network at the start of training, bottom to top; `widths` are the inputs, then the neurons of each
    /// layer. All is drawn from `seed`.
    ///
    /// # Errors
    /// None but those of candle's allocations.
    pub fn stack<R: Real>(kind: Kind, widths: &[usize], seed: u64) -> Result<Vec<Self>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        widths.windows(2).map(|pair| Self::new::<R>(kind, pair[0], pair[1], &mut rng)).collect()
    }

    /// A layer at the start of training: Xavier-uniform matrices, each gate's for itself, biases of 0, and for BRC w_z and
    /// w_r uniform within ±0.1.
    ///
    /// # Errors
    /// None but those of candle's allocations.
    pub fn new<R: Real>(kind: Kind, inputs: usize, neurons: usize, rng: &mut impl Rng) -> Result<Self> {
        let mut uniform = |bound: f64, shape: (usize, usize)| {
            let draw = || R::of(bound * (f64::from(rng.next_u32()) / 2f64.powi(31) - 1.0));
            let numbers: Vec<R> = std::iter::repeat_with(draw).take(shape.0 * shape.1).collect();
            Var::from_vec(numbers, shape, &Device::Cpu)
        };
        let xavier = |inputs: usize| (6.0 / (inputs + neurons) as f64).sqrt();
        let input = uniform(xavier(inputs), (inputs, 3 * neurons))?;
        let bound = match kind {
            Kind::Gru => xavier(neurons),
            Kind::Brc => VECTOR_BOUND,
        };
        let recurrent = uniform(bound, kind.recurrent_shape(neurons))?;
        let bias = Var::zeros(3 * neurons, R::DTYPE, &Device::Cpu)?;
        Ok(Self { input, recurrent, bias })
    }

    /// Names of layer `index`'s parameters in checkpoints.
    pub fn names(index: usize) -> [String; 3] {
        ["input.weight", "recurrent.weight", "bias"].map(|part| format!("layers.{index}.{part}"))
    }

    /// Every parameter of layer `index` under its name in checkpoints, in a fixed order, for the optimiser.
    pub fn named(&self, index: usize) -> [(String, Var); 3] {
        let [input, recurrent, bias] = Self::names(index);
        [(input, self.input.clone()), (recurrent, self.recurrent.clone()), (bias, self.bias.clone())]
    }

    /// Inputs and neurons.
    ///
    /// # Errors
    /// If the shapes do not fit each other or the kind.
    pub fn widths(&self, kind: Kind) -> Result<(usize, usize)> {
        let (inputs, columns) = self.input.dims2()?;
        let neurons = columns / 3;
        if columns != 3 * neurons || neurons == 0 || self.bias.dims() != [columns] {
            bail!(
                "U is {:?} and b is {:?}: they must be [inputs, 3 neurons] and [3 neurons]",
                self.input.dims(),
                self.bias.dims()
            );
        }
        let expected = kind.recurrent_shape(neurons);
        if self.recurrent.dims() != [expected.0, expected.1] {
            bail!("the recurrent weights are {:?}, expected {expected:?}", self.recurrent.dims());
        }
        Ok((inputs, neurons))
    }
}
