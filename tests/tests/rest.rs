//! Layers at rest: skipping them changes no bit; what is proved of neurons is what they do; a silent network is refused.

use candle_core::{Device, Tensor};
use heapless::Vec as Spikes;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use spikelet::data::DatasetName;
use spikelet::simulate::HostMemory;
use spikelet_export::quantise::FloatSrc;
use spikelet_export::rest::{Rest, of_layer};
use spikelet_export::{AlignedBytes, ModelFile};
use spikelet_runtime::formats::{Current, Membrane, Score};
use spikelet_runtime::{Layer, LayerStates, MOST_STATE, Model, Network, Potentials, Spike, SpikeKind, Width};
use spikelet_tests::{
    GENERAL, LIF, Noise, PAPER, RandomCells, load, random_model_of, random_model_with, rate, spikelet,
    trained_model,
};
use std::collections::HashMap;
use std::path::Path;

/// Most neurons of a layer here.
const WIDEST: usize = 64;

/// A model advanced layer by layer, with every sum made and nothing ever skipped.
struct Stepped<'m> {
    model: &'m Model<'m>,
    /// Per layer: currents, and h and h_s.
    states: Vec<(Vec<Current>, Vec<Potentials>)>,
    /// Per layer: spikes of the timestep.
    spikes: Vec<Spikes<Spike, WIDEST>>,
    spike_counts: Vec<u32>,
    saturations: Vec<u32>,
    scores: Vec<Score>,
}

impl<'m> Stepped<'m> {
    fn new(model: &'m Model<'m>) -> Self {
        let layers = model.layers();
        let states = layers.iter().map(|layer| {
            let mut states =
                (vec![Current::ZERO; layer.neurons()], vec![Potentials::REST; layer.potentials()]);
            layer.reset(&mut LayerStates { currents: &mut states.0, potentials: &mut states.1 });
            states
        });
        Self {
            model,
            states: states.collect(),
            spikes: vec![Spikes::new(); layers.len()],
            spike_counts: vec![0; layers.len()],
            saturations: vec![0; layers.len()],
            scores: vec![Score::ZERO; model.readout().classes().into()],
        }
    }

    fn step(&mut self, spiking: &[u16]) {
        let mut sums = [0; WIDEST];
        for (index, layer) in self.model.layers().iter().enumerate() {
            let (below, own) = self.spikes.split_at_mut(index);
            match below.last() {
                None => layer.synapses().sum(spiking, &mut sums),
                Some(spikes) => layer.synapses().sum_graded(spikes, layer.integrator().shift, &mut sums),
            }
            let (currents, potentials) = &mut self.states[index];
            let mut states = LayerStates { currents, potentials };
            let update = layer.update(true, &mut sums, &mut states, &mut own[0]);
            self.spike_counts[index] += own[0].len() as u32;
            self.saturations[index] += u32::from(update.saturated);
        }
        let last = self.spikes.last().unwrap();
        self.model.readout().update(last, &mut vec![0; self.scores.len()], &mut self.scores);
    }

    /// The states, as a network's memory holds them.
    fn states(&self) -> (Vec<Current>, Vec<Potentials>) {
        let layers = || self.states.iter();
        (
            layers().flat_map(|layer| layer.0.clone()).collect(),
            layers().flat_map(|layer| layer.1.clone()).collect(),
        )
    }
}

/// A stream of events: bursts of a few to many spikes a timestep, single spikes, and silences of up to a few thousand timesteps.
struct Stream {
    noise: Noise,
    left: usize,
    /// Of 256: how likely an input spikes in a timestep.
    share: usize,
}

impl Stream {
    fn next(&mut self, inputs: u16, spiking: &mut Vec<u16>) {
        let Self { noise, left, share } = self;
        if *left == 0 {
            let burst = *share == 0;
            *share = if burst { 1 << noise.below(8) } else { 0 };
            *left = if burst { 1 + noise.below(60) } else { 1 << noise.below(12) };
        }
        *left -= 1;
        spiking.clear();
        if *share > 0 {
            spiking.extend((0..inputs).filter(|_| noise.below(256) < *share));
        }
    }
}

/// Runs a model both ways over so many timesteps, and compares every bit that there is; how many timesteps of layers were skipped,
/// and how many spikes each layer made.
fn both_ways(model: &AlignedBytes, steps: usize, seed: u64) -> (usize, Vec<u32>) {
    /// Timesteps between two resets.
    const SEQUENCE: usize = 50_000;
    let file = ModelFile::open(model).unwrap();
    let model = file.model();
    let layers = model.layers().len();
    let mut stream = Stream { noise: Noise(seed), left: 0, share: 0 };
    let mut spiking = Vec::new();
    let (mut skipped, mut spikes) = (0, vec![0; layers]);
    for sequence in 0..steps / SEQUENCE {
        let mut memory = HostMemory::new(model.need());
        let mut network = Network::new(model, memory.view()).unwrap();
        let mut stepped = Stepped::new(model);
        for t in 0..SEQUENCE {
            stream.next(model.inputs(), &mut spiking);
            let resting = network.resting();
            stepped.step(&spiking);
            let mut receives = !spiking.is_empty();
            network.step_observed(&spiking, |layer, spikes| {
                assert_eq!(spikes, &stepped.spikes[layer][..], "layer {layer} at {sequence}, {t}");
                skipped += usize::from(!receives && resting & 1 << layer != 0);
                receives = !spikes.is_empty();
            });
            assert_eq!(network.scores(), stepped.scores, "at {sequence}, {t}");
        }
        assert_eq!(network.spike_counts(), stepped.spike_counts);
        assert_eq!(network.saturations(), stepped.saturations);
        spikes.iter_mut().zip(network.spike_counts()).for_each(|(sum, count)| *sum += count);
        let mut best = 0;
        for (class, score) in stepped.scores.iter().enumerate() {
            best = if *score > stepped.scores[best] { class } else { best };
        }
        assert_eq!(usize::from(network.class()), best);
        assert_eq!(memory.states(), stepped.states(), "after sequence {sequence}");
    }
    (skipped, spikes)
}

/// A million timesteps in all, over every kind of cell, weights of every width, one layer to four, and neurons enough for whole
/// blocks of vectors and for parts of them.
#[test]
fn skipping_layers_at_rest_changes_no_bit() {
    let binary = RandomCells::Src(FloatSrc { spikes: SpikeKind::Binary, ..FloatSrc::PAPER }, false);
    // The last has neurons that never rest, so its first layer is skipped never or hardly ever.
    let resting = [-7.5, -5.6];
    let cases: [(RandomCells, &[u16], [f64; 2], usize); 7] = [
        (PAPER, &[64, 40, 20, 10], resting, 200_000),
        (PAPER, &[25, 64, 50], resting, 150_000),
        (PAPER, &[16, 30], resting, 150_000),
        (binary, &[64, 33, 20], resting, 150_000),
        (GENERAL, &[36, 32, 30], resting, 150_000),
        (LIF, &[64, 40, 30, 20, 10], resting, 150_000),
        (PAPER, &[64, 40, 20], [-6.0, -4.0], 50_000),
    ];
    assert_eq!(cases.iter().map(|case| case.3).sum::<usize>(), 1_000_000);
    for (seed, (cells, widths, bias, steps)) in (1..).zip(cases) {
        let model = random_model_with(bias, &Width::ALL, cells, widths, [0, 100, 0], rate(), seed);
        let (skipped, spikes) = both_ways(&model, steps, seed);
        let all = steps * (widths.len() - 1);
        eprintln!("{cells:?}, {widths:?}: {skipped} of {all} timesteps of layers skipped, {spikes:?} spikes");
        assert!(spikes.iter().all(|&count| count > 100), "a layer of {widths:?} is silent: {spikes:?}");
        if bias == resting {
            assert!(skipped * 2 > all, "{skipped} of {all} timesteps of layers were skipped");
        }
    }
}

/// The states of a layer's neurons, and what advances them without input.
struct Alone<'m> {
    layer: &'m Layer<'m>,
    currents: Vec<Current>,
    potentials: Vec<Potentials>,
}

impl<'m> Alone<'m> {
    fn new(layer: &'m Layer<'m>) -> Self {
        let (currents, potentials) =
            (vec![Current::ZERO; layer.neurons()], vec![Potentials::REST; layer.potentials()]);
        let mut alone = Self { layer, currents, potentials };
        alone
            .layer
            .reset(&mut LayerStates { currents: &mut alone.currents, potentials: &mut alone.potentials });
        alone
    }

    /// Any states that there are after a timestep.
    fn anywhere(layer: &'m Layer<'m>, noise: &mut Noise) -> Self {
        let mut alone = Self::new(layer);
        let mut state = || (noise.bits() as i16).clamp(-MOST_STATE, MOST_STATE) & !7;
        alone.currents.iter_mut().for_each(|current| *current = Current::from_bits(state()));
        for potentials in &mut alone.potentials {
            *potentials = Potentials { h: Membrane::from_bits(state()), h_s: Membrane::from_bits(state()) };
        }
        alone
    }

    /// The neurons that spike.
    fn step(&mut self) -> Vec<u16> {
        let mut spikes = Spikes::<Spike, WIDEST>::new();
        let mut states = LayerStates { currents: &mut self.currents, potentials: &mut self.potentials };
        self.layer.update(false, &mut [0; WIDEST], &mut states, &mut spikes);
        spikes.iter().map(|spike| spike.neuron).collect()
    }

    /// i or V, h and h_s.
    fn state(&self, neuron: usize) -> [i16; 3] {
        let potentials = self.potentials.get(neuron).copied().unwrap_or_default();
        [self.currents[neuron].to_bits(), potentials.h.to_bits(), potentials.h_s.to_bits()]
    }
}

/// Every neuron of a model does what is said of it; how many rest and how many do not.
fn neurons_do_as_is_said(model: &AlignedBytes) -> [usize; 2] {
    let file = ModelFile::open(model).unwrap();
    let mut noise = Noise(9);
    let mut counts = [0; 2];
    for layer in file.model().layers() {
        let said = of_layer(layer);
        let states = |alone: &Alone<'_>| (0..said.len()).map(|n| alone.state(n)).collect::<Vec<_>>();
        let longest = said.iter().map(|rest| match rest {
            Rest::Rests(state) => state.steps,
            _ => 0,
        });
        let longest = longest.max().unwrap();
        // From the start of a sequence, where it rests is said in bits and how it moves to the timestep.
        let mut alone = Alone::new(layer);
        (0..2000).for_each(|_| drop(alone.step()));
        let mut spikes = vec![0; said.len()];
        let before = states(&alone);
        for (neuron, rest) in said.iter().enumerate() {
            match *rest {
                Rest::Rests(state) => {
                    assert_eq!(before[neuron], [0, state.potentials[0], state.potentials[1]], "{neuron}");
                }
                Rest::Moves { .. } => {}
                Rest::Unproved => panic!("neuron {neuron}"),
            }
        }
        for t in 1..=1000 {
            alone.step().iter().for_each(|&neuron| spikes[usize::from(neuron)] += 1);
            for (neuron, rest) in said.iter().enumerate() {
                match *rest {
                    Rest::Moves { period, spikes: each, alone: true } if t == period => {
                        assert_eq!((alone.state(neuron), spikes[neuron]), (before[neuron], each), "{neuron}");
                    }
                    Rest::Moves { alone: true, .. } => {}
                    _ => assert_eq!((alone.state(neuron), spikes[neuron]), (before[neuron], 0), "{neuron}"),
                }
            }
        }
        // From anywhere, those that rest do so in time.
        for _ in 0..300 {
            let mut alone = Alone::anywhere(layer, &mut noise);
            let mut last_change = vec![0; said.len()];
            let mut before = states(&alone);
            for t in 1..=longest + 100 {
                alone.step();
                let now = states(&alone);
                for (neuron, change) in last_change.iter_mut().enumerate() {
                    *change = if now[neuron] == before[neuron] { *change } else { t };
                }
                before = now;
            }
            for (neuron, (rest, change)) in said.iter().zip(last_change).enumerate() {
                if let Rest::Rests(state) = rest {
                    assert!(
                        change <= state.steps,
                        "{neuron} moves after {} timesteps, at {change}",
                        state.steps
                    );
                }
            }
        }
        for rest in said {
            counts[usize::from(!matches!(rest, Rest::Rests(_)))] += 1;
        }
    }
    counts
}

#[test]
fn neurons_with_random_and_with_trained_biases_do_as_is_said() {
    for (cells, some_move) in [(PAPER, true), (GENERAL, true), (LIF, false)] {
        let model = random_model_of(cells, &[25, 64, 40, 20], [0, 50, 0], rate(), 3);
        let [rest, move_] = neurons_do_as_is_said(&model);
        eprintln!("{cells:?}: {rest} neurons rest, {move_} do not");
        assert!(rest > 20 && (move_ > 5) == some_move, "{rest} {move_}");
    }
    let data = load(DatasetName::Digits).unwrap();
    let [rest, move_] = neurons_do_as_is_said(&trained_model(&data, &[784, 60, 50], 100, 2000));
    eprintln!("trained: {rest} neurons rest, {move_} do not");
    assert!(rest > 90, "{move_} do not rest");
}

/// The one JSON object that a command prints.
fn json(arguments: &[&str]) -> Value {
    let output = spikelet().arg("--json").args(arguments).assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

/// A run of 784-30-20, all weights of a layer being equal.
fn run_of(folder: &Path, name: &str, weights: [f32; 2], biases: [f32; 50]) -> String {
    let tensor = |values: Vec<f32>, shape: &[usize]| Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    let tensors = HashMap::from([
        ("layers.0.weight", tensor(vec![weights[0]; 30 * 784], &[30, 784])),
        ("layers.0.bias", tensor(biases[..30].to_vec(), &[30])),
        ("layers.1.weight", tensor(vec![weights[1]; 20 * 30], &[20, 30])),
        ("layers.1.bias", tensor(biases[30..].to_vec(), &[20])),
    ]);
    let file = folder.join(format!("{name}.safetensors"));
    candle_core::safetensors::save(&tensors, &file).unwrap();
    let run = folder.join(name).display().to_string();
    spikelet().arg("import").arg(&file).args(["--steps", "30", "--out", &run]).assert().success();
    run
}

#[test]
fn silent_networks_are_refused_however_they_are_silent() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        // The first layer hears nothing, so no other does either.
        ("deaf", [0.0, 1.0], "layer 0"),
        // It is silenced.
        ("silenced", [-1.0, 1.0], "layer 0"),
        // The first layer spikes, and the last does not.
        ("last-deaf", [1.0, 0.0], "layer 1"),
        ("last-silenced", [1.0, -1.0], "layer 1"),
    ];
    for (name, weights, layer) in cases {
        let run = run_of(folder.path(), name, weights, [-6.0; 50]);
        let sentence = format!("{layer} never spikes on the test images");
        let refused = spikelet().args(["export", &run, "--samples", "20"]).assert().failure();
        refused.stderr(contains(sentence).and(contains("--allow-silent")));
        let model = folder.path().join(name).join("model.spk");
        assert!(!model.exists());
        let exported = json(&["export", &run, "--samples", "20", "--allow-silent"]);
        assert!(model.is_file());
        let index = usize::from(layer == "layer 1");
        assert_eq!(exported["layers"][index]["silent"], exported["layers"][index]["neurons"]);
    }
}

#[test]
fn export_and_inspect_name_what_is_wrong_with_neurons() {
    let folder = tempfile::tempdir().unwrap();
    let mut biases = [-6.0; 50];
    (biases[3], biases[40]) = (-4.0, -4.0);
    let run = run_of(folder.path(), "high", [0.5, 0.0], biases);
    let exported = json(&["export", &run, "--samples", "20"]);
    let layers = &exported["layers"];
    assert_eq!(
        [&layers[0]["always_on"], &layers[1]["always_on"]],
        [&serde_json::json!([3]), &serde_json::json!([10])]
    );
    let others: Vec<usize> = (0..20).filter(|&neuron| neuron != 10).collect();
    assert_eq!(layers[1]["dead"], serde_json::json!(others));
    // Without columns, rows take no room either.
    assert_eq!([&layers[1]["pruned_inputs"], &layers[1]["pruned_neurons"]], [0, 20]);
    assert_eq!([&layers[0]["sums_proved"], &layers[1]["sums_proved"]], [false, true]);
    let lost = exported["float_accuracy"].as_f64().unwrap() - exported["fixed_accuracy"].as_f64().unwrap();
    assert!((exported["points_lost"].as_f64().unwrap() - 100.0 * lost).abs() < 1e-9);

    let model = folder.path().join("high/model.spk").display().to_string();
    let inspected = json(&["inspect", &model]);
    for (index, neuron) in [(0, 3), (1, 10)] {
        let rest = &inspected["layers"][index]["rest"];
        assert_eq!(*rest, layers[index]["rest"], "both say the same");
        assert_eq!(rest["rests"], false);
        let restless = rest["restless"].as_array().unwrap();
        assert_eq!((restless.len(), restless[0]["neuron"].as_u64()), (1, Some(neuron)));
        assert_eq!((restless[0]["bias"].as_f64(), restless[0]["alone"].as_bool()), (Some(-4.0), Some(true)));
        assert!(restless[0]["spikes"].as_u64().unwrap() > 0);
        let neurons = rest["neurons"].as_array().unwrap();
        assert_eq!(neurons.len() as u64 - 1, rest["resting"].as_u64().unwrap());
        assert!(
            neurons[0]["steps"].as_u64() == rest["steps"].as_u64()
                && neurons[0]["h"].as_f64().unwrap() < -0.8
        );
    }
    let both = [
        "29 of 30 neurons come to rest",
        "3 (b_h -4.00) spikes in",
        "never skipped",
        "sums are not proved to fit",
        "sums are proved to fit",
    ];
    let pruned = ["20 of 20 neurons have no weight"];
    let idle = ["always on: 10", "never spiked: 0, 1, 2, 3, 4, 5 and 13 more", "percentage points"];
    says(&["inspect", &model], &both);
    says(&["export", &run, "--samples", "20"], &[&both[..], &pruned, &idle].concat());
}

/// A command's tables hold all of `words`.
fn says(arguments: &[&str], words: &[&str]) {
    let output = spikelet().args(arguments).assert().success();
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    for word in words {
        assert!(text.contains(word), "{arguments:?}: \"{word}\" is not in: {text}");
    }
}
