//! What a layer's backward pass is given: the gradient at its spikes.

use super::Real;
use super::lanes::{in_blocks, load, store};

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

/// What the wish for more or less activity adds to ∂L/∂s.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Push<R> {
    /// Where a neuron spikes.
    pub on_spikes: R,
    /// At every timestep of every neuron, which wakes silent ones.
    pub everywhere: R,
}

impl<R: Real> SpikeGradient<'_, R> {
    /// Fills `row` with timestep `t`'s gradients, `push` included; `spikes(n)` tells whether neuron `n` spikes then.
    #[inline(always)]
    pub fn at(&self, t: usize, push: Push<R>, spikes: impl Fn(usize) -> bool, row: &mut [R]) {
        let neurons = row.len();
        in_blocks!(neurons, |start, N| {
            let spikes = |k: usize| spikes(start + k);
            store(row, start, self.block::<N>(t, (start, neurons), push, spikes));
        });
    }

    /// Timestep `t`'s gradients of the `N` neurons from `start` on, of so many, `push` included; `spikes(k)` tells whether neuron
    /// `start + k` spikes then.
    #[inline(always)]
    pub fn block<const N: usize>(
        &self,
        t: usize,
        (start, neurons): (usize, usize),
        push: Push<R>,
        spikes: impl Fn(usize) -> bool,
    ) -> [R; N] {
        let mut g = match *self {
            Self::Dense(block) => load::<R, N>(block, t * neurons + start),
            Self::Readout { neuron, decay } => {
                let decay = decay[t];
                load::<R, N>(neuron, start).map(|weight| weight * decay)
            }
        };
        if push.everywhere != R::ZERO {
            g.iter_mut().for_each(|g| *g += push.everywhere);
        }
        if push.on_spikes != R::ZERO {
            for (k, g) in g.iter_mut().enumerate() {
                *g += if spikes(k) { push.on_spikes } else { R::ZERO };
            }
        }
        g
    }
}
