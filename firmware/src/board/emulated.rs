//! What boards under QEMU have in common: each is its clock, its UART and the interrupt of that, or the channel in the UART's place.

#[cfg(feature = "mps2")]
use super::watchdog;
use super::{chosen, interrupts};
use crate::channel::Channel;
use crate::receive::INBOX;
use crate::uart::{Send, Uart};
use crate::{Board, Clock};
use core::convert::Infallible;
use cortex_m_semihosting::debug;
use embedded_io::{ErrorType, Read, ReadReady, Write};
use spikelet_export::link::{MemoryUse, ResetCause};

/// The board.
#[derive(Debug)]
pub struct Emulated;

/// The half of its UART that sends.
#[derive(Debug)]
pub struct Sender;

/// The way to the host.
#[derive(Debug)]
pub enum Wire {
    /// As on a board.
    Uart(Uart<Sender>),
    /// The emulator's own.
    Channel(&'static mut Channel),
}

/// Starts clock and UART, and the watchdog if there is one.
pub fn start() -> (Emulated, Wire) {
    let watched = cfg!(feature = "mps2");
    crate::start::count(if watched { ResetCause::Watchdog } else { ResetCause::Power });
    chosen::start();
    interrupts::enable();
    #[cfg(feature = "mps2")]
    watchdog::start();
    (Emulated, Channel::open().map_or(Wire::Uart(Uart::new(Sender)), Wire::Channel))
}

impl ErrorType for Wire {
    type Error = Infallible;
}

impl Read for Wire {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        match self {
            Self::Uart(uart) => uart.read(bytes),
            Self::Channel(channel) => channel.read(bytes),
        }
    }
}

impl ReadReady for Wire {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        match self {
            Self::Uart(uart) => uart.read_ready(),
            Self::Channel(channel) => channel.read_ready(),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        match self {
            Self::Uart(uart) => uart.write(bytes),
            Self::Channel(channel) => channel.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Send for Sender {
    fn send(&mut self, byte: u8) {
        chosen::send(byte);
    }
}

impl Clock for Emulated {
    const TICKS_PER_SECOND: u32 = chosen::TICKS_PER_SECOND;

    fn ticks(&self) -> u32 {
        chosen::ticks()
    }
}

impl Board for Emulated {
    const NAME: &'static str = super::NAME;
    const EMULATED: bool = true;

    fn memory_use(&self) -> MemoryUse {
        crate::stack::memory_use()
    }

    fn overruns(&self) -> u32 {
        INBOX.overruns()
    }

    fn sleep(&self) {
        crate::idle::sleep_if(|| INBOX.is_empty());
    }

    #[cfg(feature = "mps2")]
    fn feed(&self) {
        watchdog::feed();
    }

    #[cfg(feature = "lm3s6965evb")]
    fn feed(&self) {
        chosen::feed();
    }
}

/// Ends the emulation, with status 0 or 1.
pub fn exit(success: bool) -> ! {
    loop {
        debug::exit(if success { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
    }
}

/// Ends the emulation after a panic or a fault, which `log` tells.
pub fn fail(log: impl FnOnce()) -> ! {
    log();
    exit(false)
}
