//! Raspberry Pi Pico, an RP2040: Cortex-M0+, UART 0 on GP0 and GP1, which go to a Raspberry Pi Debug Probe.
#![allow(unsafe_code, reason = "puts the second boot stage into its section")]

use super::rp::hal::Timer;
use super::rp::{self, Started, Uart0};
use crate::receive::INBOX;
use crate::uart::Uart;
use crate::{Board, Clock};
use spikelet_export::link::MemoryUse;

pub use super::rp::feed;

/// Frequency of the core.
pub const CORE_HERTZ: u32 = 125_000_000;

/// What the chip's own program loads first: it makes the board's W25Q16 readable as memory.
// SAFETY: the chip expects it in this section, and with the right sum, which it has.
#[unsafe(link_section = ".boot2")]
#[used]
pub static BOOT2: [u8; 256] = rp2040_boot2::BOOT_LOADER_W25Q080;

/// The board.
#[allow(missing_debug_implementations, reason = "the HAL's timer has none")]
pub struct Pico(Timer);

/// Starts the clocks, the UART and the watchdog.
pub fn start() -> (Pico, Uart<Uart0>) {
    let Started { uart, timer: (timer, mut resets, clocks) } = rp::start();
    (Pico(Timer::new(timer, &mut resets, &clocks)), uart)
}

impl Clock for Pico {
    /// Of the timer: this core does not count its cycles.
    const TICKS_PER_SECOND: u32 = 1_000_000;

    fn ticks(&self) -> u32 {
        self.0.get_counter_low()
    }
}

impl Board for Pico {
    const NAME: &'static str = super::NAME;
    const EMULATED: bool = false;

    fn memory_use(&self) -> MemoryUse {
        crate::stack::memory_use()
    }

    fn overruns(&self) -> u32 {
        INBOX.overruns()
    }

    fn feed(&self) {
        feed();
    }
}
