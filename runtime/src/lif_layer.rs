//! A layer of leaky integrate-and-fire neurons (paper, section 2.2; PAPER-NOTES 9).
//!
//! ```text
//! V[t] = α_V V[t-1] + W s_in[t]
//! s[t] = 1 and V[t] = V_rest if V[t] > V_thresh, else s[t] = 0
//! ```
//!
//! V is kept in weight steps of its neuron, and so are V_thresh and V_rest: no step has to be scaled.

use crate::formats::{Current, Loss, kept, leak};
use crate::spikes::{LayerSpikes, Spike};
use crate::src_layer::CURRENT_LIMIT;
use crate::synapses::Synapses;

/// Constants of one neuron as they lie in a model: bits of V_thresh and of V_rest as [`Current`]s.
pub type LifNeuron = [i32; 2];

/// A layer's weights and constants, in place; the membranes of its neurons are elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct LifLayer<'m> {
    synapses: Synapses<'m>,
    neurons: &'m [LifNeuron],
    loss: Loss,
}

/// Why parts do not make a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LifLayerError {
    /// There must be constants for each neuron.
    Length,
    /// The loss is not above 0 (without a leak, membranes never rest), or a threshold or resting potential is not
    /// within ±2^19 weight steps.
    Constants,
}

impl<'m> LifLayer<'m> {
    /// A layer of as many neurons as `synapses` lead to, each with its constants, and the `loss` 1 - α_V.
    ///
    /// # Errors
    /// [`LifLayerError`] if a length does not fit or a constant is out of its range.
    pub fn new(synapses: Synapses<'m>, neurons: &'m [LifNeuron], loss: Loss) -> Result<Self, LifLayerError> {
        if neurons.len() != usize::from(synapses.neurons()) {
            return Err(LifLayerError::Length);
        }
        let possible = 1 - CURRENT_LIMIT..CURRENT_LIMIT - 1;
        if loss <= 0 || !neurons.iter().flatten().all(|bits| possible.contains(bits)) {
            return Err(LifLayerError::Constants);
        }
        Ok(Self { synapses, neurons, loss })
    }

    /// The synapses from the layer's inputs to its neurons.
    pub const fn synapses(&self) -> &Synapses<'m> {
        &self.synapses
    }

    /// The constants of each neuron.
    pub const fn neurons(&self) -> &'m [LifNeuron] {
        self.neurons
    }

    /// 1 - α_V, the share of its potential that a membrane loses each timestep.
    pub const fn loss(&self) -> Loss {
        self.loss
    }

    /// Advances every membrane by one timestep, after this timestep's spikes have been added, and lists the neurons that
    /// spike, each with the value 1. The list is cleared first.
    ///
    /// The only error of a step is the leak's: at most 1/256 of a weight step (asserted against the f64 twin). Sums
    /// cannot overflow; membranes saturate at ±2^19 weight steps, above every threshold, so upwards this changes no
    /// spike. Membranes and spikes must have room for every neuron; what has none is not advanced.
    pub fn update(&self, membranes: &mut [Current], spikes: &mut LayerSpikes) {
        spikes.clear();
        let kept = kept(self.loss);
        for (neuron, (membrane, &[threshold, rest])) in membranes.iter_mut().zip(self.neurons).enumerate() {
            let mut v = membrane.to_bits().clamp(-CURRENT_LIMIT, CURRENT_LIMIT - 1);
            if v > threshold {
                v = rest;
                let _ = spikes.push(Spike::binary(neuron as u16));
            }
            *membrane = Current::from_bits(leak(v, kept));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_WIDTH;
    use heapless::Vec;

    /// One step from equal membranes: the spike is the twin's, and the membrane within one bit of its.
    #[test]
    fn one_step_stays_near_the_f64_twin() {
        let weights = [0i8; 4];
        let synapses = Synapses::new(&weights, 1, 1).unwrap();
        let mut spiked = 0;
        for (alpha, threshold, rest) in [(0.9, 100.0, 0.0), (0.99, 3000.5, -20.25), (0.0, -5.0, -7.5)] {
            let neurons = [[Current::from_num(threshold).to_bits(), Current::from_num(rest).to_bits()]];
            let layer = LifLayer::new(synapses, &neurons, Loss::saturating_from_num(1.0 - alpha)).unwrap();
            for step in -50_000..50_000 {
                let v = Current::from_bits(step * 37);
                let (mut membranes, mut spikes) = ([v], Vec::<Spike, 1>::new());
                layer.update(&mut membranes, &mut spikes);
                let real: f64 = v.to_num();
                let (s, next) = if real > threshold { (1, rest) } else { (0, real) };
                assert_eq!(spikes.len(), s, "V {real}");
                assert!(spikes.iter().all(|spike| spike.value() == 1));
                assert!(
                    (membranes[0].to_num::<f64>() - alpha * next).abs() <= 1.0 / 256.0 + 1e-9,
                    "V {real}"
                );
                spiked += s;
            }
        }
        assert!((100_000..200_000).contains(&spiked), "{spiked}");
    }

    #[test]
    fn extremes_saturate_and_do_not_overflow() {
        let most = CURRENT_LIMIT - 2;
        let weights = std::vec![127i8; MAX_WIDTH * 4];
        let lowest = std::vec![-127i8; MAX_WIDTH * 4];
        let all: std::vec::Vec<u16> = (0..MAX_WIDTH as u16).collect();
        for (weights, bound) in [(&weights, most), (&lowest, -CURRENT_LIMIT)] {
            let synapses = Synapses::new(weights, MAX_WIDTH as u16, 1).unwrap();
            for rest in [1 - CURRENT_LIMIT, 0, most] {
                let neurons = [[most, rest]];
                let layer = LifLayer::new(synapses, &neurons, Loss::DELTA).unwrap();
                let mut membranes = [Current::ZERO];
                for _ in 0..5 {
                    let mut spikes = Vec::<Spike, 1>::new();
                    synapses.add(&all, &mut membranes);
                    layer.update(&mut membranes, &mut spikes);
                    assert_eq!(spikes.len(), usize::from(bound > 0));
                    let kept = if bound > 0 { rest } else { bound };
                    assert!(
                        (membranes[0].to_bits() - kept).abs() <= 1,
                        "{} of {kept}",
                        membranes[0].to_bits()
                    );
                }
            }
        }
    }

    #[test]
    fn constants_out_of_range_are_refused() {
        let weights = [0i8; 4];
        let synapses = Synapses::new(&weights, 1, 1).unwrap();
        let refused = |neurons, loss| LifLayer::new(synapses, neurons, loss).unwrap_err();
        assert_eq!(refused(&[[256, 0]], Loss::ZERO), LifLayerError::Constants);
        assert_eq!(refused(&[[CURRENT_LIMIT - 1, 0]], Loss::DELTA), LifLayerError::Constants);
        assert_eq!(refused(&[[256, -CURRENT_LIMIT]], Loss::DELTA), LifLayerError::Constants);
        assert_eq!(refused(&[[256, 0]; 2], Loss::DELTA), LifLayerError::Length);
    }
}
