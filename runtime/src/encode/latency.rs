//! Latency codes: one spike per pixel, the brighter the sooner (paper, section 4.1; PAPER-NOTES 4).

use super::for_each_lit;

// LOGARITHMIC: spike time of each pixel value from FAINTEST to 255 in the logarithmic code, as a share of the last
// timestep in 2^-32; descending.
#[cfg(feature = "latency-log")]
include!(concat!(env!("OUT_DIR"), "/latency_table.rs"));

/// Smallest pixel value that spikes: the paper's threshold V_th = 0.01, times 255, rounded up.
const FAINTEST: u8 = 3;

/// How the spike time falls with brightness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// In a straight line.
    Linear,
    /// Like the time at which an RC circuit charges up to the threshold. With the feature `latency-log`.
    #[cfg(feature = "latency-log")]
    Logarithmic,
}

/// Latency code over `T` timesteps: pixel value `p` spikes once, and not at all where `I = p / 255` is below 0.01.
///
/// | curve | spike time |
/// |---|---|
/// | linear | `round((T - 1) (1 - I))` |
/// | logarithmic | `round((T - 1) ln(I / (I - θ)) / ln((θ + ε) / ε))`, θ = 0.01, ε = 1e-7 |
///
/// These are snnTorch's codes (`spikegen.latency` with `normalize` and `clip`), of which the paper's authors ran the
/// linear one; the formula that the paper prints is garbled. snnTorch's time constant τ cancels out, since
/// normalising divides by the longest time, which grows with τ as all others do. That longest time is the one of a
/// black pixel, whose spike is then taken away: so the logarithmic code crowds all spikes into the first sixth of the
/// sequence. Computed in integers: there are no ties to round in the linear code, and the logarithmic one multiplies
/// a table of 253 words by `T - 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyCode {
    steps: u16,
    curve: Curve,
}

impl LatencyCode {
    /// The linear code over `steps` timesteps.
    pub const fn new(steps: u16) -> Self {
        Self { steps, curve: Curve::Linear }
    }

    /// The logarithmic code over `steps` timesteps. With the feature `latency-log`: its table takes a kilobyte of flash,
    /// so firmware leaves it out and takes spikes that the host makes.
    ///
    /// ```
    /// use spikelet_runtime::encode::LatencyCode;
    ///
    /// let code = LatencyCode::logarithmic(200);
    /// let mut spikes = 0;
    /// code.for_each_spike(33, &[255, 3, 0], |pixel| {
    ///     assert_eq!(pixel, 1, "the faintest pixel spikes last, at 32.8");
    ///     spikes += 1;
    /// });
    /// assert_eq!(spikes, 1);
    /// ```
    #[cfg(feature = "latency-log")]
    pub const fn logarithmic(steps: u16) -> Self {
        Self { steps, curve: Curve::Logarithmic }
    }

    /// Length of the sequence in timesteps.
    pub const fn steps(&self) -> u16 {
        self.steps
    }

    /// How the spike time falls with brightness.
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    /// Calls `spike` with each pixel that spikes at timestep `t`, in ascending order.
    #[inline]
    pub fn for_each_spike(&self, t: u16, pixels: &[u8], mut spike: impl FnMut(u16)) {
        let Some((darkest, brightest)) = self.values_at(t) else {
            return;
        };
        let range = Range::new(darkest, brightest);
        // Black never spikes.
        for_each_lit(pixels, |index, four| {
            let inside = range.holds(u32::from_le_bytes(four));
            if inside != 0 {
                for place in 0..4 {
                    if inside & (0x80 << (8 * place)) != 0 {
                        spike(index + place);
                    }
                }
            }
        });
    }

    /// The range of pixel values that spike at timestep `t`; `None` if there are none.
    ///
    /// Solved once a timestep, so that four pixels cost a few instructions and no division.
    fn values_at(&self, t: u16) -> Option<(u8, u8)> {
        if t >= self.steps {
            return None;
        }
        let last = u32::from(self.steps) - 1;
        match self.curve {
            Curve::Linear => linear_values(t, last),
            #[cfg(feature = "latency-log")]
            Curve::Logarithmic => logarithmic_values(t, last),
        }
    }
}

/// A range of values that four are compared with at once, each in a byte of a word: hardly any word has one inside.
#[derive(Clone, Copy)]
struct Range {
    /// The least value's lower seven bits in each byte, and the inverse of its highest bit.
    low: u32,
    not_high: u32,
    /// 127 less the span, in each byte.
    room: u32,
    /// The highest bit of each byte, if what is found is inside; 0 if the range is so wide that what is outside is looked for.
    turn: u32,
}

impl Range {
    /// The highest bit of each byte.
    const HIGH: u32 = 0x8080_8080;

    /// From `least` to `most`, but not all 256 values.
    const fn new(least: u8, most: u8) -> Self {
        const fn each(byte: u8) -> u32 {
            u32::from_le_bytes([byte; 4])
        }
        let span = most.wrapping_sub(least);
        let (least, span, turn) = if span < 128 {
            (least, span, Self::HIGH)
        } else {
            (most.wrapping_add(1), 254u8.wrapping_sub(span), 0)
        };
        Self { low: each(least & 127), not_high: each(!least & 128), room: each(127 - span), turn }
    }

    /// The highest bit of each byte of `four` that lies in the range. No borrow and no carry leaves its byte.
    #[inline]
    const fn holds(&self, four: u32) -> u32 {
        // Of the value less the least, modulo 256: the lower bits, and above them the inverse of the highest.
        let above = (four | Self::HIGH) - self.low;
        // The highest bit is set where the lower bits alone are too many.
        let beyond = (above & !Self::HIGH) + self.room;
        ((above ^ four ^ self.not_high | beyond) ^ self.turn) & Self::HIGH
    }
}

/// With darkness `d = 255 - p`, a pixel spikes at `t` if `(T - 1) d` lies within 127 of `255 t`.
fn linear_values(t: u16, last: u32) -> Option<(u8, u8)> {
    let centre = 255 * u32::from(t);
    let (least, most) = match last {
        0 => (0, 255),
        _ => (centre.saturating_sub(127).div_ceil(last), (centre + 127) / last),
    };
    let most = most.min(255 - u32::from(FAINTEST));
    // Both bounds are at most 252 where the range is not empty.
    (least <= most).then(|| (255 - most as u8, 255 - least as u8))
}

/// The times fall as the value grows, so the values of one time stand side by side in the table.
#[cfg(feature = "latency-log")]
fn logarithmic_values(t: u16, last: u32) -> Option<(u8, u8)> {
    // At most 2^32 × 65534 + 2^31, no overflow.
    let time = |share: u32| ((u64::from(share) * u64::from(last) + (1 << 31)) >> 32) as u32;
    let first = LOGARITHMIC.partition_point(|&share| time(share) > u32::from(t));
    let end = LOGARITHMIC.partition_point(|&share| time(share) >= u32::from(t));
    // Both are at most 252 where the range is not empty.
    (first < end).then(|| (FAINTEST + first as u8, FAINTEST + (end - 1) as u8))
}

// With the codes of the whole workspace, as its tests are run.
#[cfg(all(test, feature = "latency-log"))]
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
    fn ranges_hold_what_lies_between() {
        for least in 0..=255 {
            for most in (least..=255).filter(|most| most - least < 255) {
                let range = Range::new(least, most);
                for value in (0..=255u8).step_by(1 + usize::from(least % 5)) {
                    let four = [value, !value, least, most];
                    let expected = four.map(|value| if (least..=most).contains(&value) { 128 } else { 0 });
                    assert_eq!(range.holds(u32::from_le_bytes(four)).to_le_bytes(), expected, "{four:?}");
                }
            }
        }
    }

    /// The formula in f64, for every value or, of long sequences, some of them.
    fn check(code: LatencyCode, share: impl Fn(f64) -> f64) {
        let steps = code.steps();
        for value in (0..=255).step_by(if steps > 1000 { 51 } else { 1 }) {
            let intensity = f64::from(value) / 255.0;
            let expected = (f64::from(steps - 1) * share(intensity)).round() as u16;
            let expected = (intensity >= 0.01).then_some(expected);
            assert_eq!(time(code, value), expected, "value {value} of {steps} steps, {:?}", code.curve());
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "arithmetic over many values: too long for it")]
    fn the_formulas_hold_for_every_value_and_length() {
        for steps in [1, 2, 3, 20, 44, 100, 200, 256, 1000, u16::MAX] {
            check(LatencyCode::new(steps), |intensity| 1.0 - intensity);
            let longest = (0.010_000_1f64 / 1e-7).ln();
            let share = |intensity: f64| (intensity / (intensity - 0.01)).ln() / longest;
            check(LatencyCode::logarithmic(steps), share);
        }
    }

    #[test]
    fn silent_outside_the_sequence() {
        for code in [LatencyCode::new, LatencyCode::logarithmic] {
            code(5).for_each_spike(5, &[0, 255], |p| panic!("pixel {p} spiked"));
            code(0).for_each_spike(0, &[0, 255], |p| panic!("pixel {p} spiked"));
        }
    }
}
