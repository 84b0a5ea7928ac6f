//! What the Raspberry Pi Pico (RP2040) and Pico 2 (RP2350) share: UART 0 on GP0 and GP1, and the watchdog. The HALs of the two have the
//! same names for them.
//!
//! Only the first core runs.
#![allow(unsafe_code, reason = "the interrupt reads a UART that it does not own, and is let happen")]

#[cfg(feature = "pico-2")]
pub use rp235x_hal as hal;
#[cfg(feature = "pico")]
pub use rp2040_hal as hal;

use super::kind::{self, WATCHDOG_SECONDS};
use crate::receive::INBOX;
use crate::uart::{Send, Uart};
use cortex_m::peripheral::NVIC;
use hal::clocks::init_clocks_and_plls;
use hal::fugit::{MicrosDurationU32, RateExtU32};
use hal::gpio::{self, FunctionUart, Pin, PullDown, bank0};
use hal::pac::{Peripherals, UART0, WATCHDOG, interrupt};
use hal::uart::{DataBits, StopBits, UartConfig, UartPeripheral, Writer};
use hal::{Clock, Sio, Watchdog};

/// The crystal of both boards.
const CRYSTAL_HERTZ: u32 = 12_000_000;
/// What the watchdog counts down from, in half microseconds on the RP2040 (its erratum E1) and in microseconds on the RP2350: the most
/// that it takes, and no less than what the HAL has started it with.
const LOAD: u32 = 0x00FF_FFFF;
/// Bit of the reset reasons: the watchdog's time had passed.
const BY_WATCHDOG: u32 = 1;

/// UART 0, 115,200 Bd, 8 data bits, no parity, 1 stop bit.
#[allow(missing_debug_implementations, reason = "the HAL's has none")]
pub struct Uart0(Writer<UART0, Pins>);

/// Its pins.
type Pins = (Pin<bank0::Gpio0, FunctionUart, PullDown>, Pin<bank0::Gpio1, FunctionUart, PullDown>);

/// A chip at work.
#[allow(missing_debug_implementations, reason = "the HAL's have none")]
pub struct Started {
    /// Its UART.
    pub uart: Uart<Uart0>,
    /// Its timer, not yet at work, and what puts it to work.
    #[cfg(feature = "pico")]
    pub timer: (hal::pac::TIMER, hal::pac::RESETS, hal::clocks::ClocksManager),
}

/// Starts the clocks, the UART and the watchdog. A function of its own, since the HAL may panic in it, and nothing may behind it.
#[inline(never)]
pub fn start() -> Started {
    let Some(chip) = Peripherals::take() else { super::exit(false) };
    let mut resets = chip.RESETS;
    kind::begin(chip.WATCHDOG.reason().read().bits() & BY_WATCHDOG != 0);
    let mut watchdog = Watchdog::new(chip.WATCHDOG);
    let (pll_sys, pll_usb) = (chip.PLL_SYS, chip.PLL_USB);
    let Ok(clocks) = init_clocks_and_plls(
        CRYSTAL_HERTZ,
        chip.XOSC,
        chip.CLOCKS,
        pll_sys,
        pll_usb,
        &mut resets,
        &mut watchdog,
    ) else {
        super::exit(false)
    };
    let pins = gpio::Pins::new(chip.IO_BANK0, chip.PADS_BANK0, Sio::new(chip.SIO).gpio_bank0, &mut resets);
    let pins: Pins = (pins.gpio0.into_function(), pins.gpio1.into_function());
    let settings = UartConfig::new(115_200.Hz(), DataBits::Eight, None, StopBits::One);
    let uart = UartPeripheral::new(chip.UART0, pins, &mut resets);
    let Ok(mut uart) = uart.enable(settings, clocks.peripheral_clock.freq()) else { super::exit(false) };
    uart.enable_rx_interrupt();
    let (_, sender) = uart.split();
    // SAFETY: what the handler shares with the rest is behind critical sections, which mask every interrupt.
    unsafe { NVIC::unmask(interrupt::UART0_IRQ) };
    watchdog.pause_on_debug(true);
    watchdog.start(MicrosDurationU32::secs(WATCHDOG_SECONDS));
    Started {
        uart: Uart::new(Uart0(sender)),
        #[cfg(feature = "pico")]
        timer: (chip.TIMER, resets, clocks),
    }
}

/// Feeds the watchdog.
pub fn feed() {
    // SAFETY: a write to this register has no other effect than to feed, whoever makes it.
    unsafe { (*WATCHDOG::ptr()).load().write(|w| w.bits(LOAD)) };
}

#[interrupt]
fn UART0_IRQ() {
    // SAFETY: what was received is read here alone.
    let uart = unsafe { &*UART0::ptr() };
    while uart.uartfr().read().rxfe().bit_is_clear() {
        let data = uart.uartdr().read();
        if data.oe().bit_is_set() {
            INBOX.lost();
        }
        INBOX.put(data.data().bits());
    }
}

impl Send for Uart0 {
    fn send(&mut self, byte: u8) {
        self.0.write_full_blocking(&[byte]);
    }
}
