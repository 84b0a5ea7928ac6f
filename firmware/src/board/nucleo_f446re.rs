//! ST Nucleo-F446RE: Cortex-M4F, USART 2 on PA2 and PA3 to the board's debug probe.
#![allow(unsafe_code, reason = "the interrupt reads a USART that it does not own, and is let happen")]

use super::kind::{self, WATCHDOG_SECONDS};
use crate::receive::INBOX;
use crate::uart::{Send, Uart};
use crate::{Board, Clock};
use cortex_m::peripheral::{DWT, NVIC};
use spikelet_export::link::MemoryUse;
use stm32f4xx_hal::pac::{self, IWDG, Peripherals, USART2, interrupt};
use stm32f4xx_hal::prelude::*;
use stm32f4xx_hal::rcc;
use stm32f4xx_hal::serial::{self, Serial};
use stm32f4xx_hal::watchdog::IndependentWatchdog;

/// Frequency of the core, whose cycles are counted.
pub const CORE_HERTZ: u32 = 168_000_000;

/// What feeds the watchdog.
const FEED: u16 = 0xAAAA;

/// The board.
#[derive(Debug)]
pub struct NucleoF446re(());

/// USART 2, 115,200 Bd, 8 data bits, no parity, 1 stop bit.
#[derive(Debug)]
pub struct Usart2(());

/// Starts the clocks, the USART and the watchdog. A function of its own, since the HAL may panic in it, and nothing may behind it.
#[inline(never)]
pub fn start() -> (NucleoF446re, Uart<Usart2>) {
    let Some(chip) = Peripherals::take() else { super::exit(false) };
    let reasons = chip.RCC.csr().read();
    let by_watchdog = reasons.wdgrstf().bit_is_set();
    chip.RCC.csr().modify(|_, w| w.rmvf().set_bit());
    kind::begin(by_watchdog);
    // The chip's own oscillator is within 1 %, which the UART's rate allows.
    let mut rcc = chip.RCC.freeze(rcc::Config::hsi().sysclk(CORE_HERTZ.Hz()));
    kind::count_cycles();
    let pins = chip.GPIOA.split(&mut rcc);
    let settings = serial::Config::default().baudrate(115_200.bps());
    let Ok(mut usart) = Serial::<_, u8>::new(chip.USART2, (pins.pa2, pins.pa3), settings, &mut rcc) else {
        super::exit(false)
    };
    usart.listen(serial::Event::RxNotEmpty);
    // SAFETY: what the handler shares with the rest is behind critical sections, which mask every interrupt.
    unsafe { NVIC::unmask(interrupt::USART2) };
    let mut watchdog = IndependentWatchdog::new(chip.IWDG);
    watchdog.stop_on_debug(&chip.DBGMCU, true);
    watchdog.start(WATCHDOG_SECONDS.secs());
    (NucleoF446re(()), Uart::new(Usart2(())))
}

/// The registers of the USART.
fn usart() -> &'static pac::usart1::RegisterBlock {
    // SAFETY: reading its data is for the interrupt alone, writing them for [`Usart2`].
    unsafe { &*USART2::ptr() }
}

/// Feeds the watchdog.
pub fn feed() {
    // SAFETY: a write of this key has no other effect than to feed, whoever makes it.
    unsafe { (*IWDG::ptr()).kr().write(|w| w.key().bits(FEED)) };
}

#[interrupt]
fn USART2() {
    let status = usart().sr().read();
    if status.rxne().bit_is_set() || status.ore().bit_is_set() {
        // Reading it also ends the overrun.
        let byte = usart().dr().read().dr().bits() as u8;
        if status.ore().bit_is_set() {
            INBOX.lost();
        }
        if status.rxne().bit_is_set() {
            INBOX.put(byte);
        }
    }
}

impl Send for Usart2 {
    fn send(&mut self, byte: u8) {
        while usart().sr().read().txe().bit_is_clear() {}
        usart().dr().write(|w| w.dr().set(byte.into()));
    }
}

impl Clock for NucleoF446re {
    const TICKS_PER_SECOND: u32 = CORE_HERTZ;

    fn ticks(&self) -> u32 {
        DWT::cycle_count()
    }
}

impl Board for NucleoF446re {
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
