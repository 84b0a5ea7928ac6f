//! ARM MPS2+ with the images AN385 (Cortex-M3), AN386 (M4F), AN500 (M7) and AN505 (M33), as QEMU emulates them.
//!
//! UART 0 and timer 0 are those of the CMSDK, and where they lie is all that differs. Under `-icount shift=7` an instruction
//! takes exactly 128 ns of emulated time, so that the timer's ticks count instructions.
#![allow(unsafe_code, reason = "names the registers of UART 0 and timer 0")]

use super::registers::Registers;
use crate::receive::INBOX;

/// Where UART and timer lie, and the UART's receive interrupt.
#[cfg(not(feature = "mps2-an505"))]
mod image {
    pub const UART: usize = 0x4000_4000;
    pub const TIMER: usize = 0x4000_0000;
    pub const INTERRUPT: u16 = 0;
}
/// The same of AN505, whose secure state the program never leaves.
#[cfg(feature = "mps2-an505")]
mod image {
    pub const UART: usize = 0x5020_0000;
    pub const TIMER: usize = 0x5000_0000;
    pub const INTERRUPT: u16 = 32;
}

pub use image::INTERRUPT;

/// Frequency of the core, which SysTick and timer 0 count.
pub const CORE_HERTZ: u32 = if cfg!(feature = "mps2-an505") { 20_000_000 } else { 25_000_000 };
/// Frequency of the clock.
pub const TICKS_PER_SECOND: u32 = CORE_HERTZ;

// SAFETY: the addresses are those of the images' application notes.
const UART: Registers = unsafe { Registers::at(image::UART) };
// SAFETY: as above.
const TIMER: Registers = unsafe { Registers::at(image::TIMER) };

const DATA: usize = 0x00;
const STATE: usize = 0x04;
const CONTROL: usize = 0x08;
const INTERRUPT_CLEAR: usize = 0x0C;
const BAUD_DIVIDER: usize = 0x10;
const TIMER_CONTROL: usize = 0x00;
const TIMER_VALUE: usize = 0x04;
const TIMER_RELOAD: usize = 0x08;

const TX_FULL: u32 = 1;
const RX_FULL: u32 = 2;
const RX_OVERRUN: u32 = 8;
/// Of `CONTROL`: both directions, and the receive interrupt.
const ENABLE: u32 = 1 | 2 | 8;
const RX_INTERRUPT: u32 = 2;

/// Starts the clock, and UART 0, 8 data bits, no parity, with its receive interrupt.
pub fn start() {
    TIMER.write(TIMER_RELOAD, u32::MAX);
    TIMER.write(TIMER_VALUE, u32::MAX);
    TIMER.write(TIMER_CONTROL, 1);
    UART.write(BAUD_DIVIDER, 16);
    UART.write(CONTROL, ENABLE);
    // Without a first read the emulated UART may never begin to receive.
    UART.read(DATA);
}

/// A byte was received.
pub fn received() {
    // Before the byte is read: the next one may come at once.
    UART.write(INTERRUPT_CLEAR, RX_INTERRUPT);
    let state = UART.read(STATE);
    if state & RX_OVERRUN != 0 {
        UART.write(STATE, RX_OVERRUN);
        INBOX.lost();
    }
    if state & RX_FULL != 0 {
        INBOX.put(UART.read(DATA) as u8);
    }
}

/// Sends a byte, as soon as there is room for it.
pub fn send(byte: u8) {
    while UART.read(STATE) & TX_FULL != 0 {}
    UART.write(DATA, byte.into());
}

/// Ticks of the clock, wrapping around.
pub fn ticks() -> u32 {
    // The timer counts down.
    !TIMER.read(TIMER_VALUE)
}
