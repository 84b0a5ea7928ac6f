//! Deciding early: fitted, refused, and the same on host and board.

use predicates::str::contains;
use serde_json::Value;
use spikelet::data::DatasetName;
use spikelet::device::{InputKind, run_samples};
use spikelet::simulate::{Stop, simulate, simulate_until};
use spikelet_export::{AlignedBytes, ModelFile};
use spikelet_tests::{boot, load, spikelet};
use std::fs;

fn json(arguments: &[&str]) -> Value {
    let output = spikelet().arg("--json").args(arguments).assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

#[test]
fn a_fitted_model_decides_early_and_alike_on_host_and_board() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run").display().to_string();
    let small = ["--layers", "784-100", "--steps", "60", "--epochs", "2"];
    spikelet().args(["train", "--out", &run]).args(small).assert().success();
    let model = folder.path().join("early.spk").display().to_string();
    let exported = json(&["export", &run, "--early-exit", "3", "--samples", "500", "--out", &model]);
    let early = &exported["early_exit"];
    let number = |key: &str| early[key].as_f64().unwrap();
    assert!(number("margin") > 0.0 && number("mean_steps") < 55.0, "{early}");
    let lost = 100.0 * (number("accuracy_at_the_end") - number("accuracy"));
    assert!(lost <= 3.0 && number("loss_bound") > lost, "{early}");
    assert_eq!(early["samples"].as_u64(), Some(1000));
    // A stricter wish takes longer.
    let stricter = json(&["export", &run, "--early-exit", "1.5", "--samples", "500", "--out", &model]);
    assert!(stricter["early_exit"]["mean_steps"].as_f64().unwrap() > number("mean_steps"));

    let evaluated = json(&["eval", &model, "--samples", "500"]);
    let results = evaluated["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    let steps = |result: &Value| result["mean_steps"].as_f64().unwrap();
    assert!(steps(&results[0]) == 60.0 && steps(&results[1]) < 60.0, "{results:?}");
    let off = json(&["eval", &model, "--samples", "500", "--early-exit", "off"]);
    assert_eq!(off["results"].as_array().unwrap()[..], results[..1]);
    spikelet().args(["inspect", &model]).assert().success().stdout(contains("when the best score leads by"));

    let bytes = AlignedBytes::from_slice(&fs::read(&model).unwrap());
    let file = ModelFile::open(&bytes).unwrap();
    let data = load(DatasetName::Digits).unwrap();
    let samples = data.test.take(100);
    let mut board = boot(&bytes);
    for stop in [Stop::WhenDecided, Stop::AtTheEnd] {
        let host = simulate_until(&file, &samples, stop, || {});
        for input in [InputKind::Pixels, InputKind::Spikes] {
            let device = run_samples(&mut board.client, &file, &samples, input, stop, |_| {}).unwrap();
            for (device, host) in device.iter().zip(&host.inferences) {
                assert_eq!(device.inference, *host, "{stop:?}, {input:?}");
            }
        }
        assert_eq!(host.mean_steps() < 60.0, stop == Stop::WhenDecided);
        assert_eq!(host.inferences == simulate(&file, &samples, || {}).inferences, stop == Stop::AtTheEnd);
    }
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run").display().to_string();
    let small = ["--layers", "784-20", "--steps", "10", "--epochs", "1", "--train-samples", "300"];
    spikelet().args(["train", "--out", &run]).args(small).assert().success();
    for (points, words) in
        [("0", "like 0.1"), ("100", "like 0.1"), ("NaN", "like 0.1"), ("0.01", "allow more")]
    {
        let model = folder.path().join("model.spk");
        let out = model.display().to_string();
        let points = format!("--early-exit={points}");
        let output =
            spikelet().args(["export", &run, &points, "--out", &out, "--allow-silent"]).assert().failure();
        let stderr = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(stderr.contains(words) && stderr.starts_with("error: "), "{points}: {stderr}");
        assert!(!model.exists(), "nothing is written");
    }
}
