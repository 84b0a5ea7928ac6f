//! Time per sample of each stage of training, for 784-512-100 at T = 200, on one thread: `cargo bench -p spikelet`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spikelet::config::Config;
use spikelet::data::{DatasetName, load};
use spikelet::kernel::panel::{Panels, panels};
use spikelet::kernel::product::Turned;
use spikelet::kernel::synapses::ByInput;
use spikelet::kernel::{Backward, Events, Flow, Push, SpikeGradient, SpikingLayer};
use spikelet::network::Network;
use spikelet::spike_train::Show;
use std::hint::black_box;

const BATCH: usize = 64;
const STEPS: usize = 200;

/// A layer with what flows in and out of it, for each sample of a batch.
struct Case {
    layer: SpikingLayer<f32>,
    inputs: usize,
    weights: Panels<f32>,
    input: Vec<Events<f32>>,
    output: Vec<Events<f32>>,
    kept: Vec<Vec<f32>>,
    /// ∂L/∂s.
    gradient: SpikeGradient<'static, f32>,
    /// ∂L/∂i of a sample for each panel.
    g_i: Vec<Vec<f32>>,
}

impl Case {
    fn new(
        network: &Network<f32>,
        index: usize,
        input: Vec<Events<f32>>,
        gradient: SpikeGradient<'static, f32>,
    ) -> Self {
        let layer = network.kernel(index).expect("cells spike");
        let (inputs, neurons) = (network.architecture().widths[index], layer.neurons());
        let turned = network.weight(index).expect("there is such a layer");
        let weights: Vec<f32> =
            (0..inputs * neurons).map(|k| turned[k % neurons * inputs + k / neurons]).collect();
        let weights = Panels::new(&weights, neurons);
        let (output, kept) = (Vec::new(), Vec::new());
        let g_i = panels(neurons).map(|panel| vec![0.0; panel.len() * STEPS]).collect();
        let mut case = Self { layer, inputs, weights, input, output, kept, gradient, g_i };
        for events in &case.input {
            let mut kept = vec![0.0; case.layer.kept() * STEPS * neurons];
            case.output.push(case.layer.forward(&case.weights, events, &mut kept));
            case.kept.push(kept);
        }
        case.backward(0);
        case
    }

    /// Fills ∂L/∂i of a sample.
    fn backward(&mut self, sample: usize) {
        let flow = Flow { bypass: true, detach: true };
        for (panel, g_i) in panels(self.layer.neurons()).zip(&mut self.g_i) {
            let gradient = match self.gradient {
                SpikeGradient::Dense(all) => SpikeGradient::Dense(&all[..panel.len() * STEPS]),
                SpikeGradient::Readout { neuron, decay } => {
                    SpikeGradient::Readout { neuron: &neuron[panel.clone()], decay }
                }
            };
            let mut g_p = vec![0.0; panel.len()];
            let kept = &self.kept[sample];
            let given = Backward { flow, panel, kept, gradient, push: Push::default() };
            self.layer.backward(given, g_i, &mut g_p);
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
    let dense = vec![0.001; STEPS * 512].leak();
    let decay: Vec<f32> = (0..STEPS as i32).map(|t| 0.99f32.powi(199 - t)).collect();
    let readout = SpikeGradient::Readout { neuron: vec![0.001; 100].leak(), decay: decay.leak() };
    let input = trains.into_iter().map(Events::binary).collect();
    let mut first = Case::new(&network, 0, input, SpikeGradient::Dense(dense));
    let mut second = Case::new(&network, 1, first.output.clone(), readout);
    for (name, case) in [("784-512", &mut first), ("512-100", &mut second)] {
        let neurons = case.layer.neurons();
        let mut kept = vec![0.0; case.kept[0].len()];
        group.bench_function(format!("forward {name}"), |bench| {
            bench.iter(|| {
                for events in &case.input {
                    black_box(case.layer.forward(&case.weights, events, &mut kept));
                }
            });
        });
        group.bench_function(format!("backward {name}"), |bench| {
            bench.iter(|| (0..BATCH).for_each(|sample| case.backward(sample)));
        });
        group.bench_function(format!("weight gradient {name}"), |bench| {
            bench.iter(|| {
                let spikes: Vec<_> =
                    case.input.iter().map(|events| ByInput::new(events, case.inputs)).collect();
                for (panel, g_i) in panels(neurons).zip(&case.g_i) {
                    let mut g_w = vec![0.0; case.inputs * panel.len()];
                    for spikes in &spikes {
                        spikes.add_weight_gradient(panel.len(), g_i, &mut g_w);
                    }
                    black_box(g_w);
                }
            });
        });
    }
    let turned: Vec<_> = panels(512).map(|panel| Turned::new(&vec![0.01; panel.len() * 100], 100)).collect();
    let mut g_s = vec![0.0; STEPS * 64];
    let g_i: Vec<&[f32]> = second.g_i.iter().map(Vec::as_slice).collect();
    group.bench_function("product 512-100", |bench| {
        bench.iter(|| {
            for panel in &turned {
                (0..BATCH).for_each(|_| panel.spike_gradient(&g_i, &mut g_s));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
