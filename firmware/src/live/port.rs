//! A port of up to 32 pins that are read at once, each an input of the model.

use super::source::{SpikeSource, list};
use core::convert::Infallible;
use embedded_hal::digital::InputPin;
use heapless::VecView;

/// Pins that are read at once.
pub trait Port {
    /// Why they could not be read.
    type Error;

    /// Their levels: bit k is that of pin k, and others are 0.
    ///
    /// # Errors
    /// If one of them could not be read.
    fn levels(&mut self) -> Result<u32, Self::Error>;
}

/// A register's bits.
impl<F: FnMut() -> u32> Port for F {
    type Error = Infallible;

    fn levels(&mut self) -> Result<u32, Infallible> {
        Ok(self())
    }
}

/// Pins of any kind, up to 32, read one after the other.
impl<P: InputPin, const N: usize> Port for [P; N] {
    type Error = P::Error;

    fn levels(&mut self) -> Result<u32, P::Error> {
        const { assert!(N <= 32, "a port has up to 32 pins") }
        let mut levels = 0;
        for (bit, pin) in (0..).zip(self) {
            levels |= u32::from(pin.is_high()?) << bit;
        }
        Ok(levels)
    }
}

/// When a pin is a spike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinSpikes {
    /// In each timestep that finds it active.
    WhileActive,
    /// In the timestep that finds it active when the one before did not; never in the first.
    WhenActivated,
}

/// A port whose pin k is input k of the model.
#[derive(Debug)]
pub struct PortSource<P> {
    port: P,
    spikes: PinSpikes,
    /// Bits of the pins that are active when low.
    inverted: u32,
    /// The pins that were active in the timestep before.
    before: u32,
}

impl<P: Port> PortSource<P> {
    /// A source whose pins are active when high, but for those in `active_low`, bit k for pin k.
    pub const fn new(port: P, spikes: PinSpikes, active_low: u32) -> Self {
        Self { port, spikes, inverted: active_low, before: u32::MAX }
    }
}

impl<P: Port> SpikeSource for PortSource<P> {
    type Error = P::Error;

    fn timestep(&mut self, spiking: &mut VecView<u16>) -> Result<(), P::Error> {
        spiking.clear();
        let active = self.port.levels()? ^ self.inverted;
        let spikes = match self.spikes {
            PinSpikes::WhileActive => active,
            PinSpikes::WhenActivated => active & !self.before,
        };
        self.before = active;
        list(0, spikes, spiking);
        Ok(())
    }
}
