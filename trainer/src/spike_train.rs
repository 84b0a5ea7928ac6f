//! Spike trains: the encoded input of a sample over all its timesteps.

use rayon::prelude::*;
use spikelet_runtime::encode::Encoder;

/// The inputs that spike at each timestep of one sample, each spike of value 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpikeTrain {
    /// `offsets[t]..offsets[t + 1]` are timestep `t`'s entries in `inputs`; T + 1 entries.
    pub offsets: Vec<u32>,
    /// Indices of spiking inputs, ascending within a timestep.
    pub inputs: Vec<u16>,
}

/// The spike trains of a batch.
#[derive(Clone, Debug)]
pub struct SpikeBatch {
    /// One per sample.
    pub trains: Vec<SpikeTrain>,
    /// T, timesteps.
    pub steps: usize,
    /// Number of inputs.
    pub inputs: usize,
}

impl SpikeTrain {
    /// The train that an encoder makes of an image.
    pub fn encode(encoder: &Encoder, stream: u64, pixels: &[u8], steps: usize) -> Self {
        let mut offsets = Vec::with_capacity(steps + 1);
        let mut inputs = Vec::with_capacity(steps * pixels.len() / 24);
        offsets.push(0);
        for t in 0..steps {
            encoder.for_each_spike(stream, t as u16, pixels, |input| inputs.push(input));
            offsets.push(inputs.len() as u32);
        }
        Self { offsets, inputs }
    }

    /// The inputs that spike at timestep `t`.
    pub fn at(&self, t: usize) -> &[u16] {
        &self.inputs[self.offsets[t] as usize..self.offsets[t + 1] as usize]
    }
}

impl SpikeBatch {
    /// Encodes samples, given as stream and pixels, on all threads.
    pub fn encode(encoder: &Encoder, samples: &[(u64, &[u8])], steps: usize) -> Self {
        let inputs = samples.first().map_or(0, |(_, pixels)| pixels.len());
        let train = |&(stream, pixels): &(u64, &[u8])| SpikeTrain::encode(encoder, stream, pixels, steps);
        Self { trains: samples.par_iter().map(train).collect(), steps, inputs }
    }
}
