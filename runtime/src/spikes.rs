//! Spike lists: who spiked in this timestep, and how strongly.

use fixed::types::U8F8;
use heapless::VecView;

/// Indices of the inputs that spike in a timestep, ascending; each counts as a spike of value 1, and one that is listed
/// twice counts as 2.
pub type InputSpikes = VecView<u16>;

/// Spikes of a layer in a timestep, ascending by neuron.
pub type LayerSpikes = VecView<Spike>;

/// Value of a spike: of a graded one, s = ReLU(h) (Eq. 3f), 1/256 to 255/256; of a binary one, exactly 1.
pub type SpikeValue = U8F8;

/// One neuron's output in a timestep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(C, align(4))]
pub struct Spike {
    /// Index of the neuron in its layer.
    pub neuron: u16,
    /// Bits of its [`SpikeValue`], 1 to 256.
    value: u16,
}

impl Spike {
    /// A spike of `neuron`; values above 1 become 1.
    pub const fn new(neuron: u16, value: SpikeValue) -> Self {
        let bits = value.to_bits();
        let one = SpikeValue::ONE.to_bits();
        Self { neuron, value: if bits > one { one } else { bits } }
    }

    /// A spike of value 1.
    pub const fn binary(neuron: u16) -> Self {
        Self { neuron, value: SpikeValue::ONE.to_bits() }
    }

    /// How strongly the neuron spikes.
    pub const fn value(self) -> SpikeValue {
        SpikeValue::from_bits(self.value)
    }
}
