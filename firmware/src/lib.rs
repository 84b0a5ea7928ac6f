//! The application, without a board: it reads requests from any byte stream and answers them with a network.
//!
//! Boards differ in [`main.rs`](../src/spikelet_firmware/main.rs.html)'s modules only; host tests run the same
//! application over a pipe.
#![no_std]

mod application;
mod clock;

pub use application::{Application, Buffers, Stop};
pub use clock::{Board, Clock};
