//! Spike lists: who spiked in this timestep, and how strongly.

use fixed::types::U0F8;
use heapless::VecView;

/// Indices of the inputs that spike in a timestep, ascending; each counts as a spike of value 1.
pub type InputSpikes = VecView<u16>;

/// Spikes of a layer in a timestep, ascending by neuron.
pub type LayerSpikes = VecView<Spike>;

/// Value of a graded spike, s = ReLU(h) (Eq. 3f), 1/256 to 255/256.
pub type SpikeValue = U0F8;

/// One neuron's graded output in a timestep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Spike {
    /// Index of the neuron in its layer.
    pub neuron: u16,
    /// Bits of its [`SpikeValue`], not 0.
    value: u8,
}

impl Spike {
    /// A spike of `neuron`.
    pub const fn new(neuron: u16, value: SpikeValue) -> Self {
        Self { neuron, value: value.to_bits() }
    }

    /// How strongly the neuron spikes.
    pub const fn value(self) -> SpikeValue {
        SpikeValue::from_bits(self.value)
    }
}
