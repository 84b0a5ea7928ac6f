//! Compares sums of rows with plain ones: random, extreme and adversarial weights, shapes and lists of spikes.

use crate::noise::{Noise, mix};
use spikelet_runtime::{MAX_WIDTH, Shape, Spike, SpikeValue, Synapses, Width};

/// Inputs of the synapses that are compared.
const INPUTS: u16 = 24;
/// Their neurons at most.
const NEURONS: u16 = 144;
/// Words of the largest block.
const WORDS: usize = INPUTS as usize * NEURONS as usize / 4;
/// Most spikes of a random list.
const SPIKES: usize = 113;
/// Entries of sums, more than the largest layer needs.
const ROOM: usize = NEURONS as usize + 24;
/// What entries hold that nothing may overwrite.
const GUARD: i32 = 0x5A5A_5A5A;

/// Lists that are longer than any kernel may read.
static LONGEST: [u16; MAX_WIDTH + 1] = [1; MAX_WIDTH + 1];
static LONGEST_GRADED: [Spike; MAX_WIDTH + 1] = [Spike::binary(1); MAX_WIDTH + 1];

/// How weights are.
#[derive(Clone, Copy, Debug)]
enum Weights {
    Random,
    Most,
    Least,
    /// The most to neurons of even number, the least to the others.
    Alternating,
}

/// Synapses that are compared.
#[derive(Clone, Copy, Debug)]
struct Case {
    width: Width,
    neurons: u16,
    weights: Weights,
    /// Every third input and neuron has no row and no column, and rows stand in descending order.
    pruned: bool,
}

/// Compares all cases; how many sums there were.
///
/// # Panics
/// With the case, if a kernel differs.
pub fn compare() -> u32 {
    let mut noise = Noise(1);
    let mut count = 0;
    for width in Width::ALL {
        for neurons in [1, 3, 8, 15, 16, 33, 61, 100, 128, NEURONS] {
            for pruned in [false, true] {
                for weights in [Weights::Random, Weights::Most, Weights::Least, Weights::Alternating] {
                    count += Case { width, neurons, weights, pruned }.compare(&mut noise);
                }
            }
        }
        for weights in [Weights::Most, Weights::Least] {
            Case { width, neurons: 65, weights, pruned: false }.compare_longest();
            count += 3;
        }
    }
    count
}

impl Case {
    fn weight(&self, input: u16, neuron: u16) -> i8 {
        let most = self.width.most();
        match self.weights {
            _ if self.pruned && (input % 3 == 1 || neuron.is_multiple_of(3)) => 0,
            Weights::Random => {
                let values = 2 * most as u32 + 1;
                let random = mix(u32::from(input) << 16 | u32::from(neuron)) & 0xFFFF;
                ((random * values) >> 16) as i8 - most
            }
            Weights::Most => most,
            Weights::Least => -most,
            Weights::Alternating if neuron.is_multiple_of(2) => most,
            Weights::Alternating => -most,
        }
    }

    /// Calls `check` with the synapses.
    fn with(&self, check: impl FnOnce(&Synapses<'_>)) {
        let (mut rows, mut columns) = ([Shape::PRUNED; INPUTS as usize], [0; NEURONS as usize]);
        for (row, input) in (0..INPUTS).rev().filter(|input| input % 3 != 1).enumerate() {
            rows[usize::from(input)] = row as u16;
        }
        let kept = (0..self.neurons).filter(|neuron| neuron % 3 != 0);
        let mut length = 0;
        for (to, neuron) in columns.iter_mut().zip(kept) {
            *to = neuron;
            length += 1;
        }
        let mut shape = Shape::new(INPUTS, self.neurons, self.width);
        if self.pruned {
            shape.rows = Some(&rows);
            shape.columns = Some(&columns[..length]);
        }
        let mut block = [0; WORDS];
        let block = &mut block[..shape.words()];
        shape.pack(block, |input, neuron| self.weight(input, neuron));
        match Synapses::new(block, shape) {
            Ok(synapses) => check(&synapses),
            Err(error) => panic!("{self:?}: the block is refused, {error:?}"),
        }
    }

    fn compare(&self, noise: &mut Noise) -> u32 {
        let mut count = 0;
        self.with(|synapses| {
            for (input, neuron) in (0..INPUTS).flat_map(|i| (0..self.neurons).map(move |n| (i, n))) {
                let weight = synapses.weight(input, neuron);
                assert_eq!(weight, Some(self.weight(input, neuron)), "{self:?}: weight {input}, {neuron}");
            }
            let mut spikes = [Spike::binary(0); SPIKES];
            // Around the rows that lanes and lists hold: 7, 16, 56.
            for length in [0, 1, 2, 5, 7, 8, 15, 16, 17, 25, 56, 57, SPIKES] {
                for spike in &mut spikes[..length] {
                    // Some inputs do not exist, and others are listed more than once.
                    let unknown = noise.pick([INPUTS, u16::MAX]);
                    let input = noise.below(u32::from(INPUTS) + 2) as u16;
                    let value = noise.pick([1, 128, 255, 256, noise.clone().below(256) as u16 + 1]);
                    *spike = Spike::new(
                        if input < INPUTS { input } else { unknown },
                        SpikeValue::from_bits(value),
                    );
                }
                self.compare_list(synapses, &spikes[..length], noise);
                count += 4;
            }
            // All inputs at once, once and twice.
            for (input, spike) in (0..2 * INPUTS).zip(&mut spikes) {
                *spike = Spike::binary(input % INPUTS);
            }
            for turns in 1..=2 {
                self.compare_list(synapses, &spikes[..turns * usize::from(INPUTS)], noise);
                count += 4;
            }
        });
        count
    }

    /// Compares one list, as input spikes and as graded ones with three shifts.
    fn compare_list(&self, synapses: &Synapses<'_>, spikes: &[Spike], noise: &mut Noise) {
        let mut inputs = [0; SPIKES];
        let (mut times, mut values) = ([0; INPUTS as usize], [0; INPUTS as usize]);
        for (input, spike) in inputs.iter_mut().zip(spikes) {
            *input = spike.neuron;
            if spike.neuron < INPUTS {
                times[usize::from(spike.neuron)] += 1;
                values[usize::from(spike.neuron)] += i32::from(spike.value().to_bits());
            }
        }
        let inputs = &inputs[..spikes.len()];
        let plain = |factors: &[i32; INPUTS as usize], neuron| -> i32 {
            let weights = (0..INPUTS).map(|input| i32::from(self.weight(input, neuron)));
            weights.zip(factors).map(|(weight, factor)| weight * factor).sum()
        };
        self.check(noise, "sum", spikes.len(), |sums| synapses.sum(inputs, sums), |n| plain(&times, n));
        for shift in [0, 3, 8] {
            self.check(
                noise,
                "graded sum",
                spikes.len(),
                |sums| synapses.sum_graded(spikes, shift, sums),
                |n| (plain(&values, n) + ((1 << shift) >> 1)) >> shift,
            );
        }
    }

    /// Runs a kernel with more room than it needs, just enough, or less, and compares what it writes, and what it may not.
    fn check(
        &self,
        noise: &mut Noise,
        kernel: &str,
        length: usize,
        run: impl FnOnce(&mut [i32]),
        plain: impl Fn(u16) -> i32,
    ) {
        let neurons = usize::from(self.neurons);
        let padded = neurons.next_multiple_of(16);
        let room = noise.pick([padded + 8, padded, neurons, neurons / 2]);
        let mut sums = [GUARD; ROOM];
        run(&mut sums[..room]);
        for (neuron, &sum) in (0..self.neurons).zip(&sums[..room]) {
            let plain = plain(neuron);
            assert_eq!(sum, plain, "{self:?}: {kernel} of {length} spikes, room for {room}, neuron {neuron}");
        }
        let free = &sums[room.min(padded)..];
        assert!(
            free.iter().all(|&sum| sum == GUARD),
            "{self:?}: {kernel} of {length} spikes writes behind its room for {room}"
        );
    }

    /// The longest list there may be, and one entry more, which is ignored.
    fn compare_longest(&self) {
        let noise = &mut Noise(2);
        self.with(|synapses| {
            let plain = |neuron| i32::from(self.weight(1, neuron)) * MAX_WIDTH as i32;
            self.check(noise, "sum", MAX_WIDTH, |sums| synapses.sum(&LONGEST, sums), plain);
            for shift in [0, 8] {
                let graded = |neuron| (plain(neuron) << 8) >> shift;
                let run = |sums: &mut [i32]| synapses.sum_graded(&LONGEST_GRADED, shift, sums);
                self.check(noise, "graded sum", MAX_WIDTH, run, graded);
            }
        });
    }
}
