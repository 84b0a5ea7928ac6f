//! A layer of any kind of cell.

use crate::formats::Current;
use crate::lif_layer::LifLayer;
use crate::spikes::LayerSpikes;
use crate::src_layer::{Potentials, SrcLayer};
use crate::synapses::Synapses;

/// A layer: synapses, and cells of one kind.
#[derive(Clone, Copy, Debug)]
pub enum Layer<'m> {
    /// Spiking Recurrent Cells.
    Src(SrcLayer<'m>),
    /// Leaky integrate-and-fire neurons.
    Lif(LifLayer<'m>),
}

/// States of a layer's neurons.
#[derive(Debug)]
pub struct LayerStates<'a> {
    /// Per neuron: α i of SRC or α_V V of LIF, as it enters the next timestep, leak done.
    pub currents: &'a mut [Current],
    /// Per neuron of SRC: h and h_s. Empty for LIF.
    pub potentials: &'a mut [Potentials],
}

impl<'m> Layer<'m> {
    /// The synapses from the layer's inputs to its neurons.
    pub const fn synapses(&self) -> &Synapses<'m> {
        match self {
            Self::Src(layer) => layer.synapses(),
            Self::Lif(layer) => layer.synapses(),
        }
    }

    /// Number of neurons.
    pub const fn neurons(&self) -> usize {
        self.synapses().neurons() as usize
    }

    /// How many [`Potentials`] its neurons need: one each for SRC, none for LIF.
    pub const fn potentials(&self) -> usize {
        match self {
            Self::Src(_) => self.neurons(),
            Self::Lif(_) => 0,
        }
    }

    /// Puts the states as they are before the first timestep.
    pub fn reset(&self, states: &mut LayerStates<'_>) {
        match self {
            Self::Src(layer) => layer.reset(states),
            Self::Lif(_) => states.currents.fill(Current::ZERO),
        }
    }

    /// Advances every neuron by one timestep, after this timestep's spikes have been added to the currents, and lists
    /// the neurons that spike; see [`SrcLayer::update`] and [`LifLayer::update`].
    pub fn update(&self, states: &mut LayerStates<'_>, spikes: &mut LayerSpikes) {
        match self {
            Self::Src(layer) => layer.update(states, spikes),
            Self::Lif(layer) => layer.update(states.currents, spikes),
        }
    }
}

impl<'m> From<SrcLayer<'m>> for Layer<'m> {
    fn from(layer: SrcLayer<'m>) -> Self {
        Self::Src(layer)
    }
}

impl<'m> From<LifLayer<'m>> for Layer<'m> {
    fn from(layer: LifLayer<'m>) -> Self {
        Self::Lif(layer)
    }
}
