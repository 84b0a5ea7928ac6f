//! Adam (Kingma, Ba 2015), with its state open to checkpoints, and clipping of the gradient's norm.

use crate::layer::with_numbers;
use crate::network::NamedParameter;
use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};

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
        let &Settings { rate, clip, decay } = settings;
        let of = |parameter: &Parameter| gradients.get(parameter.value.as_tensor()).cloned();
        let gradients: Vec<Option<Tensor>> = self.parameters.iter().map(of).collect();
        let mut squares = 0.0;
        for gradient in gradients.iter().flatten() {
            squares += with_numbers(gradient, |g: &[f32]| Ok(sum_of_squares(g)))?;
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
            let mut value = with_numbers(parameter.value.as_tensor(), |value: &[f32]| Ok(value.to_vec()))?;
            let (mean, square) = (&mut parameter.mean, &mut parameter.square);
            with_numbers(gradient, |g: &[f32]| {
                pulp::Arch::new().dispatch(
                    #[inline(always)]
                    || step.apply(&mut value, mean, square, g, decay),
                );
                Ok(())
            })?;
            let shape = parameter.value.shape().clone();
            parameter.value.set(&Tensor::from_vec(value, shape, parameter.value.device())?)?;
        }
        Ok(norm)
    }
}

/// The numbers of one step that all parameters share.
struct Step {
    scale: f32,
    rate: f32,
    unbias: f32,
}

impl Step {
    #[inline(always)]
    fn apply(&self, value: &mut [f32], mean: &mut [f32], square: &mut [f32], gradient: &[f32], decay: f32) {
        let (b1, b2, epsilon) = (BETA_1 as f32, BETA_2 as f32, EPSILON as f32);
        for (((w, m), v), &g) in value.iter_mut().zip(mean).zip(square).zip(gradient) {
            let g = g * self.scale;
            *m = b1 * *m + (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            *w = (*w - decay * *w) - self.rate * *m / ((*v).sqrt() * self.unbias + epsilon);
        }
    }
}

/// In sixteen lanes and a fixed order: vector code, and the same sum on every machine.
fn sum_of_squares(numbers: &[f32]) -> f64 {
    let mut lanes = [0f64; 16];
    let mut groups = numbers.chunks_exact(16);
    for group in &mut groups {
        for (lane, &x) in lanes.iter_mut().zip(group) {
            *lane += f64::from(x) * f64::from(x);
        }
    }
    let rest: f64 = groups.remainder().iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    lanes.iter().sum::<f64>() + rest
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
        assert_eq!(sum_of_squares(&numbers), (0..37).map(|k| f64::from(k * k)).sum::<f64>());
    }
}
