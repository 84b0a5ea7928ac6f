//! Rate code: independent coin flips per pixel and timestep (paper, section 4.1).

use super::for_each_lit;
use fixed::types::U16F16;

/// Spike probability of a white pixel per timestep, 0 to 1 in steps of 2^-16. The paper uses 0.25.
pub type Gain = U16F16;

/// Step of the Weyl sequence that feeds the generator: 2^32 / golden ratio, odd.
const WEYL_32: u32 = 0x9E37_79B9;
const WEYL_64: u64 = 0x9E37_79B9_7F4A_7C15;

/// Rate code with gain `g`: pixel value `p` spikes at each timestep with probability `g p / 255`.
///
/// The generator is counter-based: whether a pixel spikes depends on nothing but seed, stream, timestep and
/// pixel, so any timestep of any sample can be made alone, in any order, with the same bits on every
/// machine. A 64-bit key per timestep comes from the SplitMix64 finaliser; each pair of pixels then draws two
/// 16-bit numbers with one 32-bit hash of two multiplications, cheap on cores without a wide multiplier.
/// Probabilities are rounded to multiples of 2^-16.
///
/// ```
/// use spikelet_runtime::encode::{Gain, RateCode};
///
/// let code = RateCode::new(Gain::from_num(0.25), 7);
/// let mut count = 0;
/// for t in 0..1000 {
///     code.for_each_spike(0, t, &[255, 0, 128], |pixel| {
///         assert_ne!(pixel, 1, "black pixels never spike");
///         count += 1;
///     });
/// }
/// assert!((320..430).contains(&count)); // expected: 1000 * 0.25 * (255 + 128) / 255 = 375.5
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateCode {
    gain: Gain,
    seed: u64,
}

impl RateCode {
    /// A rate code with the given gain, capped at 1, and seed.
    pub const fn new(gain: Gain, seed: u64) -> Self {
        let bits = gain.to_bits();
        let one = 1 << 16;
        Self { gain: Gain::from_bits(if bits > one { one } else { bits }), seed }
    }

    /// Spike probability of a white pixel per timestep.
    pub const fn gain(&self) -> Gain {
        self.gain
    }

    /// Seed shared by all streams.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Calls `spike` with each pixel that spikes at timestep `t` of `stream`, in ascending order.
    #[inline]
    pub fn for_each_spike(&self, stream: u64, t: u16, pixels: &[u8], mut spike: impl FnMut(u16)) {
        let coins = self.coins(stream, t);
        for_each_lit(pixels, |index, [first, second, third, fourth]| {
            let pair = u32::from(index) / 2;
            // A black pair draws nothing.
            if first | second != 0 {
                let random = coins.pair(pair);
                if self.spikes(random & 0xFFFF, first) {
                    spike(index);
                }
                if self.spikes(random >> 16, second) {
                    spike(index + 1);
                }
            }
            if third | fourth != 0 {
                let random = coins.pair(pair + 1);
                if self.spikes(random & 0xFFFF, third) {
                    spike(index + 2);
                }
                if self.spikes(random >> 16, fourth) {
                    spike(index + 3);
                }
            }
        });
    }

    /// Whether a pixel spikes for which `coin`, of 16 bits, was drawn: whether it is below [`threshold`](Self::threshold), without the
    /// division, for which small cores have no instruction.
    #[inline(always)]
    const fn spikes(&self, coin: u32, pixel: u8) -> bool {
        // Below the quotient rounded down is one more at most the quotient. Both sides are at most 2^16 * 255, no overflow.
        (coin + 1) * 255 <= self.gain.to_bits() * pixel as u32
    }

    /// The coins of timestep `t` of `stream`.
    #[inline]
    pub const fn coins(&self, stream: u64, t: u16) -> Coins {
        let key = mix64(mix64(self.seed ^ mix64(stream.wrapping_add(WEYL_64))).wrapping_add(t as u64));
        Coins { mask: (key >> 32) as u32, counter: key as u32 }
    }

    /// Spike probability of a pixel value in 2^-16, rounded down: it spikes if its coin is below this.
    #[inline]
    pub const fn threshold(&self, pixel: u8) -> u32 {
        // At most 2^16 * 255, no overflow.
        self.gain.to_bits() * pixel as u32 / 255
    }
}

/// The random numbers of one timestep of a [`RateCode`], a coin for each pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coins {
    mask: u32,
    counter: u32,
}

impl Coins {
    /// Coins of pixels `2 pair` (the low 16 bits) and `2 pair + 1` (the high ones).
    #[inline(always)]
    pub const fn pair(&self, pair: u32) -> u32 {
        mix32(self.counter.wrapping_add(WEYL_32.wrapping_mul(pair.wrapping_add(1)))) ^ self.mask
    }
}

/// Finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection in which every input bit moves every output bit.
const fn mix64(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The 32-bit hash "lowbias32" found by C. Wellons' search (2018): avalanche bias 0.17 of 1000.
#[inline]
const fn mix32(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
    x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_WIDTH;
    use std::vec::Vec;

    fn code() -> RateCode {
        RateCode::new(Gain::from_num(0.25), 42)
    }

    fn spikes(code: RateCode, stream: u64, t: u16, pixels: &[u8]) -> Vec<u16> {
        let mut list = Vec::new();
        code.for_each_spike(stream, t, pixels, |p| list.push(p));
        list
    }

    /// The same bits on every machine, for ever: models are trained on them.
    #[test]
    fn pinned() {
        let pixels: Vec<u8> = (0..64).map(|p| p * 4).collect();
        assert_eq!(spikes(code(), 3, 5, &pixels), PINNED);
    }
    const PINNED: [u16; 5] = [20, 30, 48, 55, 57];

    #[test]
    #[cfg_attr(miri, ignore = "arithmetic over many values: too long for it")]
    fn every_value_has_its_probability() {
        let pixels: Vec<u8> = (0..=255).collect();
        let (streams, steps) = (40, 500);
        let mut counts = [0u32; 256];
        for stream in 0..streams {
            for t in 0..steps {
                code().for_each_spike(stream, t, &pixels, |p| counts[p as usize] += 1);
            }
        }
        let draws = streams as f64 * f64::from(steps);
        let mut chi2 = 0.0;
        for (value, &count) in counts.iter().enumerate() {
            let p = 0.25 * value as f64 / 255.0;
            let (mean, variance) = (draws * p, draws * p * (1.0 - p));
            assert!(
                (f64::from(count) - mean).abs() <= 4.5 * variance.sqrt(),
                "value {value}: {count} of {mean}"
            );
            if value > 0 {
                chi2 += (f64::from(count) - mean).powi(2) / variance;
            }
        }
        assert!((170.0..350.0).contains(&chi2), "chi-squared {chi2} of 255 degrees of freedom");
    }

    /// Neighbours in space, time and stream spike independently of each other.
    #[test]
    #[cfg_attr(miri, ignore = "arithmetic over many values: too long for it")]
    fn neighbours_are_independent() {
        let white = [255u8; 512];
        let steps = 400;
        let grid = |stream| -> Vec<[bool; 512]> {
            (0..steps)
                .map(|t| {
                    let mut row = [false; 512];
                    code().for_each_spike(stream, t, &white, |p| row[p as usize] = true);
                    row
                })
                .collect()
        };
        let (a, b) = (grid(0), grid(1));
        let together = |f: &dyn Fn(usize, usize) -> bool| {
            let n = (steps as usize - 1) * 510;
            let both = (0..steps as usize - 1).flat_map(|t| (0..510).map(move |p| (t, p)));
            let count = both.filter(|&(t, p)| a[t][p] && f(t, p)).count() as f64;
            (count - n as f64 / 16.0) / (n as f64 / 16.0 * 15.0 / 16.0).sqrt()
        };
        type Other<'a> = &'a dyn Fn(usize, usize) -> bool;
        let pairs: [(&str, Other<'_>); 4] = [
            ("next pixel", &|t, p| a[t][p + 1]),
            ("next pair", &|t, p| a[t][p + 2]),
            ("next step", &|t, p| a[t + 1][p]),
            ("next stream", &|t, p| b[t][p]),
        ];
        for (name, f) in pairs {
            let sigmas = together(f);
            assert!(sigmas.abs() < 5.0, "{name}: {sigmas} standard deviations");
        }
    }

    /// Coins at, below and above each threshold.
    #[test]
    fn the_threshold_is_kept_without_a_division() {
        for gain in [0, 1, 255, 256, 1 << 14, 40_000, 65_535, 1 << 16] {
            let code = RateCode::new(Gain::from_bits(gain), 0);
            for pixel in 0..=255 {
                let threshold = code.threshold(pixel);
                for coin in [0, threshold.saturating_sub(1), threshold.min(0xFFFF), 0xFFFF] {
                    assert_eq!(code.spikes(coin, pixel), coin < threshold, "{gain}, {pixel}, {coin}");
                }
            }
        }
    }

    /// Sides that four does not divide, with black in between, against one coin for each pixel.
    #[test]
    fn every_length_draws_the_same_coins() {
        let pixels: Vec<u8> = (0..67u8).map(|p| if p % 7 < 4 { 0 } else { p * 3 }).collect();
        for length in 0..pixels.len() {
            let coins = code().coins(1, 2);
            let drawn = |pixel: &usize| (coins.pair(*pixel as u32 / 2) >> (pixel % 2 * 16)) & 0xFFFF;
            let expected: Vec<u16> = (0..length)
                .filter(|pixel| drawn(pixel) < code().threshold(pixels[*pixel]))
                .map(|pixel| pixel as u16)
                .collect();
            assert_eq!(spikes(code(), 1, 2, &pixels[..length]), expected);
        }
    }

    #[test]
    fn extremes() {
        let always = RateCode::new(Gain::from_num(3), 0);
        assert_eq!(always.gain(), 1);
        assert_eq!(spikes(always, 0, 0, &[255; 3]), [0, 1, 2]);
        assert_eq!(spikes(RateCode::new(Gain::ZERO, 0), 0, 0, &[255; 3]), [0u16; 0]);
        assert_eq!(spikes(always, 0, 0, &[]), [0u16; 0]);
        assert_eq!(spikes(always, 0, 0, &[255; MAX_WIDTH + 5]).len(), MAX_WIDTH);
    }
}
