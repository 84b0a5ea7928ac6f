//! The trainer against the oracle: every intermediate of a layer, and a network's spikes, scores, loss and gradients.

use candle_core::{DType, Device, Tensor, safetensors};
use spikelet::cell::{Cell, SrcCell};
use spikelet::kernel::backward::Flow;
use spikelet::kernel::forward::States;
use spikelet::kernel::{Events, Real};
use spikelet::network::{Architecture, Network, Parameters};
use spikelet::readout::ReadoutConfig;
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

#[test]
fn every_intermediate_of_a_layer() {
    let golden = golden("src_layer.safetensors");
    let cell = SrcCell::default();
    let (neurons, inputs) = golden["W"].dims2().unwrap();
    let weight = numbers(&golden["W"].t().unwrap().contiguous().unwrap());
    let bias: Vec<f64> = numbers(&golden["b"]).iter().map(|b| b.min(cell.bias_most)).collect();
    for kind in ["binary", "graded"] {
        let (steps, batch, _) = golden[kind].dims3().unwrap();
        for b in 0..batch {
            let events = Events::graded(&sample(&golden[kind], b), inputs);
            let mut states = States::new(neurons);
            let mut trace: HashMap<&str, Vec<f64>> = HashMap::new();
            for t in 0..steps {
                let (spiking, values) = events.at(t);
                states.step(&cell.constants(), &weight, &bias, spiking, values);
                trace.entry("i").or_default().extend(&states.i);
                trace.entry("x").or_default().extend(states.y.iter().map(|y| y * cell.rho));
                trace.entry("h").or_default().extend(&states.h);
                trace.entry("hs").or_default().extend(&states.h_s);
                trace.entry("s").or_default().extend(states.h.iter().map(|h| h.max(0.0)));
            }
            for (name, actual) in trace {
                let expected = sample(&golden[&format!("{kind}.current.{name}")], b);
                assert_near(&format!("{kind} {name} of sample {b}"), &actual, &expected, EXACT);
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
        Parameters::new::<R>(to(&numbers(&weight)), below, to(&numbers(&golden[&format!("b{l}")]))).unwrap()
    });
    let layers = layers.collect();
    let (cell, readout) = (SrcCell::default(), ReadoutConfig::default());
    let architecture =
        Architecture { widths, classes: golden["logits"].dims2().unwrap().1, cell: Cell::Src(cell), readout };
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
            let flow = Some(Flow { bypass, detach });
            let output = network.forward_events(events.clone(), inputs, flow).unwrap();
            let loss = candle_nn::loss::cross_entropy(&output.scores, &labels).unwrap();
            let gradients = loss.backward().unwrap();
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
                let neurons = layer.bias.elem_count();
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
                let bias = gradients.get(layer.bias.as_tensor()).unwrap();
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
    check_network::<f64>(&Bounds { values: EXACT, gradients: EXACT, through_time: EXACT });
}

/// Bounds in f32, measured at about a third of them: 150 steps through three layers amplify rounding, and the way back
/// in time amplifies it again.
#[test]
fn a_network_in_f32() {
    check_network::<f32>(&Bounds { values: 2e-3, gradients: 2e-3, through_time: 1e-2 });
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
