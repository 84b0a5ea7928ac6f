//! What the boards with a chip of Nordic's nRF52 share.
//!
//! The UART is the one without DMA: a byte at a time is what it is for, and it holds five more while the core is busy.
#![allow(unsafe_code, reason = "the interrupt reads a UART that it does not own, and is let happen")]

#[cfg(feature = "microbit-v2")]
pub use nrf52833_hal as hal;
#[cfg(feature = "nrf52840-dk")]
pub use nrf52840_hal as hal;

use super::kind::{self, WATCHDOG_SECONDS};
use crate::receive::INBOX;
use crate::uart::{Send, Uart};
use crate::{Board, Clock};
use cortex_m::peripheral::{DWT, NVIC};
use hal::Clocks;
use hal::gpio::{Floating, Input, Output, Pin, PushPull};
use hal::pac::{CLOCK, POWER, UART0, WDT, interrupt};
use hal::wdt::{Watchdog, count::One};
use spikelet_export::link::MemoryUse;

/// Frequency of the core, whose cycles are counted.
pub const CORE_HERTZ: u32 = 64_000_000;

/// Of the slow oscillator, which the watchdog counts.
const SLOW_HERTZ: u32 = 32_768;

/// Bit of the reset reasons: the watchdog.
const BY_WATCHDOG: u32 = 1 << 1;
/// Bit of the UART's errors: a byte came before the last one was read.
const OVERRUN: u32 = 1;

/// A board with one of these chips.
#[derive(Debug)]
pub struct Nrf52(());

/// UART 0, 115,200 Bd, 8 data bits, no parity, 1 stop bit.
#[allow(missing_debug_implementations, reason = "the register block has none")]
pub struct Uart0(UART0);

/// What a board gives of its chip: the rest of it is not used.
#[allow(missing_debug_implementations, reason = "the register blocks have none")]
pub struct Parts {
    /// Oscillators.
    pub clock: CLOCK,
    /// Reasons of resets.
    pub power: POWER,
    /// The UART, its transmitting and its receiving pin.
    pub uart: (UART0, Pin<Output<PushPull>>, Pin<Input<Floating>>),
    /// The watchdog.
    pub watchdog: WDT,
}

/// Starts the clocks, the UART and the watchdog.
pub fn start(parts: Parts) -> (Nrf52, Uart<Uart0>) {
    let by_watchdog = parts.power.resetreas.read().bits() & BY_WATCHDOG != 0;
    // SAFETY: a reason is cleared by its own bit.
    parts.power.resetreas.write(|w| unsafe { w.bits(u32::MAX) });
    kind::begin(by_watchdog);
    // The crystal: the chip's own oscillator is not good enough for the UART's rate.
    Clocks::new(parts.clock).enable_ext_hfosc();
    kind::count_cycles();
    let (uart, tx, rx) = parts.uart;
    // SAFETY: the numbers of two pins of the chip.
    uart.psel.txd.write(|w| unsafe { w.bits(tx.psel_bits()) });
    // SAFETY: as above.
    uart.psel.rxd.write(|w| unsafe { w.bits(rx.psel_bits()) });
    uart.baudrate.write(|w| w.baudrate().baud115200());
    uart.enable.write(|w| w.enable().enabled());
    uart.intenset.write(|w| w.rxdrdy().set().error().set());
    // SAFETY: a task is started by a 1.
    uart.tasks_starttx.write(|w| unsafe { w.bits(1) });
    // SAFETY: as above.
    uart.tasks_startrx.write(|w| unsafe { w.bits(1) });
    // SAFETY: what the handler shares with the rest is behind critical sections, which mask every interrupt.
    unsafe { NVIC::unmask(interrupt::UARTE0_UART0) };
    // After a reset by the program it may still run, as it was started.
    if let Ok(mut watchdog) = Watchdog::try_new(parts.watchdog) {
        watchdog.set_lfosc_ticks(WATCHDOG_SECONDS * SLOW_HERTZ);
        watchdog.activate::<One>();
    }
    (Nrf52(()), Uart::new(Uart0(uart)))
}

/// Feeds the watchdog.
pub fn feed() {
    // SAFETY: a write to this register has no other effect than to feed, whoever makes it.
    let watchdog = unsafe { &*WDT::ptr() };
    if let Some(first) = watchdog.rr.first() {
        first.write(|w| w.rr().reload());
    }
}

#[interrupt]
fn UARTE0_UART0() {
    // SAFETY: the registers that are used here are used here alone.
    let uart = unsafe { &*UART0::ptr() };
    if uart.events_error.read().bits() != 0 {
        uart.events_error.reset();
        let error = uart.errorsrc.read().bits();
        // SAFETY: an error is cleared by its own bit.
        uart.errorsrc.write(|w| unsafe { w.bits(error) });
        if error & OVERRUN != 0 {
            INBOX.lost();
        }
    }
    if uart.events_rxdrdy.read().bits() != 0 {
        // Before the byte is read: the next one may be waiting behind it.
        uart.events_rxdrdy.reset();
        INBOX.put(uart.rxd.read().rxd().bits());
    }
}

impl Send for Uart0 {
    fn send(&mut self, byte: u8) {
        // SAFETY: any byte may be sent.
        self.0.txd.write(|w| unsafe { w.txd().bits(byte) });
        while self.0.events_txdrdy.read().bits() == 0 {}
        self.0.events_txdrdy.reset();
    }
}

impl Clock for Nrf52 {
    const TICKS_PER_SECOND: u32 = CORE_HERTZ;

    fn ticks(&self) -> u32 {
        DWT::cycle_count()
    }
}

impl Board for Nrf52 {
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
