//! The sparse products of a layer's synapses: weights are added for spikes only.

use super::{Events, Real};

/// `sum += value * row` for each spiking input: the product of Eq. 3a. Several rows share a pass over the sum.
#[inline(always)]
pub fn add_rows<R: Real>(sum: &mut [R], weights: &[R], inputs: &[u16], values: &[R]) {
    let n = sum.len();
    let row = |input: u16| &weights[usize::from(input) * n..][..n];
    if values.is_empty() {
        let mut groups = inputs.chunks_exact(4);
        for group in &mut groups {
            let (a, b, c, d) = (row(group[0]), row(group[1]), row(group[2]), row(group[3]));
            for ((((s, &a), &b), &c), &d) in sum.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *s += (a + b) + (c + d);
            }
        }
        for &input in groups.remainder() {
            for (s, &w) in sum.iter_mut().zip(row(input)) {
                *s += w;
            }
        }
    } else {
        for (&input, &value) in inputs.iter().zip(values) {
            for (s, &w) in sum.iter_mut().zip(row(input)) {
                *s += w * value;
            }
        }
    }
}

/// ∂L/∂W of a batch, `Σ s_in[t] g_i[t]`, for the neurons in `columns`, as an `[inputs, columns]` block.
///
/// Whoever calls this for some columns owns them alone, and adds the samples in order: the result is the same for any
/// number of threads.
#[inline(always)]
pub fn weight_gradient<'a, R: Real>(
    inputs: usize,
    neurons: usize,
    columns: std::ops::Range<usize>,
    samples: impl Iterator<Item = (&'a Events<R>, &'a [R])>,
) -> Vec<R> {
    let width = columns.len();
    let mut g_w = vec![R::ZERO; inputs * width];
    for (events, g_i) in samples {
        for t in 0..events.steps() {
            let g_i = &g_i[t * neurons..][columns.clone()];
            let (inputs, values) = events.at(t);
            for (k, &input) in inputs.iter().enumerate() {
                let row = &mut g_w[usize::from(input) * width..][..width];
                match values.get(k) {
                    None => row.iter_mut().zip(g_i).for_each(|(w, &g)| *w += g),
                    Some(&value) => row.iter_mut().zip(g_i).for_each(|(w, &g)| *w += value * g),
                }
            }
        }
    }
    g_w
}
