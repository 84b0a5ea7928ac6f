//! Which of many potentials are above a threshold, as the bits of one number.
//!
//! Compilers make a comparison of many numbers at once of such a loop, but not the bits, which processors have an instruction
//! for: the only kernel that names instructions.

use super::simd;

/// Potentials that are compared at once.
pub const GROUP: usize = 64;

/// Bit k is set where potential k is above `threshold`.
#[inline(always)]
pub fn above_f32(potentials: &[f32; GROUP], threshold: f32) -> u64 {
    #[cfg(target_arch = "x86_64")]
    match simd::arch() {
        pulp::Arch::V4(v4) => {
            let most = v4.splat_f32x16(threshold);
            let groups = potentials.as_chunks::<16>().0.iter().rev();
            return groups.fold(0, |bits, &group| {
                (bits << 16) | u64::from(v4.cmp_gt_f32x16(pulp::cast(group), most).0)
            });
        }
        pulp::Arch::V3(v3) => {
            let most = v3.splat_f32x8(threshold);
            let groups = potentials.as_chunks::<8>().0.iter().rev();
            return groups.fold(0, |bits, &group| {
                let above = v3.cmp_gt_f32x8(pulp::cast(group), most);
                (bits << 8) | v3.avx._mm256_movemask_ps(pulp::cast(above)) as u64
            });
        }
        _ => {}
    }
    above(potentials, threshold)
}

/// [`above_f32`] for any kind of number, without such instructions.
#[inline(always)]
pub fn above<R: PartialOrd + Copy>(potentials: &[R; GROUP], threshold: R) -> u64 {
    let bit = |(k, &potential): (usize, &R)| u64::from(potential > threshold) << k;
    potentials.iter().enumerate().map(bit).fold(0, |bits, bit| bits | bit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::NullaryFnOnce;

    struct Above([f32; GROUP], f32);

    impl NullaryFnOnce for Above {
        type Output = u64;

        #[inline(always)]
        fn call(self) -> u64 {
            above_f32(&self.0, self.1)
        }
    }

    #[test]
    fn bits_are_those_of_single_comparisons() {
        for (factor, threshold) in [(7919, 0.0), (104_729, 0.5), (1, -2.0), (1, 2.0)] {
            let mut potentials: [f32; GROUP] =
                std::array::from_fn(|k| ((k * factor + 13) % 101) as f32 / 50.0 - 1.0);
            (potentials[5], potentials[40]) = (threshold, f32::NAN);
            let expected = above(&potentials, threshold);
            assert_eq!((expected >> 5 & 1, expected >> 40 & 1), (0, 0));
            assert_eq!(super::super::dispatch(Above(potentials, threshold)), expected);
        }
    }
}
