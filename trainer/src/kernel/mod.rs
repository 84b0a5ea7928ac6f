//! The numerical kernels of training: plain loops over slices, generic over f32 and f64.
//!
//! A layer has no synapses inside itself, so all timesteps of a sample go through a layer before the next layer
//! begins, and samples are independent of each other. Blocks are row-major:
//!
//! | block | shape |
//! |---|---|
//! | weights | `[inputs, neurons]`, so that a spike adds one contiguous row |
//! | a sample's states and gradients | `[timesteps, neurons]`, of one [`panel`] of neurons after the other |
//!
//! Loops run under [`pulp`]'s run-time dispatch: they are compiled for each instruction set and the best one is
//! chosen at run time, unless [`simd`] names another one. Fused multiply-adds are written out and sums keep their order, so
//! every instruction set gives the same bits.

mod compare;
mod compiled;
mod events;
mod gradient;
mod lanes;
pub mod lif_layer;
pub mod panel;
mod pool;
pub mod product;
mod real;
mod shares;
pub mod simd;
pub mod src_layer;
pub mod synapses;

pub use compiled::Compiled;
pub use events::Events;
pub use gradient::{Flow, Push, SpikeGradient};
pub use pool::{Block, Pool, zeros};
pub use real::Real;

use crate::cell::Cell;
use lif_layer::LifLayer;
use panel::Panels;
use pulp::NullaryFnOnce;
use src_layer::SrcLayer;
use std::ops::Range;

/// The numbers of one spiking layer, whatever its cells.
#[derive(Clone, Debug)]
pub enum SpikingLayer<R> {
    /// Spiking Recurrent Cells.
    Src(SrcLayer<R>),
    /// Leaky integrate-and-fire neurons.
    Lif(LifLayer<R>),
}

/// What a sample's backward pass through a panel of neurons is given.
#[derive(Clone, Debug)]
pub struct Backward<'a, R> {
    /// Which gradients flow.
    pub flow: Flow,
    /// The neurons of the panel.
    pub panel: Range<usize>,
    /// What the forward pass kept of the sample, of all panels.
    pub kept: &'a [R],
    /// ∂L/∂s from above, for the panel's neurons.
    pub gradient: SpikeGradient<'a, R>,
    /// ∂L/∂s from the wish for more or less activity.
    pub push: Push<R>,
}

impl<R: Real> SpikingLayer<R> {
    /// A layer of spiking cells with its flat `parameters`, in the order of [`Cell::parameters`]; `None` for cells that do
    /// not spike.
    pub fn new(cell: &Cell, neurons: usize, parameters: &[R]) -> Option<Self> {
        match cell {
            Cell::Src(cell) => Some(Self::Src(SrcLayer::new(cell, neurons, parameters))),
            Cell::Lif(cell) => Some(Self::Lif(LifLayer::new(cell, neurons, parameters))),
            Cell::Gru | Cell::Brc => None,
        }
    }

    /// Number of neurons.
    pub fn neurons(&self) -> usize {
        match self {
            Self::Src(layer) => layer.neurons(),
            Self::Lif(layer) => layer.neurons(),
        }
    }

    /// Number of `[timesteps, neurons]` blocks that a backward pass needs.
    pub fn kept(&self) -> usize {
        match self {
            Self::Src(layer) => layer.kept(),
            Self::Lif(layer) => layer.kept(),
        }
    }

    /// Runs a sample through the layer, with the best instructions there are, and returns the layer's spikes. Fills
    /// `kept`: [`Self::kept`] blocks if there is a backward pass to come, else one of them.
    pub fn forward(&self, weights: &Panels<R>, input: &Events<R>, kept: &mut [R]) -> Events<R> {
        R::forward(self, weights, input, kept)
    }

    /// Fills a sample's ∂L/∂i for the neurons of a panel, `[timesteps, neurons]`, and adds to the gradients of their flat
    /// parameters: those of a layer that has no other neurons.
    pub fn backward(&self, given: Backward<'_, R>, g_i: &mut [R], g_p: &mut [R]) {
        R::backward(self, given, g_i, g_p);
    }
}

/// Runs a kernel with the best instructions there are.
///
/// Kernels are types, not closures: a large closure may not be inlined into the function that has the instructions, and
/// would then be compiled for the plainest processor.
pub(crate) fn dispatch<K: NullaryFnOnce>(kernel: K) -> K::Output {
    simd::arch().dispatch(kernel)
}
