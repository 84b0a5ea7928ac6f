//! BBC micro:bit, an nRF51822 (Cortex-M0 with 16 KB of RAM), as QEMU emulates it.
//!
//! The clock is timer 0. Under `-icount shift=7` an instruction takes 2.048 of its ticks. QEMU ignores the set-up of clocks and pins,
//! which the chip needs.
#![allow(unsafe_code, reason = "names the registers of the UART, timer 0, the clocks and the pins")]

use super::registers::Registers;
use crate::receive::INBOX;

/// Frequency of the core, which SysTick and timer 0 count.
pub const CORE_HERTZ: u32 = 16_000_000;
/// Frequency of the clock.
pub const TICKS_PER_SECOND: u32 = CORE_HERTZ;

/// The interrupt of the UART.
pub const INTERRUPT: u16 = 2;

// SAFETY: the addresses are those of the chip's reference manual, here and below.
const CLOCK: Registers = unsafe { Registers::at(0x4000_0000) };
// SAFETY: see above.
const PINS: Registers = unsafe { Registers::at(0x5000_0000) };
// SAFETY: see above.
const TIMER: Registers = unsafe { Registers::at(0x4000_8000) };
// SAFETY: see above.
const UART: Registers = unsafe { Registers::at(0x4000_2000) };

const RECEIVED: usize = 0x108;
const SENT: usize = 0x11C;
const FAILED: usize = 0x124;
const ERROR: usize = 0x480;
const RX_DATA: usize = 0x518;
const TX_DATA: usize = 0x51C;
const OVERRUN: u32 = 1;

/// Pins of the UART to the board's USB interface.
const TX_PIN: u32 = 24;
const RX_PIN: u32 = 25;

/// Starts the clock, and the UART, 115,200 Bd, 8 data bits, no parity, with its receive interrupt.
pub fn start() {
    // The crystal; its start is not waited for, since the chip's own oscillator is good enough to begin with.
    CLOCK.write(0x000, 1);
    // Timer 0: 32 bits, 16 MHz.
    TIMER.write(0x508, 3);
    TIMER.write(0x510, 0);
    TIMER.write(0x000, 1);
    // The transmitting pin is an output, and high at rest.
    PINS.write(0x508, 1 << TX_PIN);
    PINS.write(0x518, 1 << TX_PIN);
    UART.write(0x50C, TX_PIN);
    UART.write(0x514, RX_PIN);
    UART.write(0x524, 0x01D7_E000);
    UART.write(0x500, 4);
    // Interrupts of a received byte and of an error; both directions.
    UART.write(0x304, 1 << 2 | 1 << 9);
    UART.write(0x008, 1);
    UART.write(0x000, 1);
}

/// A byte was received, or lost.
pub fn received() {
    if UART.read(FAILED) != 0 {
        UART.write(FAILED, 0);
        let error = UART.read(ERROR);
        UART.write(ERROR, error);
        if error & OVERRUN != 0 {
            INBOX.lost();
        }
    }
    if UART.read(RECEIVED) != 0 {
        // Before the byte is read: the next one may be waiting behind it.
        UART.write(RECEIVED, 0);
        INBOX.put(UART.read(RX_DATA) as u8);
    }
}

/// Sends a byte, as soon as there is room for it.
pub fn send(byte: u8) {
    UART.write(TX_DATA, byte.into());
    while UART.read(SENT) == 0 {}
    UART.write(SENT, 0);
}

/// Ticks of the clock, wrapping around.
pub fn ticks() -> u32 {
    TIMER.write(0x040, 1);
    TIMER.read(0x540)
}
