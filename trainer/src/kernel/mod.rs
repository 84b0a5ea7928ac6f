//! The numerical kernels of training: plain loops over slices, generic over f32 and f64.
//!
//! A layer has no synapses inside itself, so all timesteps of a sample go through a layer before the next layer
//! begins, and samples are independent of each other. Blocks are row-major:
//!
//! | block | shape |
//! |---|---|
//! | weights | `[inputs, neurons]`, so that a spike adds one contiguous row |
//! | a sample's states and gradients | `[timesteps, neurons]` |
//!
//! Loops run under [`pulp`]'s run-time dispatch: they are compiled for each instruction set and the best one is
//! chosen at run time. None of them contracts or reorders floating-point operations, so every instruction set gives
//! the same bits.

mod events;
mod gradient;
pub mod lif_layer;
mod pool;
mod real;
pub mod src_layer;
pub mod synapses;

pub use events::Events;
pub use gradient::{Flow, Push, SpikeGradient};
pub use pool::Pool;
pub use real::Real;

use crate::cell::Cell;
use lif_layer::LifLayer;
use src_layer::SrcLayer;

/// The numbers of one spiking layer, whatever its cells.
#[derive(Clone, Debug)]
pub enum SpikingLayer<R> {
    /// Spiking Recurrent Cells.
    Src(SrcLayer<R>),
    /// Leaky integrate-and-fire neurons.
    Lif(LifLayer<R>),
}

/// What a sample's backward pass through a layer is given.
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a, R> {
    /// Which gradients flow.
    pub flow: Flow,
    /// What the forward pass kept.
    pub kept: &'a [R],
    /// ∂L/∂s from above.
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

    /// Runs a sample through the layer, with the best instructions there are.
    pub fn forward(&self, weights: &[R], input: &Events<R>, kept: Option<&mut [R]>) -> Events<R> {
        match self {
            Self::Src(layer) => pulp::Arch::new().dispatch(
                #[inline(always)]
                || layer.forward(weights, input, kept),
            ),
            Self::Lif(layer) => pulp::Arch::new().dispatch(
                #[inline(always)]
                || layer.forward(weights, input, kept),
            ),
        }
    }

    /// Fills a sample's ∂L/∂i, `[timesteps, neurons]`, and the gradients of its flat parameters.
    pub fn backward(&self, given: Backward<'_, R>, g_i: &mut [R], g_p: &mut [R]) {
        let Backward { flow, kept, gradient, push } = given;
        match self {
            Self::Src(layer) => pulp::Arch::new().dispatch(
                #[inline(always)]
                || layer.backward(flow, kept, gradient, push, g_i, g_p),
            ),
            Self::Lif(layer) => pulp::Arch::new().dispatch(
                #[inline(always)]
                || layer.backward(kept, gradient, push, g_i, g_p),
            ),
        }
    }
}
