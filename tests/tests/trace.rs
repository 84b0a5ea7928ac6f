//! `spikelet trace`: its numbers are those of the network, and it writes what a user asks for.

use candle_core::Tensor;
use predicates::str::contains;
use serde_json::Value;
use spikelet::cell::{Cell, CellName, Learnable, SpikeKind, SrcCell};
use spikelet::config::Config;
use spikelet::kernel::Events;
use spikelet::network::Network;
use spikelet::spike_train::SpikeTrain;
use spikelet::trace::{self, Choice, Signal, Trace};
use spikelet_tests::{Noise, small_run, spikelet};
use std::fs;

const INPUTS: usize = 20;
const STEPS: usize = 90;

/// A network of random weights, strong enough that every layer spikes, and a random sample.
fn network(cell: Cell) -> (Network<f32>, SpikeTrain) {
    let mut noise = Noise(3);
    let config = Config { layers: vec![INPUTS, 16, 12], cell, ..Config::default() };
    let network = Network::<f32>::new(config.architecture(3), 1).unwrap();
    for parameter in network.named() {
        if parameter.name.ends_with("weight") {
            let louder = parameter.value.affine(4.0, 0.3).unwrap();
            parameter.value.set(&louder).unwrap();
        }
    }
    let mut train = SpikeTrain::silent(0);
    for _ in 0..STEPS {
        train.inputs.extend((0..INPUTS as u16).filter(|_| noise.within(0.0, 1.0) < 0.3));
        train.offsets.push(train.inputs.len() as u32);
    }
    (network, train)
}

fn signal<'t>(trace: &'t Trace, index: usize, name: &str) -> &'t [f32] {
    let has = |signal: &&Signal| signal.name == name;
    &trace.neurons[index].signals.iter().find(has).unwrap().values
}

/// The value of each of a neuron's spikes by its timestep, 0 where there is none.
fn spikes(trace: &Trace, layer: usize, neuron: usize) -> Vec<f32> {
    let mut values = vec![0.0; trace.steps];
    for &(t, who, value) in &trace.layers[layer].spikes {
        if who == neuron {
            values[t] = value;
        }
    }
    values
}

/// The last scores, in the very bits of evaluation, and the winner.
fn check_scores(trace: &Trace, scores: &Tensor) {
    let expected: Vec<f32> = scores.flatten_all().unwrap().to_vec1().unwrap();
    let last: Vec<f32> = trace.scores.iter().map(|class| *class.last().unwrap()).collect();
    assert_eq!(last, expected);
    assert!(expected.iter().all(|&score| score <= expected[trace.class]));
    assert!(trace.scores.iter().all(|class| class.len() == STEPS));
}

#[test]
fn spikes_states_and_scores_of_src_are_those_of_evaluation() {
    let learnt = SrcCell { learn: [Learnable::Rho, Learnable::H0].into(), h0: 0.2, ..SrcCell::default() };
    let binary = SrcCell { spikes: SpikeKind::Binary, ..SrcCell::default() };
    for cell in [SrcCell::default(), learnt, binary] {
        let rho = cell.rho as f32;
        let graded = cell.spikes == SpikeKind::Graded;
        let (network, train) = network(Cell::Src(cell));
        let choice = Choice::Named(vec![(0, 3), (1, 11), (0, 0)]);
        let trace = trace::trace(&network, train.clone(), INPUTS, &choice).unwrap();
        let who: Vec<_> = trace.neurons.iter().map(|neuron| (neuron.layer, neuron.neuron)).collect();
        assert_eq!(who, [(0, 3), (0, 0), (1, 11)]);

        let output = network.forward_events(vec![Events::binary(train.clone())], INPUTS, None).unwrap();
        for (layer, raster) in trace.layers.iter().enumerate() {
            let events = &output.spikes[layer][0];
            assert_eq!(raster.spikes.len(), events.count());
            assert!(events.count() > 20, "layer {layer} hardly spikes: the test would show nothing");
        }
        for (index, &(layer, neuron)) in who.iter().enumerate() {
            let (h, h_s) = (signal(&trace, index, "h"), signal(&trace, index, "h_s"));
            let (i, x) = (signal(&trace, index, "i"), signal(&trace, index, "x"));
            let spikes = spikes(&trace, layer, neuron);
            for t in 0..STEPS {
                let expected = if graded { h[t].max(0.0) } else { f32::from(h[t] > 0.5) };
                assert_eq!(spikes[t], expected, "spike of {layer}:{neuron} at {t}");
                assert!((x[t] - rho * (i[t] / rho).tanh()).abs() < 1e-5);
                assert!(h[t].abs() <= 1.0 && h_s[t].abs() <= 1.0);
            }
        }
        check_scores(&trace, &output.scores);
        // A shorter look sees the same.
        let mut short = train;
        short.offsets.truncate(41);
        short.inputs.truncate(short.offsets[40] as usize);
        let short = trace::trace(&network, short, INPUTS, &choice).unwrap();
        assert_eq!(signal(&short, 2, "h_s"), &signal(&trace, 2, "h_s")[..40]);
        for (short, long) in short.scores.iter().zip(&trace.scores) {
            assert_eq!(short[..], long[..40]);
        }
    }
}

#[test]
fn lif_spikes_where_it_passes_its_threshold() {
    let (network, train) = network(Cell::named(CellName::Lif));
    let trace = trace::trace(&network, train.clone(), INPUTS, &Choice::Most(2)).unwrap();
    assert_eq!(trace.neurons.len(), 4);
    for (index, neuron) in trace.neurons.iter().enumerate() {
        let (before, v) = (signal(&trace, index, "v_before_reset"), signal(&trace, index, "v"));
        let spikes = spikes(&trace, neuron.layer, neuron.neuron);
        for t in 0..STEPS {
            let above = before[t] > neuron.threshold.unwrap();
            assert_eq!((spikes[t], v[t]), if above { (1.0, 0.0) } else { (0.0, before[t]) });
        }
        // The most active ones were wanted.
        let layer = &trace.layers[neuron.layer];
        let count = |who: usize| layer.spikes.iter().filter(|spike| spike.1 == who).count();
        let more = (0..layer.neurons).filter(|&other| count(other) > count(neuron.neuron)).count();
        assert!(more <= index % 2, "{more} neurons spike more than {}", neuron.neuron);
    }
    check_scores(&trace, &network.forward_events(vec![Events::binary(train)], INPUTS, None).unwrap().scores);
}

#[test]
fn cells_that_do_not_spike_show_h() {
    for cell in [CellName::Gru, CellName::Brc] {
        let (network, train) = network(Cell::named(cell));
        let trace = trace::trace(&network, train.clone(), INPUTS, &Choice::Most(1)).unwrap();
        assert!(trace.layers.is_empty());
        assert_eq!(trace.neurons.len(), 2);
        assert!(signal(&trace, 1, "h").iter().any(|&h| h != 0.0));
        let scores = network
            .forward_events(vec![Events::binary(train)], INPUTS, None)
            .unwrap()
            .scores
            .to_vec2::<f32>();
        for (class, expected) in trace.scores.iter().zip(&scores.unwrap()[0]) {
            assert!((class[STEPS - 1] - expected).abs() <= 1e-4 * expected.abs().max(1.0));
        }
    }
}

#[test]
fn a_user_gets_figures_and_tables() {
    let run = small_run();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("looks");
    let output = spikelet()
        .args(["--json", "trace", run, "--sample", "5", "--neurons", "0:7,0:2", "--out"])
        .arg(&out)
        .assert()
        .success();
    let summary: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!((&summary["sample"]["label"], &summary["sample"]["split"]), (&5.into(), &"test".into()));
    for name in ["rasters.png", "neurons.png"] {
        assert!(fs::read(out.join(name)).unwrap().starts_with(b"\x89PNG"));
    }
    let rasters = fs::read_to_string(out.join("rasters.svg")).unwrap();
    for word in ["input, ", "layer 0, ", "scores", " wins", "digits test sample 5, label 5"] {
        assert!(rasters.contains(word), "{word}");
    }
    assert!(fs::read_to_string(out.join("neurons.svg")).unwrap().contains("layer 0, neuron 7"));
    let whole: Value = serde_json::from_slice(&fs::read(out.join("trace.json")).unwrap()).unwrap();
    let steps = whole["steps"].as_u64().unwrap() as usize;
    assert_eq!(summary["class"], whole["class"]);
    assert_eq!(whole["input"]["spikes"].as_array().unwrap().len() as u64, summary["input_spikes"]);
    assert_eq!(whole["neurons"][0]["signals"].as_array().unwrap().len(), 4);

    let table = fs::read_to_string(out.join("trace.csv")).unwrap();
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines[0][..5], ["step", "0.7.i", "0.7.x", "0.7.h", "0.7.h_s"]);
    assert_eq!((lines.len(), lines[0].len()), (steps + 1, 1 + 2 * 4 + 10));
    let last: f64 = lines[steps][9].parse().unwrap();
    assert_eq!(last, whole["scores"][0][steps - 1].as_f64().unwrap());
    let spikes = fs::read_to_string(out.join("spikes.csv")).unwrap();
    let of_input = spikes.lines().filter(|line| line.starts_with("input,")).count() as u64;
    assert_eq!(summary["input_spikes"], of_input);

    // What a run is called by default, of a checkpoint, of training samples, and of fewer timesteps.
    let last = format!("{run}/last.safetensors");
    let few = ["--split", "train", "--steps", "3", "--most", "1"];
    spikelet().args(["trace", &last]).args(few).assert().success().stdout(contains("trace-train-0"));
}

#[test]
fn mistakes_have_a_sentence_and_write_nothing() {
    let run = small_run();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("looks");
    let refuses = |arguments: &[&str], sentence: &str| {
        let mut command = spikelet();
        command.arg("trace").args(arguments).arg("--out").arg(&out);
        command.assert().failure().stderr(contains(sentence));
        assert!(!out.exists());
    };
    refuses(&["nowhere"], "nowhere holds no trained network");
    refuses(&["model.spk"], "model.spk is a model, not a run");
    refuses(&[run, "--sample", "2000"], "--sample must be 0 to 1999");
    refuses(&[run, "--steps", "0"], "--steps must be 1 to 20");
    refuses(&[run, "--steps", "21"], "--steps must be 1 to 20");
    refuses(&[run, "--neurons", "0"], "like 0:12,1:3");
    refuses(&[run, "--neurons", "0:50"], "those of layer 0 are 0 to 49");
    refuses(&[run, "--neurons", "2:0"], "the layers are 0 to 0");
    refuses(&[run, "--neurons", "0:0", "--most", "1"], "cannot be used with");
}
