//! The header of a model file: everything about a network but its weights. FORMAT.md lists the fields.

use serde::{Deserialize, Serialize};
use spikelet_runtime::encode::{Encoder, Gain, LatencyCode, RateCode};
use spikelet_runtime::formats::{Coefficient, Gate, Loss, Score};
use spikelet_runtime::{GatedBy, MAX_LAYERS, Readout, ReadoutError, SpikeKind, SrcConstants};

/// Everything about a network but its weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header<'m> {
    /// Columns of the input.
    pub width: u16,
    /// Rows of the input.
    pub height: u16,
    /// Planes of the input.
    pub channels: u8,
    /// Number of classes.
    pub classes: u16,
    /// Timesteps of a sequence.
    pub steps: u16,
    /// How pixels become spikes.
    pub encoder: EncoderHeader,
    /// The readout's constants.
    pub readout: ReadoutHeader,
    /// Layers, bottom to top.
    pub layers: heapless::Vec<LayerHeader, MAX_LAYERS>,
    /// Where the model comes from.
    #[serde(borrow)]
    pub provenance: Provenance<'m>,
}

/// How pixels become spikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EncoderHeader {
    /// [`RateCode`].
    Rate {
        /// Bits of its [`Gain`].
        gain: u32,
        /// Its seed.
        seed: u64,
    },
    /// [`LatencyCode`] over the model's timesteps.
    Latency {},
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
    /// Kind and constants of its cells.
    pub cell: CellHeader,
}

/// Kind and constants of a layer's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CellHeader {
    /// Bits of [`SrcConstants`].
    Src {
        /// [`SrcConstants::loss`].
        loss: i32,
        /// [`SrcConstants::rho`].
        rho: i16,
        /// [`SrcConstants::r`].
        r: i16,
        /// [`SrcConstants::r_s`].
        r_s: i16,
        /// [`SrcConstants::z_s_hyp`].
        z_s_hyp: i32,
        /// [`SrcConstants::z_s_dep`].
        z_s_dep: i32,
    },
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

impl Header<'_> {
    /// Number of inputs: width × height × channels.
    pub fn inputs(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height) * u64::from(self.channels)
    }

    /// The encoder that turns pixels into this model's input.
    pub const fn encoder(&self) -> Encoder {
        match self.encoder {
            EncoderHeader::Rate { gain, seed } => Encoder::Rate(RateCode::new(Gain::from_bits(gain), seed)),
            EncoderHeader::Latency {} => Encoder::Latency(LatencyCode::new(self.steps)),
        }
    }
}

impl ReadoutHeader {
    pub(crate) fn readout(&self, neurons: u16, classes: u16) -> Result<Readout, ReadoutError> {
        let [excite, inhibit] = [self.excite, self.inhibit].map(Score::from_bits);
        Readout::new(neurons, classes, Loss::from_bits(self.loss), excite, inhibit)
    }
}

impl CellHeader {
    /// The constants of SRC cells.
    pub const fn src(&self) -> SrcConstants {
        let Self::Src { loss, rho, r, r_s, z_s_hyp, z_s_dep } = *self;
        SrcConstants {
            loss: Loss::from_bits(loss),
            rho: Coefficient::from_bits(rho),
            r: Coefficient::from_bits(r),
            r_s: Coefficient::from_bits(r_s),
            z_s_hyp: Gate::from_bits(z_s_hyp),
            z_s_dep: Gate::from_bits(z_s_dep),
            z: Gate::ZERO,
            gated_by: GatedBy::Current,
            spikes: SpikeKind::Graded,
        }
    }
}

impl From<SrcConstants> for CellHeader {
    fn from(constants: SrcConstants) -> Self {
        let SrcConstants { loss, rho, r, r_s, z_s_hyp, z_s_dep, .. } = constants;
        Self::Src {
            loss: loss.to_bits(),
            rho: rho.to_bits(),
            r: r.to_bits(),
            r_s: r_s.to_bits(),
            z_s_hyp: z_s_hyp.to_bits(),
            z_s_dep: z_s_dep.to_bits(),
        }
    }
}
