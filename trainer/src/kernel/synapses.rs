//! The sparse products of a layer's synapses: weights are added for spikes only.

use super::lanes::{in_blocks, load, store, view};
use super::panel::PANEL;
use super::{Events, Real};
use pulp::NullaryFnOnce;

/// `sum = leak * sum + Σ value * row`: Eq. 3a for `N` neurons, whose weights are in rows `width` apart.
#[inline(always)]
pub(super) fn leak_and_add<R: Real, const N: usize>(
    sum: &mut [R; N],
    leak: R,
    (weights, width): (&[R], usize),
    (inputs, values): (&[u16], &[R]),
) {
    sum.iter_mut().for_each(|s| *s *= leak);
    gather(sum, weights, width, (inputs, values));
}

/// `sum += Σ value * row` over the `chosen` rows, `N` numbers of each; rows are `width` apart, and without values each
/// counts once.
#[inline(always)]
fn gather<R: Real, const N: usize>(sum: &mut [R; N], rows: &[R], width: usize, spikes: (&[u16], &[R])) {
    if width == N {
        // Rows side by side are found with one look at the slice's end instead of two.
        let rows = rows.as_chunks::<N>().0;
        add_chosen(sum, spikes, |index| &rows[index]);
    } else {
        add_chosen(sum, spikes, |index| view::<R, N>(rows, index * width));
    }
}

/// `sum += Σ value * row(index)` over the chosen rows.
#[inline(always)]
fn add_chosen<'a, R: Real, const N: usize>(
    sum: &mut [R; N],
    (chosen, values): (&[u16], &[R]),
    row: impl Fn(usize) -> &'a [R; N],
) {
    if values.is_empty() {
        for &index in chosen {
            let row = row(usize::from(index));
            for k in 0..N {
                sum[k] += row[k];
            }
        }
    } else {
        for (&index, &value) in chosen.iter().zip(values) {
            let row = row(usize::from(index));
            for k in 0..N {
                sum[k] = value.mul_add(row[k], sum[k]);
            }
        }
    }
}

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

/// A sample's spikes by input instead of by timestep.
#[derive(Clone, Debug)]
pub struct ByInput<R> {
    /// Inputs that spike at all, each with the end of its entries below.
    inputs: Vec<(u16, u32)>,
    /// When they spike.
    times: Vec<u16>,
    /// Parallel to `times`; empty if each is 1.
    values: Vec<R>,
}

impl<R: Real> ByInput<R> {
    /// Sorts the spikes of `inputs` inputs.
    ///
    /// # Panics
    /// If an input is not below `inputs`, or there are more than 65,536 timesteps.
    pub fn new(events: &Events<R>, inputs: usize) -> Self {
        let mut places = vec![0u32; inputs];
        for &input in &events.train.inputs {
            places[usize::from(input)] += 1;
        }
        let (mut list, mut end) = (Vec::new(), 0);
        for (input, place) in places.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
            let start = end;
            end += *place;
            *place = start;
            list.push((input as u16, end));
        }
        let mut times = vec![0u16; events.count()];
        let mut values = vec![R::ZERO; events.values.len()];
        for t in 0..events.steps() {
            let time = u16::try_from(t).expect("at most 65,536 timesteps");
            let (inputs, graded) = events.at(t);
            for (k, &input) in inputs.iter().enumerate() {
                let place = &mut places[usize::from(input)];
                times[*place as usize] = time;
                if let Some(&value) = graded.get(k) {
                    values[*place as usize] = value;
                }
                *place += 1;
            }
        }
        Self { inputs: list, times, values }
    }
}

impl<R: Real> ByInput<R> {
    /// Adds a sample's share of ∂L/∂W, `Σ s_in[t] g_i[t]`, for the neurons of a panel: from their ∂L/∂i,
    /// `[timesteps, neurons]`, to an `[inputs, neurons]` block.
    pub fn add_weight_gradient(&self, neurons: usize, g_i: &[R], g_w: &mut [R]) {
        R::add_weight_gradient(self, neurons, g_i, g_w);
    }
}

pub(super) struct WeightGradient<'a, R> {
    pub(super) spikes: &'a ByInput<R>,
    pub(super) neurons: usize,
    pub(super) g_i: &'a [R],
    pub(super) g_w: &'a mut [R],
}

impl<R: Real> NullaryFnOnce for WeightGradient<'_, R> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { spikes, neurons, g_i, g_w } = self;
        let mut first = 0;
        for &(input, end) in &spikes.inputs {
            let end = end as usize;
            let row = &mut g_w[usize::from(input) * neurons..][..neurons];
            let times = &spikes.times[first..end];
            let values = spikes.values.get(first..end).unwrap_or(&[]);
            first = end;
            if neurons == PANEL {
                add_times::<R, PANEL>(row, g_i, PANEL, (times, values));
            } else {
                in_blocks!(neurons, |at, N| {
                    add_times::<R, N>(&mut row[at..], &g_i[at..], neurons, (times, values));
                });
            }
        }
    }
}

/// `row += Σ value * g_i[t]` over the timesteps in which an input spikes, for `N` of `neurons` neurons: their sums stay in
/// registers.
#[inline(always)]
fn add_times<R: Real, const N: usize>(row: &mut [R], g_i: &[R], neurons: usize, spikes: (&[u16], &[R])) {
    let mut sum = [R::ZERO; N];
    gather(&mut sum, g_i, neurons, spikes);
    let mut whole = load::<R, N>(row, 0);
    for k in 0..N {
        whole[k] += sum[k];
    }
    store(row, 0, whole);
}
