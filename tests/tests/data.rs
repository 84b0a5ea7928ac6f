//! Data: bins and spike times equal to the oracle's, and networks that learn from recordings and from your own files.

use serde_json::Value;
use spikelet::config::{Coding, Config};
use spikelet::data::{self, DatasetName};
use spikelet::spike_train::Show;
use spikelet_runtime::encode::LatencyCode;
use spikelet_tests::{Noise, spikelet};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The folder with N-MNIST, whole or a subset.
fn nmnist() -> Option<PathBuf> {
    let folder = data::default_folder();
    if data::survey(&DatasetName::Nmnist, None).is_err() {
        eprintln!("skipped: nmnist is not here; name its folder in SPIKELET_DATA");
        return None;
    }
    Some(folder.join("nmnist"))
}

fn json(arguments: &[&str]) -> Value {
    let output = spikelet().arg("--json").args(arguments).assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

#[test]
fn logarithmic_latency_times_of_all_pixel_values() {
    let pixels: Vec<u8> = (0..=255).collect();
    let golden: HashMap<String, Vec<i32>> = serde_json::from_value(golden("latency_log.json")).unwrap();
    assert_eq!(golden.len(), 3);
    for (steps, times) in golden {
        let steps: u16 = steps.parse().unwrap();
        let mut ours = vec![-1; 256];
        for t in 0..steps {
            LatencyCode::logarithmic(steps)
                .for_each_spike(t, &pixels, |pixel| ours[usize::from(pixel)] = i32::from(t));
        }
        assert_eq!(ours, times, "T = {steps}");
    }
}

/// The four recordings, copied into a set of their own, cell by cell as Tonic bins them.
#[test]
fn recordings_are_binned_as_tonic_does() {
    let Some(folder) = nmnist() else { return };
    let golden = golden("nmnist_bins.json");
    let golden = golden.as_object().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let mut copied = 0;
    for name in golden.keys() {
        if let Ok(bytes) = fs::read(folder.join(name)) {
            let path = copy.path().join("nmnist").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
            copied += 1;
        }
    }
    if copied < golden.len() {
        eprintln!("skipped: only {copied} of the {} recordings are here, unpacked", golden.len());
        return;
    }
    let data = data::load(DatasetName::Nmnist, Some(copy.path())).unwrap();
    assert_eq!(data.subset().unwrap(), "a subset: 2 of 60000 training and 2 of 10000 test recordings");
    assert_eq!((data.train.width(), data.train.height(), data.train.channels()), (34, 34, 2));
    let config = Config { coding: Coding::Events, steps: 200, ..Config::default() };
    for (name, expected) in golden {
        let mut parts = name.split('/');
        let samples = if parts.next() == Some("Train") { &data.train } else { &data.test };
        let label: u8 = parts.next().unwrap().parse().unwrap();
        let index = samples.labels().iter().position(|&found| found == label).unwrap();
        let train = config.encoding().train(samples, index, Show::Evaluation);
        let mut cells = Vec::new();
        for t in 0..200 {
            for same in train.at(t).chunk_by(|a, b| a == b) {
                let input = usize::from(same[0]);
                cells.push([t, input / (34 * 34), input / 34 % 34, input % 34, same.len()]);
            }
        }
        let expected_cells: Vec<[usize; 5]> = serde_json::from_value(expected["cells"].clone()).unwrap();
        assert!(cells == expected_cells, "{name} is binned otherwise");
        assert_eq!(Some(train.inputs.len() as u64), expected["kept"].as_u64(), "{name}");
    }
}

#[test]
fn a_subset_is_called_one() {
    let Some(folder) = nmnist() else { return };
    let checked = json(&["data", "check", "--dataset", "nmnist"]);
    let data = data::load(DatasetName::Nmnist, folder.parent()).unwrap();
    let sum = |part: &str| checked[part].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("train"), sum("test")), (data.train.len() as u64, data.test.len() as u64));
    assert_eq!(checked["subset"].as_str().map(str::to_owned), data.subset());
    let listed = json(&["data", "list"]);
    let listed = listed.as_array().unwrap().iter().find(|set| set["dataset"] == "nmnist").unwrap();
    assert_eq!(listed["ready"], true);
    if let Some(subset) = data.subset() {
        assert_eq!(listed["note"], subset.as_str());
    }
}

/// Recordings of a bar that moves to the right or to the left, as tables.
fn bars(folder: &Path, count: usize) {
    let mut noise = Noise(3);
    for (class, name) in ["left", "right"].into_iter().enumerate() {
        fs::create_dir_all(folder.join(name)).unwrap();
        for index in 0..count {
            let mut table = "t,x,y,p\n".to_owned();
            for t in 0..400u64 {
                let place = t as usize * 12 / 400;
                let x = if class == 0 { 11 - place } else { place };
                let (y, p) = (noise.below(8), noise.below(2));
                table += &format!("{},{x},{y},{p}\n", 1000 + 250 * t + noise.bits() % 250);
            }
            fs::write(folder.join(name).join(format!("{index}.csv")), table).unwrap();
        }
    }
}

/// Images with a bright upper or lower half, or none, as PNG files. What is not bright is nearly black: to the
/// logarithmic code a grey of 30 is as early as white.
fn halves(folder: &Path, count: usize) {
    let mut noise = Noise(4);
    for (class, name) in ["a dark one", "lower", "upper"].into_iter().enumerate() {
        fs::create_dir_all(folder.join(name)).unwrap();
        for index in 0..count {
            let bright = |y: usize| [false, y >= 5, y < 5][class];
            let mut pixel =
                |k: usize| if bright(k / 10) { 150 + noise.below(100) as u8 } else { noise.below(5) as u8 };
            let pixels: Vec<u8> = (0..100).map(&mut pixel).collect();
            let file = fs::File::create(folder.join(name).join(format!("{index}.png"))).unwrap();
            let mut encoder = png::Encoder::new(file, 10, 10);
            encoder.set_color(png::ColorType::Grayscale);
            encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
        }
    }
}

fn train(dataset: &str, out: &Path, options: &[&str]) -> Value {
    let mut arguments = vec!["train", "--dataset", dataset, "--out", out.to_str().unwrap()];
    arguments.extend(["--steps", "30", "--epochs", "6", "--batch", "8"]);
    arguments.extend(options);
    json(&arguments)
}

#[test]
fn your_own_recordings_are_learnt() {
    let folder = tempfile::tempdir().unwrap();
    bars(folder.path(), 60);
    let dataset = format!("events:{}", folder.path().display());
    let out = tempfile::tempdir().unwrap();
    // Coding and first layer follow from the data.
    let result = train(&dataset, &out.path().join("run"), &["--layers", "192-20"]);
    assert_eq!(result["test"]["samples"], 24);
    assert!(result["test"]["accuracy"].as_f64().unwrap() > 0.8, "{result}");
    let config: Config =
        serde_json::from_str(&fs::read_to_string(out.path().join("run/config.json")).unwrap()).unwrap();
    assert_eq!((config.coding, config.dataset.to_string()), (Coding::Events, dataset.clone()));
    let checked = json(&["data", "check", "--dataset", &dataset]);
    assert_eq!(checked["classes"], serde_json::json!(["left", "right"]));
    assert_eq!(
        (&checked["train"], &checked["test"]),
        (&serde_json::json!([48, 48]), &serde_json::json!([12, 12]))
    );
    assert_eq!(
        (&checked["width"], &checked["height"], &checked["channels"]),
        (&12.into(), &8.into(), &2.into())
    );
    let refused = spikelet().args(["train", "--dataset", &dataset, "--coding", "rate"]).assert().failure();
    let error = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
    assert!(error.contains("holds recordings of events: choose --coding events"), "{error}");
}

#[test]
fn your_own_images_are_learnt_by_every_coding() {
    let folder = tempfile::tempdir().unwrap();
    halves(folder.path(), 40);
    let dataset = format!("images:{}", folder.path().display());
    let out = tempfile::tempdir().unwrap();
    for coding in ["rate", "latency", "latency-log"] {
        let result = train(&dataset, &out.path().join(coding), &["--layers", "100-30", "--coding", coding]);
        assert_eq!(result["test"]["samples"], 24);
        assert!(result["test"]["accuracy"].as_f64().unwrap() > 0.8, "{coding}: {result}");
    }
    let sheet = out.path().join("sheet.png");
    spikelet().args(["data", "sheet", "--dataset", &dataset, "--out"]).arg(&sheet).assert().success();
    assert!(fs::metadata(sheet).unwrap().len() > 0);
}

/// Augmentation and blanks change a training, and leave it the same for any number of threads.
#[test]
fn augmented_training_repeats() {
    let folder = tempfile::tempdir().unwrap();
    halves(folder.path(), 20);
    let dataset = format!("images:{}", folder.path().display());
    let out = tempfile::tempdir().unwrap();
    let config = |augment: &str| {
        let path = out.path().join("config.json");
        fs::write(&path, format!(r#"{{"augment": {augment}, "blank_before": 3, "blank_after": 2}}"#))
            .unwrap();
        path.to_str().unwrap().to_owned()
    };
    let run = |name: &str, augment: &str, threads: &str| {
        let config = config(augment);
        let run = out.path().join(name);
        train(&dataset, &run, &["--layers", "100-12", "--threads", threads, "--config", &config]);
        fs::read(run.join("best.safetensors")).unwrap()
    };
    let all = r#"{"shift": 1, "rotation": 10, "scale": 0.1, "elastic": 0.5}"#;
    let one = run("one", all, "1");
    assert!(one == run("three", all, "3"), "three threads train to other bits than one");
    assert!(one != run("plain", "{}", "1"), "augmentation changes nothing");
}
