//! Spikes of one sample over all its timesteps, as the synapses of the next layer take them.

use super::Real;
use crate::spike_train::SpikeTrain;

/// The spikes that one sample sends into a layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Events<R> {
    /// Who spikes when.
    pub train: SpikeTrain,
    /// The value of each spike, parallel to `train.inputs`; empty if each is 1.
    pub values: Vec<R>,
}

impl<R: Real> Events<R> {
    /// Binary spikes.
    pub fn binary(train: SpikeTrain) -> Self {
        Self { train, values: Vec::new() }
    }

    /// The positive entries of a dense `[timesteps, neurons]` block.
    pub fn graded(dense: &[R], neurons: usize) -> Self {
        let mut events = Self::start();
        for row in dense.chunks_exact(neurons) {
            events.push_step(row);
        }
        events
    }

    /// A train of no timesteps yet.
    pub fn start() -> Self {
        Self { train: SpikeTrain { offsets: vec![0], inputs: Vec::new() }, values: Vec::new() }
    }

    /// Appends a timestep: s = ReLU(h) for each neuron's `h` (Eq. 3f).
    #[inline(always)]
    pub fn push_step(&mut self, h: &[R]) {
        // Few neurons spike: whole groups are passed over with one test.
        const GROUP: usize = 16;
        for (group, values) in h.chunks(GROUP).enumerate() {
            if !values.iter().fold(false, |any, &value| any | (value > R::ZERO)) {
                continue;
            }
            for (index, &value) in values.iter().enumerate() {
                if value > R::ZERO {
                    self.train.inputs.push((group * GROUP + index) as u16);
                    self.values.push(value);
                }
            }
        }
        self.train.offsets.push(self.train.inputs.len() as u32);
    }

    /// Appends a timestep of binary spikes: one for each neuron whose potential is above `threshold`.
    #[inline(always)]
    pub fn push_binary(&mut self, potentials: &[R], threshold: R) {
        for (index, &potential) in potentials.iter().enumerate() {
            if potential > threshold {
                self.train.inputs.push(index as u16);
            }
        }
        self.train.offsets.push(self.train.inputs.len() as u32);
    }

    /// The spikes of timestep `t`: inputs, and values (empty if each is 1).
    #[inline(always)]
    pub fn at(&self, t: usize) -> (&[u16], &[R]) {
        let range = self.train.offsets[t] as usize..self.train.offsets[t + 1] as usize;
        let values = if self.values.is_empty() { &[] } else { &self.values[range.clone()] };
        (&self.train.inputs[range], values)
    }

    /// Number of timesteps.
    pub fn steps(&self) -> usize {
        self.train.offsets.len() - 1
    }

    /// Number of spikes, over all timesteps.
    pub fn count(&self) -> usize {
        self.train.inputs.len()
    }

    /// The spikes as a dense `[timesteps, neurons]` block.
    pub fn dense(&self, neurons: usize) -> Vec<R> {
        let mut block = vec![R::ZERO; self.steps() * neurons];
        for (t, row) in block.chunks_exact_mut(neurons).enumerate() {
            let (inputs, values) = self.at(t);
            for (k, &input) in inputs.iter().enumerate() {
                row[usize::from(input)] += values.get(k).copied().unwrap_or(R::ONE);
            }
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_and_back() {
        let dense: Vec<f32> = (0..60).map(|k| if k % 7 == 3 { k as f32 } else { -1.0 }).collect();
        let events = Events::graded(&dense, 20);
        assert_eq!(events.steps(), 3);
        let relu: Vec<f32> = dense.iter().map(|h| h.max(0.0)).collect();
        assert_eq!(events.dense(20), relu);
        assert_eq!(events.at(0), (&[3u16, 10, 17][..], &[3.0, 10.0, 17.0][..]));
    }
}
