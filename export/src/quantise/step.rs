//! The size of a neuron's weight step: that with the least squared error, so that few large weights may be cut off where
//! many small ones gain by it.
//!
//! Training with quantised weights rounds them by these same functions, in every batch: what it learns with is what the
//! exporter writes.

use std::vec::Vec;

/// Largest steps as shares of the largest weight, that the search starts from.
const SHARES: [f32; 5] = [1.0, 0.7, 0.5, 0.35, 0.22];
/// Times that a step is fitted to the weights as it rounds them.
const REFITS: usize = 2;

/// Neurons whose steps are found together: their sums stay in registers.
pub const BLOCK: usize = 16;

/// The weight step of each neuron; 0 for one whose weights are all 0.
///
/// `weight` is `[inputs, neurons]`, row-major and finite; weights are to be whole numbers of steps, `most` at most.
#[inline(always)]
pub fn steps(weight: &[f32], neurons: usize, most: i8) -> Vec<f32> {
    let blocks = (0..neurons).step_by(BLOCK).flat_map(|first| steps_of_block(weight, neurons, first, most));
    blocks.take(neurons).collect()
}

/// The same of [`BLOCK`] neurons from number `first` on; 0 of those that are not there.
#[inline(always)]
pub fn steps_of_block(weight: &[f32], neurons: usize, first: usize, most: i8) -> [f32; BLOCK] {
    let width = BLOCK.min(neurons - first);
    let columns = |row: &[f32]| {
        let mut columns = [0.0; BLOCK];
        columns[..width].copy_from_slice(&row[first..first + width]);
        columns
    };
    // Side by side, so that the searches below find them in the cache.
    let weight: Vec<[f32; BLOCK]> = weight.chunks_exact(neurons).map(columns).collect();
    let mut largest = [0.0f32; BLOCK];
    for row in &weight {
        for (largest, w) in largest.iter_mut().zip(row) {
            *largest = largest.max(w.abs());
        }
    }
    let unclipped = largest.map(|largest| largest / f32::from(most));
    let (mut best, mut most_gain) = (unclipped, [f32::NEG_INFINITY; BLOCK]);
    for share in SHARES {
        let mut steps = unclipped.map(|step| share * step);
        for _ in 0..=REFITS {
            let (products, squares) = fit(&weight, steps, most);
            for n in 0..BLOCK {
                // The squared error is Σw² less this.
                let gain = steps[n] * (2.0 * products[n] - steps[n] * squares[n]);
                if gain > most_gain[n] {
                    (best[n], most_gain[n]) = (steps[n], gain);
                }
                if squares[n] > 0.0 {
                    steps[n] = products[n] / squares[n];
                }
            }
        }
    }
    best
}

/// Σ w q and Σ q² of each neuron, q being w in whole steps.
#[inline(always)]
fn fit(weight: &[[f32; BLOCK]], steps: [f32; BLOCK], most: i8) -> ([f32; BLOCK], [f32; BLOCK]) {
    let inverse = steps.map(inverse);
    let (mut products, mut squares) = ([0.0; BLOCK], [0.0; BLOCK]);
    for row in weight {
        for n in 0..BLOCK {
            let q = clipped(row[n] * inverse[n], most);
            products[n] += row[n] * q;
            squares[n] += q * q;
        }
    }
    (products, squares)
}

/// 1 / step, or 0.
#[inline(always)]
pub fn inverse(step: f32) -> f32 {
    if step > 0.0 { 1.0 / step } else { 0.0 }
}

/// The nearest whole number, from -`most` to `most`.
#[inline(always)]
pub fn clipped(steps: f32, most: i8) -> f32 {
    let most = f32::from(most);
    // Of so great a number the last bit is 1: adding rounds, in every instruction set alike.
    const ROUND: f32 = 1.5 * (1 << 23) as f32;
    (steps.max(-most).min(most) + ROUND) - ROUND
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(weight: &[f32], step: f32, most: i8) -> f32 {
        weight.iter().map(|w| (w - step * clipped(w * inverse(step), most)).powi(2)).sum()
    }

    #[test]
    fn steps_are_near_the_best_of_all() {
        // Two neurons side by side: evenly spread weights, and many small ones with a few large ones.
        let weight: Vec<f32> = (0..200)
            .flat_map(|k| {
                let even = (k as f32 * 0.618).fract() * 2.0 - 1.0;
                [even, even.powi(7) + even * 0.1]
            })
            .collect();
        for most in [127, 15, 7, 3, 1] {
            let steps = steps(&weight, 2, most);
            for (neuron, &step) in steps.iter().enumerate() {
                let of: Vec<f32> = weight.iter().skip(neuron).step_by(2).copied().collect();
                let largest = of.iter().fold(0.0f32, |largest, w| largest.max(w.abs())) / f32::from(most);
                let best =
                    (1..=400).map(|k| error(&of, largest * k as f32 / 400.0, most)).fold(f32::MAX, f32::min);
                let found = error(&of, step, most);
                assert!(found <= 1.15 * best, "±{most}, neuron {neuron}: {found} where {best} is possible");
            }
        }
    }

    #[test]
    fn few_and_no_weights_have_steps() {
        assert_eq!(steps(&[0.0, 0.5, 0.0, 0.0], 2, 7), [0.0, 0.5 / 7.0]);
        assert_eq!(steps(&[-0.3], 1, 1), [0.3]);
    }

    #[test]
    fn whole_numbers_are_the_nearest() {
        assert_eq!(
            [-9.0, -1.4, -0.6, 0.2, 0.7, 6.6].map(|w| clipped(w, 7)),
            [-7.0, -1.0, -1.0, 0.0, 1.0, 7.0]
        );
    }
}
