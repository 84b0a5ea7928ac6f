//! Latency code: one spike per pixel, the brighter the sooner (paper, section 4.1; PAPER-NOTES 4).

use crate::MAX_WIDTH;

/// Smallest pixel value that spikes: the paper's threshold V_th = 0.01, times 255, rounded up.
const FAINTEST: u8 = 3;

/// Linear latency code over `T` timesteps: pixel value `p` spikes once, at
/// `t = round((T - 1) (1 - p / 255))`, and not at all where `p / 255 < 0.01`.
///
/// This is snnTorch's linear code, normalised and clipped, which the paper's authors ran; the printed formula of
/// the spike time is garbled. There are no ties to round: 255 is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyCode {
    steps: u16,
}

impl LatencyCode {
    /// A latency code over `steps` timesteps.
    pub const fn new(steps: u16) -> Self {
        Self { steps }
    }

    /// Length of the sequence in timesteps.
    pub const fn steps(&self) -> u16 {
        self.steps
    }

    /// Calls `spike` with each pixel that spikes at timestep `t`, in ascending order.
    #[inline]
    pub fn for_each_spike(&self, t: u16, pixels: &[u8], mut spike: impl FnMut(u16)) {
        let Some((darkest, brightest)) = self.values_at(t) else {
            return;
        };
        for (index, &value) in (0u16..).zip(pixels.get(..MAX_WIDTH).unwrap_or(pixels)) {
            if darkest <= value && value <= brightest {
                spike(index);
            }
        }
    }

    /// The range of pixel values that spike at timestep `t`; `None` if there are none.
    ///
    /// With darkness `d = 255 - p`, a pixel spikes at `t` if `(T - 1) d` lies within 127 of `255 t`. Solved for
    /// `d` once a timestep, so that a pixel costs two comparisons and no division.
    fn values_at(&self, t: u16) -> Option<(u8, u8)> {
        if t >= self.steps {
            return None;
        }
        let centre = 255 * u32::from(t);
        let last = u32::from(self.steps) - 1;
        let (least, most) = match last {
            0 => (0, 255),
            _ => (centre.saturating_sub(127).div_ceil(last), (centre + 127) / last),
        };
        let most = most.min(255 - u32::from(FAINTEST));
        // Both bounds are at most 252 where the range is not empty.
        (least <= most).then(|| (255 - most as u8, 255 - least as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(code: LatencyCode, value: u8) -> Option<u16> {
        let mut times = (0..code.steps()).filter(|&t| {
            let mut spiked = false;
            code.for_each_spike(t, &[value], |_| spiked = true);
            spiked
        });
        let first = times.next();
        assert_eq!(times.next(), None, "value {value} spikes twice");
        first
    }

    #[test]
    fn the_formula_holds_for_every_value_and_length() {
        for steps in [1, 2, 3, 20, 44, 100, 200, 256, 1000, u16::MAX] {
            let code = LatencyCode::new(steps);
            for value in (0..=255).step_by(if steps > 1000 { 51 } else { 1 }) {
                let expected = (f64::from(steps - 1) * (1.0 - f64::from(value) / 255.0)).round() as u16;
                let expected = (f64::from(value) / 255.0 >= 0.01).then_some(expected);
                assert_eq!(time(code, value), expected, "value {value} of {steps} steps");
            }
        }
    }

    #[test]
    fn silent_outside_the_sequence() {
        LatencyCode::new(5).for_each_spike(5, &[0, 255], |p| panic!("pixel {p} spiked"));
        LatencyCode::new(0).for_each_spike(0, &[0, 255], |p| panic!("pixel {p} spiked"));
    }
}
