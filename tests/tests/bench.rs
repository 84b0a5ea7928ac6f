//! The benchmarks as a user runs them: what they print and write, and how they refuse.

use serde_json::Value;
use spikelet::kernel::simd::Simd;
use spikelet_tests::{random_model, rate, spikelet};
use std::fs;
use std::path::Path;

/// A small network on the built-in digits.
const SMALL: [&str; 8] = ["--layers", "784-40-20", "--steps", "20", "--batch", "16", "--seconds", "0.2"];

/// The one JSON object that a bench prints.
fn bench(arguments: &[&str]) -> Value {
    let output = spikelet().args(["--json", "bench"]).args(arguments).assert().success();
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn refuses(arguments: &[&str], words: &[&str]) {
    let output = spikelet().arg("bench").args(arguments).assert().failure();
    let stderr = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    assert!(stderr.starts_with("error: ") && !stderr.contains("panicked"), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "\"{word}\" is not in: {stderr}");
    }
}

fn figure(bench: &Value, name: &str) -> f64 {
    let figures = bench["figures"].as_array().unwrap();
    let figure = figures.iter().find(|figure| figure["name"] == name);
    figure.unwrap_or_else(|| panic!("no {name} in {figures:?}"))["value"].as_f64().unwrap()
}

fn names(bench: &Value) -> Vec<String> {
    let stages = bench["stages"].as_array().unwrap().iter();
    stages.map(|stage| stage["name"].as_str().unwrap().to_owned()).collect()
}

/// All the time of all threads is somewhere, and once.
fn assert_shares(bench: &Value) {
    let shares = bench["stages"].as_array().unwrap().iter().map(|stage| stage["share"].as_f64().unwrap());
    let shares: Vec<f64> = shares.collect();
    assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "{shares:?}");
    let sum: f64 = shares.iter().sum();
    assert!((sum - 1.0).abs() < 0.02, "{shares:?} are {sum} together");
}

#[test]
fn training_is_timed_stage_by_stage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/before.json").display().to_string();
    let train = |more: &[&str]| bench(&[&["train"], &SMALL[..], more].concat());
    let first = train(&["--threads", "2", "--out", &path]);
    let stages = [
        "encoding",
        "forward 784-40",
        "forward 40-20",
        "readout and loss",
        "scan 40-20",
        "∂L/∂W 40-20",
        "∂L/∂s product 40-20",
        "scan 784-40",
        "∂L/∂W 784-40",
        "clipping and Adam",
        "graph, waiting, rest",
    ];
    assert_eq!(names(&first), stages);
    assert_shares(&first);
    assert_eq!(first["machine"]["threads"], 2);
    assert!(first["machine"]["gflops"].as_f64().unwrap() > 0.1);
    for stage in first["stages"].as_array().unwrap() {
        let is_counted = stage["name"].as_str().unwrap().starts_with(['f', 's', '∂']);
        assert_eq!(
            stage["gflops"].is_array(),
            is_counted || stage["name"] == "clipping and Adam" || stage["name"] == "readout and loss",
            "{stage}"
        );
    }
    assert!(figure(&first, "training speed, per batch") > 1.0);
    assert!(!cfg!(target_os = "linux") || figure(&first, "most memory taken") > 5.0);
    let written: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(written, first);

    // Beside the earlier table: the same rows, and what is not the same.
    let second = train(&["--threads", "1", "--cell", "lif", "--compare", &path]);
    let compared = second["compared"].as_array().unwrap();
    let row = |name: &str| compared.iter().find(|row| row["name"] == name).unwrap();
    let speed = row("training speed, per batch");
    assert_eq!(speed["old"].as_f64().unwrap(), figure(&first, "training speed, per batch"));
    let ratio = speed["new"].as_f64().unwrap() / speed["old"].as_f64().unwrap();
    assert!((speed["ratio"].as_f64().unwrap() - ratio).abs() < 1e-12);
    assert!(row("scan 784-40")["ratio"].is_f64());
    let differences = second["differences"].to_string();
    assert!(differences.contains("threads: 2 before, 1 now") && differences.contains("lif"), "{differences}");
}

/// Cells without timers of their own have their time in the rest, and nothing is lost.
#[test]
fn cells_that_do_not_spike_are_timed_too() {
    let gru = bench(&[&["train", "--cell", "gru"], &SMALL[..]].concat());
    assert!(!names(&gru).iter().any(|name| name.starts_with("forward")), "{:?}", names(&gru));
    assert_shares(&gru);
}

#[test]
fn evaluation_is_timed_with_and_without_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let trained = bench(&[&["infer", "--samples", "100"], &SMALL[..]].concat());
    assert_eq!(names(&trained), ["encoding", "network in fixed point", "waiting, rest"]);
    assert_shares(&trained);
    let setting = trained["setting"].to_string();
    assert!(setting.contains("784-40-20, trained for 60 batches only"), "{setting}");
    let speed = figure(&trained, "evaluation speed");
    assert!((figure(&trained, "time for 10,000 samples") * speed / 10_000.0 - 1.0).abs() < 0.5);

    let model = folder.path().join("random.spk").display().to_string();
    fs::write(&model, &random_model(&[784, 30, 20], 10, rate(), 1)[..]).unwrap();
    let of_file = bench(&["infer", &model, "--dataset", "digits", "--samples", "50", "--seconds", "0.1"]);
    let setting = of_file["setting"].to_string();
    assert!(
        setting.contains("784-30-20, read from a file") && setting.contains("50 test samples"),
        "{setting}"
    );
    assert!(figure(&of_file, "synaptic operations") > 0.0);
}

#[test]
fn scaling_has_a_curve_per_axis_and_a_plot() {
    let folder = tempfile::tempdir().unwrap();
    let stem = folder.path().join("scaling");
    let out = folder.path().join("scaling.json");
    let measured = bench(
        &[
            &["scaling", "--axes", "steps,layers,threads", "--short", "--threads", "2"],
            &SMALL[..],
            &["--plot", stem.to_str().unwrap(), "--out", out.to_str().unwrap()],
        ]
        .concat(),
    );
    let curves = measured["curves"].as_array().unwrap();
    let values = |curve: &Value| -> Vec<u64> {
        curve["points"].as_array().unwrap().iter().map(|point| point["value"].as_u64().unwrap()).collect()
    };
    let axes: Vec<_> = curves.iter().map(|curve| (curve["axis"].as_str().unwrap(), values(curve))).collect();
    assert_eq!(axes, [("steps", vec![25, 50]), ("layers", vec![0, 1]), ("threads", vec![1, 2])]);
    for point in curves.iter().flat_map(|curve| curve["points"].as_array().unwrap()) {
        // Cost is the time of all threads per work: what speed and work say of it.
        assert!(point["cost"].as_f64().unwrap() > 0.0, "{point}");
    }
    let work =
        |curve: usize, point: usize| curves[curve]["points"][point]["megaflop_per_sample"].as_f64().unwrap();
    assert!(work(0, 1) > 1.5 * work(0, 0) && work(1, 1) > work(1, 0));
    // Not the same number of batches, so not quite the same spikes.
    assert!((work(2, 0) / work(2, 1) - 1.0).abs() < 0.1);
    assert!(fs::read(stem.with_extension("png")).unwrap().starts_with(b"\x89PNG"));
    assert!(fs::read_to_string(stem.with_extension("svg")).unwrap().contains("hidden layers"));
    assert!(out.is_file());
}

#[test]
fn every_path_of_the_processor_can_be_timed() {
    for path in Simd::available() {
        let name = path.name();
        let train = bench(&[&["train", "--simd", name], &SMALL[..]].concat());
        assert_eq!(train["machine"]["simd"], name);
    }
}

#[test]
fn what_is_wrong_has_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let out = at("out.json");
    let missing = at("missing.json");
    refuses(&["train", "--compare", &missing], &["cannot read", "missing.json"]);
    let broken = at("broken.json");
    fs::write(&broken, "{\"bench\": \"train\"").unwrap();
    refuses(&["train", "--compare", &broken, "--out", &out], &["broken.json is no table of this kind"]);
    let infer = at("infer.json");
    bench(&[&["infer", "--samples", "10", "--out", &infer], &SMALL[..]].concat());
    refuses(&["train", "--compare", &infer, "--out", &out], &["is a table of `bench infer`"]);
    refuses(&["train", "--seconds", "0", "--out", &out], &["--seconds must be above 0"]);
    refuses(&["train", "--layers", "100-10", "--out", &out], &["--layers must begin with 784"]);
    refuses(&["infer", "--cell", "gru", "--out", &out], &["do not spike"]);
    refuses(
        &["infer", "--samples", "0", "--layers", "784-20", "--steps", "10"],
        &["--samples must be at least 1"],
    );
    refuses(&["infer", &at("no.spk")], &["cannot read the model"]);
    refuses(&["infer", &at("no.spk"), "--steps", "3"], &["leave out all settings but --dataset"]);
    refuses(&["train", "--threads", "0"], &["--threads must be at least 1"]);
    let lacks =
        [Simd::Avx2, Simd::Avx512, Simd::Neon].into_iter().find(|path| !Simd::available().contains(path));
    refuses(&["train", "--simd", lacks.unwrap().name()], &["this processor has no", "scalar"]);
    assert!(!Path::new(&out).exists(), "something was written");
    let output = spikelet().args(["data", "check"]).env("SPIKELET_SIMD", "mmx").assert().failure();
    let stderr = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    assert!(stderr.contains("SPIKELET_SIMD=mmx names no instructions of this processor"), "{stderr}");
}
