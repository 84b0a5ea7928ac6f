//! Compares the neuron update of LIF with its equation, computed in 64 bits.

use crate::noise::Noise;
use heapless::Vec;
use spikelet_runtime::formats::{Current, Decay};
use spikelet_runtime::{
    Integrator, LifLayer, LifNeuron, MOST_INPUT, Shape, Spike, Synapses, Update, Width, lif_levels,
    lif_neuron,
};

/// Most neurons of a layer that is compared.
const NEURONS: usize = 67;
/// Entries of membranes, more than the largest layer needs.
const ROOM: usize = NEURONS + 5;
/// Timesteps from each start.
const STEPS: u32 = 4;

/// Compares all cases; how many timesteps there were.
///
/// # Panics
/// With the case, if the kernel differs.
pub fn compare() -> u32 {
    let mut noise = Noise(4);
    let mut count = 0;
    for decay in [Decay::lit("0.9"), Decay::ZERO, Decay::from_bits(8191)] {
        for proved in [true, false] {
            for size in [1, 3, 4, 8, 31, NEURONS] {
                for _ in 0..4 {
                    compare_layer(Integrator { decay, shift: 0, proved }, size, &mut noise);
                    count += STEPS;
                }
            }
        }
    }
    count
}

fn compare_layer(integrator: Integrator, size: usize, noise: &mut Noise) {
    let mut neurons: [LifNeuron; NEURONS] = [[0; 2]; NEURONS];
    for neuron in &mut neurons[..size] {
        let usual = noise.below(1 << 17) as i32;
        let most = if integrator.proved { 1 << 20 } else { i32::MAX };
        let gain = noise.pick([0, usual, usual, most]);
        let (one, other) = (noise.bits() as i16, noise.bits() as i16);
        let levels = noise.pick([(one.max(other), one.min(other)), (4096, 0), (i16::MAX, i16::MIN), (0, 0)]);
        *neuron = lif_neuron(gain, Current::from_bits(levels.0), Current::from_bits(levels.1));
    }
    let neurons = &neurons[..size];
    let shape = Shape { rows: Some(&[Shape::PRUNED]), ..Shape::new(1, size as u16, Width::Eight) };
    let layer = Synapses::new(&[], shape).map(|synapses| LifLayer::new(synapses, neurons, integrator));
    let Ok(Ok(layer)) = layer else { panic!("{integrator:?} of {size} neurons is refused") };
    let mut fast = [Current::ZERO; ROOM];
    for membrane in &mut fast {
        let any = noise.bits() as i16;
        *membrane = Current::from_bits(noise.pick([0, any, any, i16::MAX, i16::MIN]));
    }
    let mut slow = fast;
    let mut sums = [0; NEURONS];
    let (mut spikes, mut plain_spikes) = (Vec::<Spike, NEURONS>::new(), Vec::<Spike, NEURONS>::new());
    for step in 0..STEPS {
        let received = noise.below(4) > 0;
        for sum in &mut sums[..size] {
            let usual = noise.around_zero(1 << 10);
            let most = if integrator.proved { 1 << 10 } else { 1 << 29 };
            *sum = noise.pick([0, usual, usual, most, -most]);
        }
        let plainly = plain(&layer, received, &sums[..size], &mut slow, &mut plain_spikes);
        let result = layer.update(received, &sums[..size], &mut fast, &mut spikes);
        let case = (integrator, size, received, step);
        assert_eq!(result, plainly, "LIF {case:?}");
        for (neuron, (fast, slow)) in fast.iter().zip(&slow).enumerate() {
            assert_eq!(fast, slow, "LIF {case:?}: neuron {neuron}");
        }
        assert_eq!(spikes, plain_spikes, "LIF {case:?}: the list of spikes");
    }
}

/// V = α V + W s, the leak rounded towards 0; reset where it is above its threshold.
fn plain(
    layer: &LifLayer<'_>,
    received: bool,
    sums: &[i32],
    membranes: &mut [Current],
    spikes: &mut Vec<Spike, NEURONS>,
) -> Update {
    spikes.clear();
    let alpha = i32::from(layer.integrator().decay.to_bits());
    let mut update = Update { saturated: false, rests: !received };
    for (index, (membrane, &neuron)) in membranes.iter_mut().zip(layer.neurons()).enumerate() {
        let before = *membrane;
        let kept = i32::from(before.to_bits()) * alpha;
        let leaked = i64::from(kept) + i64::from(kept as u32 >> 19);
        let sum = if received { i64::from(sums[index]) } else { 0 };
        let input = (sum * i64::from(neuron[0])).clamp(-MOST_INPUT, MOST_INPUT);
        let v = (leaked + input) >> 13;
        let bits = v.clamp(i16::MIN.into(), i16::MAX.into());
        update.saturated |= bits != v;
        *membrane = Current::from_bits(bits as i16);
        let (threshold, rest) = lif_levels(neuron);
        if *membrane > threshold {
            *membrane = rest;
            let room = spikes.push(Spike::binary(index as u16));
            assert!(room.is_ok(), "there is room for every neuron");
        }
        update.rests &= *membrane == before;
    }
    update.rests &= spikes.is_empty();
    update
}
