//! Training with quantised weights: what it learns with is what the exporter writes, and gradients pass the rounding.

use candle_core::{Tensor, Var};
use spikelet::cell::{Cell, LifCell};
use spikelet::config::{ActivityGoal, Config};
use spikelet::data::{Dataset, DatasetName};
use spikelet::deploy::{self, Measured, Trained};
use spikelet::evaluate::evaluate;
use spikelet::kernel::{Events, Flow};
use spikelet::layer::Training;
use spikelet::network::{Architecture, Network};
use spikelet::readout::ReadoutConfig;
use spikelet::rounding::rounded;
use spikelet::simulate::simulate;
use spikelet::train::train;
use spikelet_export::ModelFile;
use spikelet_runtime::Width;
use spikelet_tests::{Noise, load, on_every_path};

fn digits() -> Dataset {
    load(DatasetName::Digits).unwrap()
}

fn config() -> Config {
    Config { layers: vec![784, 40, 20], steps: 30, epochs: 4, train_samples: Some(3000), ..Config::default() }
}

fn trained(config: &Config, data: &Dataset) -> Trained {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    train(config, data, &out, false).unwrap();
    deploy::open_run(&out).unwrap()
}

/// A network with rounded weights is the network of those weights: its scores, and its gradients, which go to the learnt ones.
#[test]
fn gradients_go_straight_through_the_rounding() {
    let mut noise = Noise(3);
    let cells = [Cell::default(), Cell::Lif(LifCell { learn: [].into(), ..LifCell::default() })];
    for (cell, bits) in cells.into_iter().flat_map(|cell| {
        [vec![Width::Four, Width::Two], vec![Width::Three]].map(move |bits| (cell.clone(), bits))
    }) {
        let of = |bits| Architecture {
            widths: vec![30, 20, 10],
            classes: 5,
            cell: cell.clone(),
            readout: ReadoutConfig::default(),
            bits,
        };
        let learnt = Network::<f64>::new(of(bits.clone()), 3).unwrap();
        learnt.scale_weights(5.0).unwrap();
        let plain = Network::<f64>::new(of(vec![]), 3).unwrap();
        for (index, (plain, learnt)) in plain.layers().iter().zip(learnt.layers()).enumerate() {
            let weight = learnt.weight.as_tensor();
            let weight =
                bits.get(index).map_or(weight.clone(), |&bits| rounded::<f64>(weight, bits).unwrap());
            plain.weight.set(&weight).unwrap();
        }
        let events: Vec<Events<f64>> = (0..3)
            .map(|_| {
                let spikes: Vec<f64> =
                    (0..30 * 40).map(|_| f64::from(u8::from(noise.below(4) == 0))).collect();
                Events::graded(&spikes, 30)
            })
            .collect();
        let run = |network: &Network<f64>| {
            let training =
                Training { flow: Flow { bypass: true, detach: true }, goal: ActivityGoal::default() };
            let output = network.forward_events(events.clone(), 30, Some(training)).unwrap();
            let loss = output.scores.sqr().unwrap().sum_all().unwrap();
            let gradients = output.backward(&loss).unwrap();
            let of = |var: &Var| -> Vec<f64> {
                gradients.get(var).unwrap().flatten_all().unwrap().to_vec1().unwrap()
            };
            let weights = network.layers().iter().flat_map(|layer| of(&layer.weight)).collect::<Vec<_>>();
            (loss.to_scalar::<f64>().unwrap(), weights)
        };
        let (loss, gradients) = run(&learnt);
        assert!(gradients.iter().any(|g| *g != 0.0), "{cell:?} has a gradient");
        assert_eq!((loss, gradients), run(&plain), "{cell:?}, {bits:?}");
    }
}

/// Weight for weight: a whole number of the model times its step is the float network's weight.
#[test]
fn the_model_has_the_weights_of_training() {
    let data = digits();
    for bits in ["4", "8,2", "5,3"] {
        let config = Config { bits: Some(bits.parse().unwrap()), epochs: 1, ..config() };
        let trained = trained(&config, &data);
        let quantised = deploy::quantise_network(&trained, None).unwrap();
        let bytes = quantised.model(&config, &data.test, Measured::default()).unwrap();
        let file = ModelFile::open(&bytes).unwrap();
        let widths = config.bits.as_ref().unwrap().of_layers(2).unwrap();
        for (index, (layer, width)) in file.model().layers().iter().zip(widths).enumerate() {
            let synapses = layer.synapses();
            assert_eq!(synapses.width(), width);
            let weight = trained.network.layers()[index].weight.as_tensor();
            let weights: Vec<Vec<f32>> = rounded::<f32>(weight, width).unwrap().to_vec2().unwrap();
            for neuron in 0..synapses.neurons() {
                // The step, from the largest weight.
                let column = || weights.iter().map(|row| row[usize::from(neuron)]);
                let counts = || (0..synapses.inputs()).map(|input| synapses.weight(input, neuron).unwrap());
                let largest = column().fold(0.0f32, |largest, w| largest.max(w.abs()));
                let most = counts().fold(0, |most, count| most.max(count.abs()));
                for (weight, count) in column().zip(counts()) {
                    let back = largest * f32::from(count) / f32::from(most.max(1));
                    assert!(
                        (weight - back).abs() <= 1e-5 * largest,
                        "{bits}, neuron {neuron}: {weight}, {count}"
                    );
                }
            }
        }
    }
}

/// Two bits, of which little is left if they are cut off after training, are enough to train with; and the device does as the
/// float network does.
#[test]
fn networks_learn_with_two_bits() {
    let data = digits();
    let correct = |trained: &Trained, bits: &str| {
        let quantised = deploy::quantise_network(trained, Some(&bits.parse().unwrap())).unwrap();
        let bytes = quantised.model(&trained.config, &data.test, Measured::default()).unwrap();
        let classes = simulate(&ModelFile::open(&bytes).unwrap(), &data.test, || {}).classes();
        classes.iter().zip(data.test.labels()).filter(|(class, label)| class == label).count()
    };
    let config = Config { layers: vec![784, 40], epochs: 8, train_samples: Some(6000), ..config() };
    let with = trained(&Config { bits: Some("2".parse().unwrap()), ..config.clone() }, &data);
    let without = trained(&config, &data);
    let (with, without) = (correct(&with, "2"), correct(&without, "2"));
    eprintln!("{with} of {} with 2 bits in training, {without} without", data.test.len());
    assert!(with > without + data.test.len() / 50, "{with} {without}");
}

/// Training with narrow weights rounds the states as well, in the device's formats: the float network chooses as the device does, but
/// for samples that are decided by a hair, and its neurons spike as often.
#[test]
fn float_and_device_agree() {
    let data = digits();
    let one = vec![784, 40];
    let two = vec![784, 40, 20];
    for (bits, layers, least) in [("4", &one, 0.98), ("2", &one, 0.98), ("8,5", &two, 0.9)] {
        let config = Config {
            layers: layers.clone(),
            bits: Some(bits.parse().unwrap()),
            init_gain: 2.0,
            epochs: 6,
            train_samples: Some(6000),
            ..config()
        };
        let trained = trained(&config, &data);
        let quantised = deploy::quantise_network(&trained, None).unwrap();
        let bytes = quantised.model(&config, &data.test, Measured::default()).unwrap();
        let device = simulate(&ModelFile::open(&bytes).unwrap(), &data.test, || {});
        let indices: Vec<usize> = (0..data.test.len()).collect();
        let float = evaluate(&trained.network, &config, &data.test, &indices, |_| {}).unwrap();
        let equal =
            float.chosen.iter().zip(device.classes()).filter(|(float, device)| *float == device).count();
        let share = equal as f64 / indices.len() as f64;
        eprintln!(
            "{bits}: {:.2} % chosen alike, activity {:?}, {:?}",
            100.0 * share,
            float.activity,
            device.activity()
        );
        assert!(share >= least, "{bits}: {share}");
        for (float, device) in float.activity.iter().zip(device.activity()) {
            assert!((float - device).abs() <= 0.05 * float, "{bits}: {float}, {device}");
        }
    }
}

#[test]
fn rounding_is_the_same_with_any_instructions() {
    let mut noise = Noise(8);
    let weight: Vec<f32> = (0..77 * 33).map(|_| noise.within(-1.0, 1.0).powi(3) as f32).collect();
    let weight = Tensor::from_vec(weight, (77, 33), &candle_core::Device::Cpu).unwrap();
    let mut first: Option<Vec<Vec<f32>>> = None;
    on_every_path(|path| {
        for width in Width::ALL {
            let rounded: Vec<Vec<f32>> = rounded::<f32>(&weight, width).unwrap().to_vec2().unwrap();
            if width == Width::Two {
                assert_eq!(*first.get_or_insert_with(|| rounded.clone()), rounded, "{}", path.name());
            }
        }
    });
}
