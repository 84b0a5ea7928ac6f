//! What training makes smallest, from the scores at the last timestep (paper, section 4.3).

use crate::config::Loss;
use candle_core::{D, DType, Result, Tensor};

/// Mean loss of a batch, a scalar in candle's graph.
///
/// `scores` are `[batch, classes]`, `labels` `[batch]` of u32 below `classes`. With `smoothing` ε a label stands for the
/// distribution 1 - ε on its class and ε spread evenly over all; [`Loss::Margin`] knows no distribution and ignores it.
///
/// # Errors
/// If the shapes do not fit.
pub fn loss(kind: Loss, scores: &Tensor, labels: &Tensor, smoothing: f64) -> Result<Tensor> {
    let classes = scores.dims2()?.1;
    match kind {
        Loss::CrossEntropy if smoothing == 0.0 => candle_nn::loss::cross_entropy(scores, labels),
        Loss::CrossEntropy => {
            let target = target(labels, classes, smoothing, scores.dtype())?;
            let log = candle_nn::ops::log_softmax(scores, D::Minus1)?;
            (log * target)?.sum(D::Minus1)?.mean(0)?.neg()
        }
        Loss::MeanSquared => {
            let target = target(labels, classes, smoothing, scores.dtype())?;
            let chances = candle_nn::ops::softmax(scores, D::Minus1)?;
            (chances - target)?.sqr()?.mean_all()
        }
        Loss::Margin => {
            let own = one_hot(labels, classes, scores.dtype())?;
            let label = (scores * &own)?.sum_keepdim(D::Minus1)?;
            let over = scores.broadcast_sub(&label)?.affine(1.0, 1.0)?.relu()?;
            // The label's own term is always 1.
            (over * own.affine(-1.0, 1.0)?)?.sum(D::Minus1)?.mean(0)
        }
    }
}

/// `[batch, classes]`, 1 at each label.
fn one_hot(labels: &Tensor, classes: usize, dtype: DType) -> Result<Tensor> {
    let all = Tensor::arange(0, classes as u32, labels.device())?;
    labels.unsqueeze(1)?.broadcast_eq(&all.unsqueeze(0)?)?.to_dtype(dtype)
}

/// The distribution that each label stands for.
fn target(labels: &Tensor, classes: usize, smoothing: f64, dtype: DType) -> Result<Tensor> {
    one_hot(labels, classes, dtype)?.affine(1.0 - smoothing, smoothing / classes as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    fn case() -> (Var, Tensor) {
        let scores = Var::new(&[[1.0f64, -0.5, 0.25], [0.0, 2.0, 1.5]], &Device::Cpu).unwrap();
        (scores, Tensor::new(&[0u32, 2], &Device::Cpu).unwrap())
    }

    /// By hand: softmax of each row, then the formula.
    #[test]
    fn values_follow_the_formulae() {
        let (scores, labels) = case();
        let rows = [[1.0f64, -0.5, 0.25], [0.0, 2.0, 1.5]];
        let chance = |row: &[f64; 3], c: usize| row[c].exp() / row.iter().map(|v| v.exp()).sum::<f64>();
        let (e, picked) = (0.1, [0usize, 2]);
        let mut expected = [0.0; 4];
        for (row, label) in rows.iter().zip(picked) {
            for c in 0..3 {
                let hit = f64::from(u8::from(c == label));
                let smooth = (1.0 - e) * hit + e / 3.0;
                expected[0] -= hit * chance(row, c).ln() / 2.0;
                expected[1] -= smooth * chance(row, c).ln() / 2.0;
                expected[2] += (chance(row, c) - hit).powi(2) / 6.0;
                expected[3] += (1.0 - hit) * (1.0 + row[c] - row[label]).max(0.0) / 2.0;
            }
        }
        let kinds = [
            (Loss::CrossEntropy, 0.0),
            (Loss::CrossEntropy, e),
            (Loss::MeanSquared, 0.0),
            (Loss::Margin, 0.0),
        ];
        for ((kind, smoothing), expected) in kinds.into_iter().zip(expected) {
            let value: f64 = loss(kind, scores.as_tensor(), &labels, smoothing).unwrap().to_scalar().unwrap();
            assert!((value - expected).abs() < 1e-12, "{kind:?} {smoothing}: {value} is not {expected}");
        }
    }

    /// Against central differences.
    #[test]
    fn gradients_follow_the_values() {
        let (scores, labels) = case();
        for (kind, smoothing) in [(Loss::CrossEntropy, 0.2), (Loss::MeanSquared, 0.2), (Loss::Margin, 0.0)] {
            let value = |scores: &Tensor| -> f64 {
                loss(kind, scores, &labels, smoothing).unwrap().to_scalar().unwrap()
            };
            let gradients = loss(kind, scores.as_tensor(), &labels, smoothing).unwrap().backward().unwrap();
            let gradient: Vec<Vec<f64>> = gradients.get(scores.as_tensor()).unwrap().to_vec2().unwrap();
            let start: Vec<Vec<f64>> = scores.to_vec2().unwrap();
            for (row, column) in [(0, 0), (0, 1), (1, 0), (1, 2)] {
                let shifted = |by: f64| {
                    let mut moved = start.clone();
                    moved[row][column] += by;
                    value(&Tensor::new(moved, &Device::Cpu).unwrap())
                };
                let expected = (shifted(1e-6) - shifted(-1e-6)) / 2e-6;
                assert!((gradient[row][column] - expected).abs() < 1e-8, "{kind:?} [{row}][{column}]");
            }
        }
    }
}
