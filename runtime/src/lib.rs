#![no_std]
#![doc = include_str!("../README.md")]

#[cfg(test)]
extern crate std;

#[cfg(thumb)]
mod arm;
pub mod encode;
pub mod formats;
mod integrator;
mod layer;
mod lif_layer;
mod model;
mod network;
pub mod neurons;
mod readout;
#[cfg(test)]
mod reference;
mod spikes;
mod src_layer;
pub mod synapses;
mod tanh;

pub use integrator::{Integrator, MOST_INPUT};
pub use layer::{Layer, LayerStates, Update};
pub use lif_layer::{LifLayer, LifLayerError, LifNeuron, lif_levels, lif_neuron};
pub use model::{Model, ModelError, Need};
pub use network::{Memory, MemoryError, MemoryView, Network};
pub use readout::{Readout, ReadoutError};
pub use spikes::{InputSpikes, LayerSpikes, Spike, SpikeValue};
pub use src_layer::{
    GatedBy, InitialState, MOST_BIAS, MOST_STATE, NeuronConstants, Potentials, SpikeKind, SrcConstants,
    SrcLayer, SrcLayerError,
};
pub use synapses::{Shape, Synapses, SynapsesError, Width};
pub use tanh::tanh;

/// The widest vectors of a host's processor. Miri cannot ask it.
#[cfg(not(target_os = "none"))]
#[inline(always)]
fn vectors() -> pulp::Arch {
    if cfg!(miri) { pulp::Arch::Scalar } else { pulp::Arch::new() }
}

/// Most inputs, and most neurons of a layer. Sums of that many weights cannot overflow.
pub const MAX_WIDTH: usize = 16_384;

/// Most layers of a network; the paper's deepest has 15.
pub const MAX_LAYERS: usize = 16;
