//! Nordic nRF52840 DK: Cortex-M4F, UART on P0.06 and P0.08 to the board's debug probe.

use super::nrf52::hal::gpio::{Level, p0};
use super::nrf52::hal::pac::Peripherals;
use super::nrf52::{self, Nrf52, Parts, Uart0};
use crate::uart::Uart;

pub use super::nrf52::{CORE_HERTZ, feed};

/// Starts the clocks, the UART and the watchdog.
pub fn start() -> (Nrf52, Uart<Uart0>) {
    let Some(chip) = Peripherals::take() else { super::exit(false) };
    let port = p0::Parts::new(chip.P0);
    let tx = port.p0_06.into_push_pull_output(Level::High).degrade();
    let rx = port.p0_08.into_floating_input().degrade();
    nrf52::start(Parts {
        clock: chip.CLOCK,
        power: chip.POWER,
        uart: (chip.UART0, tx, rx),
        watchdog: chip.WDT,
    })
}
