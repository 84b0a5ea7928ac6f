//! The parts of a config that are types of their own.

use crate::kernel::{Push, Real};
use serde::{Deserialize, Serialize};

/// How pixels become spikes (paper, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coding {
    /// Each pixel spikes with a probability proportional to its value.
    Rate,
    /// Each pixel spikes at most once, the brighter the sooner: snnTorch's linear code.
    Latency,
    /// The same with the logarithmic times of an RC circuit: snnTorch's other code.
    LatencyLog,
    /// Recordings of an event camera, binned into timesteps.
    Events,
}

/// What is made smallest, given the scores at the last timestep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Cross-entropy of the softmax (section 4.3).
    #[default]
    CrossEntropy,
    /// Mean squared distance of the softmax from the label's one-hot vector.
    MeanSquared,
    /// Σ max(0, 1 + v_c - v_label) over the other classes c.
    Margin,
}

/// The energy knob: how much spiking is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActivityGoal {
    /// Added to the loss for each spiking timestep of a sample, over all neurons.
    pub penalty: f64,
    /// Activity (Eq. 2) that each layer is drawn to; none if absent.
    pub target: Option<f64>,
    /// How strongly: the loss grows by `strength` (activity - target)² / target² per layer.
    pub strength: f64,
}

impl ActivityGoal {
    /// What it adds to the gradient at a layer's spikes in a batch of `samples`, in which `spiking` of `slots` (samples ×
    /// timesteps × neurons) spike. H(s) of Eq. 2 counts as rising with s at slope 1, so that it has a gradient: where
    /// neurons spike too much it is given to those that spike, and where they spike too little to all.
    pub fn push<R: Real>(&self, spiking: f64, samples: f64, slots: f64) -> Push<R> {
        let mut on_spikes = self.penalty / samples;
        let mut everywhere = 0.0;
        if let Some(target) = self.target {
            let slope = 2.0 * self.strength * (spiking / slots - target) / (target * target * slots);
            if slope > 0.0 {
                on_spikes += slope;
            } else {
                everywhere = slope;
            }
        }
        Push { on_spikes: R::of(on_spikes), everywhere: R::of(everywhere) }
    }
}

/// Random changes to training images, drawn anew in each epoch; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Most pixels by which an image is shifted along each axis.
    pub shift: f64,
    /// Shift by the nearest whole number of pixels: no grey value changes, which is what the latency codes tell.
    pub whole_pixels: bool,
    /// Most degrees by which it is turned.
    pub rotation: f64,
    /// Most by which it grows or shrinks: 0.1 is 10 %.
    pub scale: f64,
    /// Standard deviation of an elastic distortion in pixels.
    pub elastic: f64,
    /// Show half of the images mirrored, left for right: for what has no side, like clothes, not for digits.
    pub mirror: bool,
}
