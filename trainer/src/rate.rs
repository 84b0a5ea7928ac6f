//! The rate code of the device (paper, section 4.1), for many timesteps of one image: the same bits, faster.

use crate::kernel::dispatch;
use crate::spike_train::SpikeTrain;
use pulp::NullaryFnOnce;
use spikelet_runtime::encode::{Coins, RateCode};

/// An image as a [`RateCode`] sees it: pairs of pixels that are not both black, which alone draw coins.
#[derive(Clone, Debug)]
pub struct Shown {
    code: RateCode,
    /// Ascending.
    pairs: Vec<u32>,
    /// What the coins of both pixels must stay below, parallel to `pairs`.
    below: Vec<[u32; 2]>,
}

impl Shown {
    /// Looks at an image of at most 65,536 pixels.
    pub fn new(code: RateCode, pixels: &[u8]) -> Self {
        let mut shown = Self { code, pairs: Vec::new(), below: Vec::new() };
        for (index, pair) in (0..).zip(pixels.chunks(2)) {
            let (left, right) = (pair[0], pair.get(1).copied().unwrap_or(0));
            if left | right != 0 {
                shown.pairs.push(index);
                shown.below.push([code.threshold(left), code.threshold(right)]);
            }
        }
        shown
    }

    /// Appends the spikes of `steps` timesteps of `stream`, the first of them counted as 0.
    pub fn spikes(&self, stream: u64, steps: usize, train: &mut SpikeTrain) {
        let mut drawn = vec![0; self.pairs.len()];
        let mut list = vec![0; 2 * self.pairs.len()];
        for t in 0..steps {
            let coins = self.code.coins(stream, t as u16);
            dispatch(Draw { coins, pairs: &self.pairs, drawn: &mut drawn });
            let mut count = 0;
            for ((&pair, below), &drawn) in self.pairs.iter().zip(&self.below).zip(&drawn) {
                // Written without a branch, which could not be foretold: what is no spike is overwritten.
                list[count] = 2 * pair as u16;
                count += usize::from(drawn & 0xFFFF < below[0]);
                list[count] = 2 * pair as u16 + 1;
                count += usize::from(drawn >> 16 < below[1]);
            }
            train.inputs.extend_from_slice(&list[..count]);
            train.offsets.push(train.inputs.len() as u32);
        }
    }
}

/// The coins of one timestep, for all pairs.
struct Draw<'a> {
    coins: Coins,
    pairs: &'a [u32],
    drawn: &'a mut [u32],
}

impl NullaryFnOnce for Draw<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (drawn, &pair) in self.drawn.iter_mut().zip(self.pairs) {
            *drawn = self.coins.pair(pair);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spikelet_runtime::encode::Gain;

    #[test]
    fn bits_are_the_devices() {
        for (gain, width) in [(0.25, 784), (1.0, 785), (0.01, 1), (0.5, 2)] {
            let code = RateCode::new(Gain::from_num(gain), 11);
            let pixels: Vec<u8> =
                (0..width as u32).map(|k| if k / 30 % 3 == 0 { 0 } else { (k * 89) as u8 }).collect();
            let mut expected = SpikeTrain::silent(0);
            for t in 0..300 {
                code.for_each_spike(5, t, &pixels, |input| expected.inputs.push(input));
                expected.offsets.push(expected.inputs.len() as u32);
            }
            let mut train = SpikeTrain::silent(0);
            Shown::new(code, &pixels).spikes(5, 300, &mut train);
            assert_eq!(train, expected);
            assert!(width < 100 || !train.inputs.is_empty());
        }
    }
}
