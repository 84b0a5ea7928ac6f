//! Counts the instructions of the kernels: each call as a layer's timestep makes it, with everything that is in it.

use crate::meter::Meter;
use crate::neurons::PAPER;
use crate::noise::{Noise, mix};
use core::hint::black_box;
use cortex_m_semihosting::hprintln;
use heapless::Vec;
use spikelet_runtime::encode::{Encoder, Gain, RateCode};
use spikelet_runtime::formats::{Current, Decay, Gate, Loss, Score};
use spikelet_runtime::{
    GatedBy, Integrator, Layer, LayerStates, LifLayer, LifNeuron, Memory, Model, Network, NeuronConstants,
    Potentials, Readout, Shape, Spike, SpikeKind, SpikeValue, SrcConstants, SrcLayer, Synapses, Width,
    lif_neuron,
};

include!(concat!(env!("OUT_DIR"), "/weights.rs"));

/// Neurons of the wide layer.
const WIDE: usize = 512;
/// Neurons of the narrow layer above it.
const NARROW: usize = 100;
/// Timesteps that neurons are advanced before they are measured, and while they are.
const WARM_UP: u32 = 30;
const STEPS: u32 = 64;

/// Currents lose a tenth each timestep, as in the paper, and sums are proved to fit.
const INTEGRATOR: Integrator = Integrator { decay: Decay::lit("0.9"), shift: 0, proved: true };

/// Neurons with biases from -6 to -5.5 and a gain that makes two or three of a hundred spike.
static NEURONS: [NeuronConstants; WIDE] = {
    let mut neurons = [[0; 2]; WIDE];
    let mut index = 0;
    while index < WIDE {
        let share = (mix(index as u32) >> 7) as i32;
        neurons[index] = [4000, (1 << 18) - (6 << 26) + share];
        index += 1;
    }
    neurons
};

/// Membranes that spike as often.
static LIF: [LifNeuron; WIDE] = [lif_neuron(18000, Current::ONE, Current::ZERO); WIDE];

// Functions that measure are not inlined, so that one's memory on the stack is free before the next takes its own.

/// What was measured.
struct Cost<'c> {
    kernel: &'c str,
    /// Bits of a weight; 0 without weights.
    bits: u8,
    neurons: usize,
    /// Spikes in, or out of neurons.
    spikes: usize,
    instructions: u32,
    /// What the instructions are divided by.
    operations: usize,
}

impl Cost<'_> {
    fn print(&self) {
        let Self { kernel, bits, neurons, spikes, instructions, operations } = self;
        // Not hprintln's own formatting, which knows no names.
        let line = format_args!(
            "{{\"kernel\":\"{kernel}\",\"bits\":{bits},\"neurons\":{neurons},\"spikes\":{spikes},\
             \"instructions\":{instructions},\"operations\":{operations}}}"
        );
        hprintln!("{}", line);
    }
}

/// Measures and prints all costs.
pub fn measure(meter: &Meter) {
    for (neurons, spikes) in [(WIDE, 25), (NARROW, 25), (WIDE, 100)] {
        for &(width, block) in if neurons == WIDE { &TO_512 } else { &TO_100 } {
            sum(meter, width, block, neurons, spikes);
        }
    }
    for &(width, block) in &TO_100 {
        graded_sum(meter, width, block, 15);
    }
    let binary = SrcConstants { spikes: SpikeKind::Binary, ..PAPER };
    let inert = SrcConstants { z: Gate::lit("0.2"), gated_by: GatedBy::Previous, ..binary };
    let unproved = Integrator { proved: false, ..INTEGRATOR };
    for neurons in [WIDE, NARROW] {
        src(meter, "src", PAPER, INTEGRATOR, neurons);
    }
    src(meter, "src-binary", binary, INTEGRATOR, WIDE);
    src(meter, "src-unproved", PAPER, unproved, WIDE);
    src(meter, "src-general", inert, INTEGRATOR, WIDE);
    lif(meter);
    rest(meter);
    rate_code(meter);
}

/// Synapses from [`INPUTS`] inputs.
fn synapses(width: Width, block: &'static [u32], neurons: usize) -> Synapses<'static> {
    match Synapses::new(block, Shape::new(INPUTS, neurons as u16, width)) {
        Ok(synapses) => synapses,
        Err(error) => panic!("{width:?} weights to {neurons} neurons are refused, {error:?}"),
    }
}

/// Synapses without weights.
fn no_synapses(inputs: &'static [u16], neurons: usize) -> Synapses<'static> {
    let shape = Shape::new(inputs.len() as u16, neurons as u16, Width::Eight);
    match Synapses::new(&[], Shape { rows: Some(inputs), ..shape }) {
        Ok(synapses) => synapses,
        Err(error) => panic!("pruned weights to {neurons} neurons are refused, {error:?}"),
    }
}

#[inline(never)]
fn sum(meter: &Meter, width: Width, block: &'static [u32], neurons: usize, spikes: usize) {
    let synapses = synapses(width, block, neurons);
    // More spikes than inputs come round again: it costs the same, whichever row is added.
    let mut spiking = [0; 100];
    for (input, index) in spiking.iter_mut().zip(0u16..) {
        *input = index % INPUTS;
    }
    let spiking = &spiking[..spikes];
    let mut sums = [0; WIDE];
    let sums = &mut sums[..neurons.next_multiple_of(16)];
    let instructions = meter.instructions(&mut || synapses.sum(black_box(spiking), sums));
    for (neuron, &sum) in (0..neurons as u16).zip(&*sums) {
        let weights = spiking.iter().map(|&input| i32::from(synapses.weight(input, neuron).unwrap_or(0)));
        assert_eq!(sum, weights.sum::<i32>(), "{width:?} sum of {spikes} spikes, neuron {neuron}");
    }
    Cost { kernel: "sum", bits: width.bits(), neurons, spikes, instructions, operations: neurons * spikes }
        .print();
}

#[inline(never)]
fn graded_sum(meter: &Meter, width: Width, block: &'static [u32], spikes: usize) {
    let synapses = synapses(width, block, NARROW);
    let mut list = [Spike::binary(0); 25];
    for (spike, index) in list.iter_mut().zip(0u16..) {
        *spike = Spike::new(index, SpikeValue::from_bits(10 * index + 1));
    }
    let list = &list[..spikes];
    let mut sums = [0; NARROW.next_multiple_of(16)];
    let instructions = meter.instructions(&mut || synapses.sum_graded(black_box(list), 3, &mut sums));
    Cost {
        kernel: "sum-graded",
        bits: width.bits(),
        neurons: NARROW,
        spikes,
        instructions,
        operations: NARROW * spikes,
    }
    .print();
}

/// Mean cost of a timestep of neurons of SRC that spike as those of trained networks do, and, of the paper's wide layer, of the
/// first timesteps in which no input spikes.
fn src(meter: &Meter, kernel: &str, constants: SrcConstants, integrator: Integrator, neurons: usize) {
    let layer = match SrcLayer::new(
        no_synapses(&[Shape::PRUNED], neurons),
        &NEURONS[..neurons],
        integrator,
        constants,
    ) {
        Ok(layer) => Layer::from(layer),
        Err(error) => panic!("{constants:?} is refused, {error:?}"),
    };
    let mut potentials = [Potentials::REST; WIDE];
    advance(meter, kernel, &layer, &mut potentials[..neurons]);
}

fn lif(meter: &Meter) {
    match LifLayer::new(no_synapses(&[Shape::PRUNED], WIDE), &LIF, INTEGRATOR) {
        Ok(layer) => advance(meter, "lif", &layer.into(), &mut []),
        Err(error) => panic!("LIF is refused, {error:?}"),
    }
}

#[inline(never)]
fn advance(meter: &Meter, kernel: &str, layer: &Layer<'_>, potentials: &mut [Potentials]) {
    let neurons = layer.neurons();
    let mut currents = [Current::ZERO; WIDE];
    let mut states = LayerStates { currents: &mut currents[..neurons], potentials };
    let mut sums = [0; WIDE];
    let mut spikes = Vec::<Spike, WIDE>::new();
    let mut noise = Noise(5);
    let (mut instructions, mut spiking) = (0, 0);
    for step in 0..WARM_UP + STEPS {
        for sum in &mut sums[..neurons] {
            *sum = noise.around_zero(1000);
        }
        let taken = meter.instructions(&mut || {
            layer.update(true, &mut sums[..neurons], &mut states, &mut spikes);
        });
        if step >= WARM_UP {
            instructions += taken;
            spiking += spikes.len();
        }
    }
    Cost { kernel, bits: 0, neurons, spikes: spiking, instructions, operations: neurons * STEPS as usize }
        .print();
    if kernel == "src" && neurons == WIDE {
        let mut instructions = 0;
        for _ in 0..4 {
            instructions += meter.instructions(&mut || {
                layer.update(false, &mut sums[..neurons], &mut states, &mut spikes);
            });
        }
        Cost { kernel: "src-silent", bits: 0, neurons, spikes: 0, instructions, operations: neurons * 4 }
            .print();
    }
}

/// A timestep of a whole network of 512 and 100 neurons that rests and receives no spike.
#[inline(never)]
fn rest(meter: &Meter) {
    static BELOW: [u16; WIDE] = [Shape::PRUNED; WIDE];
    let layer = |synapses, neurons: &'static [NeuronConstants]| match SrcLayer::new(
        synapses, neurons, INTEGRATOR, PAPER,
    ) {
        Ok(layer) => Layer::from(layer),
        Err(error) => panic!("SRC is refused, {error:?}"),
    };
    let layers = [
        layer(no_synapses(&BELOW[..1], WIDE), &NEURONS),
        layer(no_synapses(&BELOW, NARROW), &NEURONS[..NARROW]),
    ];
    let readout = Readout::new(NARROW as u16, 10, Loss::lit("0.01"), Score::ONE, Score::lit("-0.1"));
    let Ok(readout) = readout else { panic!("the readout is refused") };
    let mut model = Model::empty();
    let pushed = layers.into_iter().try_for_each(|layer| model.push(layer));
    if let Err(error) = pushed.and_then(|()| model.finish(readout, 100)) {
        panic!("the network is refused, {error:?}");
    }
    let mut memory = Memory::<{ WIDE + NARROW }, { WIDE + NARROW }, WIDE, 10>::new();
    let Ok(mut network) = Network::new(&model, memory.view()) else { panic!("the memory is refused") };
    for _ in 0..100 {
        network.step(&[]);
    }
    assert_eq!(network.resting(), 0b11, "the network does not come to rest");
    let instructions = meter.instructions(&mut || network.step(black_box(&[])));
    Cost { kernel: "rest", bits: 0, neurons: WIDE + NARROW, spikes: 0, instructions, operations: 1 }.print();
}

/// The paper's rate code on an image with as many grey pixels as MNIST's have in the mean, 150 of 784, and as many spikes.
#[inline(never)]
fn rate_code(meter: &Meter) {
    static PIXELS: [u8; 784] = {
        let mut pixels = [0; 784];
        let mut index = 0;
        while index < 150 {
            // A block of 10 by 15 in the middle.
            pixels[(6 + index / 10) * 28 + 9 + index % 10] = 174;
            index += 1;
        }
        pixels
    };
    let encoder = Encoder::Rate(RateCode::new(Gain::lit("0.25"), 1));
    let mut spiking = Vec::<u16, 784>::new();
    let (mut instructions, mut spikes) = (0, 0);
    for t in 0..STEPS as u16 {
        instructions += meter.instructions(&mut || encoder.step(0, black_box(t), &PIXELS, &mut spiking));
        spikes += spiking.len();
    }
    Cost {
        kernel: "rate-code",
        bits: 0,
        neurons: 784,
        spikes,
        instructions,
        operations: 784 * STEPS as usize,
    }
    .print();
}
