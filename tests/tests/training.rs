//! Training repeats: the same bits whatever the number of threads, and after an interruption.

use spikelet::cell::CellName;
use spikelet::config::{Coding, Config};
use spikelet::data::{self, Dataset, DatasetName};
use spikelet::train::{EpochMetrics, train};
use spikelet_tests::{on_every_path, process, spikelet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

fn config() -> Config {
    Config {
        layers: vec![784, 40, 20],
        steps: 30,
        epochs: 3,
        batch: 32,
        train_samples: Some(700),
        seed: 4,
        ..Config::default()
    }
}

fn digits() -> Dataset {
    data::load(DatasetName::Digits, None).unwrap()
}

/// What a run must repeat: its networks to the bit, and its metrics but for the times.
fn outcome(out: &Path) -> (Vec<u8>, Vec<u8>, Vec<EpochMetrics>) {
    let text = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let metrics = text.lines().map(|line| {
        let metrics: EpochMetrics = serde_json::from_str(line).unwrap();
        EpochMetrics { samples_per_second: 0.0, seconds: 0.0, ..metrics }
    });
    let bytes = |name| fs::read(out.join(name)).unwrap();
    (bytes("best.safetensors"), bytes("last.safetensors"), metrics.collect())
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (data, folder) = (digits(), tempfile::tempdir().unwrap());
    let run = |threads: usize| {
        let out = folder.path().join(threads.to_string());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| train(&config(), &data, &out, false)).unwrap();
        outcome(&out)
    };
    let alone = run(1);
    for threads in [2, 3, 7] {
        assert!(run(threads) == alone, "{threads} threads train to other bits than one");
    }
}

/// So do all of the processor's instructions, for a whole training: encoding, both passes, Adam.
#[test]
fn any_instructions_give_the_same_bits() {
    let (data, folder) = (digits(), tempfile::tempdir().unwrap());
    for cell in [CellName::Src, CellName::Lif, CellName::Gru, CellName::Brc] {
        let mut config = Config { train_samples: Some(300), epochs: 2, ..config() };
        config.set_cell(cell);
        let mut scalar = None;
        on_every_path(|path| {
            let out = folder.path().join(format!("{cell:?}-{}", path.name()));
            train(&config, &data, &out, false).unwrap();
            let found = outcome(&out);
            let same = *scalar.get_or_insert_with(|| found.clone()) == found;
            assert!(same, "{cell:?} trains to other bits with {}", path.name());
        });
    }
}

/// Starts the command, sends it `signal` once its first epoch is done, and gives its status and its words.
fn interrupt(arguments: &[&str], signal: &str) -> (ExitStatus, String) {
    let mut command = Command::new(spikelet().get_program());
    let mut process = command.args(arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut stderr = BufReader::new(process.stderr.take().unwrap());
    let mut words = String::new();
    while !words.contains("epoch   1/") {
        assert_ne!(stderr.read_line(&mut words).unwrap(), 0, "it ended before it could be stopped: {words}");
    }
    process::signal(&process, signal);
    stderr.read_to_string(&mut words).unwrap();
    (process.wait().unwrap(), words)
}

/// Ctrl-C ends a run with a sentence, a kill without; both go on to the bits of a run that nothing stopped.
#[test]
fn a_stopped_run_goes_on_to_the_same_bits() {
    let (data, folder) = (digits(), tempfile::tempdir().unwrap());
    let whole = folder.path().join("whole");
    let config = Config { train_samples: Some(4000), epochs: 8, ..config() };
    let settings = folder.path().join("settings.json");
    fs::write(&settings, serde_json::to_string(&config).unwrap()).unwrap();
    train(&config, &data, &whole, false).unwrap();

    for signal in ["-INT", "-KILL"] {
        let broken = folder.path().join(signal);
        let out = format!("--out={}", broken.display());
        let (status, words) = interrupt(&["train", "--config", settings.to_str().unwrap(), &out], signal);
        assert!(!status.success());
        if signal == "-INT" {
            assert!(words.contains("stopped in epoch") && words.contains("--resume"), "{words}");
        }
        let epochs = fs::read_to_string(broken.join("metrics.jsonl")).unwrap().lines().count();
        assert!((1..8).contains(&epochs), "{epochs} epochs were done before {signal}");
        assert!(!broken.join("result.json").exists());
        spikelet().args(["train", "--resume", &out]).assert().success();
        assert!(outcome(&whole) == outcome(&broken), "{signal}");
        // A finished run has nothing to go on with, and says the same again.
        let result = fs::read(broken.join("result.json")).unwrap();
        spikelet().args(["train", "--resume", &out]).assert().success();
        assert!(
            outcome(&whole) == outcome(&broken) && fs::read(broken.join("result.json")).unwrap() == result
        );
    }
}

/// Latency-coded networks learn, which is easily lost.
#[test]
fn both_codings_learn() {
    let (data, folder) = (digits(), tempfile::tempdir().unwrap());
    for coding in [Coding::Rate, Coding::Latency] {
        let mut config = Config {
            layers: vec![784, 100],
            steps: 40,
            epochs: 2,
            train_samples: Some(4000),
            ..Config::default()
        };
        config.set_coding(coding);
        let result = train(&config, &data, &folder.path().join(format!("{coding:?}")), false).unwrap();
        assert!(result.test.accuracy > 0.6, "{coding:?}: {}", result.test.accuracy);
        assert!(result.test.activity[0] > 0.001, "{coding:?} is silent");
    }
}
