//! An event sensor on SPI, with a pin that says when it has events.
//!
//! While the pin is high, the board selects the sensor and reads a burst of [`BURST`] bytes; what it sends itself means nothing:
//!
//! ```text
//! byte   0      1      2 3        4 5              30 31
//!        n   255 - n   address 0  address 1  ...   address 14
//! ```
//!
//! The first n of the addresses, 0 to 15 of them, are events, each a big-endian u16 that names an input of the model; what is
//! behind them is ignored. The second byte tells a sensor from a line that nothing drives. The sensor lowers the pin when the
//! last of its events is in a burst. An input with several events in a timestep spikes once.

use super::source::{SpikeSource, list};
use embedded_hal::digital::InputPin;
use embedded_hal::spi::SpiDevice;
use heapless::VecView;

/// Bytes of a burst.
pub const BURST: usize = 2 + 2 * EVENTS;
/// Most events in a burst.
pub const EVENTS: usize = 15;

/// Why a sensor could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SensorError<S, R> {
    /// The bus has failed.
    Spi(S),
    /// The pin that says whether there are events has failed.
    Ready(R),
    /// What came is no burst: the sensor is not there, or bits were lost.
    Burst,
}

/// An event sensor of up to 32 `WORDS` addresses.
#[derive(Debug)]
pub struct EventSensor<S, R, const WORDS: usize> {
    spi: S,
    ready: R,
    inputs: u16,
    most_bursts: u16,
    /// A bit for each input that has had an event in the timestep at hand.
    events: [u32; WORDS],
    dropped: u32,
    crowded: u32,
}

impl<S: SpiDevice, R: InputPin, const WORDS: usize> EventSensor<S, R, WORDS> {
    /// A sensor on `spi` whose `ready` pin is high while it has events, for a model of so many `inputs`. In a timestep at most
    /// `most_bursts` are read, which bounds its time; the rest is read in the next one.
    pub const fn new(spi: S, ready: R, inputs: u16, most_bursts: u16) -> Self {
        Self { spi, ready, inputs, most_bursts, events: [0; WORDS], dropped: 0, crowded: 0 }
    }

    /// Timesteps so far that have left events to the next one, wrapping around. If they come often, the sensor is faster than the
    /// timesteps.
    pub const fn crowded(&self) -> u32 {
        self.crowded
    }

    /// Reads bursts until there are no events left, or as many as are allowed.
    fn receive(&mut self) -> Result<(), SensorError<S::Error, R::Error>> {
        let mut burst = [0; BURST];
        for _ in 0..self.most_bursts {
            if !self.ready.is_high().map_err(SensorError::Ready)? {
                return Ok(());
            }
            self.spi.read(&mut burst).map_err(SensorError::Spi)?;
            let [count, check, addresses @ ..] = &burst;
            let (addresses, _) = addresses.as_chunks::<2>();
            let events = addresses.get(..usize::from(*count)).filter(|_| !count == *check);
            for &address in events.ok_or(SensorError::Burst)? {
                self.note(u16::from_be_bytes(address));
            }
        }
        if self.ready.is_high().map_err(SensorError::Ready)? {
            self.crowded = self.crowded.wrapping_add(1);
        }
        Ok(())
    }

    /// Notes an event.
    fn note(&mut self, address: u16) {
        match self.events.get_mut(usize::from(address / 32)) {
            Some(word) if address < self.inputs => *word |= 1 << (address % 32),
            _ => self.dropped = self.dropped.wrapping_add(1),
        }
    }
}

impl<S: SpiDevice, R: InputPin, const WORDS: usize> SpikeSource for EventSensor<S, R, WORDS> {
    type Error = SensorError<S::Error, R::Error>;

    fn timestep(&mut self, spiking: &mut VecView<u16>) -> Result<(), Self::Error> {
        spiking.clear();
        let received = self.receive();
        for (first, word) in (0..).step_by(32).zip(&mut self.events) {
            list(first, core::mem::take(word), spiking);
        }
        received
    }

    fn dropped(&self) -> u32 {
        self.dropped
    }
}
