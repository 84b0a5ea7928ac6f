//! Boards, chosen by a feature of their name; those of the MPS2 share a module.
//!
//! A board's module offers [`CORE_HERTZ`] and, if the application runs on it, `start`, which gives the board and its UART.
//! With the feature `slots`, its module `flash` offers `take`, which gives the flash for models once, and `SLOTS`, which says where in
//! it they are kept.

#[cfg(feature = "mps2")]
#[path = "mps2_flash.rs"]
pub mod flash;
mod interrupts;
#[cfg(feature = "microbit")]
mod microbit;
#[cfg(feature = "mps2")]
mod mps2;

#[cfg(feature = "microbit")]
pub use microbit::CORE_HERTZ;
#[cfg(feature = "mps2")]
pub use mps2::{CORE_HERTZ, Mps2, Uart, start};

use cortex_m_semihosting::debug;

/// The board's name: its feature, and QEMU's machine.
pub const NAME: &str = env!("SPIKELET_BOARD");

/// Ends the emulation, with status 0 or 1.
pub fn exit(success: bool) -> ! {
    loop {
        debug::exit(if success { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
    }
}

/// Reads where nothing is.
#[cfg(feature = "fault")]
#[allow(unsafe_code, reason = "the access is meant to fault")]
pub fn fault() {
    // SAFETY: none; the access is meant to fault, and nothing after it runs.
    unsafe { (0xF000_0000 as *const u32).read_volatile() };
}
