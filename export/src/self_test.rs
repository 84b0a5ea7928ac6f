//! The self-test that every model file carries: a few timesteps of made-up input, and what the network has to say after them.

use crate::crc::CRC_32;
use core::fmt;
use serde::{Deserialize, Serialize};
use spikelet_runtime::encode::{Gain, RateCode};
use spikelet_runtime::{InputSpikes, Network};

/// Most timesteps of a self-test.
pub const MOST_STEPS: u16 = 64;

/// An input spikes if its coin, of 16 bits, is below this: one time in eight.
const THRESHOLD: u32 = 1 << 13;

/// A model's self-test.
///
/// At timestep t, input i spikes if its coin of the rate code's stream 0 with this seed is below 2^13: see [`RateCode::coins`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Seed of the coins.
    pub seed: u32,
    /// Timesteps, 1 to [`MOST_STEPS`].
    pub steps: u16,
    /// CRC-32 of what the network says after them, little endian: class u16, bits of each score i32, and spike count of each
    /// layer u32.
    #[serde(with = "postcard::fixint::le")]
    pub digest: u32,
}

/// Why a network does not pass its model's self-test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SelfTestError {
    /// The list of input spikes has less room than the model has inputs.
    Room,
    /// The network computes something else than it did where the model was written.
    Digest {
        /// What its model says.
        expected: u32,
        /// What it is.
        found: u32,
    },
}

impl fmt::Display for SelfTestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room => f.write_str("the model has more inputs than there is memory for their spikes"),
            Self::Digest { expected, found } => write!(
                f,
                "the model computes {found:08x} in its self-test where {expected:08x} is right: export it again, and build what \
                 runs it from the same version"
            ),
        }
    }
}

impl core::error::Error for SelfTestError {}

impl SelfTest {
    /// Runs the timesteps on a network, from rest, and gives what their digest should be.
    ///
    /// # Errors
    /// [`SelfTestError::Room`].
    pub(crate) fn run(
        &self,
        network: &mut Network<'_, '_>,
        spiking: &mut InputSpikes,
    ) -> Result<u32, SelfTestError> {
        let inputs = network.model().inputs();
        if spiking.capacity() < usize::from(inputs) {
            return Err(SelfTestError::Room);
        }
        network.reset();
        for t in 0..self.steps.min(MOST_STEPS) {
            self.step(t, inputs, spiking);
            network.step(spiking);
        }
        Ok(digest(network))
    }

    /// Lists the inputs that spike at timestep `t`.
    fn step(&self, t: u16, inputs: u16, spiking: &mut InputSpikes) {
        let coins = RateCode::new(Gain::ZERO, self.seed.into()).coins(0, t);
        spiking.clear();
        for pair in 0..inputs.div_ceil(2) {
            let [first, second] = [2 * pair, 2 * pair + 1];
            let both = coins.pair(pair.into());
            if both & 0xFFFF < THRESHOLD {
                let _ = spiking.push(first);
            }
            if both >> 16 < THRESHOLD && second < inputs {
                let _ = spiking.push(second);
            }
        }
    }
}

/// CRC-32 of what a network says.
fn digest(network: &Network<'_, '_>) -> u32 {
    let mut digest = CRC_32.digest();
    digest.update(&network.class().to_le_bytes());
    for score in network.scores() {
        digest.update(&score.to_bits().to_le_bytes());
    }
    for count in network.spike_counts() {
        digest.update(&count.to_le_bytes());
    }
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_input_in_eight_spikes_and_each_list_is_another() {
        let test = SelfTest { seed: 7, steps: 12, digest: 0 };
        let mut spikes = heapless::Vec::<u16, 785>::new();
        let mut total = 0;
        let mut last = std::vec::Vec::new();
        for t in 0..12 {
            test.step(t, 785, &mut spikes);
            assert!(spikes.is_sorted_by(|a, b| a < b) && spikes.iter().all(|&input| input < 785));
            assert_ne!(spikes[..], last[..]);
            (total, last) = (total + spikes.len(), spikes.to_vec());
        }
        // 12 × 785 / 8 = 1,178
        assert!((1050..1300).contains(&total), "{total}");
    }

    /// The generator is part of the format. The lists are of a program in Python that was written from FORMAT.md.
    #[test]
    fn the_generator_is_as_the_format_says() {
        let mut spikes = heapless::Vec::<u16, 64>::new();
        let list = |t, spikes: &mut heapless::Vec<u16, 64>| {
            SelfTest { seed: 1, steps: 2, digest: 0 }.step(t, 64, spikes);
            spikes.to_vec()
        };
        assert_eq!(list(0, &mut spikes), [13, 24, 29, 43, 44, 62]);
        assert_eq!(list(1, &mut spikes), [18, 21, 24, 25, 27, 38, 61]);
    }
}
