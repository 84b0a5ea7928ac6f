//! The board's five keys as inputs of a model, and its pins as outputs: continuous operation on the chip's PL061 ports.
//!
//! | input | pin | key | | output | pin |
//! |---|---|---|---|---|---|
//! | 0 to 3 | PE0 to PE3 | up, down, left, right | | chosen class, 0 to 6 | PB0 to PB6 |
//! | 4 | PF1 | select | | alert | PF0, the board's LED |
//!
//! A key is low while it is pressed, and spikes in each timestep that finds it so.
#![allow(unsafe_code, reason = "names the registers of ports B, E and F")]

use super::SYSTEM;
use crate::board::registers::Registers;
use crate::live::port::{PinSpikes, PortSource};
use crate::live::{Alert, AlertPin, ClassPins, Decision, Live, Outputs, Pace, SpikeSource};
use core::convert::Infallible;
use embedded_hal::digital::{ErrorType, OutputPin};
use spikelet_runtime::Model;

/// Timesteps in a second.
const TIMESTEPS_PER_SECOND: u32 = 200;
/// The alert: the select key's class, held for half a second.
const ALERT: Alert = Alert::new(4, TIMESTEPS_PER_SECOND / 2);

// SAFETY: the addresses are those of the chip's datasheet, here and below.
const PORT_B: Registers = unsafe { Registers::at(0x4000_5000) };
// SAFETY: see above.
const PORT_E: Registers = unsafe { Registers::at(0x4002_4000) };
// SAFETY: see above.
const PORT_F: Registers = unsafe { Registers::at(0x4002_5000) };

const DIRECTION: usize = 0x400;
const PULL_UP: usize = 0x510;
const DIGITAL: usize = 0x51C;

/// The data register of a port through a mask: reads give 0 and writes change nothing but for the bits of the mask.
const fn data(mask: u8) -> usize {
    (mask as usize) << 2
}

/// The continuous operation, off, from the keys to the pins.
pub fn live(model: &Model<'_>) -> Live<impl SpikeSource + use<>, impl Outputs + use<>> {
    // Ports B, E and F need their clocks, which take a few cycles to arrive.
    SYSTEM.change(0x108, 0x32, 0x32);
    SYSTEM.read(0x108);
    for (port, inputs, outputs) in [(PORT_B, 0, 0x7F), (PORT_E, 0x0F, 0), (PORT_F, 0x02, 0x01)] {
        port.change(DIRECTION, inputs | outputs, outputs);
        port.change(PULL_UP, inputs, inputs);
        port.change(DIGITAL, inputs | outputs, inputs | outputs);
    }
    let classes = [0, 1, 2, 3, 4, 5, 6].map(|bit| PinB(1 << bit));
    Live::new(
        PortSource::new(keys, PinSpikes::WhileActive, 0x1F),
        (ClassPins::new(classes), AlertPin::new(Led)),
        Pace::new(super::TICKS_PER_SECOND, TIMESTEPS_PER_SECOND),
        Decision::of(model),
        Some(ALERT),
    )
}

/// Levels of the keys' pins.
fn keys() -> u32 {
    PORT_E.read(data(0x0F)) | PORT_F.read(data(0x02)) << 3
}

/// A pin of port B, by its bit.
#[derive(Debug)]
struct PinB(u8);

impl ErrorType for PinB {
    type Error = Infallible;
}

impl OutputPin for PinB {
    fn set_low(&mut self) -> Result<(), Infallible> {
        PORT_B.write(data(self.0), 0);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        PORT_B.write(data(self.0), u32::MAX);
        Ok(())
    }
}

/// The board's LED, PF0.
#[derive(Debug)]
struct Led;

impl ErrorType for Led {
    type Error = Infallible;
}

impl OutputPin for Led {
    fn set_low(&mut self) -> Result<(), Infallible> {
        PORT_F.write(data(0x01), 0);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        PORT_F.write(data(0x01), u32::MAX);
        Ok(())
    }
}
