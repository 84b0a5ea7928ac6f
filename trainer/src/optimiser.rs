//! Adam (Kingma, Ba 2015), with its state open to checkpoints, and clipping of the gradient's norm.

use crate::kernel::dispatch;
use crate::layer::with_numbers;
use crate::network::NamedParameter;
use crate::stage::{self, Stage};
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Tensor, Var, bail};
use pulp::NullaryFnOnce;
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Adam over named f32 parameters.
#[derive(Debug)]
pub struct Adam {
    parameters: Vec<Parameter>,
    steps: u64,
}

/// A parameter and its two moments, of the parameter's length.
#[derive(Debug)]
pub struct Parameter {
    /// Its name in checkpoints.
    pub name: String,
    /// Its value.
    pub value: Var,
    /// Running mean of the gradient.
    pub mean: Vec<f32>,
    /// Running mean of the gradient's square.
    pub square: Vec<f32>,
}

/// What a step of [`Adam`] is made with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Learning rate.
    pub rate: f64,
    /// Longest gradient; a longer one is scaled down to it.
    pub clip: f64,
    /// Share of each weight, times the rate, that is lost per step apart from the gradient (AdamW).
    pub decay: f64,
}

impl Adam {
    /// An optimiser that has not made a step.
    pub fn new(parameters: Vec<NamedParameter>) -> Self {
        let parameter = |NamedParameter { name, value, .. }: NamedParameter| {
            let zeros = vec![0.0; value.elem_count()];
            Parameter { name, value, mean: zeros.clone(), square: zeros }
        };
        Self { parameters: parameters.into_iter().map(parameter).collect(), steps: 0 }
    }

    /// Steps made so far.
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// The parameters and their moments.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Goes on from an earlier state: the steps made, and each parameter's mean and square, in order.
    ///
    /// # Panics
    /// If a moment has another length than its parameter.
    pub fn restore(&mut self, steps: u64, moments: Vec<(Vec<f32>, Vec<f32>)>) {
        assert_eq!(moments.len(), self.parameters.len());
        for (parameter, (mean, square)) in self.parameters.iter_mut().zip(moments) {
            let length = parameter.value.elem_count();
            assert!(
                mean.len() == length && square.len() == length,
                "moments of {} do not fit",
                parameter.name
            );
            (parameter.mean, parameter.square) = (mean, square);
        }
        self.steps = steps;
    }

    /// One step, the gradient first scaled down where it is longer than wanted. Returns the
    /// gradient's norm before that.
    ///
    /// # Errors
    /// None but those of candle's copies; a parameter without gradient stays as it is.
    pub fn step(&mut self, gradients: &GradStore, settings: &Settings) -> Result<f64> {
        let _timer = stage::time(Stage::Optimiser, 0);
        let &Settings { rate, clip, decay } = settings;
        let of = |parameter: &Parameter| gradients.get(parameter.value.as_tensor()).cloned();
        let gradients: Vec<Option<Tensor>> = self.parameters.iter().map(of).collect();
        let mut squares = 0.0;
        for gradient in gradients.iter().flatten() {
            squares += with_numbers(gradient, |g: &[f32]| {
                // Summed in the pieces' order: the same for any number of threads.
                let pieces: Vec<f64> = g.par_chunks(PIECE).map(|g| dispatch(SumOfSquares(g))).collect();
                Ok(pieces.iter().sum::<f64>())
            })?;
        }
        let norm = squares.sqrt();
        let scale = if norm > clip { clip / norm } else { 1.0 };
        self.steps += 1;
        let t = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let (unbias_1, unbias_2) = (1.0 - BETA_1.powi(t), 1.0 - BETA_2.powi(t));
        let step = Step {
            scale: scale as f32,
            rate: (rate / unbias_1) as f32,
            unbias: (1.0 / unbias_2.sqrt()) as f32,
        };
        for (parameter, gradient) in self.parameters.iter_mut().zip(&gradients) {
            let Some(gradient) = gradient else { continue };
            // Biases, leaks and the like are no weights: decay would only draw them to 0.
            let decay = if parameter.value.rank() == 2 { (rate * decay) as f32 } else { 0.0 };
            let (value, mean, square) = (&parameter.value, &mut parameter.mean, &mut parameter.square);
            with_numbers(gradient, |gradient: &[f32]| {
                let moments = Mutex::new((&mut mean[..], &mut square[..]));
                let step = InPlace { moments, gradient, step: &step, decay };
                value.as_tensor().inplace_op1(&step)
            })?;
        }
        Ok(norm)
    }
}

/// Numbers of a parameter that a thread takes at once.
const PIECE: usize = 1 << 14;

/// Below this, a moment is 0: it changes no weight any more, and the smallest numbers of all, which moments of inputs that
/// hardly ever spike would decay to, slow a processor down.
const NOTHING: f32 = 1e-30;

/// The numbers of one step that all parameters share.
struct Step {
    scale: f32,
    rate: f32,
    unbias: f32,
}

/// A parameter's step as an operation of candle's, which lends the parameter's numbers.
struct InPlace<'a> {
    /// Mean and square.
    moments: Mutex<(&'a mut [f32], &'a mut [f32])>,
    gradient: &'a [f32],
    step: &'a Step,
    decay: f32,
}

impl InplaceOp1 for InPlace<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (CpuStorage::F32(value), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
            bail!("Adam's parameters are contiguous and of f32")
        };
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        let (mean, square) = &mut *moments;
        let value = value[start..end].par_chunks_mut(PIECE).zip(self.gradient.par_chunks(PIECE));
        let moments = mean.par_chunks_mut(PIECE).zip(square.par_chunks_mut(PIECE));
        value.zip(moments).for_each(|((value, gradient), (mean, square))| {
            let _timer = stage::time(Stage::Optimiser, 0);
            dispatch(Piece { value, mean, square, gradient, step: self.step, decay: self.decay });
        });
        Ok(())
    }
}

/// Some numbers of a parameter.
struct Piece<'a> {
    value: &'a mut [f32],
    mean: &'a mut [f32],
    square: &'a mut [f32],
    gradient: &'a [f32],
    step: &'a Step,
    decay: f32,
}

impl NullaryFnOnce for Piece<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (b1, b2, epsilon) = (BETA_1 as f32, BETA_2 as f32, EPSILON as f32);
        let Self { value, mean, square, gradient, step: &Step { scale, rate, unbias }, decay } = self;
        for (((w, m), v), &g) in value.iter_mut().zip(mean).zip(square).zip(gradient) {
            let g = g * scale;
            let (new_m, new_v) = (b1 * *m + (1.0 - b1) * g, b2 * *v + (1.0 - b2) * g * g);
            *m = if new_m.abs() < NOTHING { 0.0 } else { new_m };
            *v = if new_v < NOTHING { 0.0 } else { new_v };
            *w = (*w - decay * *w) - rate * *m / ((*v).sqrt() * unbias + epsilon);
        }
    }
}

struct SumOfSquares<'a>(&'a [f32]);

impl NullaryFnOnce for SumOfSquares<'_> {
    type Output = f64;

    /// In sixteen lanes and a fixed order: vector code, and the same sum on every machine.
    #[inline(always)]
    fn call(self) -> f64 {
        let mut lanes = [0f64; 16];
        let mut groups = self.0.chunks_exact(16);
        for group in &mut groups {
            for (lane, &x) in lanes.iter_mut().zip(group) {
                *lane += f64::from(x) * f64::from(x);
            }
        }
        let rest: f64 = groups.remainder().iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        lanes.iter().sum::<f64>() + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// Two steps on L = w² / 2 · (1, 10), computed by hand in f64.
    #[test]
    fn follows_the_formula() {
        let w = Var::new(&[1.0f32, -2.0], &Device::Cpu).unwrap();
        let curve = Tensor::new(&[0.5f32, 5.0], &Device::Cpu).unwrap();
        let mut adam =
            Adam::new(vec![NamedParameter { name: "w".to_owned(), value: w.clone(), transposed: false }]);
        let (mut hand, mut m, mut v) = ([1.0f64, -2.0], [0.0f64; 2], [0.0f64; 2]);
        for t in 1..=2 {
            let loss = (w.sqr().unwrap() * &curve).unwrap().sum_all().unwrap();
            let norm = {
                let settings = Settings { rate: 0.1, clip: 1.0, decay: 0.0 };
                adam.step(&loss.backward().unwrap(), &settings).unwrap()
            };
            let g: Vec<f64> = hand.iter().zip([1.0, 10.0]).map(|(w, c)| w * c).collect();
            let expected_norm = g.iter().map(|g| g * g).sum::<f64>().sqrt();
            assert!((norm - expected_norm).abs() < 1e-4);
            for k in 0..2 {
                let g = g[k] / expected_norm.max(1.0);
                m[k] = 0.9 * m[k] + 0.1 * g;
                v[k] = 0.999 * v[k] + 0.001 * g * g;
                let (m, v) = (m[k] / (1.0 - 0.9f64.powi(t)), v[k] / (1.0 - 0.999f64.powi(t)));
                hand[k] -= 0.1 * m / (v.sqrt() + 1e-8);
            }
        }
        let w: Vec<f32> = w.to_vec1().unwrap();
        assert!(
            w.iter().zip(hand).all(|(w, hand)| (f64::from(*w) - hand).abs() < 1e-5),
            "{w:?} is not {hand:?}"
        );
    }

    #[test]
    fn sums_every_square() {
        let numbers: Vec<f32> = (0..37).map(|k| k as f32).collect();
        assert_eq!(dispatch(SumOfSquares(&numbers)), (0..37).map(|k| f64::from(k * k)).sum::<f64>());
    }
}
