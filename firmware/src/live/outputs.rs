//! What the network's choice does.

use super::Observation;
use embedded_hal::digital::OutputPin;

/// Whatever shows a choice. Told of each timestep; pairs of outputs are one, and `()` is none.
pub trait Outputs {
    /// Shows what was observed.
    fn show(&mut self, observation: &Observation);

    /// Errors so far, wrapping around. None ends the operation.
    fn errors(&self) -> u32 {
        0
    }
}

impl Outputs for () {
    fn show(&mut self, _: &Observation) {}
}

impl<A: Outputs, B: Outputs> Outputs for (A, B) {
    fn show(&mut self, observation: &Observation) {
        self.0.show(observation);
        self.1.show(observation);
    }

    fn errors(&self) -> u32 {
        self.0.errors().wrapping_add(self.1.errors())
    }
}

/// A pin, written when its level changes, and again after an error.
#[derive(Debug)]
struct Lamp<P> {
    pin: P,
    /// The level it was set to last; `None` if it is not known.
    lit: Option<bool>,
}

impl<P: OutputPin> Lamp<P> {
    const fn new(pin: P) -> Self {
        Self { pin, lit: None }
    }

    /// Sets the level; false if that failed.
    fn set(&mut self, lit: bool) -> bool {
        if self.lit == Some(lit) {
            return true;
        }
        let set = self.pin.set_state(lit.into()).is_ok();
        self.lit = set.then_some(lit);
        set
    }
}

/// Sets each pin to a level of its own, and counts what fails.
fn set_all<P: OutputPin>(lamps: &mut [Lamp<P>], errors: &mut u32, mut lit: impl FnMut(u16) -> bool) {
    for (index, lamp) in (0..).zip(lamps) {
        *errors = errors.wrapping_add((!lamp.set(lit(index))).into());
    }
}

/// A pin for each class: that of the chosen class is high, and none while none is chosen. Classes beyond the pins have none.
#[derive(Debug)]
pub struct ClassPins<P, const N: usize> {
    pins: [Lamp<P>; N],
    errors: u32,
}

impl<P: OutputPin, const N: usize> ClassPins<P, N> {
    /// With the pins of the classes from 0 on.
    pub fn new(pins: [P; N]) -> Self {
        Self { pins: pins.map(Lamp::new), errors: 0 }
    }
}

impl<P: OutputPin, const N: usize> Outputs for ClassPins<P, N> {
    fn show(&mut self, observation: &Observation) {
        let chosen = observation.chosen();
        set_all(&mut self.pins, &mut self.errors, |class| chosen == Some(class));
    }

    fn errors(&self) -> u32 {
        self.errors
    }
}

/// The chosen class as a binary number: class c is c + 1, lowest bit first, and 0 says that none is chosen. So ⌈log₂(classes + 1)⌉
/// pins are enough; a class whose number does not fit shows as none.
#[derive(Debug)]
pub struct BinaryPins<P, const N: usize> {
    pins: [Lamp<P>; N],
    errors: u32,
}

impl<P: OutputPin, const N: usize> BinaryPins<P, N> {
    /// With the pins of the bits from the lowest on.
    pub fn new(pins: [P; N]) -> Self {
        const { assert!(0 < N && N <= 16, "a class's number has 1 to 16 bits") }
        Self { pins: pins.map(Lamp::new), errors: 0 }
    }
}

impl<P: OutputPin, const N: usize> Outputs for BinaryPins<P, N> {
    fn show(&mut self, observation: &Observation) {
        let code = observation.chosen().map_or(0, |class| u32::from(class) + 1);
        let code = if code >> N == 0 { code } else { 0 };
        set_all(&mut self.pins, &mut self.errors, |bit| code >> bit & 1 == 1);
    }

    fn errors(&self) -> u32 {
        self.errors
    }
}

/// A pin that is high while the alert is on.
#[derive(Debug)]
pub struct AlertPin<P> {
    pin: Lamp<P>,
    errors: u32,
}

impl<P: OutputPin> AlertPin<P> {
    /// With its pin.
    pub const fn new(pin: P) -> Self {
        Self { pin: Lamp::new(pin), errors: 0 }
    }
}

impl<P: OutputPin> Outputs for AlertPin<P> {
    fn show(&mut self, observation: &Observation) {
        let alert = observation.alert;
        set_all(core::slice::from_mut(&mut self.pin), &mut self.errors, |_| alert);
    }

    fn errors(&self) -> u32 {
        self.errors
    }
}
