//! Hyperbolic tangent in fixed point, from a table.

use crate::formats::{Membrane, TanhArgument};

// SEGMENTS: straight pieces of tanh, 1/32 wide, one word each. In Q15, the upper half is the value at the left end,
// and the lower the rise to the right end.
include!(concat!(env!("OUT_DIR"), "/tanh_table.rs"));

/// Bits of an argument's fraction inside a segment: 14 of the format less 5 of the segment.
const INSIDE: u32 = 9;
/// Bits of 8 in Q14, where the table ends and tanh is 1 within half an LSB of Q15.
pub(crate) const END: i32 = 8 << 14;

/// tanh of any argument, by linear interpolation between 512 exact values on [-8, 8).
///
/// Rounds to nearest. The error is at most 1.3e-4 (4.1 LSB) everywhere and 2.5e-5 in the mean, asserted over
/// all arguments. tanh(0) is exactly 0; ±1 comes out as ±32767/32768.
#[inline]
pub fn tanh(argument: TanhArgument) -> Membrane {
    Membrane::from_bits(tanh_from(argument.to_bits().saturating_add(END)) as i16)
}

/// Bits of tanh in Q15, of an argument counted in Q14 from the table's start at -8: a kernel adds that [`END`] where
/// it costs nothing.
#[inline]
pub(crate) fn tanh_from(start: i32) -> i32 {
    let offset = start.clamp(0, 2 * END - 1);
    // The mask changes nothing; it shows the compiler that the index fits.
    let segment = SEGMENTS[(offset >> INSIDE) as usize & (SEGMENTS.len() - 1)];
    let rise = i32::from(segment as i16);
    let inside = offset & ((1 << INSIDE) - 1);
    // The rise in the lower half of the segment makes 1/64 LSB of the result at most.
    ((segment >> (16 - INSIDE)) + rise * inside + (1 << (INSIDE - 1))) >> INSIDE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_over_all_arguments() {
        let (mut worst, mut sum, mut bias, mut count) = (0.0f64, 0.0, 0.0, 0.0);
        for bits in -(END + END / 2)..=END + END / 2 {
            let x = TanhArgument::from_bits(bits);
            let error = tanh(x).to_num::<f64>() - x.to_num::<f64>().tanh();
            worst = worst.max(error.abs());
            sum += error.abs();
            bias += error;
            count += 1.0;
        }
        assert!(worst <= 1.3e-4, "worst {worst}");
        assert!(sum / count <= 2.5e-5, "mean {}", sum / count);
        assert!((bias / count).abs() <= 1e-6, "bias {}", bias / count);
    }

    #[test]
    fn extremes() {
        assert_eq!(tanh(TanhArgument::ZERO).to_bits(), 0);
        assert_eq!(tanh(TanhArgument::MAX).to_bits(), 32767);
        assert_eq!(tanh(TanhArgument::MIN).to_bits(), -32767);
    }

    #[test]
    fn never_falls() {
        let mut last = i16::MIN;
        for bits in -END - 1..=END {
            let y = tanh(TanhArgument::from_bits(bits)).to_bits();
            assert!(y >= last, "at {bits}");
            last = y;
        }
    }
}
