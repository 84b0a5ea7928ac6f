//! Spikes of one sample over all its timesteps, as the synapses of the next layer take them.

use super::Real;
use super::compare::GROUP;
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
            events.push_graded(0, row);
            events.end_step();
        }
        events
    }

    /// A train of no timesteps yet.
    pub fn start() -> Self {
        Self { train: SpikeTrain { offsets: vec![0], inputs: Vec::new() }, values: Vec::new() }
    }

    /// Adds to the timestep at hand the graded spikes of some neurons, from number `first` on: s = ReLU(h) (Eq. 3f).
    #[inline(always)]
    pub fn push_graded(&mut self, first: usize, h: &[R]) {
        let Self { train, values } = self;
        above(h, R::ZERO, |index, value| {
            train.inputs.push(first as u16 + index);
            values.push(value);
        });
    }

    /// Adds to the timestep at hand the binary spikes of some neurons, from number `first` on: one for each whose
    /// potential is above `threshold`.
    #[inline(always)]
    pub fn push_binary(&mut self, first: usize, potentials: &[R], threshold: R) {
        above(potentials, threshold, |index, _| self.train.inputs.push(first as u16 + index));
    }

    /// Ends the timestep at hand.
    #[inline(always)]
    pub fn end_step(&mut self) {
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

/// Calls `spike` for each potential above `threshold`.
#[inline(always)]
fn above<R: Real>(potentials: &[R], threshold: R, mut spike: impl FnMut(u16, R)) {
    // Few neurons spike: a group of them is looked at all at once, and what spikes is picked from its bits.
    let (groups, rest) = potentials.as_chunks::<GROUP>();
    let mut first = 0;
    for group in groups {
        let mut bits = R::above(group, threshold);
        while bits != 0 {
            let k = bits.trailing_zeros() as usize;
            spike((first + k) as u16, group[k]);
            bits &= bits - 1;
        }
        first += GROUP;
    }
    for (k, &value) in rest.iter().enumerate().filter(|(_, value)| **value > threshold) {
        spike((first + k) as u16, value);
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
