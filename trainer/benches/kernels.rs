//! Time per sample of each stage of training, for 784-512-100 at T = 200, on one thread: `cargo bench -p spikelet`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spikelet::config::Config;
use spikelet::data::{DatasetName, load};
use spikelet::kernel::product::Turned;
use spikelet::kernel::synapses::{ByInput, Panels, weight_gradient};
use spikelet::kernel::{Backward, Events, Flow, Push, SpikeGradient, SpikingLayer};
use spikelet::network::Network;
use spikelet::spike_train::Show;
use std::hint::black_box;

const BATCH: usize = 64;

/// A layer with what flows in and out of it, for each sample of a batch.
struct Case {
    layer: SpikingLayer<f32>,
    inputs: usize,
    weights: Panels<f32>,
    input: Vec<Events<f32>>,
    output: Vec<Events<f32>>,
    kept: Vec<Vec<f32>>,
    g_i: Vec<Vec<f32>>,
}

impl Case {
    fn new(network: &Network<f32>, index: usize, input: Vec<Events<f32>>) -> Self {
        let layer = network.kernel(index).expect("cells spike");
        let (inputs, neurons) = (network.architecture().widths[index], layer.neurons());
        let turned = network.weight(index).expect("there is such a layer");
        let weights: Vec<f32> =
            (0..inputs * neurons).map(|k| turned[k % neurons * inputs + k / neurons]).collect();
        let weights = Panels::new(&weights, neurons);
        let mut case =
            Self { layer, inputs, weights, input, output: Vec::new(), kept: Vec::new(), g_i: Vec::new() };
        for events in &case.input {
            let mut kept = vec![0.0; case.layer.kept() * events.steps() * neurons];
            case.output.push(case.layer.forward(&case.weights, events, &mut kept));
            case.kept.push(kept);
        }
        case
    }

    fn backward(&mut self, gradient: SpikeGradient<'_, f32>) {
        let flow = Flow { bypass: true, detach: true };
        let neurons = self.layer.neurons();
        self.g_i.clear();
        for kept in &self.kept {
            let mut g_i = vec![0.0; kept.len() / self.layer.kept()];
            let given = Backward { flow, kept, gradient, push: Push::default() };
            self.layer.backward(given, &mut g_i, &mut vec![0.0; neurons]);
            self.g_i.push(g_i);
        }
    }
}

fn stages(criterion: &mut Criterion) {
    let config = Config { layers: vec![784, 512, 100], ..Config::default() };
    let data = load(DatasetName::Digits, None).expect("digits are built in");
    let network = Network::<f32>::new(config.architecture(data.classes), 1).expect("it fits");
    let encoding = config.encoding();
    let indices: Vec<usize> = (0..BATCH).collect();
    let trains = encoding.batch(&data.train, &indices, Show::Training { epoch: 0 }).trains;

    let mut group = criterion.benchmark_group("stages");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("encode", |bench| {
        let encode = |index| encoding.train(&data.train, index, Show::Training { epoch: 0 });
        bench.iter(|| (0..BATCH).for_each(|index| drop(black_box(encode(index)))));
    });
    let mut first = Case::new(&network, 0, trains.into_iter().map(Events::binary).collect());
    let mut second = Case::new(&network, 1, first.output.clone());
    let decay: Vec<f32> = (0..200).map(|t| 0.99f32.powi(199 - t)).collect();
    let neuron = vec![0.001; 100];
    let readout = SpikeGradient::Readout { neuron: &neuron, decay: &decay };
    second.backward(readout);
    let g_s = vec![0.001; 200 * 512];
    first.backward(SpikeGradient::Dense(&g_s));
    for (name, case) in [("784-512", &first), ("512-100", &second)] {
        let neurons = case.layer.neurons();
        let mut kept = vec![0.0; case.kept[0].len()];
        group.bench_function(format!("forward {name}"), |bench| {
            bench.iter(|| {
                for events in &case.input {
                    black_box(case.layer.forward(&case.weights, events, &mut kept));
                }
            });
        });
        let mut g_i = vec![0.0; case.g_i[0].len()];
        let mut g_p = vec![0.0; neurons];
        let gradient = if neurons == 512 { SpikeGradient::Dense(&g_s) } else { readout };
        let flow = Flow { bypass: true, detach: true };
        group.bench_function(format!("backward {name}"), |bench| {
            bench.iter(|| {
                for kept in &case.kept {
                    let given = Backward { flow, kept, gradient, push: Push::default() };
                    case.layer.backward(given, &mut g_i, &mut g_p);
                }
            });
        });
        group.bench_function(format!("weight gradient {name}"), |bench| {
            bench.iter(|| {
                let spikes: Vec<_> =
                    case.input.iter().map(|events| ByInput::new(events, case.inputs)).collect();
                for start in (0..neurons).step_by(128) {
                    let columns = start..(start + 128).min(neurons);
                    let samples = spikes.iter().zip(case.g_i.iter().map(Vec::as_slice));
                    black_box(weight_gradient(case.inputs, neurons, columns, samples));
                }
            });
        });
    }
    let turned = Turned::new(&vec![0.01; 512 * 100], 100);
    let mut g_s = vec![0.0; 200 * 512];
    group.bench_function("product 512-100", |bench| {
        bench.iter(|| second.g_i.iter().for_each(|g_i| turned.spike_gradient(g_i, &mut g_s)));
    });
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
