//! Number formats. Everything a network stores or computes on the device is one of these.
//!
//! | name | format | range | unit |
//! |---|---|---|---|
//! | weight | `i8` | -127 to 127 | weight step of its neuron |
//! | [`Current`] | Q24.8 | ±2^19 | weight steps of its neuron |
//! | [`CurrentGain`] | Q1.31 | 0 to 1 | ρ per eight weight steps |
//! | [`TanhArgument`] | Q18.14 | ±2^17 | 1 |
//! | [`Membrane`] | Q1.15 | ±1 | 1 |
//! | [`Coefficient`] | Q5.11 | ±16 | 1 |
//! | [`Gate`] | Q17.15 | 0 to 1 | 1 |
//! | [`Loss`] | Q1.31 | above 0, to 1 | share lost per timestep |
//! | [`crate::SpikeValue`] | Q8.8 | 1/256 to 1 | 1 |
//! | [`Score`] | Q18.14 | ±2^17 | 1 |
//!
//! Weights have a scale of their own for each output neuron, so the integrated current i of Eq. 3a is kept in
//! weight steps of its neuron, and [`CurrentGain`] brings it to the argument of tanh.

use fixed::FixedI32;
use fixed::types::extra::{U8, U11, U14, U15, U31};

/// Integrated current i (Eq. 3a) in weight steps of its neuron.
pub type Current = FixedI32<U8>;

/// Per neuron: 8 (size of a weight step) / ρ, what eight weight steps add to the argument of tanh in Eq. 3b.
pub type CurrentGain = FixedI32<U31>;

/// Argument of tanh.
pub type TanhArgument = FixedI32<U14>;

/// Values within ±1: h, h_s and every tanh.
pub type Membrane = fixed::FixedI16<U15>;

/// The cell's constants ρ, r and r_s.
pub type Coefficient = fixed::FixedI16<U11>;

/// Values of z_s.
pub type Gate = FixedI32<U15>;

/// 1 - α of a leaky integrator: the share it loses each timestep.
pub type Loss = FixedI32<U31>;

/// A class's score, and the weights of the readout.
pub type Score = FixedI32<U14>;

/// What a leaky integrator keeps each timestep, in Q1.31: 1 - `loss`, for a loss above 0.
#[inline]
pub(crate) fn kept(loss: Loss) -> i32 {
    i32::MIN.wrapping_sub(loss.to_bits())
}

/// One timestep of a leak: `value` times what is [`kept`], rounded towards 0, and nearer to 0 by at least one bit.
///
/// Rounding to nearest would leave small values standing for ever. With this rule a value without input
/// reaches exactly 0, from where it does not move.
///
/// `value` must be above -2^30 and below 2^30; the result lies between 0 and `value`, within one bit of the product.
#[inline]
pub(crate) fn leak(value: i32, kept: i32) -> i32 {
    // Doubled first, the product's upper word is the result: one instruction where the core has it.
    let rounded_down = ((i64::from(value << 1) * i64::from(kept)) >> 32) as i32;
    let negative = (value as u32 >> 31) as i32;
    rounded_down + negative
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaks_end_at_zero_exactly() {
        for loss in [1e-9, 0.01, 0.1, 0.5, 0.999_999_999] {
            let kept = kept(Loss::from_num(loss));
            assert_eq!(leak(0, kept), 0);
            for start in [1, -1, 2, -2, 9, -9, 1000, -1000] {
                let mut value: i32 = start;
                while value != 0 {
                    let next = leak(value, kept);
                    assert!(
                        next.abs() < value.abs() && next.signum() * value.signum() >= 0,
                        "{value} -> {next}"
                    );
                    value = next;
                }
            }
        }
    }

    #[test]
    fn leak_is_within_one_bit_of_the_product() {
        for loss in [1e-9, 0.01, 0.1, 0.3, 0.9] {
            let loss = Loss::from_num(loss);
            let kept = kept(loss);
            for value in (1 - (1 << 30)..1 << 30).step_by(999_983) {
                let exact = f64::from(value) * (1.0 - loss.to_num::<f64>());
                assert!((f64::from(leak(value, kept)) - exact).abs() <= 1.0);
            }
        }
    }
}
