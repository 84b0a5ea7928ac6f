//! The commands as a user runs them: what they print, what they write, and how they refuse.

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use spikelet_export::EncoderHeader;
use spikelet_tests::{GENERAL, LIF, random_model, random_model_of, rate, spikelet};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use tempfile::TempDir;

/// A run of a small network, trained once for all tests.
fn run() -> &'static str {
    static RUN: OnceLock<(TempDir, String)> = OnceLock::new();
    let (_, path) = RUN.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run").display().to_string();
        let small = ["--layers", "784-60", "--steps", "30", "--epochs", "2", "--train-samples", "3000"];
        spikelet().args(["train", "--out", &path]).args(small).assert().success();
        (folder, path)
    });
    path
}

/// The one JSON object that a command prints.
fn json(arguments: &[&str]) -> Value {
    let output = spikelet().arg("--json").args(arguments).assert().success();
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Fails with status 1 or 2 and one sentence on stderr that contains all of `words`.
fn refuses(arguments: &[&str], words: &[&str]) {
    let output = spikelet().args(arguments).assert().failure();
    let stderr = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    assert!(stderr.starts_with("error: "), "{arguments:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{arguments:?}: \"{word}\" is not in: {stderr}");
    }
}

fn digest(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn train_export_eval_inspect_and_run_work_together() {
    let run = run();
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("small.spk").display().to_string();
    let exported = json(&["export", run, "--out", &model]);
    let (float, fixed) =
        (exported["float_accuracy"].as_f64().unwrap(), exported["fixed_accuracy"].as_f64().unwrap());
    assert!(float > 0.6, "float accuracy {float}");
    assert!((float - fixed).abs() < 0.02, "{float} in float, {fixed} in fixed point");

    let evaluated = json(&["eval", run]);
    assert_eq!(evaluated["results"][0]["accuracy"].as_f64(), Some(float));
    assert_eq!(evaluated["results"][1]["accuracy"].as_f64(), Some(fixed));
    let of_model = json(&["eval", &model]);
    assert_eq!(of_model["results"][0]["accuracy"].as_f64(), Some(fixed));
    for result in evaluated["results"].as_array().unwrap() {
        let rows: Vec<Vec<u64>> = serde_json::from_value(result["confusion"].clone()).unwrap();
        let right: u64 = (0..10).map(|class| rows[class][class]).sum();
        assert_eq!(rows.iter().flatten().sum::<u64>(), 2000);
        assert_eq!(result["accuracy"].as_f64(), Some(right as f64 / 2000.0));
        assert_eq!(result["activity"].as_array().unwrap().len(), 1);
    }
    let entropy = |index: usize| evaluated["results"][index]["cross_entropy"].as_f64().unwrap();
    assert!((entropy(0) - entropy(1)).abs() < 0.05, "{} in float, {} in fixed point", entropy(0), entropy(1));
    assert_eq!(evaluated["epochs"].as_u64(), Some(2));
    assert!(evaluated["seconds_per_epoch"].as_f64().unwrap() > 0.0);
    let words = contains("cross-entropy").and(contains("2 epochs of")).and(contains("true \\ said"));
    spikelet().args(["eval", run]).assert().success().stdout(words);

    // The same measures in the run's own files.
    let file = |name: &str| fs::read_to_string(Path::new(run).join(name)).unwrap();
    let result: Value = serde_json::from_str(&file("result.json")).unwrap();
    assert_eq!(result["test"]["accuracy"], evaluated["results"][0]["accuracy"]);
    assert_eq!(result["test"]["confusion"], evaluated["results"][0]["confusion"]);
    for line in file("metrics.jsonl").lines() {
        let epoch: Value = serde_json::from_str(line).unwrap();
        let rows: Vec<Vec<u64>> = serde_json::from_value(epoch["confusion"].clone()).unwrap();
        assert_eq!(rows.iter().flatten().sum::<u64>(), 300);
        for number in ["validation_accuracy", "validation_loss", "seconds"] {
            assert!(epoch[number].as_f64().unwrap() > 0.0, "{number} in {line}");
        }
    }

    spikelet().args(["inspect", &model]).assert().success().stdout(contains("784").and(contains("digits")));
    assert_eq!(json(&["inspect", &model])["layers"].as_array().unwrap().len(), 1);

    let ran = json(&["run", &model, "--samples", "20", "--input", "pixels"]);
    assert_eq!((ran["samples"].as_u64(), ran["equal"].as_u64()), (Some(20), Some(20)));
    assert_eq!(ran["host_accuracy"], ran["device_accuracy"]);
    spikelet().args(["run", &model, "--samples", "3"]).assert().success().stdout(contains("3 of 3 samples"));
}

/// Trains a small network, and gives what `export` says of it and where its model is.
fn export(folder: &Path, name: &str, settings: &[&str]) -> (Value, String) {
    export_layers(folder, name, "784-60", settings)
}

fn export_layers(folder: &Path, name: &str, layers: &str, settings: &[&str]) -> (Value, String) {
    let run = folder.join(name).display().to_string();
    let small = ["--layers", layers, "--steps", "30", "--epochs", "2", "--train-samples", "3000"];
    spikelet().args(["train", "--out", &run]).args(small).args(settings).assert().success();
    let model = folder.join(format!("{name}.spk")).display().to_string();
    (json(&["export", &run, "--out", &model]), model)
}

fn agree(exported: &Value) {
    let [float, fixed] = ["float_accuracy", "fixed_accuracy"].map(|key| exported[key].as_f64().unwrap());
    assert!(float > 0.5, "float accuracy {float}");
    assert!((float - fixed).abs() < 0.02, "{float} in float, {fixed} in fixed point");
}

#[test]
fn lif_is_exported_inspected_and_run() {
    let folder = tempfile::tempdir().unwrap();
    let (exported, model) = export(folder.path(), "lif", &["--cell", "lif"]);
    agree(&exported);
    let layer = json(&["inspect", &model])["layers"][0].clone();
    assert_eq!(layer["cell"], "LIF");
    let [least, most] = ["threshold_least", "threshold_most"].map(|key| layer[key].as_f64().unwrap());
    assert_eq!((least, most), (1.0, 1.0), "membranes are counted in thresholds");
    spikelet().args(["inspect", &model]).assert().success().stdout(contains("V_thresh"));
    let ran = json(&["run", &model, "--samples", "20"]);
    assert_eq!((ran["samples"].as_u64(), ran["equal"].as_u64()), (Some(20), Some(20)));
}

/// Narrow weights make a smaller file of nearly the same accuracy, which the board runs in the same bits.
#[test]
fn narrow_weights_are_exported_inspected_and_run() {
    let folder = tempfile::tempdir().unwrap();
    let (exported, wide) = export_layers(folder.path(), "narrow", "784-64-40", &[]);
    assert!(exported["float_accuracy"].as_f64().unwrap() > 0.3, "{exported}");
    let run = folder.path().join("narrow").display().to_string();
    let model = folder.path().join("narrow.4.spk").display().to_string();
    for (bits, widths) in [("4", [4, 4]), ("5,3", [5, 3])] {
        let exported = json(&["export", &run, "--bits", bits, "--out", &model]);
        assert!(
            (exported["fixed_accuracy"].as_f64().unwrap() - exported["float_accuracy"].as_f64().unwrap())
                .abs()
                < 0.1
        );
        let layers = json(&["inspect", &model])["layers"].clone();
        assert_eq!([&layers[0]["bits"], &layers[1]["bits"]], widths);
        let size = |model: &str| fs::metadata(model).unwrap().len();
        assert!(size(&model) * 3 < size(&wide) * 2, "{} of {} B", size(&model), size(&wide));
        let ran = json(&["run", &model, "--samples", "20"]);
        assert_eq!((ran["samples"].as_u64(), ran["equal"].as_u64()), (Some(20), Some(20)));
    }
    refuses(&["export", &run, "--bits", "7"], &["8, 5, 4, 3 or 2 bits"]);
    refuses(&["export", &run, "--bits", "8,4,2"], &["3 widths for 2 layers", "one for all or one for each"]);
}

#[test]
fn every_variant_of_src_is_exported_inspected_and_run() {
    let folder = tempfile::tempdir().unwrap();
    let variant = ["--gate", "previous", "--z", "0.2", "--spikes", "binary", "--learn", "alpha,h0"];
    let blanks = ["--blank-before", "4", "--blank-after", "3"];
    let (exported, model) = export(folder.path(), "src", &[&variant[..], &blanks].concat());
    agree(&exported);
    let inspected = json(&["inspect", &model]);
    let timesteps = ["blank_before", "steps", "blank_after"].map(|key| inspected[key].as_u64().unwrap());
    assert_eq!(timesteps, [4, 30, 3]);
    let layer = &inspected["layers"][0];
    assert_eq!([&layer["cell"], &layer["gate"], &layer["spikes"]], ["SRC", "previous", "binary"]);
    assert_eq!(layer["initial_states"], true);
    assert!((layer["z"].as_f64().unwrap() - 0.2).abs() < 1e-4);
    assert_ne!(layer["alpha"].as_f64().unwrap(), 0.9, "it was learnt");
    spikelet().args(["inspect", &model]).assert().success().stdout(
        contains("gate previous, binary spikes, own initial states").and(contains("4 blank, 30, 3 blank")),
    );
    for input in ["pixels", "spikes"] {
        let ran = json(&["run", &model, "--samples", "20", "--input", input]);
        assert_eq!((ran["samples"].as_u64(), ran["equal"].as_u64()), (Some(20), Some(20)), "{input}");
    }
}

#[test]
fn cells_that_do_not_spike_are_measured_but_not_exported() {
    let folder = tempfile::tempdir().unwrap();
    for cell in ["gru", "brc"] {
        let run = folder.path().join(cell).display().to_string();
        let small = ["--layers", "784-10", "--steps", "5", "--epochs", "1", "--train-samples", "200"];
        spikelet().args(["train", "--out", &run, "--cell", cell]).args(small).assert().success();
        let name = cell.to_uppercase();
        refuses(&["export", &run], &[&name, "do not spike, so no device runs them", "spikelet eval"]);
        assert!(!folder.path().join(cell).join("model.spk").exists());
        let evaluated = json(&["eval", &run]);
        assert_eq!(evaluated["results"].as_array().unwrap().len(), 1);
        assert!(evaluated["only_float"].as_str().unwrap().contains("do not spike"));
    }
}

#[test]
fn models_that_do_not_fit_the_input_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let log = EncoderHeader::LatencyLog {};
    let log = write("log.spk", &random_model_of(LIF, &[784, 20], [0, 10, 0], log, 1));
    refuses(
        &["run", &log, "--dataset", "digits", "--input", "pixels"],
        &["no encoder for this model's input", "--input pixels"],
    );
    let events = EncoderHeader::Events {};
    let events = write("events.spk", &random_model_of(GENERAL, &[784, 20], [0, 10, 0], events, 1));
    refuses(&["run", &events, "--dataset", "digits"], &["takes recordings of events", "holds images"]);
    refuses(&["eval", &events, "--dataset", "digits"], &["takes recordings of events"]);
    for version in [1, 3] {
        let mut older = random_model(&[784, 20], 10, rate(), 1);
        older[4] = version;
        let older = write("older.spk", &older);
        let found = format!("format version {version}");
        refuses(&["inspect", &older], &[&found, "reads version 4", "export it again"]);
    }
}

#[test]
fn the_demo_goes_the_whole_way() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    let small = ["--layers", "784-40", "--steps", "20", "--epochs", "1", "--samples", "10"];
    let demo = |json| {
        let mut command = spikelet();
        command.args(["demo", "--out"]).arg(&out).args(small);
        if json {
            command.arg("--json");
        }
        command.assert().success()
    };
    demo(false).stdout(
        contains("accuracy in float")
            .and(contains("10 of 10 samples"))
            .and(contains("instructions per timestep"))
            .and(contains("flash"))
            .and(contains("RAM"))
            .and(contains("model.spk")),
    );
    // A second time it finds everything there and says the same.
    let again: Value = serde_json::from_slice(&demo(true).get_output().stdout).unwrap();
    for file in again["files"].as_array().unwrap() {
        let bytes = fs::metadata(file["path"].as_str().unwrap()).unwrap().len();
        assert_eq!(file["bytes"].as_u64(), Some(bytes));
        assert!(bytes > 0, "{file}");
    }
    let before = digest(&out);
    let path = out.to_str().unwrap();
    refuses(&["demo", "--out", path, "--steps", "21"], &["other settings", "--out"]);
    assert_eq!(digest(&out), before);
}

#[test]
fn data_is_listed_checked_and_shown() {
    spikelet().args(["data", "list"]).assert().success().stdout(contains("digits").and(contains("ready")));
    let checked = json(&["data", "check"]);
    assert_eq!(checked["train"], Value::from(vec![1000; 10]));
    assert_eq!(checked["test"], Value::from(vec![200; 10]));
    let linear = json(&["data", "linear"])["accuracy"].as_f64().unwrap();
    assert!((0.5..0.85).contains(&linear), "a linear classifier gets {linear}: too easy or too hard");
    let folder = tempfile::tempdir().unwrap();
    let sheet = folder.path().join("sheet.png");
    spikelet().args(["data", "sheet", "--columns", "5", "--out"]).arg(&sheet).assert().success();
    assert_eq!(fs::read(&sheet).unwrap()[..8], *b"\x89PNG\r\n\x1a\n");
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    refuses(&["trian"], &["unrecognized subcommand"]);
    refuses(&["train", "--layers", "784-0"], &["--layers"]);
    refuses(&["train", "--layers", "784-abc"], &["--layers"]);
    refuses(&["train", "--layers", "100-10"], &["--layers must begin with 784"]);
    refuses(&["train", "--layers", "784-15"], &["10"]);
    refuses(&["train", "--layers", "784-99999999999"], &["--layers"]);
    refuses(&["train", "--steps", "0"], &["--steps"]);
    refuses(&["train", "--epochs", "0"], &["--epochs"]);
    refuses(&["train", "--batch", "0"], &["--batch"]);
    refuses(&["train", "--lr", "-1"], &["--lr"]);
    refuses(&["train", "--lr", "nan"], &["--lr"]);
    refuses(&["train", "--threads", "0"], &["--threads must be at least 1"]);
    refuses(&["train", "--train-samples", "1"], &["--train-samples"]);
    refuses(&["train", "--train-samples", "10001"], &["--train-samples"]);
    refuses(&["train", "--dataset", "mnits"], &["mnits", "mnist"]);
    refuses(&["train", "--resume"], &["--resume needs --out"]);
    refuses(&["train", "--resume", "--out", run(), "--epochs", "9"], &["leave out all options"]);
    refuses(&["run", "x.spk", "--board", "qemu:nothing"], &["choose one of qemu:", "qemu:mps2-an386"]);
}

#[test]
fn missing_and_wrong_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let nowhere = path("nowhere");
    for command in ["inspect", "run", "eval"] {
        refuses(&[command, &path("none.spk")], &["cannot read the model", "none.spk"]);
    }
    refuses(&["eval", &nowhere], &["holds no trained network", "spikelet train"]);
    refuses(&["export", &nowhere], &["holds no trained network"]);
    refuses(&["inspect", folder.path().to_str().unwrap()], &["is a folder, not a model"]);
    refuses(&["train", "--resume", "--out", &nowhere], &["nowhere"]);
    refuses(&["train", "--dataset", "mnist", "--data", &nowhere], &["mnist", "is missing", "--data"]);
    refuses(&["data", "check", "--dataset", "fashion-mnist", "--data", &nowhere], &["is missing"]);
    refuses(&["train", "--config", &nowhere], &["cannot read the config"]);
    fs::write(path("typo.json"), r#"{"epoch": 3}"#).unwrap();
    refuses(&["train", "--config", &path("typo.json")], &["typo.json is no valid config", "epoch"]);
    refuses(&["data", "sheet", "--out", &path("no/such/folder.png")], &["folder.png"]);

    fs::write(path("text.spk"), "This is no model at all, but long enough to be one.").unwrap();
    refuses(&["inspect", &path("text.spk")], &["text.spk cannot be used", "SPKL"]);
    let model = random_model(&[784, 20], 10, rate(), 1);
    fs::write(path("cut.spk"), &model[..model.len() - 7]).unwrap();
    refuses(&["inspect", &path("cut.spk")], &["cut off"]);
    let mut damaged = model.to_vec();
    damaged[3000] ^= 1;
    fs::write(path("damaged.spk"), &damaged).unwrap();
    refuses(&["run", &path("damaged.spk")], &["damaged", "copy it again"]);
    fs::write(path("random.spk"), &model[..]).unwrap();
    refuses(&["run", &path("random.spk")], &["data set \"random\" is unknown", "--dataset"]);
    let other = random_model(&[100, 20], 10, rate(), 1);
    fs::write(path("other.spk"), &other[..]).unwrap();
    refuses(&["eval", &path("other.spk"), "--dataset", "digits"], &["100 inputs", "784 pixels"]);
    refuses(&["run", &path("random.spk"), "--dataset", "digits", "--samples", "2001"], &["1 to 2000"]);
}

#[test]
fn errors_are_json_too() {
    let output = spikelet().args(["--json", "inspect", "none.spk"]).assert().failure();
    let value: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert!(value["error"].as_str().unwrap().contains("none.spk"));
}

/// Whatever goes wrong, what was there before is there afterwards.
#[test]
fn nothing_is_lost_on_errors() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("run");
    fs::create_dir(&copy).unwrap();
    for (name, bytes) in digest(Path::new(run())) {
        fs::write(copy.join(name), bytes).unwrap();
    }
    let path = copy.to_str().unwrap();
    let before = digest(&copy);
    refuses(&["train", "--out", path], &["is not empty", "--resume"]);
    assert_eq!(digest(&copy), before);

    // A damaged checkpoint is named, and neither replaced nor removed.
    let last = copy.join("last.safetensors");
    let bytes = fs::read(&last).unwrap();
    fs::write(&last, &bytes[..bytes.len() / 2]).unwrap();
    let before = digest(&copy);
    refuses(&["train", "--resume", "--out", path], &["last.safetensors"]);
    assert_eq!(digest(&copy), before);

    // An export that fails leaves the older model.
    let model = copy.join("model.spk");
    fs::write(&model, "older").unwrap();
    fs::write(copy.join("best.safetensors"), "no tensors").unwrap();
    refuses(&["export", path], &["best.safetensors"]);
    assert_eq!(fs::read(&model).unwrap(), b"older");
}
