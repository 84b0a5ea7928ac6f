//! BBC micro:bit v2, an nRF52833: Cortex-M4F, UART on P0.06 and P1.08 to the board's USB interface.

use super::nrf52::hal::gpio::{Level, p0, p1};
use super::nrf52::hal::pac::Peripherals;
use super::nrf52::{self, Nrf52, Parts, Uart0};
use crate::uart::Uart;

pub use super::nrf52::{CORE_HERTZ, feed};

/// Starts the clocks, the UART and the watchdog.
pub fn start() -> (Nrf52, Uart<Uart0>) {
    let Some(chip) = Peripherals::take() else { super::exit(false) };
    let (port, next) = (p0::Parts::new(chip.P0), p1::Parts::new(chip.P1));
    let tx = port.p0_06.into_push_pull_output(Level::High).degrade();
    let rx = next.p1_08.into_floating_input().degrade();
    nrf52::start(Parts {
        clock: chip.CLOCK,
        power: chip.POWER,
        uart: (chip.UART0, tx, rx),
        watchdog: chip.WDT,
    })
}
