//! Requests and replies.

use super::{FrameError, MAX_CLASSES, OBSERVED};
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
    /// Tell how you are. From version 4 on, like all that follow.
    Health,
    /// Advance by one packed timestep of the train at hand, and tell who spikes in it.
    Observe {
        /// One timestep made by [`super::pack_step`].
        spikes: &'a [u8],
    },
    /// Run continuously from your own spike source, or end that.
    Live {
        /// Begin, or end.
        on: bool,
    },
    /// Tell what the continuous operation shows now.
    Look,
    /// Tell which models you hold.
    Models,
    /// A model is to come.
    Offer(Offer),
    /// The next bytes of the model that was offered.
    Chunk {
        /// Where they belong in its file.
        offset: u32,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// Check the model that was sent, run it from now on, and start anew.
    Activate,
    /// Run the model of the other slot from now on, and start anew.
    Rollback,
}

impl RequestBody<'_> {
    /// The first version of the link that has this request, and what it asks for, in words.
    pub const fn since(&self) -> (u16, &'static str) {
        match self {
            Self::Hello { .. }
            | Self::Begin { .. }
            | Self::Steps { .. }
            | Self::Finish
            | Self::InferPixels { .. } => (3, "run samples"),
            Self::Measure { .. } | Self::Memory | Self::Shutdown => (3, "measure itself"),
            Self::Health => (4, "tell its health"),
            Self::Observe { .. } => (4, "show the spikes of its layers"),
            Self::Live { .. } | Self::Look => (4, "run continuously"),
            Self::Models | Self::Offer(_) | Self::Chunk { .. } | Self::Activate | Self::Rollback => {
                (4, "take models over the link")
            }
        }
    }
}

/// A model that a host would send: its file, and the memory that it needs, as [`spikelet_runtime::Need`] has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Bytes of the file.
    pub length: u32,
    /// Its CRC-32, the model's identity.
    pub model: u32,
    /// Inputs.
    pub inputs: u16,
    /// Neurons of all layers.
    pub neurons: u32,
    /// Those of them that are SRC.
    pub potentials: u32,
    /// Neurons of the widest layer, a multiple of 16.
    pub widest: u32,
    /// Classes.
    pub classes: u16,
}

/// What a board answers. On a board the results `I` borrow: see [`super::BoardReply`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply<'a, I = Inferred, O = Observed> {
    /// The request's; `None` if the request could not be read.
    pub sequence: Option<u16>,
    /// The answer.
    #[serde(borrow)]
    pub body: ReplyBody<'a, I, O>,
}

/// The kinds of reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "the large one is the host's")]
pub enum ReplyBody<'a, I = Inferred, O = Observed> {
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
    /// To [`RequestBody::Health`].
    Health(Health),
    /// To [`RequestBody::Observe`] and [`RequestBody::Look`].
    Observed(O),
    /// To [`RequestBody::Models`].
    Models(Models),
    /// To [`RequestBody::Offer`] and [`RequestBody::Chunk`].
    Received {
        /// Bytes of the offered model that the board holds.
        bytes: u32,
    },
}

/// How a board is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Seconds since the last start.
    pub uptime: u32,
    /// Starts since power came on, without the first.
    pub resets: u32,
    /// Why it started last.
    pub cause: ResetCause,
    /// Frames that were requests.
    pub frames_good: u32,
    /// Frames that were not.
    pub frames_bad: u32,
    /// Bytes lost because they came faster than they were read.
    pub overruns: u32,
    /// Timesteps of layers in which a current was kept within its range, since the last start.
    pub saturations: u32,
    /// Timesteps of the continuous operation, since the last start.
    pub live_steps: u32,
    /// Its timesteps that came too late and were left out.
    pub live_missed: u32,
    /// Errors of its spike source and outputs.
    pub live_errors: u32,
    /// Bytes of the stack that were never used.
    pub stack_free: u32,
}

/// Why a board started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ResetCause {
    /// Power came on, or the board cannot tell.
    #[default]
    Power,
    /// The watchdog was not fed.
    Watchdog,
    /// A fault or a panic.
    Fault,
    /// A new model was to run.
    Model,
}

/// What a network shows after a timestep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed<S = heapless::Vec<i32, MAX_CLASSES>, P = heapless::Vec<u8, OBSERVED>> {
    /// Timesteps since [`RequestBody::Begin`], or of the continuous operation.
    pub steps: u32,
    /// The class with the highest score.
    pub class: u16,
    /// The score leads by the margin that was asked for, or by that of the model.
    pub decided: bool,
    /// Bits of each class's [`spikelet_runtime::formats::Score`], of the first [`MAX_CLASSES`] of them.
    pub scores: S,
    /// The spiking neurons of each layer, from the first one on and as many layers as have room, each packed like a timestep
    /// by [`super::pack_step`]; empty for [`RequestBody::Look`].
    pub spiking: P,
}

/// The models that a board holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Models {
    /// The slot whose model runs; `None` if that is the one built into the firmware.
    pub active: Option<u8>,
    /// Longest model file that a slot can hold; 0 if the board has no slots.
    pub room: u32,
    /// The model of each slot, if there is a whole one.
    pub slots: [Option<StoredModel>; 2],
}

/// A model in a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredModel {
    /// CRC-32 of its file.
    pub model: u32,
    /// Bytes of its file.
    pub length: u32,
    /// The higher, the later it was activated.
    pub generation: u32,
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
    /// The board runs continuously, and can do that only when it is told to end.
    Live,
    /// The offered model needs more memory than the board has, or is longer than a slot.
    TooLarge,
    /// The bytes are not the next of an offered model.
    Offset,
    /// What was sent is not the model that was offered, or does not pass its own test.
    Model,
    /// There is no other model to go back to.
    NoModel,
    /// The flash cannot be written.
    Flash,
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
            Self::Live => "the board runs continuously: end that first",
            Self::TooLarge => {
                "the model is too large for the board as its firmware was built: build the firmware with this model, or choose a \
                 smaller one"
            }
            Self::Offset => "these are not the next bytes of the model that was offered: send it again",
            Self::Model => "the model that arrived is damaged or fails its own test: send it again",
            Self::NoModel => "the board has no other model to go back to",
            Self::Flash => "the board's flash cannot be written",
        })
    }
}

impl core::error::Error for LinkError {}
