//! The application, without a board: it reads requests from any byte stream and answers them with a network.
//!
//! Boards differ in the module `board` only, which is there on boards; host tests run the same application over a pipe.
#![no_std]

mod application;
#[cfg(target_os = "none")]
pub mod board;
#[cfg(all(target_os = "none", feature = "emulated"))]
mod channel;
mod clock;
#[cfg(target_os = "none")]
pub mod idle;
pub mod live;
#[cfg(all(target_os = "none", feature = "emulated"))]
mod log;
mod models;
pub mod receive;
pub mod slots;
#[cfg(target_os = "none")]
mod stack;
#[cfg(target_os = "none")]
pub mod start;
pub mod uart;

pub use application::{Application, Buffers, Stop};
pub use clock::{Board, Clock};
pub use models::{BuiltIn, ModelStore, Stored};
