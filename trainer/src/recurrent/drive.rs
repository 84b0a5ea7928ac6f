//! What the input brings to a layer, `U x[t] + b`, and the gradients of U and b.

use super::Extent;
use crate::kernel::synapses::add_rows;
use crate::kernel::{Events, Real};
use rayon::prelude::*;

/// `U x[t] + b` of some samples, 3 · neurons numbers per timestep.
pub(super) enum Drive<'a, R> {
    /// From spikes, row by row.
    Spikes { events: &'a [Events<R>], weight: &'a [R], bias: &'a [R] },
    /// From reals; `product` is U x of all timesteps, `[samples, steps, 3 · neurons]`.
    Dense { product: &'a [R], steps: usize, bias: &'a [R] },
}

impl<R: Real> Drive<'_, R> {
    /// Overwrites `row` with a timestep of a sample.
    #[inline(always)]
    pub(super) fn fill(&self, sample: usize, t: usize, row: &mut [R]) {
        match self {
            Self::Spikes { events, weight, bias } => {
                row.copy_from_slice(bias);
                let (inputs, values) = events[sample].at(t);
                add_rows(row, weight, inputs, values);
            }
            Self::Dense { product, steps, bias } => {
                let product = &product[(sample * steps + t) * row.len()..][..row.len()];
                for ((a, &u), &b) in row.iter_mut().zip(product).zip(*bias) {
                    *a = u + b;
                }
            }
        }
    }
}

/// Neurons of ∂L/∂U that one task owns: whole cache lines, and few enough that its part stays in a core's cache.
const COLUMNS: usize = 128;

/// ∂L/∂U of spikes, `[inputs, 3 · neurons]`: the last 3 · neurons numbers of each row of `g`, `[batch, steps, row]`, added
/// where an input spiked. Each column's sum runs over samples and timesteps in order.
pub(super) fn weight_gradient<R: Real>(events: &[Events<R>], g: &[R], row: usize, extent: Extent) -> Vec<R> {
    let Extent { steps, inputs, neurons, .. } = extent;
    let columns = 3 * neurons;
    let sum = |&start: &usize| {
        crate::kernel::simd::arch().dispatch(
            #[inline(always)]
            || {
                let width = COLUMNS.min(columns - start);
                let from = row - columns + start;
                let mut part = vec![R::ZERO; inputs * width];
                for (events, g) in events.iter().zip(g.chunks_exact(steps * row)) {
                    for (t, g) in g.chunks_exact(row).enumerate() {
                        let g = &g[from..][..width];
                        let (inputs, values) = events.at(t);
                        for (k, &input) in inputs.iter().enumerate() {
                            let sums = part[usize::from(input) * width..][..width].iter_mut().zip(g);
                            match values.get(k) {
                                None => sums.for_each(|(w, &g)| *w += g),
                                Some(&value) => sums.for_each(|(w, &g)| *w += value * g),
                            }
                        }
                    }
                }
                part
            },
        )
    };
    let starts: Vec<usize> = (0..columns).step_by(COLUMNS).collect();
    let parts: Vec<Vec<R>> = starts.par_iter().map(sum).collect();
    let mut whole = vec![R::ZERO; inputs * columns];
    whole.par_chunks_mut(columns).enumerate().for_each(|(input, row)| {
        for (part, columns) in parts.iter().zip(row.chunks_mut(COLUMNS)) {
            columns.copy_from_slice(&part[input * columns.len()..][..columns.len()]);
        }
    });
    whole
}

/// ∂L/∂b, `[3 · neurons]`: each sample's sum over time, then the samples' sum.
pub(super) fn bias_gradient<R: Real>(g: &[R], row: usize, extent: Extent) -> Vec<R> {
    let Extent { batch, steps, neurons, .. } = extent;
    let columns = 3 * neurons;
    let mut sums = vec![R::ZERO; batch * columns];
    sums.par_chunks_mut(columns).zip(g.par_chunks(steps * row)).for_each(|(sums, g)| {
        for g in g.chunks_exact(row) {
            sums.iter_mut().zip(&g[row - columns..]).for_each(|(sum, &g)| *sum += g);
        }
    });
    sum_rows(&sums, columns)
}

/// The sum of rows, in their order.
pub(super) fn sum_rows<R: Real>(rows: &[R], width: usize) -> Vec<R> {
    let mut sums = vec![R::ZERO; width];
    for row in rows.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x);
    }
    sums
}

/// σ(a) = (1 + tanh(a / 2)) / 2, of tanh's accuracy.
#[inline(always)]
pub(super) fn sigmoid<R: Real>(a: R) -> R {
    let half = R::of(0.5);
    half + half * (half * a).tanh()
}
