//! One sample through one layer of leaky integrate-and-fire neurons, forward and backward (paper, section 2.2).
//!
//! The backward pass, from the last timestep to the first, with v the potential before a reset and s' the ATan surrogate
//! 1 / (1 + (π (v - V_thresh))²):
//!
//! ```text
//! g_v = ∂L/∂s[t] s' + (α_V g_v if the neuron does not spike at t, else 0)
//! ∂L/∂α_V      = Σ g_v[t] V[t-1]
//! ∂L/∂V_thresh = - Σ ∂L/∂s[t] s'
//! ```
//!
//! g_v is also the gradient at the current W s_in\[t\]. No gradient goes through the reset.

use super::lanes::{in_blocks, load, store};
use super::panel::{PANEL, Panels, panels};
use super::synapses::leak_and_add;
use super::{Backward, Events, Real};
use crate::cell::{Learnable, LifCell};

/// The numbers of one layer.
#[derive(Clone, Debug)]
pub struct LifLayer<R> {
    neurons: usize,
    leak: R,
    threshold: R,
    rest: R,
    learn: Vec<Learnable>,
}

/// A sample's states as it moves through a layer, one entry per neuron.
#[derive(Clone, Debug)]
pub struct States<R> {
    /// V before the reset.
    pub before_reset: Vec<R>,
    /// V.
    pub v: Vec<R>,
}

impl<R: Real> LifLayer<R> {
    /// A layer with the constants of `cell`, but for those among `parameters`: what is learnt, in the order of
    /// [`LifCell::parameters`].
    pub fn new(cell: &LifCell, neurons: usize, parameters: &[R]) -> Self {
        let learn: Vec<Learnable> = cell.learn.iter().copied().collect();
        let (mut leak, mut threshold) = (R::of(cell.leak), R::of(cell.threshold));
        for (learnt, &value) in learn.iter().zip(parameters) {
            match learnt {
                Learnable::Leak => leak = value,
                _ => threshold = value,
            }
        }
        Self { neurons, leak, threshold, rest: R::of(cell.rest), learn }
    }

    /// α_V, V_thresh and V_rest.
    pub const fn constants(&self) -> (R, R, R) {
        (self.leak, self.threshold, self.rest)
    }

    /// Number of neurons.
    pub const fn neurons(&self) -> usize {
        self.neurons
    }

    /// Number of `[timesteps, neurons]` blocks that a backward pass needs: the potentials before their reset.
    pub const fn kept(&self) -> usize {
        1
    }

    /// States before the first timestep.
    pub fn start(&self) -> States<R> {
        let zeros = vec![R::ZERO; self.neurons];
        States { before_reset: zeros.clone(), v: zeros }
    }

    /// Advances states by one timestep in which `inputs` spike, with `values` (empty if each is 1).
    pub fn step(&self, states: &mut States<R>, weights: &[R], inputs: &[u16], values: &[R]) {
        let States { before_reset, v } = states;
        in_blocks!(self.neurons, |start, N| {
            let mut new = load::<R, N>(v, start);
            leak_and_add(&mut new, self.leak, (&weights[start..], self.neurons), (inputs, values));
            store(before_reset, start, new);
            store(v, start, new.map(|new| self.after_reset(new)));
        });
    }

    #[inline(always)]
    fn after_reset(&self, before: R) -> R {
        if before > self.threshold { self.rest } else { before }
    }

    /// Runs a sample through the layer and returns the layer's spikes; fills `kept`, one block.
    #[inline(always)]
    pub fn forward(&self, weights: &Panels<R>, input: &Events<R>, kept: &mut [R]) -> Events<R> {
        let steps = input.steps();
        for (neurons, weights) in weights.iter() {
            let width = neurons.len();
            let kept = &mut kept[steps * neurons.start..][..steps * width];
            if width == PANEL {
                self.forward_block::<PANEL>(0, (weights, width), input, kept);
                continue;
            }
            in_blocks!(width, |at, N| {
                self.forward_block::<N>(at, (&weights[at..], width), input, kept);
            });
        }
        let mut output = Events::start();
        for t in 0..steps {
            for neurons in panels(self.neurons) {
                let width = neurons.len();
                let potentials = &kept[steps * neurons.start + t * width..][..width];
                output.push_binary(neurons.start, potentials, self.threshold);
            }
            output.end_step();
        }
        output
    }

    /// Runs a sample through `N` neurons of a panel, those from number `at` on.
    #[inline(always)]
    fn forward_block<const N: usize>(
        &self,
        at: usize,
        weights: (&[R], usize),
        input: &Events<R>,
        kept: &mut [R],
    ) {
        let mut v = [R::ZERO; N];
        for t in 0..input.steps() {
            leak_and_add(&mut v, self.leak, weights, input.at(t));
            store(kept, t * weights.1 + at, v);
            v = v.map(|v| self.after_reset(v));
        }
    }

    /// Fills a sample's gradient at the currents of a panel's neurons, `[timesteps, neurons]`, and adds to the gradients of
    /// the parameters, which stand in the order of [`LifLayer::new`].
    #[inline(always)]
    pub fn backward(&self, given: Backward<'_, R>, g_i: &mut [R], g_p: &mut [R]) {
        let Backward { panel, kept, gradient, push, .. } = given;
        let n = panel.len();
        let kept = &kept[g_i.len() / n * panel.start..][..g_i.len()];
        let pi = R::of(std::f64::consts::PI);
        let zeros = || vec![R::ZERO; n];
        // V before the first timestep is 0.
        let start = zeros();
        // ∂L/∂α_V and -∂L/∂V_thresh have a sum for each neuron, so that vector code can add them.
        let (mut g_s, mut g_v, mut g_leak, mut g_threshold) = (zeros(), zeros(), zeros(), zeros());
        for t in (0..g_i.len() / n).rev() {
            let now = &kept[t * n..][..n];
            gradient.at(t, push, |k| now[k] > self.threshold, &mut g_s);
            let before = if t > 0 { &kept[(t - 1) * n..][..n] } else { &start };
            in_blocks!(n, |start, N| {
                let (now, before) = (load::<R, N>(now, start), load::<R, N>(before, start));
                let (g_s, mut g) = (load::<R, N>(&g_s, start), load::<R, N>(&g_v, start));
                let mut leak = load::<R, N>(&g_leak, start);
                let mut threshold = load::<R, N>(&g_threshold, start);
                for k in 0..N {
                    let over = now[k] - self.threshold;
                    let u = g_s[k] / (R::ONE + pi * over * (pi * over));
                    let through = if over > R::ZERO { R::ZERO } else { self.leak * g[k] };
                    g[k] = u + through;
                    threshold[k] += u;
                    leak[k] += g[k] * self.after_reset(before[k]);
                }
                store(&mut g_v, start, g);
                store(&mut g_leak, start, leak);
                store(&mut g_threshold, start, threshold);
                store(g_i, t * n + start, g);
            });
        }
        let sum = |terms: &[R]| terms.iter().fold(R::ZERO, |sum, &g| sum + g);
        for (learnt, g) in self.learn.iter().zip(g_p) {
            *g += match learnt {
                Learnable::Leak => sum(&g_leak),
                _ => R::ZERO - sum(&g_threshold),
            };
        }
    }
}
