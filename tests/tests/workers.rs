//! Sweeps by real processes that share nothing but a folder, and the job script of the docs.

use serde_json::Value;
use spikelet_tests::process::{signal, wait_until};
use spikelet_tests::{binary, root, spikelet};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Four small runs on the built-in digits: two points, two seeds.
fn small<'a>(epochs: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let network = ["--layers", "784-30-20", "--steps", "20", "--train-samples", "600", "--epochs", epochs];
    [&["--vary", "lr=0.002,0.005", "--seeds", "2", "--threads", "1"], &network[..], more].concat()
}

const RUNS: [&str; 4] = ["lr=0.002/seed0", "lr=0.002/seed1", "lr=0.005/seed0", "lr=0.005/seed1"];

fn sweep(out: &Path, arguments: &[&str]) -> assert_cmd::Command {
    let mut command = spikelet();
    command.arg("sweep").args(arguments).arg("--out").arg(out);
    command
}

fn table(out: &Path, arguments: &[&str]) -> Value {
    let output = sweep(out, arguments).arg("--json").assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

/// A table but for the time that things took.
fn timeless(mut table: Value) -> Value {
    for row in table["rows"].as_array_mut().unwrap() {
        row.as_object_mut().unwrap().remove("seconds_per_epoch");
    }
    table
}

/// Starts a worker in the background; what it says goes to a file.
fn worker(out: &Path, log: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(binary());
    command.arg("sweep").args(arguments).arg("--out").arg(out);
    command.stdout(Stdio::null()).stderr(fs::File::create(log).unwrap()).spawn().unwrap()
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}

/// How often a log says that something was trained.
fn trained(logs: &[&Path], name: &str) -> usize {
    let says = |log: &&Path| fs::read_to_string(log).unwrap().matches(&format!("{name}: trained")).count();
    logs.iter().map(says).sum()
}

fn assert_same_networks(one: &Path, other: &Path) {
    for run in RUNS {
        for file in ["best.safetensors", "last.safetensors", "config.json"] {
            let bytes = |out: &Path| fs::read(out.join(run).join(file)).unwrap();
            assert!(bytes(one) == bytes(other), "{run}/{file} differs");
        }
    }
}

#[test]
fn a_killed_worker_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (shared, alone) = (folder.path().join("shared"), folder.path().join("alone"));
    let expected = table(&alone, &small("40", &[]));

    let logs: Vec<_> = ["a", "b", "c"].map(|name| folder.path().join(name)).into();
    table(&shared, &small("40", &["--partial"]));
    let mut first = worker(&shared, &logs[0], &["--threads", "1"]);
    // The first one has an epoch of its first run behind it, and is held there: its run is taken, and does not end.
    wait_until("the first epoch", || lines(&shared.join(RUNS[0]).join("metrics.jsonl")) >= 1);
    signal(&first, "-STOP");
    let second = worker(&shared, &logs[1], &["--threads", "1"]);
    wait_until("a run of the second worker", || lines(&shared.join(RUNS[2]).join("metrics.jsonl")) >= 1);
    first.kill().unwrap();
    first.wait().unwrap();
    let left = fs::read_to_string(shared.join(RUNS[0]).join("metrics.jsonl")).unwrap();
    let killed_in_the_middle = !shared.join(RUNS[0]).join("result.json").exists();
    let third = worker(&shared, &logs[2], &["--threads", "1"]);
    for mut child in [second, third] {
        assert!(child.wait().unwrap().success());
    }
    assert!(killed_in_the_middle, "it was not killed in time: {left}");
    assert_same_networks(&shared, &alone);
    let found = table(&shared, &["--partial"]);
    assert_eq!(timeless(found), timeless(expected));
    // Each run was finished by one worker, and that one began where the killed one stopped.
    let logs: Vec<&Path> = logs.iter().map(|log| log.as_path()).collect();
    for name in ["lr=0.002, seed 0", "lr=0.002, seed 1", "lr=0.005, seed 0", "lr=0.005, seed 1"] {
        assert_eq!(trained(&logs, name), 1, "{name}");
    }
    let whole = fs::read_to_string(shared.join(RUNS[0]).join("metrics.jsonl")).unwrap();
    let kept: Vec<&str> = left.lines().collect();
    // The kill may have come between the last epoch's metrics and its checkpoint.
    let kept = &kept[..kept.len().saturating_sub(1)];
    assert!(whole.lines().zip(kept).all(|(now, before)| now == *before), "epochs were trained again");
}

#[test]
fn a_sweep_has_a_table_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("sweep");
    let listed = sweep(&out, &small("3", &["--list"])).assert().success();
    let listed = String::from_utf8(listed.get_output().stdout.clone()).unwrap();
    let names = ["lr=0.002, seed 0", "lr=0.005, seed 0", "lr=0.002, seed 1", "lr=0.005, seed 1"];
    assert_eq!(listed.lines().collect::<Vec<_>>(), names);
    assert!(!out.exists(), "a list makes nothing");

    let empty = table(&out, &small("3", &["--partial"]));
    assert_eq!((&empty["rows"][0]["runs"], &empty["best"]), (&0.into(), &Value::Null));
    // One run at a time: the first seed of each point comes first.
    let one = table(&out, &["--most", "1", "--threads", "1"]);
    assert_eq!((&one["rows"][0]["runs"], &one["rows"][1]["runs"]), (&1.into(), &0.into()));
    assert_eq!(one["rows"][0]["missing"], serde_json::json!([{ "seed": 1, "epochs": 0 }]));
    let all = table(&out, &[]);
    assert!(all["rows"].as_array().unwrap().iter().all(|row| row["runs"] == 2), "{all}");
    assert_eq!(table(&out, &[]), all, "a finished sweep is not trained again");
    let mean = |row: usize| all["rows"][row]["validation_accuracy"]["mean"].as_f64().unwrap();
    let best = all["best"].as_u64().unwrap() as usize;
    assert!(mean(best) >= mean(1 - best));
    // The runs are those of `train`.
    let result = fs::read_to_string(out.join(RUNS[0]).join("result.json")).unwrap();
    let result: Value = serde_json::from_str(&result).unwrap();
    let other = fs::read_to_string(out.join(RUNS[1]).join("result.json")).unwrap();
    let other: Value = serde_json::from_str(&other).unwrap();
    let accuracy = |result: &Value| 100.0 * result["test"]["accuracy"].as_f64().unwrap();
    let spread = &all["rows"][0]["test_accuracy"];
    let (a, b) = (accuracy(&result), accuracy(&other));
    assert!((spread["mean"].as_f64().unwrap() - (a + b) / 2.0).abs() < 1e-9);
    assert!((spread["deviation"].as_f64().unwrap() - (a - b).abs() / 2f64.sqrt()).abs() < 1e-9);
    let text = fs::read_to_string(out.join("RESULT.md")).unwrap();
    assert!(text.contains("| 0.002 | 2 of 2 |") && text.contains("| best |"), "{text}");
    assert_eq!(lines(&out.join("result.csv")), 3);
}

#[test]
fn a_grid_is_a_file_too_and_what_is_wrong_has_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("sweep");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let grid =
        file("grid.json", r#"{"no-bypass": [true, false], "steps": [10, 20], "learn": ["none", "alpha,r"]}"#);
    let listed = sweep(&out, &["--grid", &grid, "--seeds", "1", "--list"]).assert().success();
    let listed = String::from_utf8(listed.get_output().stdout.clone()).unwrap();
    assert_eq!(listed.lines().count(), 8, "{listed}");
    assert!(listed.contains("learn=alpha,r no-bypass=true steps=10, seed 0"), "{listed}");

    let refuses = |arguments: &[&str], words: &[&str]| {
        let output = sweep(&out, arguments).assert().failure();
        let stderr = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(stderr.starts_with("error: ") && !stderr.contains("panicked"), "{stderr}");
        for word in words {
            assert!(stderr.contains(word), "\"{word}\" is not in: {stderr}");
        }
    };
    refuses(&[], &["holds no sweep to go on with: name what to vary"]);
    refuses(&["--vary", "lr"], &["lr=0.001,0.002"]);
    refuses(&["--vary", "seed=1,2"], &["use --seeds"]);
    refuses(&["--vary", "speed=1,2"], &["speed is no setting"]);
    refuses(&["--vary", "lr=fast"], &["lr=fast", "invalid"]);
    refuses(&["--vary", "lr=-1"], &["lr=-1"]);
    refuses(&["--vary", "layers=100-10"], &["layers=100-10", "--layers must begin with 784"]);
    refuses(&["--grid", &file("list.json", "[1, 2]")], &["list.json is no grid"]);
    refuses(&["--grid", &file("empty.json", r#"{"lr": []}"#)], &["empty.json is no grid"]);
    refuses(&["--grid", "nowhere.json"], &["cannot read nowhere.json"]);
    assert!(!out.exists(), "something was written");

    table(&out, &small("3", &["--partial"]));
    refuses(&["--vary", "lr=0.1", "--partial"], &["holds another sweep"]);
    refuses(&["--seeds", "5"], &["has 2 seeds"]);
    fs::write(out.join("sweep.json"), "{").unwrap();
    refuses(&["--partial"], &["sweep.json is damaged"]);
}

/// The block of a language in the docs that contains some words.
fn block(language: &str, words: &str) -> String {
    let text = fs::read_to_string(root().join("trainer/docs/workers.md")).unwrap();
    let start = format!("```{language}\n");
    let blocks = text.split(&start).skip(1).filter_map(|part| part.split("```").next());
    blocks.into_iter().find(|block| block.contains(words)).unwrap().to_owned()
}

/// A folder whose `spikelet` is the one under test.
fn path_with_spikelet(folder: &TempDir) -> String {
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(binary(), bin.join("spikelet")).unwrap();
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

/// The job script of the docs, as an array of four tasks that run at once.
#[test]
fn the_job_script_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = path_with_spikelet(&folder);
    let script = folder.path().join("sweep.sh");
    fs::write(&script, block("bash", "#SBATCH --array")).unwrap();
    table(&folder.path().join("runs/sweep"), &small("3", &["--partial"]));
    let task = |id: usize| {
        let mut command = Command::new("bash");
        command.arg(&script).current_dir(folder.path()).env("PATH", &path);
        command.env("SLURM_ARRAY_TASK_ID", id.to_string()).env("SLURM_CPUS_PER_TASK", "1");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let tasks: Vec<Child> = (0..4).map(task).collect();
    let outputs: Vec<_> = tasks.into_iter().map(|task| task.wait_with_output().unwrap()).collect();
    let words = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    for (id, output) in outputs.iter().enumerate() {
        assert!(output.status.success(), "{}", words(&output.stderr));
        assert!(words(&output.stdout).starts_with(&format!("task {id} on ")), "{}", words(&output.stdout));
    }
    let said: String = outputs.iter().map(|output| words(&output.stderr)).collect();
    assert_eq!(said.matches(": trained, ").count(), 4, "{said}");
    let table = table(&folder.path().join("runs/sweep"), &["--partial"]);
    assert!(table["rows"].as_array().unwrap().iter().all(|row| row["runs"] == 2), "{table}");
}

/// The commands of the page are commands.
#[test]
fn the_pages_sweep_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = path_with_spikelet(&folder);
    let run = |block: &str| {
        let script: String =
            block.lines().map(|line| line.trim_start_matches("$ ").to_owned() + "\n").collect();
        let mut command = assert_cmd::Command::new("bash");
        command.args(["-e", "-c", &script]).current_dir(folder.path()).env("PATH", &path).assert().success()
    };
    let listed = run(&block("console", "--list"));
    let listed = String::from_utf8(listed.get_output().stdout.clone()).unwrap();
    assert!(listed.contains("lr=0.005 layers=784-200-100, seed 1"), "{listed}");
    assert!(folder.path().join("runs/sweep/sweep.json").is_file());
}
