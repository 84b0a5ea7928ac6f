//! Encoders: from the pixels of an image to the spikes of one timestep.
//!
//! The host trains and evaluates with these very encoders, so a board that is given pixels makes the same
//! spikes as the host, bit for bit.
//!
//! A *stream* names one independent random sequence of the rate code. Two presentations of an image with
//! the same seed and stream are identical; another stream gives fresh spikes. Spikelet uses
//! [`evaluation_stream`] for validation and test and [`training_stream`] for training, so no test image is
//! ever shown with random numbers that training has used.

mod latency;
mod rate;

pub use latency::{Curve, LatencyCode};
pub use rate::{Coins, Gain, RateCode};

use crate::MAX_WIDTH;
use crate::spikes::InputSpikes;

/// Turns pixels into the spikes of a timestep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoder {
    /// Each pixel spikes with a probability proportional to its value.
    Rate(RateCode),
    /// Each pixel spikes at most once, the brighter the sooner.
    Latency(LatencyCode),
}

impl Encoder {
    /// Lists the pixels that spike at timestep `t`, in ascending order; the list is cleared first.
    ///
    /// `pixels` are grey values, 0 = background. Pixels behind the first [`crate::MAX_WIDTH`] are ignored, and
    /// so are spikes that the list has no room for: a capacity of `pixels.len()` always suffices.
    // On devices it stays a function of this crate, optimised as that is: firmware is often optimised for size.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn step(&self, stream: u64, t: u16, pixels: &[u8], spikes: &mut InputSpikes) {
        spikes.clear();
        self.for_each_spike(stream, t, pixels, |pixel| {
            let _ = spikes.push(pixel);
        });
    }

    /// Calls `spike` with the index of each pixel that spikes at timestep `t`, in ascending order.
    #[inline]
    pub fn for_each_spike(&self, stream: u64, t: u16, pixels: &[u8], spike: impl FnMut(u16)) {
        match self {
            Self::Rate(code) => code.for_each_spike(stream, t, pixels, spike),
            Self::Latency(code) => code.for_each_spike(t, pixels, spike),
        }
    }
}

/// Calls `look` with the first index and the values of each four pixels that are not all black, in ascending order; behind the last pixel
/// stands black. Most pixels of an image are: eight of them are one look.
#[inline(always)]
fn for_each_lit(pixels: &[u8], mut look: impl FnMut(u16, [u8; 4])) {
    let (eights, rest) = pixels.get(..MAX_WIDTH).unwrap_or(pixels).as_chunks::<8>();
    let mut index = 0;
    for eight in eights {
        let both = u64::from_le_bytes(*eight);
        if both != 0 {
            let (low, high) = (both as u32, (both >> 32) as u32);
            if low != 0 {
                look(index, low.to_le_bytes());
            }
            if high != 0 {
                look(index + 4, high.to_le_bytes());
            }
        }
        index += 8;
    }
    for some in rest.chunks(4) {
        let mut four = [0; 4];
        four.iter_mut().zip(some).for_each(|(to, from)| *to = *from);
        look(index, four);
        index += 4;
    }
}

/// The stream in which image `index` of a validation or test set is shown.
pub const fn evaluation_stream(index: u32) -> u64 {
    index as u64
}

/// The stream in which image `index` of the training set is shown in `epoch`, counted from 0.
pub const fn training_stream(epoch: u32, index: u32) -> u64 {
    ((epoch as u64 + 1) << 32) | index as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_never_meet() {
        assert_eq!(evaluation_stream(u32::MAX), u32::MAX as u64);
        assert_eq!(training_stream(0, 0), 1 << 32);
        assert_ne!(training_stream(0, 1), training_stream(1, 0));
    }

    #[test]
    fn a_short_list_keeps_the_first_spikes() {
        let encoder = Encoder::Latency(LatencyCode::new(10));
        let mut spikes = heapless::Vec::<u16, 2>::new();
        encoder.step(0, 0, &[255; 5], &mut spikes);
        assert_eq!(spikes[..], [0, 1]);
    }
}
