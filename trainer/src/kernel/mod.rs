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

pub mod backward;
mod events;
pub mod forward;
mod pool;
mod real;

pub use events::Events;
pub use pool::Pool;
pub use real::Real;
