//! A layer of any kind of cell.

use crate::formats::Current;
use crate::integrator::Integrator;
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
    /// Per neuron: i of SRC or V of LIF.
    pub currents: &'a mut [Current],
    /// Per neuron of SRC: h and h_s. Empty for LIF.
    pub potentials: &'a mut [Potentials],
}

/// What a timestep did to a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// A current would have left its range and was kept at its end.
    pub saturated: bool,
    /// No input spiked, no neuron spikes and no state changed: as long as no input spikes, further timesteps change nothing.
    pub rests: bool,
}

impl<'m> Layer<'m> {
    /// The synapses from the layer's inputs to its neurons.
    pub const fn synapses(&self) -> &Synapses<'m> {
        match self {
            Self::Src(layer) => layer.synapses(),
            Self::Lif(layer) => layer.synapses(),
        }
    }

    /// How its neurons integrate their inputs.
    pub const fn integrator(&self) -> &Integrator {
        match self {
            Self::Src(layer) => layer.integrator(),
            Self::Lif(layer) => layer.integrator(),
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

    /// Advances every neuron by one timestep and lists the neurons that spike; see [`SrcLayer::update`] and
    /// [`LifLayer::update`].
    #[inline]
    pub fn update(
        &self,
        received: bool,
        sums: &mut [i32],
        states: &mut LayerStates<'_>,
        spikes: &mut LayerSpikes,
    ) -> Update {
        match self {
            Self::Src(layer) => layer.update(received, sums, states, spikes),
            Self::Lif(layer) => layer.update(received, sums, states.currents, spikes),
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
