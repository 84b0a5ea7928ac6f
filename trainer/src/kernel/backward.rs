//! Backward pass through one SRC layer: gradients of its currents, biases and weights.
//!
//! From the last timestep to the first, with u the gradient at the argument of tanh in Eq. 3d and y = tanh(i / ρ):
//!
//! ```text
//! g_h   = ∂L/∂s[t] s' + c_h
//! u     = (1 - h[t]²) g_h
//! g_i   = (1 - y[t]²) u + α g_i
//! c_h   = r u   + (1 - z_s) c_hs      carried into timestep t-1, both from the old c_hs
//! c_hs  = r_s u + z_s c_hs
//! ∂L/∂b = Σ u
//! ∂L/∂W = Σ s_in[t] g_i[t]
//! ```
//!
//! s' is 1 with the ReLU bypass and H(h) without it. Detached (section 4.4), h[t-1] and h_s[t-1] are constants: c_h
//! and c_hs are 0, and only the leaky integrator carries gradients back in time.

use super::{Events, Real, forward::Constants};

/// Which gradients flow (paper, section 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The gradient passes the ReLU of Eq. 3f as if it were not there.
    pub bypass: bool,
    /// No gradient flows through h[t-1] and h_s[t-1].
    pub detach: bool,
}

/// ∂L/∂s of a sample.
#[derive(Clone, Copy, Debug)]
pub enum SpikeGradient<'a, R> {
    /// One value per timestep and neuron, `[timesteps, neurons]`.
    Dense(&'a [R]),
    /// From the readout: `neuron[n] * decay[t]`.
    Readout {
        /// ∂L/∂v of the neuron's integrators, weighted, one per neuron.
        neuron: &'a [R],
        /// α^(T-1-t), one per timestep.
        decay: &'a [R],
    },
}

/// What one sample's backward pass reads: `[timesteps, neurons]` blocks.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a, R> {
    /// h, from the forward pass.
    pub h: &'a [R],
    /// tanh(i / ρ), from the forward pass.
    pub y: &'a [R],
    /// ∂L/∂s.
    pub gradient: SpikeGradient<'a, R>,
}

/// Gradients carried from a timestep to the one before it, one entry per neuron.
struct Carried<R> {
    g_i: Vec<R>,
    c_h: Vec<R>,
    c_hs: Vec<R>,
}

/// Fills one sample's `g_i` (`[timesteps, neurons]`) and its ∂L/∂b (one per neuron).
#[inline(always)]
pub fn scan<R: Real>(c: &Constants<R>, flow: Flow, sample: Sample<'_, R>, g_i: &mut [R], g_b: &mut [R]) {
    let neurons = g_b.len();
    let zeros = || vec![R::ZERO; neurons];
    let mut carried = Carried { g_i: zeros(), c_h: zeros(), c_hs: zeros() };
    let mut from_readout = zeros();
    g_b.fill(R::ZERO);
    for t in (0..g_i.len() / neurons).rev() {
        let row = t * neurons..(t + 1) * neurons;
        let g_s = match sample.gradient {
            SpikeGradient::Dense(block) => &block[row.clone()],
            SpikeGradient::Readout { neuron, decay } => {
                from_readout.iter_mut().zip(neuron).for_each(|(g, &weight)| *g = weight * decay[t]);
                &from_readout
            }
        };
        let (h, y) = (&sample.h[row.clone()], &sample.y[row.clone()]);
        step(c, flow, (h, y, g_s), &mut carried, g_b);
        g_i[row].copy_from_slice(&carried.g_i);
    }
}

/// One timestep of [`scan`].
#[inline(always)]
fn step<R: Real>(
    c: &Constants<R>,
    flow: Flow,
    (h, y, g_s): (&[R], &[R], &[R]),
    carried: &mut Carried<R>,
    g_b: &mut [R],
) {
    let n = g_b.len();
    let (h, y, g_s) = (&h[..n], &y[..n], &g_s[..n]);
    let (g_i, c_h, c_hs) = (&mut carried.g_i[..n], &mut carried.c_h[..n], &mut carried.c_hs[..n]);
    for k in 0..n {
        let open = flow.bypass || h[k] > R::ZERO;
        let g_h = if open { g_s[k] } else { R::ZERO } + c_h[k];
        let u = (R::ONE - h[k] * h[k]) * g_h;
        g_i[k] = (R::ONE - y[k] * y[k]) * u + c.alpha * g_i[k];
        g_b[k] += u;
        if !flow.detach {
            let z_s = if h[k] > R::of(0.5) { c.z_s_dep } else { c.z_s_hyp };
            c_h[k] = c.r * u + (R::ONE - z_s) * c_hs[k];
            c_hs[k] = c.r_s * u + z_s * c_hs[k];
        }
    }
}

/// ∂L/∂W of a batch for the neurons in `columns`, as an `[inputs, columns]` block.
///
/// Whoever calls this for some columns owns them alone, and adds the samples in order: the result is the same for any
/// number of threads.
#[inline(always)]
pub fn weights<'a, R: Real>(
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
