//! The paper's figures and tables made again: one neuron against the oracle, and the command.

use candle_core::{DType, Device, safetensors};
use serde_json::Value;
use spikelet::cell::SrcCell;
use spikelet::reproduce::neuron::{simulate, stimulus};
use spikelet_tests::process::{signal, wait_until};
use spikelet_tests::{binary, real_data, root, spikelet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;
use tempfile::NamedTempFile;

/// Bound in f64.
const EXACT: f64 = 1e-9;

fn assert_near(what: &str, actual: f64, expected: f64) {
    assert!((actual - expected).abs() <= EXACT, "{what} is {actual} instead of {expected}");
}

/// Every single step from the oracle's states, and whole runs for as long as rounding allows: at b_h = -4 the neuron
/// with switching z_s doubles a difference every few timesteps, so that one of 1e-16 between two implementations of
/// tanh passes 1e-9 at timestep 198. The other three runs stay together to the end.
#[test]
fn one_neuron_is_the_oracles() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/one_neuron.safetensors");
    let golden = safetensors::load(path, &Device::Cpu).unwrap();
    let numbers = |name: &str| -> Vec<f64> {
        golden[name].to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    };
    let x = stimulus();
    assert_eq!(x, numbers("x"));
    for (bias, z_s_dep, together) in [(-6, 0.0, 600), (-6, 0.9, 600), (-4, 0.0, 190), (-4, 0.9, 600)] {
        let run = format!("b{bias}.0.zs_dep{z_s_dep:.1}");
        let (h, h_s) = (numbers(&format!("{run}.h")), numbers(&format!("{run}.hs")));
        assert_eq!((h.len(), h_s.len()), (600, 600), "{run}");
        let cell = SrcCell { z_s_dep, ..SrcCell::default() };
        let free = simulate(&x, &cell, f64::from(bias));
        for t in 0..600 {
            let (h0, h_s0) = if t == 0 { (0.0, 0.0) } else { (h[t - 1], h_s[t - 1]) };
            let step = simulate(&x[t..=t], &SrcCell { h0, h_s0, ..cell.clone() }, f64::from(bias));
            assert_near(&format!("{run}: the step to h[{t}]"), step.h[0], h[t]);
            assert_near(&format!("{run}: the step to h_s[{t}]"), step.h_s[0], h_s[t]);
            if t < together {
                assert_near(&format!("{run}: h[{t}]"), free.h[t], h[t]);
                assert_near(&format!("{run}: h_s[{t}]"), free.h_s[t], h_s[t]);
            }
        }
    }
}

#[test]
fn figures_of_one_neuron_are_written_with_their_findings() {
    let folder = tempfile::tempdir().unwrap();
    for (item, findings) in [("fig1", 3), ("fig6", 1)] {
        spikelet().args(["reproduce", item, "--out"]).arg(folder.path()).assert().success();
        let written = folder.path().join(item);
        assert_figure(&written, "the paper");
        let text = fs::read_to_string(written.join("RESULT.md")).unwrap();
        assert_eq!(text.matches(": holds").count(), findings, "{text}");
        let result: Value = serde_json::from_slice(&fs::read(written.join("result.json")).unwrap()).unwrap();
        assert!(result.as_array().unwrap().iter().all(|finding| finding["holds"] == true));
    }
    let numbers = fs::read_to_string(folder.path().join("fig1/figure.csv")).unwrap();
    assert_eq!(numbers.lines().count(), 1 + 3 * 600);
}

/// A figure is there as SVG, as PNG and as numbers, and says `words`.
fn assert_figure(folder: &Path, words: &str) {
    let text = fs::read_to_string(folder.join("figure.svg")).unwrap();
    assert!(text.contains("<svg") && text.contains(words), "{words} is not in {}", folder.display());
    assert!(fs::read(folder.join("figure.png")).unwrap().starts_with(b"\x89PNG"));
    assert!(fs::read_to_string(folder.join("figure.csv")).unwrap().lines().count() > 1);
}

#[test]
fn what_is_not_there_has_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let reproduce = |arguments: &[&str]| {
        let mut command = spikelet();
        command.arg("reproduce").args(arguments).args(["--out", "out"]).current_dir(folder.path());
        command.assert()
    };
    let words = |assert: assert_cmd::assert::Assert| {
        String::from_utf8(assert.failure().get_output().stderr.clone()).unwrap()
    };
    let networks =
        ["table1", "--seeds", "1", "--only", "mnist/rate/lif/1,mnist/rate/src/1", "--data", "nowhere"];
    let stderr = words(reproduce(&networks));
    // None keeps the other from being tried.
    assert!(stderr.contains("2 runs failed"), "{stderr}");
    assert!(stderr.contains("mnist/rate/src/1, seed 0: ") && stderr.contains("nowhere"), "{stderr}");
    let text = fs::read_to_string(folder.path().join("out/table1/paper/RESULT.md")).unwrap();
    assert!(text.contains("Failed:") && text.contains("the paper's schedule"), "{text}");
    assert!(text.contains("| mnist/rate/src/1 | 100, 200, all | 0 of 1 | – | 97.27 |"), "{text}");
    assert!(
        text.contains("| 5 | LIF | – (98.08) | – (97.61) | – (84.22) | – (85.88) | – (98.05) |"),
        "{text}"
    );
    assert!(text.contains("- nmnist/events/lif/5: seed 0\n"), "{text}");
    let stderr = words(reproduce(&["fig5", "--only", "src,gru"]));
    assert!(stderr.contains("--only gru names no network"), "{stderr}");
    let listed = reproduce(&["table1", "--list"]).success();
    let listed = String::from_utf8(listed.get_output().stdout.clone()).unwrap();
    assert_eq!(listed.lines().count(), 40);
    assert!(listed.lines().any(|name| name == "nmnist/events/src/5"), "{listed}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { fs::copy(&path, &target).map(drop).unwrap() }
    }
}

/// The results that come with Spikelet are made of the runs that do, and of nothing else.
#[test]
fn the_published_results_are_those_of_the_published_runs() {
    let published = root().join("trainer/results");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("results");
    copy(&published, &out);
    let read = |folder: &Path, name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let made = ["table1/e15/RESULT.md", "fpga/paper/RESULT.md", "devices/RESULT.md", "RESULTS.md"];
    for name in made {
        fs::remove_file(out.join(name)).unwrap();
    }
    let reproduce = |item: &[&str]| {
        spikelet().arg("reproduce").args(item).arg("--out").arg(&out).assert().success();
    };
    reproduce(&["table1", "--epochs", "15", "--seeds", "1", "--partial"]);
    reproduce(&["fpga", "--seeds", "1", "--partial"]);
    reproduce(&["devices", "--partial"]);
    reproduce(&["results"]);
    for name in made {
        assert_eq!(read(&out, name), read(&published, name), "{name}");
    }
    // A board's result stands beside the network's accuracy on the same images.
    let run = published.join("runs/fpga-16-4/e30-T16-all/seed0");
    let board: Value = serde_json::from_str(&read(&run, "board.json")).unwrap();
    assert_eq!((board["samples"].as_u64(), board["equal"].as_u64()), (Some(10_000), Some(10_000)));
    let empty = folder.path().join("empty");
    let refused = spikelet().args(["reproduce", "results", "--out"]).arg(&empty).assert().failure();
    let words = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
    assert!(words.contains("there are no results in") && words.contains("reproduce table1"), "{words}");
}

/// A shipped model on a board, on few images: shown once, kept, and listed beside what others may make.
#[test]
fn shipped_models_run_on_boards_once() {
    let Some(data) = mnist() else { return };
    let folder = tempfile::tempdir().unwrap();
    let reproduce = |args: &[&str]| {
        let mut command = spikelet();
        command
            .args(["reproduce", "devices", "--out"])
            .arg(folder.path())
            .arg("--data")
            .arg(&data)
            .args(args);
        let output = command.assert().get_output().clone();
        (output.status.success(), [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()))
    };
    let (_, [listed, _]) = reproduce(&["--list"]);
    for name in ["mnist-fast/microbit", "mnist-small/mps2-an500"] {
        assert!(listed.lines().any(|line| line == name), "{listed}");
    }
    let (succeeds, [_, refused]) = reproduce(&["--only", "mnist-fast/an386"]);
    assert!(!succeeds && refused.contains("--only mnist-fast/an386 names no"), "{refused}");

    let few = ["--only", "mnist-fast/mps2-an386", "--test-samples", "30"];
    let (_, [_, said]) = reproduce(&few);
    assert!(said.lines().any(|line| line == "mnist-fast/mps2-an386"), "{said}");
    let made = folder.path().join("devices/n30");
    let before = files(&made);
    let text = fs::read_to_string(made.join("RESULT.md")).unwrap();
    let row = text.lines().find(|line| line.contains("qemu:mps2-an386")).unwrap_or_else(|| panic!("{text}"));
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    assert_eq!((cells[1], cells[3], &cells[11..13]), ("mnist-fast", "M4", ["30", "30"].as_slice()), "{row}");
    let (_, [_, said]) = reproduce(&few);
    assert!(!said.contains("mnist-fast/"), "it is run again: {said}");
    let kept = |files: Vec<(PathBuf, Vec<u8>, SystemTime)>| {
        files.into_iter().find(|file| file.0.ends_with("mnist-fast-mps2-an386.json")).unwrap()
    };
    assert_eq!(kept(files(&made)), kept(before));
}

/// Every file of the runs below a folder, with its bytes and the time of its last change.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>, SystemTime)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let changed = fs::metadata(&path).unwrap().modified().unwrap();
            found.push((path.clone(), fs::read(&path).unwrap(), changed));
        }
    }
    found.sort();
    found
}

/// MNIST's folder, or a line about it if it is not here.
fn mnist() -> Option<PathBuf> {
    let data = real_data();
    if data.is_none() {
        eprintln!("skipped: MNIST is not here; name its folder in SPIKELET_DATA");
    }
    data
}

/// Trains tiny runs, takes up one that lost its result, keeps those that are there, and mixes no schedules.
#[test]
fn networks_are_trained_once() {
    let Some(data) = mnist() else { return };
    let folder = tempfile::tempdir().unwrap();
    let reproduce = |steps: &str, more: &[&str]| {
        let mut command = spikelet();
        command.args([
            "reproduce",
            "fig2",
            "--json",
            "--epochs",
            "1",
            "--train-samples",
            "200",
            "--seeds",
            "2",
        ]);
        command.args(["--only", "src/5/relu", "--steps", steps]).args(more);
        command.arg("--data").arg(&data).arg("--out").arg(folder.path());
        command.assert()
    };
    let table = |steps: &str, more: &[&str]| -> Value {
        serde_json::from_slice(&reproduce(steps, more).success().get_output().stdout).unwrap()
    };
    let first = table("10", &[]);
    let row = &first["rows"][1];
    assert_eq!((&row["name"], &row["runs"]), (&"mnist/rate/src/5/relu".into(), &2.into()));
    let accuracy = row["accuracy"]["mean"].as_f64().unwrap();
    assert!((0.0..=100.0).contains(&accuracy) && row["accuracy"]["deviation"].as_f64().unwrap() >= 0.0);
    assert!(row["seconds_per_epoch"]["mean"].as_f64().unwrap() > 0.0);
    assert_eq!(first["rows"][0]["runs"], 0);
    let written = folder.path().join("fig2/e1-T10-n200");
    let text = fs::read_to_string(written.join("RESULT.md")).unwrap();
    assert!(text.contains("| mnist/rate/src/5/relu | 1, 10, 200 | 2 of 2 |"), "{text}");
    assert!(text.contains("Not trained yet:\n\n- mnist/rate/src/5: seeds 0, 1\n"), "{text}");
    assert_figure(&written, "SRC, 5 layers, no bypass");
    assert_figure(&written, "1 epoch instead of the paper");
    let csv = fs::read_to_string(written.join("result.csv")).unwrap();
    assert!(csv.lines().nth(2).unwrap().starts_with("mnist/rate/src/5/relu,1,10,200,2,,"), "{csv}");

    let all_runs = || files(&folder.path().join("runs"));
    let runs = all_runs();
    let result = |name: &str| fs::read(written.join(name)).unwrap();
    let names = ["result.json", "RESULT.md", "figure.svg"];
    let before = names.map(result);
    assert_eq!(table("10", &[]), first);
    assert_eq!(table("10", &["--partial"]), first);
    assert!(all_runs() == runs, "a finished run was touched");
    assert!(names.map(result) == before);

    let run = folder.path().join("runs/mnist-rate-src-5-relu/e1-T10-n200/seed1");
    fs::remove_file(run.join("result.json")).unwrap();
    let partial = table("10", &["--partial"]);
    assert_eq!(partial["rows"][1]["missing"], serde_json::json!([{ "seed": 1, "epochs": 1 }]));
    assert_eq!(table("10", &[]), first);

    // Another schedule is another run, and leaves the first alone.
    let runs = all_runs();
    assert_eq!(table("11", &[])["rows"][1]["runs"], 2);
    assert_eq!(table("12", &["--partial"])["rows"][1]["runs"], 0);
    let kept = all_runs();
    assert!(kept.len() > runs.len() && runs.iter().all(|file| kept.contains(file)), "a run was touched");
    assert_eq!(table("10", &["--partial"]), first);

    // So does whatever else in a config is not the plan's.
    let config = fs::read_to_string(run.join("config.json")).unwrap();
    fs::write(run.join("config.json"), config.replace("\"batch\": 64", "\"batch\": 32")).unwrap();
    let refused = reproduce("10", &[]).failure();
    let stderr = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
    assert!(stderr.contains("seed1 holds a run with other settings"), "{stderr}");
}

/// A worker that is trained with, killed or watched while others work in the same folder.
struct Worker {
    child: Child,
    stderr: NamedTempFile,
}

impl Worker {
    fn start(data: &Path, out: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(binary());
        command.args(["reproduce", "--json", "--data"]).arg(data).arg("--out").arg(out).args(arguments);
        let stderr = NamedTempFile::new().unwrap();
        let child = command.stdout(Stdio::piped()).stderr(stderr.reopen().unwrap()).spawn().unwrap();
        Self { child, stderr }
    }

    /// What it said so far.
    fn said(&self) -> String {
        fs::read_to_string(self.stderr.path()).unwrap()
    }

    /// The table it prints, and what it says on the way.
    fn end(self) -> (Value, String) {
        let output = self.child.wait_with_output().unwrap();
        let stderr = fs::read_to_string(self.stderr.path()).unwrap();
        assert!(output.status.success(), "{stderr}");
        (serde_json::from_slice(&output.stdout).unwrap(), stderr)
    }
}

/// One worker is killed in the middle of a run; another, which waited for it, goes on from the last epoch, to the bits of
/// a run that nobody killed.
#[test]
fn a_killed_workers_run_is_taken_up() {
    let Some(data) = mnist() else { return };
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["fig5", "--only", "mnist/rate/src/5", "--seeds", "1", "--epochs", "6"];
    let arguments = [&arguments[..], &["--steps", "20", "--train-samples", "1500"]].concat();
    let (shared, alone) = (folder.path().join("shared"), folder.path().join("alone"));
    let mut first = Worker::start(&data, &shared, &arguments);
    let run = |out: &Path| out.join("runs/mnist-rate-src-5/e6-T20-n1500/seed0");
    let epochs =
        || fs::read_to_string(run(&shared).join("metrics.jsonl")).unwrap_or_default().lines().count();
    wait_until("the second epoch", || epochs() >= 2);
    // Held in the middle of its run, which the second worker waits for.
    signal(&first.child, "-STOP");
    let second = Worker::start(&data, &shared, &arguments);
    wait_until("the wait of the second worker", || second.said().contains("waiting for 1 runs"));
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    let metrics = fs::read_to_string(run(&shared).join("metrics.jsonl")).unwrap();
    let (done, trained) = (metrics.lines().count(), first.said());
    assert!(done < 6 && !trained.contains(": trained"), "it was not killed in time: {trained}");
    let (table, said) = second.end();
    assert!(said.contains("waiting for 1 runs") && said.contains("seed 0: trained"), "{said}");
    assert_eq!(table["rows"][0]["runs"], 1);
    let whole = fs::read_to_string(run(&shared).join("metrics.jsonl")).unwrap();
    // The kill may have come between the last epoch's metrics and its checkpoint.
    let kept: Vec<&str> = metrics.lines().take(done - 1).collect();
    assert!(!kept.is_empty() && whole.lines().take(done - 1).eq(kept), "epochs were trained again");

    Worker::start(&data, &alone, &arguments).end();
    for name in ["best.safetensors", "last.safetensors"] {
        let bytes = |out: &Path| fs::read(run(out).join(name)).unwrap();
        assert!(bytes(&shared) == bytes(&alone), "{name} is not that of an unbroken run");
    }
}

#[test]
fn two_workers_share_the_runs() {
    let Some(data) = mnist() else { return };
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["fig4", "--only", "mnist/rate/src/1,mnist/rate/lif/1", "--seeds", "3", "--epochs", "2"];
    let arguments = [&arguments[..], &["--steps", "10", "--train-samples", "300"]].concat();
    let workers = [0, 1].map(|_| Worker::start(&data, folder.path(), &arguments));
    let [first, second] = workers.map(Worker::end);
    assert_eq!(first.0, second.0);
    assert_eq!((&first.0["rows"][0]["runs"], &first.0["rows"][1]["runs"]), (&3.into(), &3.into()));
    for cell in ["src", "lif"] {
        for seed in 0..3 {
            let sentence = format!("mnist/rate/{cell}/1, seed {seed}: trained");
            let count = first.1.matches(&sentence).count() + second.1.matches(&sentence).count();
            assert_eq!(count, 1, "{sentence}\n{}\n{}", first.1, second.1);
        }
    }
}

/// Every table and figure of networks once, as short as it goes.
#[test]
fn each_item_has_its_figure_and_the_papers_values() {
    let Some(data) = mnist() else { return };
    let folder = tempfile::tempdir().unwrap();
    let reproduce = |item: &str, only: &str| -> (Value, PathBuf) {
        let mut command = spikelet();
        command.args(["reproduce", item, "--json", "--epochs", "1", "--seeds", "1", "--steps", "10"]);
        command.args(["--train-samples", "100", "--only", only, "--data"]).arg(&data);
        let output = command.arg("--out").arg(folder.path()).assert().success();
        let table = serde_json::from_slice(&output.get_output().stdout).unwrap();
        (table, folder.path().join(item).join("e1-T10-n100"))
    };
    let (_, written) = reproduce("fig3", "src/2");
    assert_figure(&written, "paper 87.06");
    let (table, written) = reproduce("fig4", "src/1");
    assert_figure(&written, "MNIST, latency code");
    assert!(table["rows"][0]["activity"]["mean"].is_f64());
    let (table, written) = reproduce("fig5", "lif/5,src/15");
    assert_figure(&written, "SRC, 15 layers");
    let names: Vec<_> = table["rows"].as_array().unwrap().iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names.len(), 6);
    assert!(names.contains(&"mnist/rate/lif/10".into()), "{names:?}");
    assert_eq!(table["findings"].as_array().unwrap().len(), 1);
    if data.join("nmnist").is_dir() {
        let (table, written) = reproduce("table1", "nmnist/events/src/1,mnist/rate/src/1");
        assert_figure(&written, "SRC, paper");
        let text = fs::read_to_string(written.join("RESULT.md")).unwrap();
        let rows = table["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == "nmnist/events/src/1").unwrap();
        assert_eq!(row["paper"], 97.42);
        if let Some(subset) = row["subset"].as_str() {
            assert!(text.contains(&format!("The data of nmnist are {subset}")), "{text}");
        }
    }
}
