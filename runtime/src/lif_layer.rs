//! A layer of leaky integrate-and-fire neurons (paper, section 2.2; PAPER-NOTES 9).
//!
//! ```text
//! V[t] = α_V V[t-1] + W s_in[t]
//! s[t] = 1 and V[t] = V_rest if V[t] > V_thresh, else s[t] = 0
//! ```
//!
//! V is kept in a unit of its neuron's own, and so are V_thresh and V_rest: the quantiser makes it the larger of the two.

use crate::formats::Current;
use crate::integrator::{Integrator, integrate, integrate_any, saturate};
use crate::layer::Update;
use crate::spikes::{LayerSpikes, Spike};
use crate::synapses::Synapses;

/// Constants of one neuron as they lie in a model: its gain, and bits of V_thresh (lower half) and V_rest (upper half) as
/// [`Current`]s.
///
/// The gain is the size of its weight step, or of the part of one that sums are counted in, in 2^-25 of its unit.
pub type LifNeuron = [i32; 2];

/// A layer's weights and constants, in place; the membranes of its neurons are elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct LifLayer<'m> {
    synapses: Synapses<'m>,
    neurons: &'m [LifNeuron],
    integrator: Integrator,
}

/// Why parts do not make a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LifLayerError {
    /// There must be constants for each neuron.
    Length,
    /// α_V is not below 1 (without a leak, membranes never rest), a shift is above 8, a gain is negative, or a resting
    /// potential is above its threshold.
    Constants,
}

/// V_thresh and V_rest of a neuron's constants.
#[inline]
pub const fn lif_levels(neuron: LifNeuron) -> (Current, Current) {
    let levels = neuron[1];
    (Current::from_bits(levels as i16), Current::from_bits((levels >> 16) as i16))
}

/// The constants of a neuron with this gain, V_thresh and V_rest.
pub const fn lif_neuron(gain: i32, threshold: Current, rest: Current) -> LifNeuron {
    [gain, (threshold.to_bits() as u16 as i32) | ((rest.to_bits() as i32) << 16)]
}

impl<'m> LifLayer<'m> {
    /// A layer of as many neurons as `synapses` lead to, each with its constants.
    ///
    /// # Errors
    /// [`LifLayerError`] if a length does not fit or a constant is out of its range.
    pub fn new(
        synapses: Synapses<'m>,
        neurons: &'m [LifNeuron],
        integrator: Integrator,
    ) -> Result<Self, LifLayerError> {
        if neurons.len() != usize::from(synapses.neurons()) {
            return Err(LifLayerError::Length);
        }
        let possible = |&neuron: &LifNeuron| {
            let (threshold, rest) = lif_levels(neuron);
            neuron[0] >= 0 && rest <= threshold
        };
        if !integrator.is_possible() || !neurons.iter().all(possible) {
            return Err(LifLayerError::Constants);
        }
        Ok(Self { synapses, neurons, integrator })
    }

    /// The synapses from the layer's inputs to its neurons.
    pub const fn synapses(&self) -> &Synapses<'m> {
        &self.synapses
    }

    /// The constants of each neuron.
    pub const fn neurons(&self) -> &'m [LifNeuron] {
        self.neurons
    }

    /// How its neurons integrate their inputs; its α is α_V.
    pub const fn integrator(&self) -> &Integrator {
        &self.integrator
    }

    /// Advances every membrane by one timestep and lists the neurons that spike, each with the value 1. The list is cleared first.
    ///
    /// If the layer has `received` spikes, `sums` are those of its spiking inputs' weights; else they do not matter.
    ///
    /// The only error of a step is the leak's and the gain's rounding: at most one bit, 1/4096 of the neuron's unit (asserted
    /// against the f64 twin). Sums cannot overflow; membranes saturate at ±8 units, which the result says. States, sums and
    /// spikes must have room for every neuron; what has none is not advanced.
    pub fn update(
        &self,
        received: bool,
        sums: &[i32],
        membranes: &mut [Current],
        spikes: &mut LayerSpikes,
    ) -> Update {
        spikes.clear();
        let (mut saturated, mut changed) = (false, false);
        let neurons = membranes.iter_mut().zip(sums).zip(self.neurons);
        for (neuron, ((membrane, &sum), &constants)) in neurons.enumerate() {
            let before = *membrane;
            let sum = if received { sum } else { 0 };
            let (next, spikes_now, beyond) = self.advance(constants, before, sum);
            *membrane = next;
            if spikes_now {
                let _ = spikes.push(Spike::binary(neuron as u16));
            }
            saturated |= beyond;
            changed |= next != before;
        }
        Update { saturated, rests: !received && !changed && spikes.is_empty() }
    }

    /// One timestep of a neuron with these constants: its next membrane, whether it spikes, and whether it was saturated.
    #[inline(always)]
    pub fn advance(&self, constants: LifNeuron, membrane: Current, sum: i32) -> (Current, bool, bool) {
        let alpha = i32::from(self.integrator.decay.to_bits());
        let before = i32::from(membrane.to_bits());
        let (v, beyond) = saturate(if self.integrator.proved {
            integrate(alpha, before, sum, constants[0])
        } else {
            integrate_any(alpha, before, sum, constants[0])
        });
        let (threshold, rest) = lif_levels(constants);
        let v = Current::from_bits(v as i16);
        if v > threshold { (rest, true, beyond) } else { (v, false, beyond) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::Decay;
    use crate::synapses::{Shape, Width};
    use heapless::Vec;

    const SHAPE: Shape<'_> = Shape::new(1, 1, Width::Eight);

    fn integrator(alpha: f64) -> Integrator {
        Integrator { decay: Decay::from_num(alpha), shift: 0, proved: true }
    }

    /// One step from equal states: the spike is the twin's unless V is within a bit of the threshold, and the membrane within
    /// one bit of its.
    #[test]
    #[cfg_attr(miri, ignore = "arithmetic over many values: too long for it")]
    fn one_step_stays_near_the_f64_twin() {
        let weights = [0u32; 4];
        let synapses = Synapses::new(&weights[..SHAPE.words()], SHAPE).unwrap();
        let mut spiked = 0;
        let cases = [(7373.0 / 8192.0, 1.0, 0.0), (8110.0 / 8192.0, 1.0, -0.25), (0.0, -0.5, -1.0)];
        for (alpha, threshold, rest) in cases {
            let gain = 12_345_678;
            let neurons = [lif_neuron(gain, Current::from_num(threshold), Current::from_num(rest))];
            let layer = LifLayer::new(synapses, &neurons, integrator(alpha)).unwrap();
            for step in -30_000..30_000i32 {
                let v = Current::from_bits(step as i16);
                let sum = step % 7;
                let (mut membranes, mut spikes) = ([v], Vec::<Spike, 1>::new());
                let update = layer.update(true, &[sum], &mut membranes, &mut spikes);
                let bits = alpha * f64::from(step) + f64::from(gain) / 8192.0 * f64::from(sum);
                let real = bits.clamp(-32768.0, 32767.0);
                assert!(update.saturated == (bits.floor() != real.floor()) || (bits - real).abs() < 1.0);
                let near = (real - threshold * 4096.0).abs() <= 1.0;
                let (s, next) = if real > threshold * 4096.0 { (1, rest * 4096.0) } else { (0, real) };
                assert!(spikes.len() == s || near, "V {real}");
                assert!(spikes.iter().all(|spike| spike.value() == 1));
                assert!(near || (f64::from(membranes[0].to_bits()) - next).abs() <= 1.0, "V {real}");
                spiked += s;
            }
        }
        assert!((20_000..160_000).contains(&spiked), "{spiked}");
    }

    #[test]
    fn extremes_saturate_and_do_not_overflow() {
        let weights = [0u32; 4];
        let synapses = Synapses::new(&weights[..SHAPE.words()], SHAPE).unwrap();
        for (sum, bound) in [(1 << 29, i16::MAX), (-(1 << 29), i16::MIN)] {
            let neurons = [lif_neuron(i32::MAX, Current::MAX, Current::MIN)];
            let integrator = Integrator { decay: Decay::from_bits(8191), shift: 8, proved: false };
            let layer = LifLayer::new(synapses, &neurons, integrator).unwrap();
            let mut membranes = [Current::ZERO];
            for _ in 0..5 {
                let mut spikes = Vec::<Spike, 1>::new();
                let update = layer.update(true, &[sum], &mut membranes, &mut spikes);
                assert_eq!((membranes[0].to_bits(), update.saturated, spikes.len()), (bound, true, 0));
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "arithmetic over many values: too long for it")]
    fn membranes_come_to_rest() {
        let weights = [0u32; 4];
        let synapses = Synapses::new(&weights[..SHAPE.words()], SHAPE).unwrap();
        let neurons = [lif_neuron(1, Current::ONE, Current::ZERO)];
        let layer = LifLayer::new(synapses, &neurons, integrator(0.99)).unwrap();
        let mut membranes = [Current::from_num(-7)];
        let mut spikes = Vec::<Spike, 1>::new();
        let steps =
            (0..2000).find(|_| layer.update(false, &[99], &mut membranes, &mut spikes).rests).unwrap();
        assert!((100..1000).contains(&steps), "{steps}");
        assert_eq!(membranes[0], Current::ZERO);
    }

    #[test]
    fn constants_out_of_range_are_refused() {
        let weights = [0u32; 4];
        let synapses = Synapses::new(&weights[..SHAPE.words()], SHAPE).unwrap();
        let refused =
            |neurons: &[LifNeuron], integrator| LifLayer::new(synapses, neurons, integrator).unwrap_err();
        let paper = integrator(0.9);
        let one = Integrator { decay: Decay::from_num(1), ..paper };
        let neuron = lif_neuron(5, Current::ONE, Current::ZERO);
        assert_eq!(refused(&[neuron], one), LifLayerError::Constants);
        assert_eq!(refused(&[neuron], Integrator { shift: 9, ..paper }), LifLayerError::Constants);
        assert_eq!(refused(&[[-1, 0]], paper), LifLayerError::Constants);
        assert_eq!(refused(&[lif_neuron(5, Current::ZERO, Current::ONE)], paper), LifLayerError::Constants);
        assert_eq!(refused(&[neuron; 2], paper), LifLayerError::Length);
        assert_eq!(lif_levels(lif_neuron(5, Current::MIN, Current::MAX)), (Current::MIN, Current::MAX));
    }
}
