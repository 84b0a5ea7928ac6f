//! Boards, chosen by a feature of their name; those of the MPS2 share a module.
//!
//! A board offers [`CORE_HERTZ`] and [`start`], which gives the board and its UART. The module of an emulated one has what these are made
//! of: `start`, `ticks` and `TICKS_PER_SECOND` of the clock, `send`, and the UART's receive interrupt: its number, `INTERRUPT`, and what it
//! does, `received`. That of a board to flash has `start` itself, and `feed`, which feeds the watchdog. With the feature `slots`, `flash`
//! keeps models, in the `pages` of the board. A board with a source of spikes has `live`: its continuous operation.

#[cfg(feature = "lm3s6965evb")]
#[path = "lm3s6965evb.rs"]
mod chosen;

#[cfg(feature = "microbit")]
#[path = "microbit.rs"]
mod chosen;

#[cfg(feature = "mps2")]
#[path = "mps2.rs"]
mod chosen;

#[cfg(feature = "netduinoplus2")]
#[path = "netduinoplus2.rs"]
mod chosen;

#[cfg(feature = "microbit-v2")]
#[path = "microbit_v2.rs"]
mod chosen;

#[cfg(feature = "nrf52840-dk")]
#[path = "nrf52840_dk.rs"]
mod chosen;

#[cfg(feature = "nucleo-f446re")]
#[path = "nucleo_f446re.rs"]
mod chosen;

#[cfg(feature = "pico")]
#[path = "pico.rs"]
mod chosen;

#[cfg(feature = "pico-2")]
#[path = "pico_2.rs"]
mod chosen;

#[cfg(feature = "slots")]
pub mod flash;
#[cfg(feature = "mps2")]
#[path = "mps2_pages.rs"]
mod pages;
#[cfg(any(feature = "microbit-v2", feature = "nrf52840-dk"))]
#[path = "nrf52_pages.rs"]
mod pages;

#[cfg(feature = "emulated")]
#[path = "emulated.rs"]
mod kind;
#[cfg(feature = "hardware")]
#[path = "hardware.rs"]
mod kind;

#[cfg(feature = "emulated")]
mod interrupts;
#[cfg(any(feature = "microbit-v2", feature = "nrf52840-dk"))]
mod nrf52;
#[cfg(feature = "emulated")]
mod registers;
#[cfg(any(feature = "pico", feature = "pico-2"))]
mod rp;
#[cfg(feature = "mps2")]
mod watchdog;

pub use chosen::CORE_HERTZ;
#[cfg(feature = "lm3s6965evb")]
pub use chosen::live;
#[cfg(feature = "hardware")]
pub use chosen::start;
#[cfg(feature = "emulated")]
pub use kind::start;
pub use kind::{exit, fail};

/// The continuous operation of a board that has no source of spikes.
#[cfg(not(feature = "lm3s6965evb"))]
pub const fn live(_: &spikelet_runtime::Model<'_>) -> crate::live::Live<crate::live::NoSource, ()> {
    crate::live::Live::none()
}

/// The board's name: its feature, and QEMU's machine if it is emulated.
pub const NAME: &str = env!("SPIKELET_BOARD");

/// Reads where nothing is.
#[cfg(feature = "fault")]
#[allow(unsafe_code, reason = "the access is meant to fault")]
pub fn fault() {
    // SAFETY: none; the access is meant to fault, and nothing after it runs.
    unsafe { (0xF000_0000 as *const u32).read_volatile() };
}
