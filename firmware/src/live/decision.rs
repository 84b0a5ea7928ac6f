//! What the scores of a network that is never reset say.

use spikelet_runtime::formats::Score;
use spikelet_runtime::{Model, Network};

/// A sliding decision. The readout's integrators leak, so the scores forget by themselves: the class with the best score is
/// chosen as long as it leads by a margin, and otherwise none is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    margin: Score,
}

impl Decision {
    /// Margin of a model that has none: what one spike of a class adds to its score in the paper.
    pub const DEFAULT_MARGIN: Score = Score::ONE;

    /// With a margin of one's own.
    pub const fn new(margin: Score) -> Self {
        Self { margin }
    }

    /// With the model's margin, or [`Decision::DEFAULT_MARGIN`] if it has none.
    pub fn of(model: &Model<'_>) -> Self {
        Self::new(model.margin().unwrap_or(Self::DEFAULT_MARGIN))
    }

    /// The margin.
    pub const fn margin(&self) -> Score {
        self.margin
    }

    /// True if the network's best score leads by the margin.
    pub fn is_made(&self, network: &Network<'_, '_>) -> bool {
        network.lead() >= self.margin
    }
}

/// Tells when a class has been chosen for some timesteps on end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    class: u16,
    timesteps: u32,
    held: u32,
}

impl Alert {
    /// An alert for `class` after `timesteps` timesteps; 0 counts as 1.
    pub const fn new(class: u16, timesteps: u32) -> Self {
        Self { class, timesteps: if timesteps == 0 { 1 } else { timesteps }, held: 0 }
    }

    /// Takes the next timestep's choice into account. True as long as the class holds, from the timestep on that makes their
    /// number full.
    pub fn update(&mut self, chosen: Option<u16>) -> bool {
        self.held = if chosen == Some(self.class) { self.held.saturating_add(1) } else { 0 };
        self.held >= self.timesteps
    }
}
