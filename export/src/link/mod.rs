//! The link between host and board: messages, and the frames that carry them. PROTOCOL.md describes both.

mod cobs;
mod frame;
mod message;
mod reply;
mod train;

pub use frame::{FrameError, Receiver, decode, encode};
pub use message::{Hello, Inferred, LinkError, Measured, MemoryUse, Reply, ReplyBody, Request, RequestBody};
pub use reply::{BoardInferred, BoardReply, encode_reply};
pub use train::{TrainError, pack_step, unpack_step};

/// Version of the link; raised when a message changes.
pub const VERSION: u16 = 3;

/// Longest encoded request, without the zero that ends it.
pub const REQUEST: usize = 1040;

/// Longest encoded reply, without the zero that ends it.
pub const REPLY: usize = 640;

/// Most classes that a reply has room for.
pub const MAX_CLASSES: usize = 96;
