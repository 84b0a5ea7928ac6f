//! Number formats. Everything a network stores or computes on the device is one of these.
//!
//! | name | format | range | unit |
//! |---|---|---|---|
//! | weight | 8, 5, 4, 3 or 2 bits | ±127, ±15, ±7, ±3, ±1 | weight step of its neuron |
//! | sum | `i32` | ±2^29 | weight steps, or 2^-shift of one where spikes are graded |
//! | [`Current`] | Q4.12 | ±8 | ρ of its layer, or the unit of its LIF neuron |
//! | [`Decay`] | Q3.13 | 0 to 8191/8192 | share kept per timestep |
//! | gain | `i32` | 0 to 2^31 - 1 | 2^-13 bits of a current per unit of a sum |
//! | [`Argument`] | Q6.26 | ±32 | 1 |
//! | [`Membrane`] | Q1.15 | ±1 | 1 |
//! | [`Coefficient`] | Q5.11 | ±16 | 1 |
//! | [`Gate`] | Q1.15 | 0 to 32767/32768 | 1 |
//! | [`Loss`] | Q1.31 | above 0, to 1 | share lost per timestep |
//! | [`crate::SpikeValue`] | Q8.8 | 1/256 to 1 | 1 |
//! | [`Score`] | Q18.14 | ±2^17 | 1 |
//!
//! Weights have a scale of their own for each output neuron; its gain brings their sum to the unit of its current.

use fixed::FixedI32;
use fixed::types::extra::{U11, U12, U13, U14, U15, U26, U31};

/// Integrated current i of SRC (Eq. 3a) in units of ρ, or membrane V of LIF in its neuron's unit. Saturates at ±8.
pub type Current = fixed::FixedI16<U12>;

/// α of a layer's leaky integrators, the share of a current that it keeps each timestep: 0 to 8191/8192.
pub type Decay = fixed::FixedU16<U13>;

/// Argument of tanh.
pub type Argument = FixedI32<U26>;

/// Values within ±1: h, h_s and every tanh.
pub type Membrane = fixed::FixedI16<U15>;

/// The cell's constants ρ, r and r_s.
pub type Coefficient = fixed::FixedI16<U11>;

/// Values of z and z_s, 0 to 32767/32768.
pub type Gate = fixed::FixedI16<U15>;

/// 1 - α of the readout's leaky integrators: the share they lose each timestep.
pub type Loss = FixedI32<U31>;

/// A class's score, and the weights of the readout.
pub type Score = FixedI32<U14>;

/// What the readout keeps each timestep, in Q1.31: 1 - `loss`, for a loss above 0.
#[inline]
pub(crate) fn kept(loss: Loss) -> i32 {
    i32::MIN.wrapping_sub(loss.to_bits())
}

/// One timestep of the readout's leak: `value` times what is [`kept`], rounded towards 0, and nearer to 0 by at least one
/// bit.
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
