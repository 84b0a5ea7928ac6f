//! In and out: networks of PyTorch become runs, and checkpoints are what their documentation says.

use candle_core::{DType, Device, Tensor};
use predicates::prelude::*;
use predicates::str::contains;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use spikelet::cell::{Cell, CellName};
use spikelet::config::Config;
use spikelet::import::Tensors;
use spikelet::kernel::Events;
use spikelet::spike_train::SpikeTrain;
use spikelet_tests::{small_run, spikelet};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

/// Spikes, labels, and the oracle's scores.
fn oracle() -> Value {
    serde_json::from_slice(&fs::read(golden("pytorch.json")).unwrap()).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn assert_near(what: &str, actual: &[f64], expected: &[f64], bound: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (index, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!((a - e).abs() <= bound * e.abs().max(1.0), "{what}[{index}] is {a} instead of {e}");
    }
}

/// The one JSON object that a command prints.
fn json(arguments: &[&str]) -> Value {
    let output = spikelet().arg("--json").args(arguments).assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

/// Files of PyTorch in f64: all that is left is the order of sums.
#[test]
fn files_of_pytorch_give_the_oracles_scores() {
    let oracle = oracle();
    for cell in [CellName::Src, CellName::Lif] {
        let tensors = Tensors::read(&golden(&format!("pytorch_{cell}.safetensors"))).unwrap();
        let mut config = Config { cell: Cell::named(cell), ..Config::default() };
        config.layers = tensors.layers().unwrap();
        *config.cell.learn_mut().unwrap() = tensors.learnt(&config.cell);
        assert_eq!(serde_json::to_value(&config.layers).unwrap(), oracle["layers"]);
        let network = tensors.network::<f64>(&config, 5).unwrap().network;
        let steps = oracle["steps"].as_u64().unwrap();
        let sample = |spikes: &Value| {
            let mut train = SpikeTrain::silent(0);
            for t in 0..steps {
                let now = spikes.as_array().unwrap().iter().filter(|spike| spike[0] == t);
                train.inputs.extend(now.map(|spike| spike[1].as_u64().unwrap() as u16));
                train.offsets.push(train.inputs.len() as u32);
            }
            Events::binary(train)
        };
        let events = oracle["spikes"].as_array().unwrap().iter().map(sample).collect();
        let scores = network.forward_events(events, 12, None).unwrap().scores.to_vec2::<f64>().unwrap();
        for (sample, (actual, expected)) in
            scores.iter().zip(oracle[cell.to_string()]["scores"].as_array().unwrap()).enumerate()
        {
            assert_near(&format!("{cell}, sample {sample}"), actual, &floats(expected), 1e-9);
        }
    }
}

/// The oracle's spikes as recordings of a user: the first five samples for the test, the others for training.
fn recordings(folder: &Path, oracle: &Value) {
    const WINDOW: u64 = 10;
    for (sample, spikes) in oracle["spikes"].as_array().unwrap().iter().enumerate() {
        let split = if sample < 5 { "test" } else { "train" };
        let class = folder.join(split).join(format!("class-{}", oracle["labels"][sample]));
        fs::create_dir_all(&class).unwrap();
        let mut text = String::from("t,x,y,p\n");
        for spike in spikes.as_array().unwrap() {
            text += &format!("{},{},0,0\n", WINDOW * spike[0].as_u64().unwrap(), spike[1]);
        }
        // What makes the recording as long as its windows lies behind the last of them.
        text += &format!("{},0,0,0\n", WINDOW * oracle["steps"].as_u64().unwrap());
        fs::write(class.join("sample.csv"), text).unwrap();
    }
    fs::write(folder.join("sensor.json"), r#"{"width": 12, "height": 1, "polarities": 1}"#).unwrap();
}

/// The way of a user: import, eval and trace, in f32; and the run's checkpoint in PyTorch, where there is one.
#[test]
fn an_imported_network_is_evaluated_traced_and_read_by_pytorch() {
    let oracle = oracle();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("recordings");
    recordings(&data, &oracle);
    let dataset = format!("events:{}", data.display());
    for cell in ["src", "lif"] {
        let run = folder.path().join(cell).display().to_string();
        let file = golden(&format!("pytorch_{cell}.safetensors")).display().to_string();
        let options = ["--cell", cell, "--dataset", &dataset, "--steps", "12", "--out", &run];
        let summary = json(&[&["import", &file][..], &options].concat());
        assert_eq!(summary["layers"], oracle["layers"]);
        assert_eq!(summary["defaults"], Value::from(Vec::<Value>::new()));

        let mut entropy = 0.0;
        for (split, first) in [("test", 0), ("train", 5)] {
            for sample in 0..5 {
                let trace = json(&["trace", &run, "--split", split, "--sample", &sample.to_string()]);
                let which = first + trace["sample"]["label"].as_u64().unwrap() as usize;
                let expected = floats(&oracle[cell]["scores"][which]);
                assert_near(&format!("{cell}, sample {which}"), &floats(&trace["scores"]), &expected, 1e-5);
                assert_eq!(trace["class"], oracle[cell]["classes"][which]);
                if split == "test" {
                    let sum: f64 = expected.iter().map(|score| score.exp()).sum();
                    entropy -= (expected[which].exp() / sum).ln() / 5.0;
                }
            }
        }
        let eval = json(&["eval", &run]);
        let float = &eval["results"][0];
        assert_near("cross-entropy", &[float["cross_entropy"].as_f64().unwrap()], &[entropy], 1e-5);
        for label in 0..5 {
            let class = oracle[cell]["classes"][label].as_u64().unwrap() as usize;
            assert_eq!(float["confusion"][label][class], 1);
        }
        in_pytorch(&Path::new(&run).join("best.safetensors"), &oracle[cell]["scores"]);
    }
}

/// Runs a checkpoint through the oracle, if SPIKELET_PYTHON names a Python with torch and SPIKELET_ORACLE its folder.
fn in_pytorch(checkpoint: &Path, scores: &Value) {
    let (Some(python), Some(oracle)) =
        (std::env::var_os("SPIKELET_PYTHON"), std::env::var_os("SPIKELET_ORACLE"))
    else {
        eprintln!(
            "skipped: PyTorch; name a Python that has it in SPIKELET_PYTHON, and the oracle's folder in SPIKELET_ORACLE"
        );
        return;
    };
    let output = Command::new(python)
        .env("PYTHONPATH", oracle)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(golden("make_pytorch_file.py"))
        .arg("--check")
        .arg(checkpoint)
        .arg("--data")
        .arg(golden("pytorch.json"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read["shapes"]["layers.0.weight"], serde_json::json!([16, 12]));
    for (sample, expected) in scores.as_array().unwrap().iter().enumerate() {
        let actual = floats(&read["scores"][sample]);
        assert_near(&format!("sample {sample} in PyTorch"), &actual, &floats(expected), 1e-12);
    }
}

/// Names, shapes and kinds of a file's tensors.
fn tensors(path: &Path) -> BTreeMap<String, (Dtype, Vec<usize>)> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter().map(|(name, view)| (name.to_owned(), (view.dtype(), view.shape().to_vec()))).collect()
}

#[test]
fn checkpoints_hold_what_their_documentation_says() {
    let folder = tempfile::tempdir().unwrap();
    let train = |name: &str, options: &[&str]| {
        let out = folder.path().join(name);
        let small = ["--layers", "784-8-10", "--steps", "3", "--epochs", "1", "--train-samples", "100"];
        spikelet().arg("train").args(small).args(options).arg("--out").arg(&out).assert().success();
        out
    };
    let expect = |path: &Path, shapes: &[(&str, &[usize])]| {
        let expected: BTreeMap<_, _> =
            shapes.iter().map(|(name, shape)| ((*name).to_owned(), (Dtype::F32, shape.to_vec()))).collect();
        assert_eq!(tensors(path), expected);
    };
    let weights: [(&str, &[usize]); 2] = [("layers.0.weight", &[8, 784]), ("layers.1.weight", &[10, 8])];
    let learn = ["--learn", "alpha,z-s,h0", "--no-detach"];
    let src = train("src", &learn);
    let of_src: Vec<(&str, &[usize])> = vec![
        ("layers.0.bias", &[8]),
        ("layers.0.alpha", &[1]),
        ("layers.0.z_s_hyp", &[1]),
        ("layers.0.z_s_dep", &[1]),
        ("layers.0.h0", &[8]),
        ("layers.1.bias", &[10]),
        ("layers.1.alpha", &[1]),
        ("layers.1.z_s_hyp", &[1]),
        ("layers.1.z_s_dep", &[1]),
        ("layers.1.h0", &[10]),
    ];
    expect(&src.join("best.safetensors"), &[&weights[..], &of_src].concat());
    let last = tensors(&src.join("last.safetensors"));
    assert_eq!(last.len(), 3 * (weights.len() + of_src.len()));
    assert_eq!(last["adam.mean.layers.0.weight"].1, [784, 8]);
    let of_lif: [(&str, &[usize]); 4] = [
        ("layers.0.leak", &[1]),
        ("layers.0.threshold", &[1]),
        ("layers.1.leak", &[1]),
        ("layers.1.threshold", &[1]),
    ];
    let lif = train("lif", &["--cell", "lif"]);
    expect(&lif.join("best.safetensors"), &[&weights[..], &of_lif].concat());
    let of_gru: [(&str, &[usize]); 6] = [
        ("layers.0.input.weight", &[24, 784]),
        ("layers.0.recurrent.weight", &[24, 8]),
        ("layers.0.bias", &[24]),
        ("layers.1.input.weight", &[30, 8]),
        ("layers.1.recurrent.weight", &[30, 10]),
        ("layers.1.bias", &[30]),
    ];
    expect(&train("gru", &["--cell", "gru"]).join("best.safetensors"), &of_gru);

    // What came out goes in: learnt parameters are found by their names.
    let again = folder.path().join("again").display().to_string();
    let file = src.join("best.safetensors").display().to_string();
    let options = ["--no-detach", "--steps", "3", "--out", &again];
    let summary = json(&[&["import", &file][..], &options].concat());
    assert_eq!(summary["layers"], serde_json::json!([784, 8, 10]));
    assert_eq!(tensors(&Path::new(&again).join("best.safetensors")), tensors(Path::new(&file)));
    let accuracy = |run: &str| json(&["eval", run, "--samples", "300"])["results"][0].clone();
    assert_eq!(accuracy(&again), accuracy(src.to_str().unwrap()));
}

#[test]
fn an_imported_run_is_exported_and_trained_further() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run").display().to_string();
    let (file, config) =
        (format!("{}/best.safetensors", small_run()), format!("{}/config.json", small_run()));
    spikelet()
        .args(["import", &file, "--config", &config, "--out", &run])
        .assert()
        .success()
        .stdout(contains("784-50").and(contains("39,250")).and(contains("nothing")));
    let trained = json(&["eval", small_run()]);
    assert_eq!(json(&["eval", &run])["results"], trained["results"]);
    let exported = json(&["export", &run]);
    assert_eq!(exported["fixed_accuracy"], trained["results"][1]["accuracy"]);

    // It starts from what was imported: after one epoch it is better than a new network after two.
    let resumed = json(&["train", "--resume", "--out", &run]);
    let before = trained["results"][0]["accuracy"].as_f64().unwrap();
    assert!(resumed["test"]["accuracy"].as_f64().unwrap() > before - 0.02, "{resumed} after {before}");
    let metrics = fs::read_to_string(format!("{run}/metrics.jsonl")).unwrap();
    let first: Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    assert!(first["train_accuracy"].as_f64().unwrap() > before - 0.1, "{first}");
}

#[test]
fn numbers_of_other_widths_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let weight: Vec<f64> = (0..784 * 10).map(|k| f64::from(k % 17) / 16.0 - 0.5).collect();
    let weight = Tensor::from_vec(weight, (10, 784), &Device::Cpu).unwrap();
    let bias = Tensor::full(-5.5, 10, &Device::Cpu).unwrap();
    let mut runs = Vec::new();
    for dtype in [DType::F64, DType::F32, DType::F16, DType::BF16] {
        let file = folder.path().join(format!("{}.safetensors", dtype.as_str()));
        let tensors = [("layers.0.weight", &weight), ("layers.0.bias", &bias)];
        let tensors: HashMap<_, _> =
            tensors.into_iter().map(|(name, tensor)| (name, tensor.to_dtype(dtype).unwrap())).collect();
        candle_core::safetensors::save(&tensors, &file).unwrap();
        let run = folder.path().join(dtype.as_str());
        spikelet().arg("import").arg(&file).arg("--out").arg(&run).assert().success();
        runs.push(fs::read(run.join("best.safetensors")).unwrap());
    }
    // All of these numbers are exact in each kind.
    assert!(runs.iter().all(|run| *run == runs[0]));
}

#[test]
fn what_does_not_fit_is_named_all_at_once_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let refuses = |arguments: &[&str], sentences: &[&str]| {
        let output = spikelet().arg("import").args(arguments).arg("--out").arg(&out).assert().failure();
        let stderr = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        for sentence in sentences {
            assert!(stderr.contains(sentence), "\"{sentence}\" is not in: {stderr}");
        }
        assert!(!out.exists());
    };
    refuses(&[&path("none")], &["cannot read", "none"]);
    fs::write(path("text"), "no tensors at all").unwrap();
    refuses(&[&path("text")], &["text is no usable safetensors file"]);
    let save = |name: &str, tensors: &[(&str, &[usize], DType)]| {
        let tensors: HashMap<&str, Tensor> = tensors
            .iter()
            .map(|&(name, shape, dtype)| (name, Tensor::ones(shape, dtype, &Device::Cpu).unwrap()))
            .collect();
        candle_core::safetensors::save(&tensors, path(name)).unwrap();
        path(name)
    };
    let other = save("other", &[("fc1.weight", &[10, 784], DType::F32)]);
    refuses(&[&other], &["holds no weights", "layers.0.weight"]);
    let bad = save(
        "bad",
        &[
            ("layers.0.weight", &[784, 20], DType::F32),
            ("layers.0.bias", &[20], DType::I64),
            ("layers.0.beta", &[1], DType::F32),
            ("layers.0.leak", &[1], DType::F32),
        ],
    );
    refuses(
        &[&bad, "--layers", "784-20-10"],
        &[
            "bad does not fit: ",
            "layers.0.weight is [784, 20], expected [20, 784]: transpose it",
            "layers.0.bias holds numbers of kind i64",
            "layers.1.weight is missing, expected [10, 20]",
            "layers.1.bias is missing, expected [10]",
            "layers.0.beta [1] is superfluous",
            "layers.0.leak [1] is superfluous",
        ],
    );
    refuses(&[&bad], &["--layers must begin with 784"]);
    let file = format!("{}/best.safetensors", small_run());
    refuses(&[&file, "--dataset", "mnist", "--data", &path("nowhere")], &["mnist", "is missing"]);
    spikelet()
        .args(["import", &file, "--out", small_run()])
        .assert()
        .failure()
        .stderr(contains("is not empty: choose another folder with --out"));
}
