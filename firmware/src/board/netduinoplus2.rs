//! Netduino Plus 2, an STM32F405 (Cortex-M4F), as QEMU emulates it.
//!
//! USART 1 is the chip's own, and so is the clock, timer 2. QEMU has that timer at 1 GHz, where the chip runs it, like the core, at the
//! 16 MHz that it starts with: under `-icount shift=3` an instruction takes exactly 8 of its ticks. QEMU ignores the set-up of
//! clocks and pins, which the chip needs.
#![allow(unsafe_code, reason = "names the registers of USART 1, timer 2, RCC and port B")]

use super::registers::Registers;
use crate::receive::INBOX;

/// Frequency of the emulated core, which SysTick counts.
pub const CORE_HERTZ: u32 = 168_000_000;
/// Frequency of the clock.
pub const TICKS_PER_SECOND: u32 = 1_000_000_000;

/// The interrupt of USART 1.
pub const INTERRUPT: u16 = 37;

// SAFETY: the addresses are those of the chip's reference manual, here and below.
const RCC: Registers = unsafe { Registers::at(0x4002_3800) };
// SAFETY: see above.
const PORT_B: Registers = unsafe { Registers::at(0x4002_0400) };
// SAFETY: see above.
const TIMER: Registers = unsafe { Registers::at(0x4000_0000) };
// SAFETY: see above.
const USART: Registers = unsafe { Registers::at(0x4001_1000) };

const STATUS: usize = 0x00;
const DATA: usize = 0x04;
const OVERRUN: u32 = 1 << 3;
const RECEIVED: u32 = 1 << 5;
const TX_EMPTY: u32 = 1 << 7;

/// Starts the clock, and USART 1, 115,200 Bd, 8 data bits, no parity, on PB6 and PB7, with its receive interrupt.
pub fn start() {
    // Clocks for port B, timer 2 and USART 1, which take two cycles to arrive.
    RCC.change(0x30, 1 << 1, 1 << 1);
    RCC.change(0x40, 1, 1);
    RCC.change(0x44, 1 << 4, 1 << 4);
    RCC.read(0x44);
    // PB6 and PB7: alternate function 7.
    PORT_B.change(0x20, 0xFF << 24, 0x77 << 24);
    PORT_B.change(0x00, 0xF << 12, 0xA << 12);
    TIMER.write(0x2C, u32::MAX);
    TIMER.write(0x00, 1);
    // 16 MHz / 115,200; both directions, the receive interrupt, and on.
    USART.write(0x08, 139);
    USART.write(0x0C, 1 << 13 | 1 << 5 | 1 << 3 | 1 << 2);
}

/// A byte was received, or lost.
pub fn received() {
    let status = USART.read(STATUS);
    if status & (RECEIVED | OVERRUN) != 0 {
        // Reading it also ends the overrun.
        let byte = USART.read(DATA) as u8;
        if status & OVERRUN != 0 {
            INBOX.lost();
        }
        if status & RECEIVED != 0 {
            INBOX.put(byte);
        }
    }
}

/// Sends a byte, as soon as there is room for it.
pub fn send(byte: u8) {
    while USART.read(STATUS) & TX_EMPTY == 0 {}
    USART.write(DATA, byte.into());
}

/// Ticks of the clock, wrapping around.
pub fn ticks() -> u32 {
    TIMER.read(0x24)
}
