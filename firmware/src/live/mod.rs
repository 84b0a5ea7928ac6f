//! Continuous operation: at each timestep a source lists the inputs that spike, the network advances, and outputs show what it
//! chooses. The network is never reset, and no host is needed.
//!
//! Everything here knows pins and buses by the traits of embedded-hal alone, so host tests run it with simulated ones.

mod decision;
mod outputs;
mod pace;
pub mod pixels;
pub mod port;
pub mod sensor;
mod source;

pub use decision::{Alert, Decision};
pub use outputs::{AlertPin, BinaryPins, ClassPins, Outputs};
pub use pace::Pace;
pub use source::{NoSource, SpikeSource};

use heapless::VecView;
use spikelet_runtime::Network;

/// What the continuous operation shows after a timestep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Timesteps since [`Live::start`], wrapping around.
    pub steps: u32,
    /// The class with the best score.
    pub class: u16,
    /// It leads by the margin.
    pub decided: bool,
    /// The alert is on.
    pub alert: bool,
}

impl Observation {
    /// The class that is chosen; `None` while none leads by the margin.
    pub const fn chosen(&self) -> Option<u16> {
        if self.decided { Some(self.class) } else { None }
    }
}

/// What has happened since the program's start. All of it wraps around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Timesteps made.
    pub steps: u32,
    /// Timesteps that came too late and were left out.
    pub missed: u32,
    /// Timesteps in which the source had an error.
    pub source_errors: u32,
    /// Spikes left out because they named no input of the model, or were listed out of order.
    pub dropped: u32,
    /// Errors of the outputs.
    pub output_errors: u32,
}

/// A network's continuous operation, from a source to outputs.
#[derive(Debug)]
pub struct Live<S, O> {
    source: S,
    outputs: O,
    pace: Pace,
    decision: Decision,
    alert: Option<Alert>,
    on: bool,
    last: Observation,
    steps: u32,
    source_errors: u32,
    dropped: u32,
}

impl Live<NoSource, ()> {
    /// That of a board that has no source.
    pub const fn none() -> Self {
        Self::new(NoSource, (), Pace::new(1, 1), Decision::new(Decision::DEFAULT_MARGIN), None)
    }
}

impl<S, O> Live<S, O> {
    /// An operation that is off.
    pub const fn new(source: S, outputs: O, pace: Pace, decision: Decision, alert: Option<Alert>) -> Self {
        let last = Observation { steps: 0, class: 0, decided: false, alert: false };
        Self {
            source,
            outputs,
            pace,
            decision,
            alert,
            on: false,
            last,
            steps: 0,
            source_errors: 0,
            dropped: 0,
        }
    }
}

impl<S: SpikeSource, O: Outputs> Live<S, O> {
    /// True if there is a source; if not, [`Live::start`] does nothing.
    pub const PRESENT: bool = S::PRESENT;

    /// Begins at the clock's tick `now`. The network should be at rest.
    pub fn start(&mut self, now: u32) {
        self.on = S::PRESENT;
        self.pace.start(now);
        if let Some(alert) = &mut self.alert {
            alert.update(None);
        }
        self.last = Observation::default();
    }

    /// Ends, with the outputs as when nothing is chosen.
    pub fn stop(&mut self) {
        if self.on {
            self.on = false;
            self.outputs.show(&Observation::default());
        }
    }

    /// True between [`Live::start`] and [`Live::stop`].
    pub const fn is_on(&self) -> bool {
        self.on
    }

    /// Makes a timestep if it is on and one is due at the clock's tick `now`; true if it was made. To be called whenever the
    /// main loop comes round. `spiking` needs room for a spike of each input.
    #[inline]
    pub fn poll(&mut self, now: u32, network: &mut Network<'_, '_>, spiking: &mut VecView<u16>) -> bool {
        let due = S::PRESENT && self.on && self.pace.due(now) > 0;
        if due {
            self.step(network, spiking);
        }
        due
    }

    /// Makes a timestep, due or not.
    pub fn step(&mut self, network: &mut Network<'_, '_>, spiking: &mut VecView<u16>) -> Observation {
        self.gather(network.model().inputs(), spiking);
        network.step(spiking);
        self.conclude(network)
    }

    // As in the network, what runs one after the other does not share a stack frame.

    /// Lists the timestep's spikes.
    #[inline(never)]
    fn gather(&mut self, inputs: u16, spiking: &mut VecView<u16>) {
        if self.source.timestep(spiking).is_err() {
            self.source_errors = self.source_errors.wrapping_add(1);
        }
        // An input named twice could drive sums beyond what was proved of the model.
        let listed = spiking.len();
        let mut least = 0;
        spiking.retain(|&input| {
            let good = least <= input && input < inputs;
            if good {
                least = input + 1;
            }
            good
        });
        self.dropped = self.dropped.wrapping_add((listed - spiking.len()) as u32);
    }

    /// Shows what the network has come to.
    #[inline(never)]
    fn conclude(&mut self, network: &Network<'_, '_>) -> Observation {
        self.steps = self.steps.wrapping_add(1);
        let steps = self.last.steps.wrapping_add(1);
        let mut shown = Observation {
            steps,
            class: network.class(),
            decided: self.decision.is_made(network),
            alert: false,
        };
        shown.alert = self.alert.as_mut().is_some_and(|alert| alert.update(shown.chosen()));
        self.outputs.show(&shown);
        self.last = shown;
        shown
    }

    /// What the last timestep has shown.
    pub const fn last(&self) -> Observation {
        self.last
    }

    /// What has happened since the program's start.
    pub fn counts(&self) -> Counts {
        Counts {
            steps: self.steps,
            missed: self.pace.missed(),
            source_errors: self.source_errors,
            dropped: self.dropped.wrapping_add(self.source.dropped()),
            output_errors: self.outputs.errors(),
        }
    }
}
