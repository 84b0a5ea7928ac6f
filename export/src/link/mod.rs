//! The link between host and board: messages, and the frames that carry them. PROTOCOL.md describes both.

mod cobs;
mod frame;
mod message;
mod reply;
mod train;

pub use frame::{FrameError, Receiver, decode, encode};
pub use message::{
    Health, Hello, Inferred, LinkError, Measured, MemoryUse, Models, Observed, Offer, Reply, ReplyBody,
    Request, RequestBody, ResetCause, StoredModel,
};
pub use reply::{BoardInferred, BoardObserved, BoardReply, BoardReplyBody, encode_reply};
pub use train::{TrainError, pack_spikes, pack_step, unpack_step};

/// Version of the link; raised when a message is added. Those of [`OLDEST`] are what they were.
pub const VERSION: u16 = 4;

/// The oldest version whose messages are the same: a host runs boards of this version and later ones.
pub const OLDEST: u16 = 3;

/// Longest encoded request, without the zero that ends it.
pub const REQUEST: usize = 1040;

/// Longest encoded reply, without the zero that ends it.
pub const REPLY: usize = 832;

/// Most bytes of spikes in an [`Observed`].
pub const OBSERVED: usize = 300;

/// Longest part of a model in one request.
pub const CHUNK: usize = 1000;

/// Most classes that a reply has room for.
pub const MAX_CLASSES: usize = 96;
