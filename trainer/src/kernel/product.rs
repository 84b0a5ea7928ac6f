//! The dense product of the backward pass: ∂L/∂s of a layer is ∂L/∂i of the layer above times its weights.

use super::lanes::{in_blocks, load, store, view};
use super::panel::PANEL;
use super::{Block, Real, simd, zeros};
use pulp::NullaryFnOnce;

/// Columns of weights that are turned at once.
const COLUMNS: usize = 16;
/// Timesteps that share one look at the weights.
const ROWS: usize = 4;
/// Panels above whose weights are taken at once: those to a panel's neurons (32 KB in f32) stay near for all timesteps.
const PANELS: usize = 2;

/// The weights from a panel of neurons to the layer above, turned: `[neurons above, neurons of the panel]`.
#[derive(Clone, Debug)]
pub struct Turned<R> {
    /// Neurons of the panel.
    below: usize,
    numbers: Block<R>,
}

impl<R: Real> Turned<R> {
    /// Turns `[below, above]` weights.
    pub fn new(weights: &[R], above: usize) -> Self {
        let below = weights.len() / above;
        let mut numbers = zeros(weights.len());
        // A few columns at a time: the lines of the cache that they are written to stay in it until they are full.
        for (numbers, first) in numbers.chunks_mut(COLUMNS * below).zip((0..).step_by(COLUMNS)) {
            for (n, row) in weights.chunks_exact(above).enumerate() {
                for (place, &weight) in numbers[n..].iter_mut().step_by(below).zip(&row[first..]) {
                    *place = weight;
                }
            }
        }
        Self { below, numbers }
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
        let Self { weights: Turned { below, numbers }, g_i, g_s } = self;
        let (below, steps) = (*below, g_s.len() / below);
        let mut weights = &numbers[..];
        for (pass, g_i) in g_i.chunks(PANELS).enumerate() {
            let rows: usize = g_i.iter().map(|g_i| g_i.len() / steps).sum();
            let (now, behind) = weights.split_at(rows * below);
            weights = behind;
            let share = Share { weights: now, below, g_i, steps, fresh: pass == 0 };
            // As many sums side by side as the processor's registers hold.
            let mut done = 0;
            if simd::many_registers() {
                if below == PANEL {
                    share.add::<PANEL>(0, g_s);
                    done = PANEL;
                } else if below >= PANEL / 2 {
                    share.add::<{ PANEL / 2 }>(0, g_s);
                    done = PANEL / 2;
                }
            }
            in_blocks!(below - done, |at, N| {
                share.add::<N>(done + at, g_s);
            });
        }
    }
}

/// What some panels above have to do with ∂L/∂s of a panel of neurons.
struct Share<'a, R> {
    /// `[neurons of the panels above, below]`.
    weights: &'a [R],
    below: usize,
    g_i: &'a [&'a [R]],
    steps: usize,
    /// There is no other share yet.
    fresh: bool,
}

impl<R: Real> Share<'_, R> {
    /// Adds it to ∂L/∂s of the `N` neurons from `at` on.
    #[inline(always)]
    fn add<const N: usize>(&self, at: usize, g_s: &mut [R]) {
        let mut t = 0;
        while t + ROWS <= self.steps {
            self.four_steps::<N>(at, t, g_s);
            t += ROWS;
        }
        for t in t..self.steps {
            let mut sum = self.start::<N>(at, t, g_s);
            let mut first = 0;
            for panel in self.g_i {
                let g = self.row(panel, t);
                for (weights, &g) in self.weights(first).zip(g) {
                    let weights = view::<R, N>(weights, at);
                    for n in 0..N {
                        sum[n] = g.mul_add(weights[n], sum[n]);
                    }
                }
                first += g.len();
            }
            store(g_s, t * self.below + at, sum);
        }
    }

    /// [`ROWS`] timesteps, from `t` on.
    #[inline(always)]
    fn four_steps<const N: usize>(&self, at: usize, t: usize, g_s: &mut [R]) {
        let start = |m: usize| self.start::<N>(at, t + m, g_s);
        // Four names instead of an array: so the sums stay in registers.
        let (mut a, mut b, mut c, mut d) = (start(0), start(1), start(2), start(3));
        let mut first = 0;
        for panel in self.g_i {
            let row = |m: usize| self.row(panel, t + m);
            let rows = row(0).iter().zip(row(1)).zip(row(2).iter().zip(row(3)));
            for (weights, ((&g_a, &g_b), (&g_c, &g_d))) in self.weights(first).zip(rows) {
                let weights = view::<R, N>(weights, at);
                for n in 0..N {
                    let weight = weights[n];
                    a[n] = g_a.mul_add(weight, a[n]);
                    b[n] = g_b.mul_add(weight, b[n]);
                    c[n] = g_c.mul_add(weight, c[n]);
                    d[n] = g_d.mul_add(weight, d[n]);
                }
            }
            first += row(0).len();
        }
        for (m, sums) in [a, b, c, d].into_iter().enumerate() {
            store(g_s, (t + m) * self.below + at, sums);
        }
    }

    /// What stands in ∂L/∂s already.
    #[inline(always)]
    fn start<const N: usize>(&self, at: usize, t: usize, g_s: &[R]) -> [R; N] {
        if self.fresh { [R::ZERO; N] } else { load(g_s, t * self.below + at) }
    }

    /// The weights to each neuron above, from number `first` on.
    #[inline(always)]
    fn weights(&self, first: usize) -> impl Iterator<Item = &[R]> {
        self.weights[first * self.below..].chunks_exact(self.below)
    }

    /// Timestep `t` of a panel above.
    #[inline(always)]
    fn row<'a>(&self, panel: &'a [R], t: usize) -> &'a [R] {
        let width = panel.len() / self.steps;
        &panel[t * width..][..width]
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
