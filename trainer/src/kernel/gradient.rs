//! What a layer's backward pass is given: the gradient at its spikes.

use super::Real;

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
        match *self {
            Self::Dense(block) => row.copy_from_slice(&block[t * neurons..][..neurons]),
            Self::Readout { neuron, decay } => {
                let decay = decay[t];
                row.iter_mut().zip(neuron).for_each(|(g, &weight)| *g = weight * decay);
            }
        }
        if push.everywhere != R::ZERO {
            row.iter_mut().for_each(|g| *g += push.everywhere);
        }
        if push.on_spikes != R::ZERO {
            for (n, g) in row.iter_mut().enumerate() {
                *g += if spikes(n) { push.on_spikes } else { R::ZERO };
            }
        }
    }
}
