//! Every cell and option of training learns, and repeats.

use spikelet::cell::{Cell, CellName, Gate, Learnable, SpikeKind, SrcCell};
use spikelet::checkpoint;
use spikelet::config::{ActivityGoal, Coding, Config, Loss};
use spikelet::data::{self, Dataset, DatasetName};
use spikelet::network::Network;
use spikelet::spike_train::Show;
use spikelet::train::{RunResult, train};
use spikelet_tests::spikelet;
use std::sync::OnceLock;

fn digits() -> &'static Dataset {
    static DIGITS: OnceLock<Dataset> = OnceLock::new();
    DIGITS.get_or_init(|| data::load(DatasetName::Digits, None).unwrap())
}

fn small() -> Config {
    Config { layers: vec![784, 60], steps: 30, epochs: 2, train_samples: Some(2500), ..Config::default() }
}

fn run(config: &Config) -> RunResult {
    let folder = tempfile::tempdir().unwrap();
    train(config, digits(), &folder.path().join("run"), false).unwrap()
}

fn src(change: impl FnOnce(&mut SrcCell)) -> Config {
    let mut cell = SrcCell::default();
    change(&mut cell);
    Config { cell: Cell::Src(cell), ..small() }
}

/// A tenth is chance, and silent networks get just that.
#[test]
fn every_variant_learns() {
    let lif = |coding| {
        let mut config = small();
        config.set_coding(coding);
        config.set_cell(CellName::Lif);
        config
    };
    let goal = ActivityGoal { target: Some(0.03), strength: 0.1, ..ActivityGoal::default() };
    let constants = [Learnable::Alpha, Learnable::Rho, Learnable::R, Learnable::RS, Learnable::H0];
    let variants = [
        ("lif, rate", lif(Coding::Rate)),
        ("lif, latency", lif(Coding::Latency)),
        ("gate previous", src(|cell| cell.gate = Gate::Previous)),
        ("binary spikes", src(|cell| cell.spikes = SpikeKind::Binary)),
        ("z = 0.3", src(|cell| cell.z = 0.3)),
        ("learnt constants", src(|cell| cell.learn = constants.into())),
        ("initial states", src(|cell| (cell.h0, cell.h_s0) = (-0.9, -0.5))),
        ("margin", Config { loss: Loss::Margin, ..small() }),
        ("mean squared", Config { loss: Loss::MeanSquared, ..small() }),
        ("smoothing and decay", Config { label_smoothing: 0.1, weight_decay: 0.01, ..small() }),
        ("activity target", Config { activity: goal, ..small() }),
    ];
    for (name, config) in variants {
        let result = run(&config);
        eprintln!("{name}: {:.3}, activity {:.4}", result.test.accuracy, result.test.activity[0]);
        assert!(result.test.accuracy > 0.5, "{name}: {}", result.test.accuracy);
        assert!(result.test.activity[0] > 0.001, "{name} is silent");
    }
}

#[test]
fn the_baselines_that_do_not_spike_learn() {
    for cell in [CellName::Gru, CellName::Brc] {
        let mut config = Config { layers: vec![784, 40], epochs: 4, ..small() };
        config.set_cell(cell);
        let result = run(&config);
        assert!(result.test.accuracy > 0.5, "{cell}: {}", result.test.accuracy);
    }
}

/// The energy knob: the penalty buys silence, the target is come near to.
#[test]
fn activity_follows_its_goal() {
    let free = run(&small()).test.activity[0];
    let penalty = ActivityGoal { penalty: 0.1, ..ActivityGoal::default() };
    let saving = run(&Config { activity: penalty, ..small() }).test.activity[0];
    assert!(saving < 0.7 * free, "the penalty brings {free} down to {saving} only");
    let target = 2.0 * free;
    let goal = ActivityGoal { target: Some(target), strength: 10.0, ..ActivityGoal::default() };
    let drawn = run(&Config { activity: goal, ..small() }).test.activity[0];
    assert!((drawn / target - 1.0).abs() < 0.3, "{drawn} is not near {target}; without it {free}");
}

/// Learnt constants move, stay within their bounds, and stand in the checkpoint.
#[test]
fn learnt_constants_are_kept() {
    use Learnable::{Alpha, H0, HS0, R, RS, Rho, Z, ZS};
    let mut config =
        src(|cell| (cell.z_s_dep, cell.learn) = (0.2, [Alpha, Rho, Z, R, RS, ZS, H0, HS0].into()));
    config.detach = false;
    config.train_samples = Some(500);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    train(&config, digits(), &out, false).unwrap();
    let network = checkpoint::load(&out.join("best.safetensors")).unwrap().network;
    let parameters = config.cell.parameters(60);
    assert_eq!(parameters.len(), 10);
    for (parameter, (name, value)) in parameters.iter().zip(&network.layers()[0].cell) {
        let values: Vec<f32> = value.to_vec1().unwrap();
        let (least, most) = parameter.bounds;
        assert_eq!((parameter.name, parameter.length), (*name, values.len()));
        assert!(values.iter().all(|&v| (least..=most).contains(&f64::from(v))), "{name}: {values:?}");
        assert!(values.iter().any(|&v| (f64::from(v) - parameter.start).abs() > 1e-4), "{name} did not move");
    }
}

#[test]
fn options_that_do_not_go_together_have_a_sentence() {
    let refused = [
        (&["--cell", "lif", "--gate", "previous"][..], "are for --cell src"),
        (&["--cell", "gru", "--learn", "alpha"], "GRU and BRC learn all they have"),
        (&["--learn", "beta"], "choose among alpha"),
        (&["--learn", "leak"], "belongs to --cell lif"),
        (&["--learn", "z-s"], "--no-detach"),
        (&["--spikes", "binary", "--no-bypass"], "binary spikes have no derivative"),
        (&["--label-smoothing", "1"], "--label-smoothing"),
        (&["--init-gain", "0"], "--init-gain must be above 0"),
        (&["--init-gain", "2", "--cell", "gru"], "for cells that spike"),
        (&["--activity-target", "2"], "--activity-target"),
        (&["--steps", "65000", "--blank-before", "1000"], "at most 65535 timesteps"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (arguments, sentence) in refused {
        let out = folder.path().join("run");
        let mut command = spikelet();
        let failed = command.arg("train").args(arguments).arg("--out").arg(&out).assert().failure();
        let words = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
        assert!(words.contains(sentence), "{arguments:?}: {words}");
        assert!(!out.exists(), "{arguments:?} left a folder behind");
    }
}

/// With Xavier's weights a deep network is silent at first; a gain lets spikes through all its layers.
#[test]
fn a_gain_lets_spikes_reach_deep_layers() {
    let config = Config { layers: vec![784, 128, 128, 128, 128, 100], steps: 100, ..Config::default() };
    let data = digits();
    let indices: Vec<usize> = (0..8).collect();
    let activity = |gain: f64| {
        let network = Network::<f32>::new(config.architecture(data.classes), 1).unwrap();
        network.scale_weights(gain).unwrap();
        let spikes = config.encoding().batch(&data.train, &indices, Show::Evaluation);
        network.forward(spikes, None).unwrap().activity()[4]
    };
    assert_eq!(activity(1.0), 0.0);
    assert!(activity(3.0) > 0.01, "{}", activity(3.0));
}
