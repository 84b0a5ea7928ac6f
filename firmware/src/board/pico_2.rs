//! Raspberry Pi Pico 2, an RP2350: Cortex-M33, UART 0 on GP0 and GP1, which go to a Raspberry Pi Debug Probe.
#![allow(unsafe_code, reason = "puts the definition of the image into its section")]

use super::kind;
use super::rp::hal::block::ImageDef;
use super::rp::{self, Uart0};
use crate::receive::INBOX;
use crate::uart::Uart;
use crate::{Board, Clock};
use cortex_m::peripheral::DWT;
use spikelet_export::link::MemoryUse;

pub use super::rp::feed;

/// Frequency of the core, whose cycles are counted.
pub const CORE_HERTZ: u32 = 150_000_000;

/// What the chip's own program looks for: an image for the secure state of its Arm cores.
// SAFETY: the chip expects it in this section.
#[unsafe(link_section = ".start_block")]
#[used]
pub static IMAGE: ImageDef = ImageDef::secure_exe();

/// The board.
#[derive(Debug)]
pub struct Pico2(());

/// Starts the clocks, the UART and the watchdog.
pub fn start() -> (Pico2, Uart<Uart0>) {
    let started = rp::start();
    kind::count_cycles();
    (Pico2(()), started.uart)
}

impl Clock for Pico2 {
    const TICKS_PER_SECOND: u32 = CORE_HERTZ;

    fn ticks(&self) -> u32 {
        DWT::cycle_count()
    }
}

impl Board for Pico2 {
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
