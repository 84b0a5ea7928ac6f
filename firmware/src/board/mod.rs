//! Boards: one module each, chosen by a feature of its name.
//!
//! A board's module offers `start`, which gives the board and its UART, `exit`, and, for tests, `fault`.

#[cfg(feature = "mps2-an386")]
mod mps2_an386;
#[cfg(all(feature = "mps2-an386", feature = "fault"))]
pub use mps2_an386::fault;
#[cfg(feature = "mps2-an386")]
pub use mps2_an386::{exit, start};

#[cfg(not(feature = "mps2-an386"))]
compile_error!("choose a board: build with --features mps2-an386");
