//! The forecast of a training's memory against what it really takes, each in a process of its own.

use serde_json::Value;
use spikelet::forecast::FACTOR;
use spikelet_tests::spikelet;

/// Bytes foretold and taken, and what the training says about them.
fn train(arguments: &[&str]) -> (f64, Option<f64>, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = spikelet();
    command.args(["train", "--json", "--epochs", "1", "--train-samples", "600", "--out"]);
    let output = command.arg(folder.path().join("run")).args(arguments).assert().success();
    let result: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    let stderr = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    let written = std::fs::read_to_string(folder.path().join("run/result.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap()["memory_peak"], result["memory_peak"]);
    (result["memory_forecast"].as_f64().unwrap(), result["memory_peak"].as_f64(), stderr)
}

#[test]
fn forecasts_are_near_what_is_taken() {
    let cases: [&[&str]; 6] = [
        &["--layers", "784-512-512-100", "--batch", "256"],
        &["--layers", "784-512-512-512-512-512-100", "--batch", "64"],
        &["--layers", "784-512-100", "--batch", "256", "--learn", "alpha,r"],
        &["--layers", "784-512-512-100", "--batch", "256", "--cell", "lif"],
        &["--layers", "784-128-128-100", "--batch", "256", "--cell", "gru"],
        &["--layers", "784-256-256-100", "--batch", "256", "--cell", "brc"],
    ];
    let mut wrong = Vec::new();
    for case in cases {
        let (forecast, peak, said) = train(&[case, &["--steps", "60"]].concat());
        assert!(said.contains("memory: about "), "{said}");
        assert!(!said.contains("warning"), "{said}");
        // Only Linux tells the most memory that a process had.
        let Some(peak) = peak else { continue };
        let sentence = format!("{case:?}: {:.0} MB foretold, {:.0} MB taken", forecast / 1e6, peak / 1e6);
        eprintln!("{sentence}");
        if peak / forecast > FACTOR || forecast / peak > FACTOR {
            wrong.push(sentence);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
