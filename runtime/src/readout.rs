//! Readout: one leaky integrator per class (paper, section 4.2).
//!
//! The last layer's neurons are divided evenly between the classes, in order. Each excites its own class and
//! inhibits the others, with frozen weights:
//!
//! ```text
//! v_c[t] = 0.99 v_c[t-1] + 1 S_c[t] - 0.1 (S_all[t] - S_c[t])
//! ```
//!
//! S_c is the sum of the spikes of class c's neurons. No weight matrix is needed.

use crate::formats::{Loss, Score, kept, leak};
use crate::spikes::Spike;

/// Scores saturate here: the same bound for every value that [`leak`] is given.
const SCORE_LIMIT: i64 = (1 << 30) - 1;

/// The readout's constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readout {
    classes: u16,
    neurons_per_class: u16,
    loss: Loss,
    excite: Score,
    inhibit: Score,
}

/// Why a readout is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ReadoutError {
    /// The last layer's neurons do not divide evenly between the classes, or there are no classes.
    Classes,
    /// The loss is not above 0: without a leak, scores never rest.
    Loss,
}

impl Readout {
    /// A readout of no neurons into no classes.
    pub(crate) const NONE: Self =
        Self { classes: 0, neurons_per_class: 0, loss: Loss::MAX, excite: Score::ZERO, inhibit: Score::ZERO };

    /// A readout of `neurons` neurons into `classes` classes, with the integrators' `loss` 1 - α (paper: 0.01)
    /// and the weights of a class's own neurons (`excite`, paper: 1) and of all others (`inhibit`, paper: -0.1).
    ///
    /// # Errors
    /// [`ReadoutError`] if the neurons do not divide evenly or the loss is not above 0.
    pub fn new(
        neurons: u16,
        classes: u16,
        loss: Loss,
        excite: Score,
        inhibit: Score,
    ) -> Result<Self, ReadoutError> {
        match neurons.checked_rem(classes) {
            Some(0) if neurons > 0 => {}
            _ => return Err(ReadoutError::Classes),
        }
        if loss <= 0 {
            return Err(ReadoutError::Loss);
        }
        Ok(Self { classes, neurons_per_class: neurons / classes, loss, excite, inhibit })
    }

    /// Number of classes.
    pub const fn classes(&self) -> u16 {
        self.classes
    }

    /// Number of neurons that vote for each class.
    pub const fn neurons_per_class(&self) -> u16 {
        self.neurons_per_class
    }

    /// Advances the scores by one timestep in which these neurons spike, in ascending order, as layers list them. `sums` is working
    /// memory, one entry per class. True if no neuron spikes and every score is 0: without a spike, the next timestep changes nothing.
    ///
    /// Scores saturate at ±2^16.
    pub fn update(&self, spikes: &[Spike], sums: &mut [u32], scores: &mut [Score]) -> bool {
        let mut level = spikes.is_empty();
        let (mut all, mut end, mut left) = (0u32, 0u32, spikes);
        for sum in sums.iter_mut() {
            // The last class ends with the layer, at 2^14 at most.
            end += u32::from(self.neurons_per_class);
            let mut own = 0u32;
            while let [spike, others @ ..] = left
                && u32::from(spike.neuron) < end
            {
                // At most 2^14 spikes of at most 256.
                own += u32::from(spike.value().to_bits());
                left = others;
            }
            *sum = own;
            all += own;
        }
        let kept = kept(self.loss);
        for (score, sum) in scores.iter_mut().zip(sums) {
            // Q8 times Q14, less 8 bits: Q14.
            let own = i64::from(self.excite.to_bits()) * i64::from(*sum);
            let others = i64::from(self.inhibit.to_bits()) * i64::from(all - *sum);
            let rest = i64::from(leak(score.to_bits(), kept));
            let next = rest + ((own + others + 128) >> 8);
            *score = Score::from_bits(next.clamp(-SCORE_LIMIT, SCORE_LIMIT) as i32);
            level &= *score == Score::ZERO;
        }
        level
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spikes::SpikeValue;

    fn paper(neurons: u16, classes: u16) -> Readout {
        let num = Score::from_num::<f64>;
        Readout::new(neurons, classes, Loss::from_num(0.01), num(1.0), num(-0.1)).unwrap()
    }

    #[test]
    fn follows_the_equation() {
        let readout = paper(6, 3);
        let (mut scores, mut sums, mut twin) = ([Score::ZERO; 3], [0; 3], [0.0f64; 3]);
        for t in 0..1000u32 {
            let value = SpikeValue::from_bits((t % 256 + 1) as u16);
            let mut spikes = [Spike::new((t % 6) as u16, value), Spike::binary((t * t % 6) as u16)];
            spikes.sort_by_key(|spike| spike.neuron);
            readout.update(&spikes, &mut sums, &mut scores);
            for (class, v) in twin.iter_mut().enumerate() {
                *v *= 0.99;
                for s in spikes {
                    let weight = if usize::from(s.neuron / 2) == class { 1.0 } else { -0.1 };
                    *v += weight * s.value().to_num::<f64>();
                }
            }
        }
        for (score, v) in scores.iter().zip(twin) {
            // A leak errs by at most one bit (2^-14) a step, a hundred of which add up at α = 0.99.
            assert!((score.to_num::<f64>() - v).abs() < 0.008, "{score} is not {v}");
        }
    }

    #[test]
    fn saturates() {
        let readout = Readout::new(1, 1, Loss::DELTA, Score::MAX, Score::ZERO).unwrap();
        let mut scores = [Score::ZERO];
        for _ in 0..10 {
            readout.update(&[Spike::binary(0)], &mut [0], &mut scores);
        }
        assert_eq!(scores[0].to_bits(), (1 << 30) - 1);
    }

    #[test]
    fn uneven_groups_are_refused() {
        let new = |neurons, classes, loss| Readout::new(neurons, classes, loss, Score::ONE, Score::ZERO);
        assert_eq!(new(10, 3, Loss::MAX), Err(ReadoutError::Classes));
        assert_eq!(new(10, 0, Loss::MAX), Err(ReadoutError::Classes));
        assert_eq!(new(0, 3, Loss::MAX), Err(ReadoutError::Classes));
        assert_eq!(new(9, 3, Loss::ZERO), Err(ReadoutError::Loss));
        assert_eq!(new(9, 3, Loss::MAX).unwrap().neurons_per_class(), 3);
    }
}
