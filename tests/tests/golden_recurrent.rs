//! The baselines GRU and BRC against the oracle and against finite differences, and that they learn.

use candle_core::{D, DType, Device, Tensor, Var, safetensors};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use spikelet::cell::{Cell, CellName};
use spikelet::checkpoint;
use spikelet::config::Config;
use spikelet::data::{self, DatasetName};
use spikelet::kernel::{Events, Real};
use spikelet::network::Network;
use spikelet::readout::ReadoutConfig;
use spikelet::recurrent::{Input, Kind, Parameters, layer, readout};
use spikelet::spike_train::SpikeTrain;
use spikelet_runtime::encode::{Encoder, Gain, RateCode};
use spikelet_tests::{Noise, on_every_path};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

const KINDS: [(Kind, &str); 2] = [(Kind::Gru, "gru"), (Kind::Brc, "brc")];

/// Bound in f64, measured at 4e-16.
const EXACT: f64 = 1e-12;

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn random(noise: &mut Noise, shape: &[usize]) -> Tensor {
    let numbers: Vec<f64> = (0..shape.iter().product::<usize>()).map(|_| noise.within(-1.0, 1.0)).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
}

/// The oracle's layer: its parameters, x and h, both `[batch, timesteps, …]`.
fn golden<R: Real>(kind: Kind, name: &str) -> (Parameters, Tensor, Tensor) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/gru_brc.safetensors");
    let golden: HashMap<String, Tensor> = safetensors::load(path, &Device::Cpu).unwrap();
    let of = |part: &str| golden[&format!("{name}.{part}")].to_dtype(R::DTYPE).unwrap();
    let stack = |parts: &[&str]| {
        let parts: Vec<Tensor> = parts.iter().map(|part| of(part)).collect();
        Tensor::cat(&parts, 0).unwrap()
    };
    let recurrent = match kind {
        Kind::Gru => stack(&["Wz", "Wr", "Wh"]),
        Kind::Brc => stack(&["wz", "wr"]).reshape((2, ())).unwrap(),
    };
    let (input, bias) = (stack(&["Uz", "Ur", "Uh"]), stack(&["bz", "br", "bh"]));
    let var = |tensor: Tensor| Var::from_tensor(&tensor).unwrap();
    let input = var(input.t().unwrap().contiguous().unwrap());
    let parameters = Parameters { input, recurrent: var(recurrent), bias: var(bias) };
    let batch_first = |tensor: &Tensor| tensor.transpose(0, 1).unwrap().contiguous().unwrap();
    let x = golden["x"].to_dtype(R::DTYPE).unwrap();
    (parameters, batch_first(&x), batch_first(&golden[&format!("{name}.h")]))
}

fn fresh<R: Real>(kind: Kind, inputs: usize, neurons: usize, seed: u64) -> Parameters {
    Parameters::stack::<R>(kind, &[inputs, neurons], seed).unwrap().remove(0)
}

fn check_forward<R: Real>(bound: f64) {
    for (kind, name) in KINDS {
        let (parameters, x, h) = golden::<R>(kind, name);
        for learning in [true, false] {
            let input = Input::<R>::Dense(x.clone());
            let ours = layer(kind, &input, &parameters, learning).unwrap();
            assert_eq!(ours.dims(), h.dims());
            let places = numbers(&ours).into_iter().zip(numbers(&h)).enumerate();
            for (place, (ours, expected)) in places {
                let error = (ours - expected).abs();
                assert!(error <= bound, "{name} h[{place}] is {ours} instead of {expected}");
            }
            assert_eq!(ours.track_op(), learning);
        }
    }
}

#[test]
fn h_in_f64() {
    on_every_path(|_| check_forward::<f64>(EXACT));
}

/// Measured at 3e-7: tanh in f32 is good to 2e-7, and these weights hardly amplify it over 20 timesteps.
#[test]
fn h_in_f32() {
    on_every_path(|_| check_forward::<f32>(1e-6));
}

/// Fails where the gradient of `loss` by `variable` is not that of central differences: each entry within 1e-8 of the
/// largest one. Two widths of difference cancel the error of third order; what is left was measured at 3e-10.
fn check_gradient(what: &str, variable: &Var, loss: &dyn Fn() -> Tensor) {
    const STEP: f64 = 1e-3;
    let gradients = loss().backward().unwrap();
    let ours = gradients.get(variable.as_tensor()).unwrap_or_else(|| panic!("{what} has no gradient"));
    assert_eq!(ours.dims(), variable.dims(), "{what}");
    let (ours, start) = (numbers(ours), numbers(variable));
    let value = |place: usize, shift: f64| {
        let mut moved = start.clone();
        moved[place] += shift;
        variable.set(&Tensor::from_vec(moved, variable.shape(), &Device::Cpu).unwrap()).unwrap();
        loss().to_scalar::<f64>().unwrap()
    };
    let difference = |place, step| (value(place, step) - value(place, -step)) / (2.0 * step);
    let expected: Vec<f64> = (0..start.len())
        .map(|place| (4.0 * difference(place, STEP) - difference(place, 2.0 * STEP)) / 3.0)
        .collect();
    variable.set(&Tensor::from_vec(start, variable.shape(), &Device::Cpu).unwrap()).unwrap();
    let most = expected.iter().fold(0.0, |most: f64, g| most.max(g.abs()));
    assert!(most > 1e-3, "{what} has gradients of {most} at most: this tests nothing");
    for (place, (ours, expected)) in ours.iter().zip(&expected).enumerate() {
        let error = (ours - expected).abs() / most;
        assert!(error <= 1e-8, "∂L/∂{what}[{place}] is {ours} instead of {expected} ({error:.1e})");
    }
}

/// The oracle's layer, its loss a sum of h² with random weights, so that every timestep sends its own gradient.
#[test]
fn gradients_of_a_layer() {
    on_every_path(|_| check_gradients_of_a_layer());
}

fn check_gradients_of_a_layer() {
    for (kind, name) in KINDS {
        let (parameters, x, h) = golden::<f64>(kind, name);
        let weights = random(&mut Noise(3), h.dims());
        let x = Var::from_tensor(&x).unwrap();
        let loss = || {
            let h = layer(kind, &Input::<f64>::Dense(x.as_tensor().clone()), &parameters, true).unwrap();
            (h.sqr().unwrap() * &weights).unwrap().sum_all().unwrap()
        };
        for (what, variable) in parameters.named(0) {
            check_gradient(&format!("{name} {what}"), &variable, &loss);
        }
        check_gradient(&format!("{name} x"), &x, &loss);
    }
}

/// Gradients of the same loss in f32 err by at most 1e-6 of their length, measured at 4e-7.
#[test]
fn gradients_in_f32() {
    fn gradients<R: Real>(kind: Kind, name: &str) -> Vec<(String, Vec<f64>)> {
        let (parameters, x, h) = golden::<R>(kind, name);
        let weights = random(&mut Noise(3), h.dims()).to_dtype(R::DTYPE).unwrap();
        let h = layer(kind, &Input::<R>::Dense(x), &parameters, true).unwrap();
        let loss = (h.sqr().unwrap() * &weights).unwrap().sum_all().unwrap();
        let gradients = loss.backward().unwrap();
        let of = |variable: &Var| numbers(gradients.get(variable.as_tensor()).unwrap());
        parameters.named(0).map(|(what, variable)| (what, of(&variable))).into()
    }
    for (kind, name) in KINDS {
        let (single, double) = (gradients::<f32>(kind, name), gradients::<f64>(kind, name));
        for ((what, single), (_, double)) in single.iter().zip(&double) {
            let length = |sum: f64| sum.sqrt();
            let error = length(single.iter().zip(double).map(|(a, b)| (a - b).powi(2)).sum());
            let error = error / length(double.iter().map(|g| g * g).sum());
            assert!(error <= 1e-6, "∂L/∂{what} of {name} errs by {error:.1e} of its length");
        }
    }
}

/// Spikes, some listed twice in a timestep, through two layers and the readout into the cross-entropy; the batch is
/// larger than the chunks in which samples go through time.
#[test]
fn gradients_of_a_network_on_spikes() {
    let (batch, steps, inputs) = (35, 5, 6);
    let events = Arc::new(spikes::<f64>(&mut Noise(8), batch, steps, inputs, 0.3));
    let inputs = usize::from(inputs);
    let labels: Vec<u32> = (0..batch as u32).map(|sample| sample % 2).collect();
    let labels = Tensor::new(labels, &Device::Cpu).unwrap();
    for (kind, name) in KINDS {
        let layers = Parameters::stack::<f64>(kind, &[inputs, 3, 4], 1).unwrap();
        let loss = || {
            let input = Input::Spikes { events: events.clone(), width: inputs };
            let below = layer(kind, &input, &layers[0], true).unwrap();
            let above = layer(kind, &Input::<f64>::Dense(below), &layers[1], true).unwrap();
            let scores = readout(&above, 2, &ReadoutConfig::default()).unwrap();
            candle_nn::loss::cross_entropy(&scores, &labels).unwrap()
        };
        for (index, parameters) in layers.iter().enumerate() {
            for (what, variable) in parameters.named(index) {
                check_gradient(&format!("{name} {what}"), &variable, &loss);
            }
        }
    }
}

/// Random spikes of value 1, every seventh of them listed twice.
fn spikes<R: Real>(noise: &mut Noise, batch: usize, steps: usize, inputs: u16, share: f64) -> Vec<Events<R>> {
    let mut count = 0;
    let sample = |_| {
        let mut train = SpikeTrain { offsets: vec![0], inputs: Vec::new() };
        for _ in 0..steps {
            for input in 0..inputs {
                if noise.within(0.0, 1.0) < share {
                    count += 1;
                    let times = if count % 7 == 0 { 2 } else { 1 };
                    train.inputs.extend(std::iter::repeat_n(input, times));
                }
            }
            train.offsets.push(train.inputs.len() as u32);
        }
        Events::binary(train)
    };
    (0..batch).map(sample).collect()
}

/// The same as reals, a spike that is listed twice as 2.
fn dense(events: &[Events<f64>], inputs: usize) -> Tensor {
    let steps = events[0].steps();
    let mut block = vec![0.0; events.len() * steps * inputs];
    for (row, place) in block.chunks_exact_mut(inputs).zip(0..) {
        let (spiking, values) = events[place / steps].at(place % steps);
        for (k, &input) in spiking.iter().enumerate() {
            row[usize::from(input)] += values.get(k).copied().unwrap_or(1.0);
        }
    }
    Tensor::from_vec(block, (events.len(), steps, inputs), &Device::Cpu).unwrap()
}

#[test]
fn spikes_are_worth_what_reals_are() {
    let (batch, steps, inputs, neurons) = (37, 6, 90, 50);
    let mut noise = Noise(6);
    let mut events = spikes(&mut noise, batch, steps, inputs, 0.2);
    // Some samples are graded.
    for events in events.iter_mut().step_by(3) {
        events.values = events.train.inputs.iter().map(|_| noise.within(0.1, 1.0)).collect();
    }
    let inputs = usize::from(inputs);
    let reals = dense(&events, inputs);
    let events = Arc::new(events);
    let weights = random(&mut noise, &[batch, steps, neurons]);
    for (kind, name) in KINDS {
        let parameters = fresh::<f64>(kind, inputs, neurons, 4);
        let run = |input: &Input<f64>| {
            let h = layer(kind, input, &parameters, true).unwrap();
            let gradients = (&h * &weights).unwrap().sum_all().unwrap().backward().unwrap();
            let mut all = vec![("h".to_owned(), numbers(&h))];
            for (what, variable) in parameters.named(0) {
                all.push((what, numbers(gradients.get(variable.as_tensor()).unwrap())));
            }
            all
        };
        let of_spikes = run(&Input::Spikes { events: events.clone(), width: inputs });
        let of_reals = run(&Input::Dense(reals.clone()));
        for ((what, ours), (_, expected)) in of_spikes.iter().zip(&of_reals) {
            for (ours, expected) in ours.iter().zip(expected) {
                assert!((ours - expected).abs() <= 1e-11, "{name} {what}: {ours} instead of {expected}");
            }
        }
    }
}

/// A sample's h does not depend on what else is in the batch, and one timestep is a sequence too.
#[test]
fn samples_are_apart() {
    let x = random(&mut Noise(5), &[67, 4, 7]);
    for (kind, name) in KINDS {
        let parameters = fresh::<f64>(kind, 7, 5, 9);
        let run = |x: &Tensor| layer(kind, &Input::<f64>::Dense(x.clone()), &parameters, true).unwrap();
        let together = run(&x);
        for sample in [0, 3, 4, 15, 16, 66] {
            let alone = numbers(&run(&x.narrow(0, sample, 1).unwrap()));
            let of_batch = numbers(&together.narrow(0, sample, 1).unwrap());
            let error = alone.iter().zip(&of_batch).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(error <= 1e-14, "{name}, sample {sample}: {error:e}");
        }
        let first = run(&x.narrow(1, 0, 1).unwrap());
        let error = numbers(&(&first - together.narrow(1, 0, 1).unwrap()).unwrap().abs().unwrap());
        assert!(error.iter().all(|&error| error <= 1e-14), "{name}");
        // From rest, nothing has come through the recurrent weights yet.
        let gradients = first.sum_all().unwrap().backward().unwrap();
        let g = numbers(gradients.get(parameters.recurrent.as_tensor()).unwrap());
        assert!(g.iter().all(|&g| g == 0.0), "{name}");
    }
}

/// Wide enough that the products are shared between threads.
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (batch, steps, inputs, neurons) = (70, 7, 200, 120);
    let events = Arc::new(spikes::<f32>(&mut Noise(2), batch, steps, inputs, 0.1));
    let inputs = usize::from(inputs);
    for (kind, name) in KINDS {
        let layers = Parameters::stack::<f32>(kind, &[inputs, neurons, neurons], 1).unwrap();
        let run = || {
            let input = Input::Spikes { events: events.clone(), width: inputs };
            let below = layer(kind, &input, &layers[0], true).unwrap();
            let above = layer(kind, &Input::<f32>::Dense(below), &layers[1], true).unwrap();
            let scores = readout(&above, 10, &ReadoutConfig::default()).unwrap();
            let gradients = scores.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            let mut all: Vec<f32> = scores.flatten_all().unwrap().to_vec1().unwrap();
            for (_, variable) in layers.iter().flat_map(|layer| layer.named(0)) {
                let g = gradients.get(variable.as_tensor()).unwrap().flatten_all().unwrap();
                all.extend(g.to_vec1::<f32>().unwrap());
            }
            all.into_iter().map(f32::to_bits).collect::<Vec<u32>>()
        };
        let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run);
        let alone = on(1);
        for threads in [2, 3] {
            assert!(on(threads) == alone, "{name}: {threads} threads come to other bits than one");
        }
    }
}

/// The readout, integrated step by step.
#[test]
fn readout_of_signed_h() {
    let (batch, steps, neurons, classes) = (3, 40, 12, 4);
    let h = random(&mut Noise(1), &[batch, steps, neurons]);
    let config = ReadoutConfig { alpha: 0.9, excite: 1.5, inhibit: -0.2 };
    let scores = numbers(&readout(&h, classes, &config).unwrap());
    let h = numbers(&h);
    for sample in 0..batch {
        for class in 0..classes {
            let mut v = 0.0;
            for t in 0..steps {
                let weight = |n: usize| if n / 3 == class { config.excite } else { config.inhibit };
                let h = &h[(sample * steps + t) * neurons..][..neurons];
                v = config.alpha * v + h.iter().enumerate().map(|(n, h)| weight(n) * h).sum::<f64>();
            }
            let ours = scores[sample * classes + class];
            assert!((ours - v).abs() < 1e-12, "{ours} instead of {v}");
        }
    }
}

#[test]
fn checkpoints_hold_the_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best.safetensors");
    for (cell, recurrent) in [(CellName::Gru, vec![12, 4]), (CellName::Brc, vec![2, 4])] {
        let config = Config { layers: vec![6, 4], cell: Cell::named(cell), ..Config::default() };
        let network = Network::<f32>::new(config.architecture(2), 3).unwrap();
        checkpoint::save(&path, &config, &network, None).unwrap();
        let stored = safetensors::load(&path, &Device::Cpu).unwrap();
        assert_eq!(stored["layers.0.input.weight"].dims(), [12, 6]);
        assert_eq!(stored["layers.0.recurrent.weight"].dims(), recurrent);
        assert_eq!(stored["layers.0.bias"].dims(), [12]);
        let again = checkpoint::load(&path).unwrap().network;
        for (before, after) in network.named().iter().zip(again.named()) {
            assert_eq!(numbers(&before.value), numbers(&after.value), "{cell} {}", before.name);
        }
    }
    assert_eq!(Kind::of(&Cell::named(CellName::Src)), None);
}

#[test]
fn misfits_are_refused_in_a_sentence() {
    let parameters = fresh::<f32>(Kind::Gru, 6, 4, 3);
    let refused = |kind, input: Input<f32>| layer(kind, &input, &parameters, true).unwrap_err().to_string();
    let zeros = |shape: (usize, usize, usize)| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let events = |count: usize, inputs: u16| {
        let sample = |steps| spikes::<f32>(&mut Noise(1), 1, steps, inputs, 1.0).remove(0);
        Arc::new((1..=count).map(sample).collect::<Vec<_>>())
    };
    let cases = [
        (refused(Kind::Gru, Input::Dense(zeros((2, 3, 5)))), "the layer has 6 inputs, but 5 come in"),
        (refused(Kind::Gru, Input::Dense(zeros((2, 0, 6)))), "at least one sample, one timestep"),
        (
            refused(Kind::Brc, Input::Dense(zeros((2, 3, 6)))),
            "the recurrent weights are [12, 4], expected (2, 4)",
        ),
        (refused(Kind::Gru, Input::Spikes { events: events(0, 6), width: 6 }), "at least one sample"),
        (refused(Kind::Gru, Input::Spikes { events: events(2, 6), width: 6 }), "same number of timesteps"),
        (
            refused(Kind::Gru, Input::Spikes { events: events(1, 9), width: 6 }),
            "input 8 spikes, but there are only 6",
        ),
        (
            readout(&zeros((2, 3, 6)), 4, &ReadoutConfig::default()).unwrap_err().to_string(),
            "6 neurons do not divide evenly between 4 classes",
        ),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }
}

/// Digits in the rate code, 784-64-10: the loss of training falls to less than a third, and 9 of 10 digits are right.
#[test]
fn they_learn_digits() {
    const STEPS: usize = 20;
    let digits = data::load(DatasetName::Digits, None).unwrap();
    let encoder = Encoder::Rate(RateCode::new(Gain::from_num(0.25), 1));
    let encode = |sample: usize| {
        let mut train = SpikeTrain { offsets: vec![0], inputs: Vec::new() };
        for t in 0..STEPS {
            let pixels = digits.train.images().unwrap().image(sample);
            encoder.for_each_spike(sample as u32 as _, t as u16, pixels, |input| train.inputs.push(input));
            train.offsets.push(train.inputs.len() as u32);
        }
        Events::<f32>::binary(train)
    };
    let batches: Vec<_> = (0..8)
        .map(|batch| {
            let samples = batch * 64..(batch + 1) * 64;
            let labels: Vec<u32> = samples.clone().map(|k| u32::from(digits.train.labels()[k])).collect();
            (Arc::new(samples.map(encode).collect()), Tensor::new(labels, &Device::Cpu).unwrap())
        })
        .collect();
    for (kind, name) in KINDS {
        let layers = Parameters::stack::<f32>(kind, &[784, 64, 10], 1).unwrap();
        let variables = layers.iter().flat_map(|layer| layer.named(0)).map(|(_, variable)| variable);
        let rate = ParamsAdamW { lr: 5e-3, weight_decay: 0.0, ..Default::default() };
        let mut adam = AdamW::new(variables.collect(), rate).unwrap();
        let mut epoch = || {
            let (mut losses, mut right) = (0.0, 0.0);
            for (events, labels) in &batches {
                let input = Input::Spikes { events: Arc::clone(events), width: 784 };
                let below = layer(kind, &input, &layers[0], true).unwrap();
                let above = layer(kind, &Input::<f32>::Dense(below), &layers[1], true).unwrap();
                let scores = readout(&above, 10, &ReadoutConfig::default()).unwrap();
                let loss = candle_nn::loss::cross_entropy(&scores, labels).unwrap();
                adam.backward_step(&loss).unwrap();
                losses += loss.to_scalar::<f32>().unwrap() / batches.len() as f32;
                let hits =
                    scores.argmax(D::Minus1).unwrap().eq(labels).unwrap().to_dtype(DType::F32).unwrap();
                right += hits.mean_all().unwrap().to_scalar::<f32>().unwrap() / batches.len() as f32;
            }
            (losses, right)
        };
        let epochs: Vec<(f32, f32)> = (0..8).map(|_| epoch()).collect();
        eprintln!("{name}: loss and accuracy {epochs:.3?}");
        let ((first, _), (last, accuracy)) = (epochs[0], epochs[7]);
        assert!(last < 0.3 * first && accuracy > 0.9, "{name} does not learn: {epochs:?}");
    }
}
