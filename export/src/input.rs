//! How a model is shown its input.

use crate::header::Outline;
use spikelet_runtime::encode::Encoder;
use spikelet_runtime::{InputSpikes, Network};

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

/// Where a presented image is within a timestep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The timestep begins.
    Begun,
    /// Its input spikes are listed.
    Encoded,
    /// The network has advanced.
    Advanced,
}

/// Why pixels cannot be shown to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresentError {
    /// The model's input is not made from pixels here: the host makes its spikes.
    NoEncoder,
    /// The model has another number of inputs than there are pixels.
    PixelCount,
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
    // On devices it is no part of `present`, whose stack is in use while the network is at work.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn step(&self, encoder: &Encoder, stream: u64, t: u16, pixels: &[u8], spikes: &mut InputSpikes) {
        match t.checked_sub(self.blank_before).filter(|&shown| shown < self.steps) {
            Some(shown) => encoder.step(stream, shown, pixels, spikes),
            None => spikes.clear(),
        }
    }

    /// Shows an image to a network of this model, from its first timestep to its last, or with `early` until the network has
    /// decided, and gives the number of timesteps made. `spiking` needs room for a spike of each input; `passed` is told how
    /// far it is.
    ///
    /// # Errors
    /// [`PresentError`]; the network is then as it was.
    pub fn present(
        &self,
        network: &mut Network<'_, '_>,
        stream: u64,
        early: bool,
        pixels: &[u8],
        spiking: &mut InputSpikes,
        mut passed: impl FnMut(Stage),
    ) -> Result<u16, PresentError> {
        let encoder = self.encoder.as_ref().ok_or(PresentError::NoEncoder)?;
        if pixels.len() != usize::from(network.model().inputs()) {
            return Err(PresentError::PixelCount);
        }
        network.reset();
        let mut steps = 0;
        for t in 0..self.sequence() {
            passed(Stage::Begun);
            self.step(encoder, stream, t, pixels, spiking);
            passed(Stage::Encoded);
            network.step(spiking);
            let decided = early && network.has_decided();
            passed(Stage::Advanced);
            steps = t + 1;
            if decided {
                break;
            }
        }
        Ok(steps)
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
