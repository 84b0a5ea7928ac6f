//! The two kinds of number that training runs in.

use super::Compiled;
use super::compare::{self, GROUP};
use candle_core::WithDType;
use std::ops::{Add, AddAssign, Mul, MulAssign, Sub};

/// f32 for training, f64 for checks against the oracle.
pub trait Real:
    Compiled
    + WithDType
    + Default
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + AddAssign
    + MulAssign
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The number nearest to `value`.
    fn of(value: f64) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// `self * a + b`, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// The nearest whole number.
    fn round(self) -> Self;
    /// The next whole number towards 0.
    fn trunc(self) -> Self;
    /// Bit k is set where potential k is above `threshold`.
    fn above(potentials: &[Self; GROUP], threshold: Self) -> u64;
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn of(value: f64) -> Self {
        value
    }

    fn tanh(self) -> Self {
        self.tanh()
    }

    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }

    #[inline(always)]
    fn round(self) -> Self {
        self.round_ties_even()
    }

    #[inline(always)]
    fn trunc(self) -> Self {
        self.trunc()
    }

    #[inline(always)]
    fn above(potentials: &[Self; GROUP], threshold: Self) -> u64 {
        compare::above(potentials, threshold)
    }
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn of(value: f64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        tanh_f32(self)
    }

    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }

    #[inline(always)]
    fn round(self) -> Self {
        self.round_ties_even()
    }

    #[inline(always)]
    fn trunc(self) -> Self {
        self.trunc()
    }

    #[inline(always)]
    fn above(potentials: &[Self; GROUP], threshold: Self) -> u64 {
        compare::above_f32(potentials, threshold)
    }
}

/// tanh(x) = 1 - 2 / (e^2x + 1) without a branch or a table, so that loops over it become vector code.
///
/// 2^n comes from the exponent's bits, 2^f for |f| <= 1/2 from a polynomial. The absolute error is at most 2e-7 for every
/// x, asserted in the test.
#[inline(always)]
fn tanh_f32(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // tanh(9.1) is 1 in f32; beyond it e^2x would only grow.
    let power = (x * (2.0 * std::f32::consts::LOG2_E)).clamp(-27.0, 27.0);
    let shifted = power + ROUND;
    let f = power - (shifted - ROUND);
    let two_to_n = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    let [c6, c5, c4, c3, c2, c1, c0] = POLYNOMIAL;
    let two_to_f =
        c6.mul_add(f, c5).mul_add(f, c4).mul_add(f, c3).mul_add(f, c2).mul_add(f, c1).mul_add(f, c0);
    1.0 - 2.0 / two_to_n.mul_add(two_to_f, 1.0)
}

/// 2^f over |f| <= 1/2, with a relative error of 2e-9 before rounding: least squares, weighted until all extremes of the
/// error were equal.
const POLYNOMIAL: [f32; 7] = [
    0.000_153_533_62,
    0.001_339_887_4,
    0.009_618_437,
    0.055_503_324,
    0.240_226_48,
    std::f32::consts::LN_2,
    1.0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tanh_error_over_the_whole_range() {
        let (mut worst, mut at) = (0.0f64, 0.0);
        // Every 61st float of either sign, from 0 to infinity.
        for bits in (0..=f32::INFINITY.to_bits()).step_by(61) {
            for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
                let error = (f64::from(Real::tanh(x)) - f64::from(x).tanh()).abs();
                if error > worst {
                    (worst, at) = (error, x);
                }
            }
        }
        assert!(worst <= 2e-7, "{worst} at {at}");
        assert_eq!(Real::tanh(0f32), 0.0);
        assert_eq!(Real::tanh(f32::INFINITY), 1.0);
        assert_eq!(Real::tanh(f32::NEG_INFINITY), -1.0);
    }
}
