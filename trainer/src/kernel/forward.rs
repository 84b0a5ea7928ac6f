//! Forward pass of one sample through one SRC layer (Eq. 3a to 3f).

use super::{Events, Real};

/// The constants of Eq. 3 in the numbers of the kernels.
#[derive(Clone, Copy, Debug)]
pub struct Constants<R> {
    /// α.
    pub alpha: R,
    /// ρ.
    pub rho: R,
    /// 1 / ρ.
    pub rho_inverse: R,
    /// r.
    pub r: R,
    /// r_s.
    pub r_s: R,
    /// z_s below the gate's threshold.
    pub z_s_hyp: R,
    /// z_s above it.
    pub z_s_dep: R,
}

/// A sample's states as it moves through a layer, one entry per neuron.
#[derive(Debug)]
pub struct States<R> {
    /// i.
    pub i: Vec<R>,
    /// tanh(i / ρ), which is x / ρ.
    pub y: Vec<R>,
    /// h.
    pub h: Vec<R>,
    /// h_s.
    pub h_s: Vec<R>,
}

/// What is kept of a sample for the backward pass: `[timesteps, neurons]` blocks.
#[derive(Debug)]
pub struct Kept<'a, R> {
    /// h after each timestep.
    pub h: &'a mut [R],
    /// tanh(i / ρ) of each timestep.
    pub y: &'a mut [R],
}

impl<R: Real> States<R> {
    /// States at rest.
    pub fn new(neurons: usize) -> Self {
        let zeros = || vec![R::ZERO; neurons];
        Self { i: zeros(), y: zeros(), h: zeros(), h_s: zeros() }
    }

    /// Advances by one timestep.
    #[inline(always)]
    pub fn step(&mut self, c: &Constants<R>, weights: &[R], bias: &[R], inputs: &[u16], values: &[R]) {
        for i in &mut self.i {
            *i *= c.alpha;
        }
        add_rows(&mut self.i, weights, inputs, values);
        let half = R::of(0.5);
        let states = self.i.iter().zip(&mut self.y).zip(self.h.iter_mut().zip(&mut self.h_s)).zip(bias);
        for (((&i, y), (h, h_s)), &b) in states {
            *y = (i * c.rho_inverse).tanh();
            let next = (c.rho * *y + c.r * *h + c.r_s * *h_s + b).tanh();
            let z_s = if next > half { c.z_s_dep } else { c.z_s_hyp };
            *h_s = z_s * *h_s + (R::ONE - z_s) * *h;
            *h = next;
        }
    }
}

/// Runs a sample through a layer and returns the layer's spikes; fills `kept` if there is a backward pass to come.
#[inline(always)]
pub fn forward<R: Real>(
    c: &Constants<R>,
    weights: &[R],
    bias: &[R],
    input: &Events<R>,
    mut kept: Option<Kept<'_, R>>,
) -> Events<R> {
    let neurons = bias.len();
    let mut states = States::new(neurons);
    let mut output = Events::start();
    for t in 0..input.steps() {
        let (inputs, values) = input.at(t);
        states.step(c, weights, bias, inputs, values);
        output.push_step(&states.h);
        if let Some(kept) = &mut kept {
            let row = t * neurons..(t + 1) * neurons;
            kept.h[row.clone()].copy_from_slice(&states.h);
            kept.y[row].copy_from_slice(&states.y);
        }
    }
    output
}

/// `sum += value * row` for each spiking input: the sparse product of Eq. 3a. Several rows share a pass over the sum.
#[inline(always)]
fn add_rows<R: Real>(sum: &mut [R], weights: &[R], inputs: &[u16], values: &[R]) {
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
