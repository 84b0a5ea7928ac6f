//! The leaky integrator that SRC and LIF share: i[t] = α i[t-1] + W s_in[t] (Eq. 3a).
//!
//! ```text
//! bits of i[t] = (α i[t-1] + sum × gain), 13 bits shifted out, within ±2^15
//! ```
//!
//! The leak is rounded towards 0, so that a current without input ends at exactly 0.

use crate::formats::Decay;

/// Bits of fraction of α and of the gain.
const FRACTION: u32 = 13;
/// Most that |sum| × gain may be: with the leak's 2^28, and what kernels add to it for a moment, it stays within 32 bits.
pub const MOST_INPUT: i64 = 3 << 29;

/// How the neurons of a layer integrate the sums of their inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integrator {
    /// α of SRC (paper: 0.9), or α_V of LIF.
    pub decay: Decay,
    /// Sums of graded spikes are in 2^-(8 - shift) weight steps: so many of their 8 bits of fraction are rounded away.
    /// 0 to 8; nothing in a first layer, whose spikes all count as 1.
    pub shift: u8,
    /// Every sum that can arise, times its neuron's gain, is proved to be at most [`MOST_INPUT`]. Without that proof sums are
    /// multiplied in 64 bits; with a wrong one they wrap.
    pub proved: bool,
}

impl Integrator {
    /// True if α is below 1 and the shift at most 8.
    pub(crate) const fn is_possible(&self) -> bool {
        self.decay.to_bits() < 1 << FRACTION && self.shift <= 8
    }
}

/// Bits of the next current before it saturates, given bits of α and of the current, `sum` × `gain` being at most [`MOST_INPUT`]: within ±2^18.
#[inline(always)]
pub(crate) fn integrate(alpha: i32, current: i32, sum: i32, gain: i32) -> i32 {
    (leaking(alpha, current).wrapping_add(sum.wrapping_mul(gain))) >> FRACTION
}

/// The same for any sum and gain: what is beyond ±[`MOST_INPUT`] saturates the current all the same.
#[inline(always)]
pub(crate) fn integrate_any(alpha: i32, current: i32, sum: i32, gain: i32) -> i32 {
    (leaking(alpha, current) + any_input(sum, gain)) >> FRACTION
}

/// A sum times its gain, within ±[`MOST_INPUT`].
#[inline(always)]
pub(crate) fn any_input(sum: i32, gain: i32) -> i32 {
    (i64::from(sum) * i64::from(gain)).clamp(-MOST_INPUT, MOST_INPUT) as i32
}

/// α i with 13 bits more, so much greater where it is negative that shifting them out rounds towards 0.
///
/// What is added is 8191, less 2^-19 of its own size, to a negative product and 2^-19 of its own size to a positive one: one
/// instruction, and since α is at most 1 - 2^-13, the result is nearer to 0 than i all the same.
#[inline(always)]
fn leaking(alpha: i32, current: i32) -> i32 {
    let product = current * alpha;
    product + ((product as u32) >> (32 - FRACTION)) as i32
}

/// The current within its format, and whether it had to be saturated.
#[inline(always)]
pub(crate) fn saturate(current: i32) -> (i32, bool) {
    let (least, most) = (i32::from(i16::MIN), i32::from(i16::MAX));
    (current.clamp(least, most), current < least || current > most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "arithmetic over many values: too long for it")]
    fn leaks_end_at_zero_exactly() {
        for alpha in [0, 1, 4096, 7373, 8110, 8191] {
            for start in -32768..=32767 {
                let mut current: i32 = start;
                // All starts take one step; some go on to the end.
                let steps = if start % 4099 == 0 { usize::MAX } else { 1 };
                for _ in 0..steps {
                    if current == 0 {
                        break;
                    }
                    let next = integrate(alpha, current, 0, 7);
                    let exact = f64::from(current) * f64::from(alpha) / 8192.0;
                    assert!(next.abs() < current.abs() && (f64::from(next) - exact).abs() < 1.07);
                    assert!(next.signum() * current.signum() >= 0, "{current} -> {next}");
                    current = next;
                }
            }
        }
    }

    #[test]
    fn proved_sums_and_any_sums_are_integrated_alike() {
        for alpha in [0, 7373, 8191] {
            for current in [-32768, -1, 0, 5, 32767] {
                for (sum, gain) in [(1 << 10, 1 << 20), (-(1 << 10), 1 << 20), (-3, 999_999), (0, i32::MAX)] {
                    assert_eq!(
                        integrate(alpha, current, sum, gain),
                        integrate_any(alpha, current, sum, gain)
                    );
                }
                let saturated = |sum| saturate(integrate_any(alpha, current, sum, i32::MAX));
                assert_eq!(saturated(1 << 29), (32767, true));
                assert_eq!(saturated(-(1 << 29)), (-32768, true));
            }
        }
    }
}
