//! The paper's tables and figures, made again.

pub mod claim;
pub mod neuron;
pub mod plan;
