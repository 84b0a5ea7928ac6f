//! The trainer against the oracle: every intermediate of a layer, and a network's spikes, scores, loss and gradients.

use candle_core::{DType, Device, Tensor, safetensors};
use spikelet::cell::{Cell, Gate, Learnable, LifCell, SrcCell};
use spikelet::config::ActivityGoal;
use spikelet::kernel::lif_layer::LifLayer;
use spikelet::kernel::src_layer::SrcLayer;
use spikelet::kernel::{Events, Flow, Real};
use spikelet::layer::Training;
use spikelet::network::{Architecture, Network, Parameters};
use spikelet::readout::ReadoutConfig;
use spikelet_tests::on_every_path;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

/// Bound in f64: the oracle's own rounding is of this size.
const EXACT: f64 = 1e-9;

fn golden(name: &str) -> HashMap<String, Tensor> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    safetensors::load(path, &Device::Cpu).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Fails with the place and both values where two lists differ by more than `bound`, relative above 1.
fn assert_near(what: &str, actual: &[f64], expected: &[f64], bound: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (index, (a, e)) in actual.iter().zip(expected).enumerate() {
        let error = (a - e).abs() / e.abs().max(1.0);
        assert!(error <= bound, "{what}[{index}] is {a} instead of {e} ({error:.1e} > {bound:.0e})");
    }
}

/// Sample `b` of a `[T, B, N]` tensor, `[T, N]`.
fn sample(tensor: &Tensor, b: usize) -> Vec<f64> {
    numbers(&tensor.narrow(1, b, 1).unwrap().contiguous().unwrap())
}

fn to<R: Real>(values: &[f64]) -> Vec<R> {
    values.iter().map(|&value| R::of(value)).collect()
}

/// Both readings of Eq. 3c on binary and graded inputs, and the general cell of Eq. 1.
#[test]
fn every_intermediate_of_a_layer() {
    let golden = golden("src_layer.safetensors");
    let paper = SrcCell::default();
    let previous = SrcCell { gate: Gate::Previous, ..paper.clone() };
    let general = SrcCell { z: 0.3, z_s_dep: 0.9, ..paper.clone() };
    let cases = [
        ("binary", "binary.current", &paper),
        ("graded", "graded.current", &paper),
        ("binary", "binary.previous", &previous),
        ("graded", "graded.previous", &previous),
        ("binary", "general", &general),
    ];
    let inputs = golden["W"].dims2().unwrap().1;
    let weight = numbers(&golden["W"].t().unwrap().contiguous().unwrap());
    for (input, expected, cell) in cases {
        let layer = SrcLayer::new(cell, golden["b"].elem_count(), &numbers(&golden["b"]));
        let (steps, batch, _) = golden[input].dims3().unwrap();
        for b in 0..batch {
            let events = Events::graded(&sample(&golden[input], b), inputs);
            let mut states = layer.start();
            let mut trace: HashMap<&str, Vec<f64>> = HashMap::new();
            for t in 0..steps {
                let (spiking, values) = events.at(t);
                layer.step(&mut states, &weight, spiking, values);
                trace.entry("i").or_default().extend(&states.i);
                trace.entry("x").or_default().extend(states.y.iter().map(|y| y * cell.rho));
                trace.entry("h").or_default().extend(&states.h);
                trace.entry("hs").or_default().extend(&states.h_s);
                trace.entry("s").or_default().extend(states.h.iter().map(|h| h.max(0.0)));
            }
            for (name, actual) in trace {
                let golden = sample(&golden[&format!("{expected}.{name}")], b);
                assert_near(&format!("{expected} {name} of sample {b}"), &actual, &golden, EXACT);
            }
        }
    }
}

struct Case<R> {
    network: Network<R>,
    events: Vec<Events<R>>,
    inputs: usize,
    labels: Tensor,
    golden: HashMap<String, Tensor>,
}

fn case<R: Real>() -> Case<R> {
    let golden = golden("src_network.safetensors");
    let (_, batch, inputs) = golden["s_in"].dims3().unwrap();
    let mut widths = vec![inputs];
    let layers = (0..3).map(|l| {
        let weight = golden[&format!("W{l}")].t().unwrap().contiguous().unwrap();
        let (below, neurons) = weight.dims2().unwrap();
        widths.push(neurons);
        let bias = to(&numbers(&golden[&format!("b{l}")]));
        Parameters::new::<R>(&Cell::default(), (below, neurons), to(&numbers(&weight)), vec![bias]).unwrap()
    });
    let layers = layers.collect();
    let readout = ReadoutConfig::default();
    let architecture = Architecture {
        widths,
        classes: golden["logits"].dims2().unwrap().1,
        cell: Cell::default(),
        readout,
        bits: vec![],
    };
    Case {
        network: Network::from_parameters(architecture, layers),
        events: (0..batch).map(|b| Events::graded(&to::<R>(&sample(&golden["s_in"], b)), inputs)).collect(),
        inputs,
        labels: golden["y"].to_dtype(DType::U32).unwrap(),
        golden,
    }
}

/// How near a network must come to the oracle's.
struct Bounds {
    /// Scores, spikes and loss.
    values: f64,
    /// Gradients that do not flow back in time.
    gradients: f64,
    /// Gradients that do, through h and h_s.
    through_time: f64,
}

fn training(bypass: bool, detach: bool) -> Option<Training> {
    Some(Training { flow: Flow { bypass, detach }, goal: ActivityGoal::default() })
}

/// A list as near as its length: fails where ‖actual − expected‖ is more than `bound` of ‖expected‖.
fn assert_near_in_norm(what: &str, actual: &[f64], expected: &[f64], bound: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let error = norm(&mut actual.iter().zip(expected).map(|(a, e)| a - e));
    let error = error / norm(&mut expected.iter().copied());
    assert!(error <= bound, "{what} errs by {error:.1e} > {bound:.0e} of its length");
}

/// Scores, spikes, loss and gradients of a network against the oracle's, for all four ways that gradients flow.
fn check_network<R: Real>(bounds: &Bounds) {
    let Case { network, events, inputs, labels, golden } = case::<R>();
    for (bypass, relu) in [(true, "bypass"), (false, "relu")] {
        for (detach, time) in [(true, "detach"), (false, "full")] {
            let output = network.forward_events(events.clone(), inputs, training(bypass, detach)).unwrap();
            let loss = candle_nn::loss::cross_entropy(&output.scores, &labels).unwrap();
            let gradients = output.backward(&loss).unwrap();
            let tag = format!("{relu}.{time}");
            let bound = bounds.values;
            let of_gradients = if detach { bounds.gradients } else { bounds.through_time };
            assert_near(
                &format!("{tag} scores"),
                &numbers(&output.scores),
                &numbers(&golden["logits"]),
                bound,
            );
            assert_near(
                &format!("{tag} loss"),
                &numbers(&loss),
                &numbers(&golden[&format!("{tag}.loss")]),
                bound,
            );
            for (l, layer) in network.layers().iter().enumerate() {
                let (_, bias) = &layer.cell[0];
                let neurons = bias.elem_count();
                let mut spiking = 0.0;
                for (b, events) in output.spikes[l].iter().enumerate() {
                    let spikes: Vec<f64> = events.dense(neurons).iter().map(|s| s.to_f64()).collect();
                    spiking += spikes.iter().filter(|&&s| s > 0.0).count() as f64;
                    assert_near(&format!("s{l}"), &spikes, &sample(&golden[&format!("s{l}")], b), bound);
                }
                let activity = spiking / (events.len() * events[0].steps() * neurons) as f64;
                assert_near("activity", &[activity], &numbers(&golden[&format!("activity{l}")]), EXACT);
                let weight =
                    gradients.get(layer.weight.as_tensor()).unwrap().t().unwrap().contiguous().unwrap();
                let bias = gradients.get(bias.as_tensor()).unwrap();
                assert_near_in_norm(
                    &format!("{tag} dW{l}"),
                    &numbers(&weight),
                    &numbers(&golden[&format!("{tag}.dW{l}")]),
                    of_gradients,
                );
                assert_near_in_norm(
                    &format!("{tag} db{l}"),
                    &numbers(bias),
                    &numbers(&golden[&format!("{tag}.db{l}")]),
                    of_gradients,
                );
            }
        }
    }
}

#[test]
fn a_network_in_f64() {
    on_every_path(|_| check_network::<f64>(&Bounds { values: EXACT, gradients: EXACT, through_time: EXACT }));
}

/// Bounds in f32, measured at about a third of them: 150 steps through three layers amplify rounding, and the way back
/// in time amplifies it again.
#[test]
fn a_network_in_f32() {
    on_every_path(|_| {
        check_network::<f32>(&Bounds { values: 2e-3, gradients: 2e-3, through_time: 1e-2 });
    });
}

/// Not only near: scores and every gradient in f32 are the same bits with all instructions, whichever way gradients flow.
#[test]
fn every_path_gives_the_same_bits() {
    let bits = |tensor: &Tensor| -> Vec<u32> {
        let numbers: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
        numbers.into_iter().map(f32::to_bits).collect()
    };
    for (bypass, detach) in [(true, true), (false, true), (true, false), (false, false)] {
        let first: RefCell<Option<Vec<Vec<u32>>>> = RefCell::new(None);
        on_every_path(|path| {
            let Case { network, events, inputs, labels, .. } = case::<f32>();
            let output = network.forward_events(events, inputs, training(bypass, detach)).unwrap();
            let loss = candle_nn::loss::cross_entropy(&output.scores, &labels).unwrap();
            let gradients = output.backward(&loss).unwrap();
            let gradients = network.named().into_iter().map(|parameter| {
                let gradient = gradients.get(parameter.value.as_tensor()).unwrap();
                bits(&gradient.contiguous().unwrap())
            });
            let found: Vec<Vec<u32>> = std::iter::once(bits(&output.scores)).chain(gradients).collect();
            let mut first = first.borrow_mut();
            let scalar = first.get_or_insert_with(|| found.clone());
            for (part, (found, scalar)) in found.iter().zip(scalar.iter()).enumerate() {
                let other = found.iter().zip(scalar).position(|(a, b)| a != b);
                assert_eq!(other, None, "part {part} of {bypass}, {detach} with {}", path.name());
            }
        });
    }
}

/// The LIF baseline: potentials, spikes, scores, loss, and the gradients of weights, leak and threshold.
#[test]
fn a_lif_network() {
    on_every_path(|_| check_lif_network());
}

fn check_lif_network() {
    let golden = golden("lif_network.safetensors");
    let (_, batch, inputs) = golden["s_in"].dims3().unwrap();
    let cell = Cell::Lif(LifCell::default());
    let mut widths = vec![inputs];
    let layers = (0..3).map(|l| {
        let weight = golden[&format!("W{l}")].t().unwrap().contiguous().unwrap();
        let shape = weight.dims2().unwrap();
        widths.push(shape.1);
        Parameters::new::<f64>(&cell, shape, numbers(&weight), vec![vec![0.9], vec![1.0]]).unwrap()
    });
    let layers = layers.collect();
    let classes = golden["logits"].dims2().unwrap().1;
    let architecture =
        Architecture { widths, classes, cell, readout: ReadoutConfig::default(), bits: vec![] };
    let network = Network::<f64>::from_parameters(architecture, layers);
    let events: Vec<_> = (0..batch).map(|b| Events::graded(&sample(&golden["s_in"], b), inputs)).collect();
    let output = network.forward_events(events.clone(), inputs, training(true, true)).unwrap();
    let labels = golden["y"].to_dtype(DType::U32).unwrap();
    let loss = candle_nn::loss::cross_entropy(&output.scores, &labels).unwrap();
    let gradients = output.backward(&loss).unwrap();
    assert_near("scores", &numbers(&output.scores), &numbers(&golden["logits"]), EXACT);
    assert_near("loss", &numbers(&loss), &numbers(&golden["loss"]), EXACT);

    let first = LifLayer::new(&LifCell::default(), golden["W0"].dims2().unwrap().0, &[0.9, 1.0]);
    let weight = numbers(network.layers()[0].weight.as_tensor());
    for (b, events) in events.iter().enumerate() {
        let mut states = first.start();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for t in 0..events.steps() {
            let (spiking, values) = events.at(t);
            first.step(&mut states, &weight, spiking, values);
            before.extend(&states.before_reset);
            after.extend(&states.v);
        }
        assert_near("V before its reset", &before, &sample(&golden["v_before_reset0"], b), EXACT);
        assert_near("V", &after, &sample(&golden["v0"], b), EXACT);
    }
    for (l, layer) in network.layers().iter().enumerate() {
        let neurons = layer.weight.dims2().unwrap().1;
        for (b, events) in output.spikes[l].iter().enumerate() {
            assert_near("s", &events.dense(neurons), &sample(&golden[&format!("s{l}")], b), 0.0);
        }
        let weight = gradients.get(layer.weight.as_tensor()).unwrap().t().unwrap().contiguous().unwrap();
        assert_near_in_norm("dW", &numbers(&weight), &numbers(&golden[&format!("dW{l}")]), EXACT);
        for ((name, value), expected) in layer.cell.iter().zip(["dalpha", "dthresh"]) {
            let gradient = numbers(gradients.get(value.as_tensor()).unwrap());
            assert_near(name, &gradient, &numbers(&golden[&format!("{expected}{l}")]), EXACT);
        }
    }
}

/// Every learnable constant of SRC, with gradients through time, against central differences: the general cell (z > 0), so
/// that each of them matters.
#[test]
fn gradients_of_learnt_constants() {
    use Learnable::{Alpha, H0, HS0, R, RS, Rho, Z, ZS};
    let golden = golden("src_network.safetensors");
    let inputs = golden["s_in"].dims3().unwrap().2;
    let events: Vec<_> = (0..2).map(|b| Events::graded(&sample(&golden["s_in"], b), inputs)).collect();
    let labels = Tensor::new(&[1u32, 3], &Device::Cpu).unwrap();
    for (gate, detach) in [(Gate::Current, false), (Gate::Previous, false), (Gate::Current, true)] {
        let mut learn: std::collections::BTreeSet<_> = [Alpha, Rho, Z, R, RS, ZS, H0, HS0].into();
        if detach {
            // What is detached has no gradient, though the value depends on it: only what acts at the last timestep, or
            // through the integrator, could be compared. A sequence of one timestep has nothing to detach.
            learn.remove(&ZS);
        }
        let events: Vec<_> = events
            .iter()
            .map(|events| {
                if detach { Events::graded(&events.dense(inputs)[..inputs], inputs) } else { events.clone() }
            })
            .collect();
        let cell = SrcCell {
            z: 0.2,
            z_s_dep: 0.3,
            h0: -0.3,
            h_s0: -0.6,
            bias_start: -4.5,
            gate,
            learn,
            ..SrcCell::default()
        };
        let architecture = Architecture {
            widths: vec![inputs, 8, 5],
            classes: 5,
            cell: Cell::Src(cell),
            readout: ReadoutConfig::default(),
            bits: vec![],
        };
        let network = Network::<f64>::new(architecture, 3).unwrap();
        // Strong weights, so that both layers spike.
        for layer in network.layers() {
            layer.weight.set(&(layer.weight.as_tensor() * 6.0).unwrap()).unwrap();
        }
        let run = |kept: Option<Training>| {
            let output = network.forward_events(events.clone(), inputs, kept).unwrap();
            let loss = candle_nn::loss::cross_entropy(&output.scores, &labels).unwrap();
            (output, loss)
        };
        let loss = |kept: Option<Training>| run(kept).1;
        let output = network.forward_events(events.clone(), inputs, None).unwrap();
        assert!(detach || output.spiking.iter().all(|&count| count > 5.0), "{:?}", output.spiking);
        // Without the bypass the gradient is that of the function itself.
        let (trained, trained_loss) = run(training(false, detach));
        let gradients = trained.backward(&trained_loss).unwrap();
        for spikelet::network::NamedParameter { name, value, .. } in network.named() {
            let start = numbers(value.as_tensor());
            let gradient = numbers(gradients.get(value.as_tensor()).unwrap());
            for k in (0..start.len()).step_by(start.len().div_ceil(5)) {
                let at = |by: f64| {
                    let mut moved = start.clone();
                    moved[k] += by;
                    value.set(&Tensor::from_vec(moved, value.dims(), &Device::Cpu).unwrap()).unwrap();
                    numbers(&loss(None))[0]
                };
                let expected = (at(1e-6) - at(-1e-6)) / 2e-6;
                at(0.0);
                let error = (gradient[k] - expected).abs();
                let bound = 1e-5 * (1.0 + expected.abs());
                assert!(error < bound, "{gate:?}: {name}[{k}] is {} and not {expected}", gradient[k]);
            }
        }
    }
}

#[test]
fn latency_times_of_all_pixel_values() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/latency.json");
    let golden: HashMap<String, Vec<i32>> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let pixels: Vec<u8> = (0..=255).collect();
    for (steps, times) in golden {
        let steps: u16 = steps.parse().unwrap();
        let mut ours = vec![-1; 256];
        for t in 0..steps {
            spikelet_runtime::encode::LatencyCode::new(steps)
                .for_each_spike(t, &pixels, |pixel| ours[usize::from(pixel)] = i32::from(t));
        }
        assert_eq!(ours, times, "T = {steps}");
    }
}
