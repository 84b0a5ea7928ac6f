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

use super::gradient::{Push, SpikeGradient};
use super::synapses::add_rows;
use super::{Events, Real};
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
    #[inline(always)]
    pub fn step(&self, states: &mut States<R>, weights: &[R], inputs: &[u16], values: &[R]) {
        let States { before_reset, v } = states;
        before_reset.iter_mut().zip(&*v).for_each(|(new, &v)| *new = self.leak * v);
        add_rows(before_reset, weights, inputs, values);
        for (v, &new) in v.iter_mut().zip(&*before_reset) {
            *v = self.after_reset(new);
        }
    }

    #[inline(always)]
    fn after_reset(&self, before: R) -> R {
        if before > self.threshold { self.rest } else { before }
    }

    /// Runs a sample through the layer and returns the layer's spikes; fills `kept` if there is a backward pass to come.
    #[inline(always)]
    pub fn forward(&self, weights: &[R], input: &Events<R>, mut kept: Option<&mut [R]>) -> Events<R> {
        let mut states = self.start();
        let mut output = Events::start();
        for t in 0..input.steps() {
            let (inputs, values) = input.at(t);
            self.step(&mut states, weights, inputs, values);
            output.push_binary(&states.before_reset, self.threshold);
            if let Some(kept) = &mut kept {
                kept[t * self.neurons..][..self.neurons].copy_from_slice(&states.before_reset);
            }
        }
        output
    }

    /// Fills a sample's gradient at its currents, `[timesteps, neurons]`, and the gradients of its parameters, in the
    /// order of [`LifLayer::new`].
    #[inline(always)]
    pub fn backward(
        &self,
        kept: &[R],
        gradient: SpikeGradient<'_, R>,
        push: Push<R>,
        g_i: &mut [R],
        g_p: &mut [R],
    ) {
        let n = self.neurons;
        let pi = R::of(std::f64::consts::PI);
        let (mut g_s, mut g_v) = (vec![R::ZERO; n], vec![R::ZERO; n]);
        let (mut g_leak, mut g_threshold) = (R::ZERO, R::ZERO);
        for t in (0..g_i.len() / n).rev() {
            let now = &kept[t * n..][..n];
            gradient.at(t, push, |k| now[k] > self.threshold, &mut g_s);
            for k in 0..n {
                let over = now[k] - self.threshold;
                let u = g_s[k] / (R::ONE + pi * over * (pi * over));
                let through = if over > R::ZERO { R::ZERO } else { self.leak * g_v[k] };
                g_v[k] = u + through;
                g_threshold += u;
            }
            if t > 0 {
                let before = &kept[(t - 1) * n..][..n];
                for (&g, &before) in g_v.iter().zip(before) {
                    g_leak += g * self.after_reset(before);
                }
            }
            g_i[t * n..][..n].copy_from_slice(&g_v);
        }
        for (learnt, g) in self.learn.iter().zip(g_p) {
            *g = match learnt {
                Learnable::Leak => g_leak,
                _ => R::ZERO - g_threshold,
            };
        }
    }
}
