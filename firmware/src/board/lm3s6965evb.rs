//! TI Stellaris LM3S6965 evaluation board, a Cortex-M3, as QEMU emulates it.
//!
//! The clock is the watchdog's counter, which never resets the chip here: QEMU's timers cannot be read. Under `-icount shift=7` an
//! instruction takes 6.4 of its ticks. The rest of the set-up, clocks and pins, QEMU does without and the chip does not.
#![allow(unsafe_code, reason = "names the registers of UART 0, watchdog, system control and port A")]

#[path = "lm3s6965evb_gpio.rs"]
mod gpio;

pub use gpio::live;

use super::registers::Registers;
use crate::receive::INBOX;
use core::sync::atomic::{AtomicU32, Ordering};

/// Frequency of the core, which SysTick and the watchdog count.
pub const CORE_HERTZ: u32 = 50_000_000;
/// Frequency of the clock.
pub const TICKS_PER_SECOND: u32 = CORE_HERTZ;

/// The receive interrupt of UART 0.
pub const INTERRUPT: u16 = 5;

// SAFETY: the addresses are those of the chip's datasheet, here and below.
const SYSTEM: Registers = unsafe { Registers::at(0x400F_E000) };
// SAFETY: see above.
const PORT_A: Registers = unsafe { Registers::at(0x4000_4000) };
// SAFETY: see above.
const WATCHDOG: Registers = unsafe { Registers::at(0x4000_0000) };
// SAFETY: see above.
const UART: Registers = unsafe { Registers::at(0x4000_C000) };

const DATA: usize = 0x00;
const FLAGS: usize = 0x18;
const RX_EMPTY: u32 = 1 << 4;
const TX_FULL: u32 = 1 << 5;
/// Of what `DATA` gives: a byte before this one was lost.
const OVERRUN: u32 = 1 << 11;

/// Starts the clock, and UART 0, 115,200 Bd, 8 data bits, no parity, on PA0 and PA1, with its receive interrupt.
pub fn start() {
    clocks();
    WATCHDOG.write(0x000, u32::MAX);
    // Its interrupt, which is masked, makes it count.
    WATCHDOG.write(0x008, 1);
    // PA0 and PA1: alternate function, digital.
    PORT_A.change(0x420, 3, 3);
    PORT_A.change(0x51C, 3, 3);
    // 50 MHz / (16 × 115,200) = 27 + 8/64; 8 bits; the receive interrupt; both directions. Without the FIFO, since QEMU fills that
    // faster than any wire: the interrupt would never end before the queue is full.
    UART.write(0x024, 27);
    UART.write(0x028, 8);
    UART.write(0x02C, 0x60);
    UART.write(0x038, 0x10);
    UART.write(0x030, 0x301);
}

/// 50 MHz from the PLL on the board's crystal of 8 MHz, and clocks for watchdog, UART 0 and port A.
fn clocks() {
    const RCC: usize = 0x060;
    const BYPASS: u32 = 1 << 11;
    const DIVIDE: u32 = 1 << 22;
    const OSCILLATOR_OFF: u32 = 1;
    SYSTEM.change(RCC, BYPASS | DIVIDE, BYPASS);
    SYSTEM.change(RCC, OSCILLATOR_OFF, 0);
    // The crystal takes some milliseconds.
    cortex_m::asm::delay(100_000);
    // A crystal of 8 MHz, the main oscillator, the PLL on; then its 200 MHz by 4.
    SYSTEM.change(RCC, 0xF << 6 | 3 << 4 | 1 << 13, 0xE << 6);
    SYSTEM.change(RCC, 0xF << 23 | DIVIDE, 3 << 23 | DIVIDE);
    // Without the PLL the chip would go on at the crystal's pace.
    for _ in 0..100_000 {
        if SYSTEM.read(0x050) & 1 << 6 != 0 {
            SYSTEM.change(RCC, BYPASS, 0);
            break;
        }
    }
    SYSTEM.change(0x100, 1 << 3, 1 << 3);
    SYSTEM.change(0x104, 1, 1);
    SYSTEM.change(0x108, 1, 1);
    // They take a few cycles to arrive.
    SYSTEM.read(0x108);
}

/// A byte was received.
pub fn received() {
    if UART.read(FLAGS) & RX_EMPTY == 0 {
        let data = UART.read(DATA);
        if data & OVERRUN != 0 {
            INBOX.lost();
        }
        INBOX.put(data as u8);
    }
}

/// Sends a byte, as soon as there is room for it.
pub fn send(byte: u8) {
    while UART.read(FLAGS) & TX_FULL != 0 {}
    UART.write(DATA, byte.into());
}

/// Ticks of the clock before the watchdog's counter began anew.
static BEFORE: AtomicU32 = AtomicU32::new(0);

/// Ticks of the clock, wrapping around.
#[inline(always)]
pub fn ticks() -> u32 {
    BEFORE.load(Ordering::Relaxed).wrapping_add(counted())
}

#[inline(always)]
fn counted() -> u32 {
    // The watchdog counts down.
    !WATCHDOG.read(0x004)
}

/// Lets the watchdog's counter begin anew long before its end: there QEMU may leave it, with a core that never sleeps. A few ticks are lost.
pub fn feed() {
    let counted = counted();
    if counted > u32::MAX / 4 {
        BEFORE.store(BEFORE.load(Ordering::Relaxed).wrapping_add(counted), Ordering::Relaxed);
        WATCHDOG.write(0x00C, 1);
    }
}
