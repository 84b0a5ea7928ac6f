//! How a model is shown its input.

use crate::header::Outline;
use spikelet_runtime::InputSpikes;
use spikelet_runtime::encode::Encoder;

/// How a model is shown its input: `blank_before` silent timesteps, `steps` in which the input is shown, `blank_after`
/// silent ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// What turns pixels into spikes; `None` if the host has to make them.
    pub encoder: Option<Encoder>,
    /// Silent timesteps before the input.
    pub blank_before: u16,
    /// Timesteps in which the input is shown, at least 1.
    pub steps: u16,
    /// Silent timesteps behind it.
    pub blank_after: u16,
}

impl Input {
    /// How the model of `outline` is shown its input; `None` if it is never shown, or the sequence has more than 65,535
    /// timesteps.
    pub(crate) fn of(outline: &Outline) -> Option<Self> {
        let &Outline { blank_before, steps, blank_after, .. } = outline;
        let input = Self { encoder: outline.encoder(), blank_before, steps, blank_after };
        let whole = blank_before.checked_add(steps)?.checked_add(blank_after);
        (steps > 0 && whole.is_some()).then_some(input)
    }

    /// Timesteps of the whole sequence; the model's [`steps`](spikelet_runtime::Model::steps).
    pub const fn sequence(&self) -> u16 {
        self.blank_before.saturating_add(self.steps).saturating_add(self.blank_after)
    }

    /// Lists the pixels that spike at timestep `t` of the whole sequence, in ascending order; the list is cleared first.
    /// The encoder counts from the first shown timestep, so blank ones change none of its spikes. See [`Encoder::step`].
    pub fn step(&self, encoder: &Encoder, stream: u64, t: u16, pixels: &[u8], spikes: &mut InputSpikes) {
        match t.checked_sub(self.blank_before).filter(|&shown| shown < self.steps) {
            Some(shown) => encoder.step(stream, shown, pixels, spikes),
            None => spikes.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spikelet_runtime::encode::LatencyCode;

    #[test]
    fn blank_timesteps_are_silent_and_shift_the_others() {
        let encoder = Encoder::Latency(LatencyCode::new(2));
        let input = Input { encoder: Some(encoder), blank_before: 3, steps: 2, blank_after: 1 };
        let mut spikes = heapless::Vec::<u16, 3>::new();
        let shown: std::vec::Vec<std::vec::Vec<u16>> = (0..input.sequence())
            .map(|t| {
                input.step(&encoder, 0, t, &[255, 3, 0], &mut spikes);
                spikes.to_vec()
            })
            .collect();
        assert_eq!(shown, [&[][..], &[], &[], &[0], &[1], &[]]);
    }
}
