//! The header of a model file: everything about a network but its weights. FORMAT.md lists the fields.

use serde::{Deserialize, Serialize};
use spikelet_runtime::encode::{Encoder, Gain, LatencyCode, RateCode};
use spikelet_runtime::formats::{Decay, Loss, Score};
use spikelet_runtime::{GatedBy, Integrator, MAX_LAYERS, Readout, ReadoutError, SpikeKind, SrcConstants};

/// Everything about a network but its weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header<'m> {
    /// What is true of the network as a whole.
    pub outline: Outline,
    /// Layers, bottom to top.
    pub layers: heapless::Vec<LayerHeader, MAX_LAYERS>,
    /// Where the model comes from.
    #[serde(borrow)]
    pub provenance: Provenance<'m>,
}

/// What is true of a network as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// Columns of the input.
    pub width: u16,
    /// Rows of the input.
    pub height: u16,
    /// Planes of the input.
    pub channels: u8,
    /// Number of classes.
    pub classes: u16,
    /// Silent timesteps before the input.
    pub blank_before: u16,
    /// Timesteps in which the input is shown.
    pub steps: u16,
    /// Silent timesteps behind it.
    pub blank_after: u16,
    /// How the input's spikes are made.
    pub encoder: EncoderHeader,
    /// The readout's constants.
    pub readout: ReadoutHeader,
    /// Bits of a [`Score`]: the lead of the best score at which the model decides early, if it does.
    pub margin: Option<i32>,
}

/// How the input's spikes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EncoderHeader {
    /// [`RateCode`].
    Rate {
        /// Bits of its [`Gain`].
        gain: u32,
        /// Its seed.
        seed: u64,
    },
    /// [`LatencyCode`] over the timesteps in which the input is shown.
    Latency {},
    /// The same with its logarithmic curve. Boards have no encoder for it: its table takes a kilobyte.
    LatencyLog {},
    /// Recordings of events, which are spikes already.
    Events {},
}

/// The readout's constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadoutHeader {
    /// Bits of a [`Loss`].
    pub loss: i32,
    /// Bits of a [`Score`]: weight of a class's own neurons.
    pub excite: i32,
    /// Bits of a [`Score`]: weight of the other classes' neurons.
    pub inhibit: i32,
}

/// A layer without its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerHeader {
    /// Number of neurons.
    pub neurons: u16,
    /// Width of a weight in bits.
    pub bits: u8,
    /// Inputs that have a row of weights, if not all: the layer has a block of rows.
    pub rows: Option<u16>,
    /// Neurons that have a column of weights, if not all: the layer has a block of columns.
    pub columns: Option<u16>,
    /// Bits of [`Integrator::decay`].
    pub decay: u16,
    /// [`Integrator::shift`].
    pub shift: u8,
    /// [`Integrator::proved`].
    pub proved: bool,
    /// Kind and constants of its cells.
    pub cell: CellHeader,
}

/// Kind and constants of a layer's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CellHeader {
    /// Bits of [`SrcConstants`].
    Src {
        /// [`SrcConstants::rho`].
        rho: i16,
        /// [`SrcConstants::r`].
        r: i16,
        /// [`SrcConstants::r_s`].
        r_s: i16,
        /// [`SrcConstants::z_s_hyp`].
        z_s_hyp: i16,
        /// [`SrcConstants::z_s_dep`].
        z_s_dep: i16,
        /// [`SrcConstants::z`].
        z: i16,
        /// [`GatedBy::Previous`], not [`GatedBy::Current`].
        previous: bool,
        /// [`SpikeKind::Binary`], not [`SpikeKind::Graded`].
        binary: bool,
        /// The layer has a block of initial states.
        initial: bool,
    },
    /// Leaky integrate-and-fire neurons; their thresholds stand in the block of neurons.
    Lif {},
}

/// Where a model comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance<'m> {
    /// Name of the data set it was trained on.
    pub data: &'m str,
    /// Seed of its training.
    pub seed: u64,
    /// Epochs of its training.
    pub epochs: u16,
    /// Test images that the float network gets right.
    pub float_correct: u32,
    /// Test images that this model gets right.
    pub fixed_correct: u32,
    /// Test images; 0 if it was not measured.
    pub samples: u32,
    /// The program that made it, and its version.
    pub tool: &'m str,
}

/// [`Provenance`] as boards read it: the texts, which they do not use, may be any bytes.
#[derive(Deserialize)]
pub(crate) struct RawProvenance<'m> {
    _data: &'m [u8],
    _seed: u64,
    _epochs: u16,
    _correct_and_samples: [u32; 3],
    _tool: &'m [u8],
}

impl Outline {
    /// Number of inputs: width × height × channels.
    pub fn inputs(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height) * u64::from(self.channels)
    }

    /// The encoder that turns pixels into this model's input; `None` if the host has to make the spikes.
    ///
    /// The logarithmic code is there only with this crate's feature `std`.
    pub const fn encoder(&self) -> Option<Encoder> {
        match self.encoder {
            EncoderHeader::Rate { gain, seed } => {
                Some(Encoder::Rate(RateCode::new(Gain::from_bits(gain), seed)))
            }
            EncoderHeader::Latency {} => Some(Encoder::Latency(LatencyCode::new(self.steps))),
            #[cfg(feature = "std")]
            EncoderHeader::LatencyLog {} => Some(Encoder::Latency(LatencyCode::logarithmic(self.steps))),
            #[cfg(not(feature = "std"))]
            EncoderHeader::LatencyLog {} => None,
            EncoderHeader::Events {} => None,
        }
    }
}

impl EncoderHeader {
    /// True if boards make the spikes themselves when they are sent pixels.
    pub const fn is_on_boards(&self) -> bool {
        matches!(self, Self::Rate { .. } | Self::Latency {})
    }
}

impl ReadoutHeader {
    pub(crate) fn readout(&self, neurons: u16, classes: u16) -> Result<Readout, ReadoutError> {
        let [excite, inhibit] = [self.excite, self.inhibit].map(Score::from_bits);
        Readout::new(neurons, classes, Loss::from_bits(self.loss), excite, inhibit)
    }
}

impl LayerHeader {
    /// How the layer's neurons integrate their inputs.
    pub const fn integrator(&self) -> Integrator {
        Integrator { decay: Decay::from_bits(self.decay), shift: self.shift, proved: self.proved }
    }
}

impl CellHeader {
    /// SRC cells with these constants; `initial` if their layer has a block of initial states.
    pub const fn of_src(constants: SrcConstants, initial: bool) -> Self {
        let SrcConstants { rho, r, r_s, z_s_hyp, z_s_dep, z, gated_by, spikes } = constants;
        Self::Src {
            rho: rho.to_bits(),
            r: r.to_bits(),
            r_s: r_s.to_bits(),
            z_s_hyp: z_s_hyp.to_bits(),
            z_s_dep: z_s_dep.to_bits(),
            z: z.to_bits(),
            previous: matches!(gated_by, GatedBy::Previous),
            binary: matches!(spikes, SpikeKind::Binary),
            initial,
        }
    }
}
