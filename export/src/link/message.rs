//! Requests and replies.

use super::{FrameError, MAX_CLASSES};
use core::fmt;
use serde::{Deserialize, Serialize};
use spikelet_runtime::MAX_LAYERS;

/// What a host asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request<'a> {
    /// The reply repeats it.
    pub sequence: u16,
    /// The question.
    #[serde(borrow)]
    pub body: RequestBody<'a>,
}

/// The kinds of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestBody<'a> {
    /// Who are you?
    Hello {
        /// The host's [`super::VERSION`].
        version: u16,
    },
    /// Classify an image, encoded on the board.
    InferPixels {
        /// Stream of the rate code.
        stream: u64,
        /// Stop when the network has decided.
        early: bool,
        /// One grey value per input.
        pixels: &'a [u8],
    },
    /// Put the network at rest, for a train of spikes to come.
    Begin {
        /// Make no timestep more when the network has decided.
        early: bool,
    },
    /// Advance by the packed timesteps.
    Steps {
        /// Timesteps made by [`super::pack_step`], one after the other.
        spikes: &'a [u8],
    },
    /// Tell the result of the train.
    Finish,
    /// Measure the two stages of a layer.
    Measure {
        /// Index of the layer.
        layer: u8,
        /// How many of its inputs spike.
        spikes: u16,
    },
    /// Tell the use of the stack.
    Memory,
    /// End, if you are emulated.
    Shutdown,
}

/// What a board answers. On a board the results `I` borrow: see [`super::BoardReply`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply<'a, I = Inferred> {
    /// The request's; `None` if the request could not be read.
    pub sequence: Option<u16>,
    /// The answer.
    #[serde(borrow)]
    pub body: ReplyBody<'a, I>,
}

/// The kinds of reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "the large one is the host's")]
pub enum ReplyBody<'a, I = Inferred> {
    /// To [`RequestBody::Hello`].
    #[serde(borrow)]
    Hello(Hello<'a>),
    /// The request has been carried out.
    Done {
        /// Timesteps since [`RequestBody::Begin`].
        steps: u16,
        /// The network has decided, and the host wanted it to stop then.
        decided: bool,
    },
    /// To [`RequestBody::InferPixels`] and [`RequestBody::Finish`].
    Inferred(I),
    /// To [`RequestBody::Measure`].
    Measured(Measured),
    /// To [`RequestBody::Memory`].
    Memory(MemoryUse),
    /// The request has not been carried out.
    Error(LinkError),
}

/// What a board is and holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello<'a> {
    /// The board's [`super::VERSION`].
    pub version: u16,
    /// CRC-32 of its model file.
    pub model: u32,
    /// Name of the board.
    pub board: &'a str,
    /// Version of the firmware.
    pub firmware: &'a str,
    /// Inputs of the model.
    pub inputs: u16,
    /// Classes of the model.
    pub classes: u16,
    /// Layers of the model.
    pub layers: u16,
    /// Timesteps of a whole sequence, blank ones included.
    pub steps: u16,
    /// Neurons of all layers.
    pub neurons: u32,
    /// Longest encoded request the board can take.
    pub request: u16,
    /// Ticks of its clock in a second.
    pub ticks_per_second: u32,
}

/// The result of a train of spikes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inferred<S = heapless::Vec<i32, MAX_CLASSES>, C = heapless::Vec<u32, MAX_LAYERS>> {
    /// The class with the highest score.
    pub class: u16,
    /// Timesteps made.
    pub steps: u16,
    /// Bits of each class's [`spikelet_runtime::formats::Score`], of the first [`MAX_CLASSES`] of them.
    pub scores: S,
    /// Per layer: spiking timesteps summed over its neurons.
    pub spike_counts: C,
    /// Ticks spent in the network.
    pub ticks: u32,
    /// Ticks spent encoding pixels.
    pub ticks_encoding: u32,
}

/// What the stages of a layer cost, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Measuring nothing; part of the other two.
    pub empty: u32,
    /// Adding the weights of all spiking inputs.
    pub synapses: u32,
    /// Advancing all neurons.
    pub neurons: u32,
}

/// Use of the stack in bytes, the deepest since start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUse {
    /// Used at the deepest.
    pub stack_used: u32,
    /// Never used.
    pub stack_free: u32,
}

/// Why a request was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LinkError {
    /// COBS or CRC do not fit.
    Damaged,
    /// The frame is longer than the board's buffer.
    Oversized,
    /// The frame is whole, but no request of this version.
    Unknown,
    /// Steps or a finish without a begin.
    NotBegun,
    /// Not as many pixels as the model has inputs.
    PixelCount,
    /// The packed timesteps are malformed.
    Spikes,
    /// There is no such layer.
    Layer,
    /// More timesteps than a train may have.
    TooLong,
    /// This board cannot do that.
    Unsupported,
    /// The model takes spikes that the host makes, not pixels.
    NoEncoder,
}

impl From<FrameError> for LinkError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Damaged => Self::Damaged,
            FrameError::Unknown => Self::Unknown,
            FrameError::Oversized => Self::Oversized,
        }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damaged => "the frame arrived damaged",
            Self::Oversized => "the frame is longer than the board can take",
            Self::Unknown => "the board does not know this request: its firmware is of another version",
            Self::NotBegun => "no train of spikes was begun",
            Self::PixelCount => "the image has not as many pixels as the board's model has inputs",
            Self::Spikes => "the spikes are malformed, or of inputs that the board's model does not have",
            Self::Layer => "the board's model has no such layer",
            Self::TooLong => "a train may have at most 65,535 timesteps",
            Self::Unsupported => "the board cannot do that",
            Self::NoEncoder => "the board's model takes spikes made by the host, not pixels",
        })
    }
}

impl core::error::Error for LinkError {}
