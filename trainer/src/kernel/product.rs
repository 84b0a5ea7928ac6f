//! The dense product of the backward pass: ∂L/∂s of a layer is ∂L/∂i of the layer above times its weights.

use super::{Block, Real, zeros};
use super::lanes::{in_blocks, store, view};
use pulp::NullaryFnOnce;

/// Neurons below whose sums stay in registers together.
const WIDTH: usize = 32;
/// Timesteps that share one look at the weights.
const ROWS: usize = 4;

/// The weights from a panel of neurons to the layer above, turned and cut: tiles of 32 of the panel's neurons (the last
/// one may have fewer), each `[neurons above, neurons of the tile]`.
#[derive(Clone, Debug)]
pub struct Turned<R> {
    /// Neurons above.
    above: usize,
    /// Neurons of the panel.
    below: usize,
    numbers: Block<R>,
}

impl<R: Real> Turned<R> {
    /// Turns `[below, above]` weights.
    pub fn new(weights: &[R], above: usize) -> Self {
        let mut numbers = zeros(weights.len());
        let mut places = numbers.iter_mut();
        for rows in weights.chunks(WIDTH * above) {
            for column in 0..above {
                let column = rows.iter().skip(column).step_by(above);
                column.zip(places.by_ref()).for_each(|(&weight, place)| *place = weight);
            }
        }
        Self { above, below: weights.len() / above, numbers }
    }

    /// Fills a sample's ∂L/∂s, `[timesteps, below]`, from ∂L/∂i of the layer above, `[timesteps, neurons]` for each of its
    /// panels.
    pub fn spike_gradient(&self, g_i: &[&[R]], g_s: &mut [R]) {
        R::spike_gradient(self, g_i, g_s);
    }
}

pub(super) struct Product<'a, R> {
    pub(super) weights: &'a Turned<R>,
    pub(super) g_i: &'a [&'a [R]],
    pub(super) g_s: &'a mut [R],
}

impl<R: Real> NullaryFnOnce for Product<'_, R> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { weights: Turned { above, below, numbers }, g_i, g_s } = self;
        let steps = g_s.len() / below;
        for (index, tile) in numbers.chunks(WIDTH * above).enumerate() {
            let width = tile.len() / above;
            let g_s = &mut g_s[index * WIDTH..];
            let mut t = 0;
            if width == WIDTH {
                while t + ROWS <= steps {
                    four_steps(tile, (g_i, steps, t), &mut g_s[t * below..], *below);
                    t += ROWS;
                }
            }
            for t in t..steps {
                in_blocks!(width, |at, N| {
                    let mut sum = [R::ZERO; N];
                    let g_i = g_i.iter().flat_map(|g_i| row(g_i, steps, t));
                    for (k, &g) in g_i.enumerate() {
                        let weights = view::<R, N>(tile, k * width + at);
                        for n in 0..N {
                            sum[n] = g.mul_add(weights[n], sum[n]);
                        }
                    }
                    store(g_s, t * below + at, sum);
                });
            }
        }
    }
}

/// Timestep `t` of a panel's block.
#[inline(always)]
fn row<R>(block: &[R], steps: usize, t: usize) -> &[R] {
    let width = block.len() / steps;
    &block[t * width..][..width]
}

/// [`ROWS`] timesteps, from `t` on, of [`WIDTH`] neurons.
#[inline(always)]
fn four_steps<R: Real>(tile: &[R], (g_i, steps, t): (&[&[R]], usize, usize), g_s: &mut [R], below: usize) {
    // Four names instead of an array: so the sums stay in registers.
    let (mut a, mut b, mut c, mut d) =
        ([R::ZERO; WIDTH], [R::ZERO; WIDTH], [R::ZERO; WIDTH], [R::ZERO; WIDTH]);
    let mut weights = tile.as_chunks::<WIDTH>().0;
    for panel in g_i {
        let row = |m: usize| row(panel, steps, t + m);
        let (of_panel, behind) = weights.split_at(row(0).len());
        weights = behind;
        let rows = row(0).iter().zip(row(1)).zip(row(2).iter().zip(row(3)));
        for (weights, ((&g_a, &g_b), (&g_c, &g_d))) in of_panel.iter().zip(rows) {
            for n in 0..WIDTH {
                let weight = weights[n];
                a[n] = g_a.mul_add(weight, a[n]);
                b[n] = g_b.mul_add(weight, b[n]);
                c[n] = g_c.mul_add(weight, c[n]);
                d[n] = g_d.mul_add(weight, d[n]);
            }
        }
    }
    for (m, sums) in [a, b, c, d].into_iter().enumerate() {
        store(g_s, m * below, sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_the_plain_sum() {
        for (steps, above, below) in [(1, 1, 1), (5, 3, 37), (9, 100, 64), (4, 7, 32), (200, 10, 45)] {
            let number = |k: usize| ((k * 7919 + 13) % 101) as f64 - 50.0;
            let weights: Vec<f64> = (0..below * above).map(number).collect();
            let g_i: Vec<f64> = (0..steps * above).map(|k| number(k + 5)).collect();
            let mut g_s = vec![f64::NAN; steps * below];
            // As a layer of two panels has it.
            let left = above.div_ceil(2);
            let part = |from: usize, to: usize| -> Vec<f64> {
                g_i.chunks_exact(above).flat_map(|row| &row[from..to]).copied().collect()
            };
            let (left, right) = (part(0, left), part(left, above));
            Turned::new(&weights, above).spike_gradient(&[&left, &right], &mut g_s);
            for (t, row) in g_s.chunks_exact(below).enumerate() {
                for (n, &sum) in row.iter().enumerate() {
                    let terms = (0..above).map(|k| g_i[t * above + k] * weights[n * above + k]);
                    // Whole numbers: exact in any order.
                    assert_eq!(sum, terms.sum::<f64>(), "{steps} {above} {below}: [{t}][{n}]");
                }
            }
        }
    }
}
