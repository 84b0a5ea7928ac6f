//! ARM MPS2+ with the images AN385 (Cortex-M3), AN386 (M4F), AN500 (M7) and AN505 (M33), as QEMU emulates them.
//!
//! UART 0 and timer 0 are those of the CMSDK, and where they lie is all that differs. Under `-icount shift=7` an instruction
//! takes exactly 128 ns of emulated time, so that the timer's ticks count instructions.
#![allow(unsafe_code, reason = "reads and writes the registers of UART 0 and timer 0")]

use crate::{Board, Clock};
use core::convert::Infallible;
use embedded_io::{ErrorType, Read, ReadReady, Write};
use spikelet_export::link::MemoryUse;

/// Where UART and timer lie.
#[cfg(not(feature = "mps2-an505"))]
mod image {
    pub const UART: usize = 0x4000_4000;
    pub const TIMER: usize = 0x4000_0000;
}
/// The same of AN505, whose secure state the program never leaves.
#[cfg(feature = "mps2-an505")]
mod image {
    pub const UART: usize = 0x5020_0000;
    pub const TIMER: usize = 0x5000_0000;
}

use image::{TIMER, UART};

/// Frequency of the core, which SysTick and timer 0 count.
pub const CORE_HERTZ: u32 = if cfg!(feature = "mps2-an505") { 20_000_000 } else { 25_000_000 };

const DATA: usize = UART;
const STATE: usize = UART + 0x04;
const CONTROL: usize = UART + 0x08;
const BAUD_DIVIDER: usize = UART + 0x10;
const TIMER_CONTROL: usize = TIMER;
const TIMER_VALUE: usize = TIMER + 0x04;
const TIMER_RELOAD: usize = TIMER + 0x08;

const TX_FULL: u32 = 1;
const RX_FULL: u32 = 2;

fn read(register: usize) -> u32 {
    // SAFETY: only called with the addresses above, registers of this board that may be read at any time.
    unsafe { (register as *const u32).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: only called with the addresses above, registers of this board that may be written at any time.
    unsafe { (register as *mut u32).write_volatile(value) }
}

/// The board.
#[derive(Debug)]
pub struct Mps2;

/// UART 0, 8 data bits, no parity.
#[derive(Debug)]
pub struct Uart;

/// Starts the clock and the UART.
pub fn start() -> (Mps2, Uart) {
    write(TIMER_RELOAD, u32::MAX);
    write(TIMER_VALUE, u32::MAX);
    write(TIMER_CONTROL, 1);
    write(BAUD_DIVIDER, 16);
    write(CONTROL, 3);
    // Without a first read the emulated UART may never begin to receive.
    read(DATA);
    (Mps2, Uart)
}

impl Clock for Mps2 {
    const TICKS_PER_SECOND: u32 = CORE_HERTZ;

    fn ticks(&self) -> u32 {
        // The timer counts down.
        !read(TIMER_VALUE)
    }
}

impl Board for Mps2 {
    const NAME: &'static str = super::NAME;
    const EMULATED: bool = true;

    fn memory_use(&self) -> MemoryUse {
        crate::stack::memory_use()
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl Read for Uart {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let Some(first) = bytes.first_mut() else { return Ok(0) };
        while read(STATE) & RX_FULL == 0 {}
        *first = read(DATA) as u8;
        Ok(1)
    }
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(read(STATE) & RX_FULL != 0)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for &byte in bytes {
            while read(STATE) & TX_FULL != 0 {}
            write(DATA, byte.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
