//! What `spikelet inspect` says that a model costs, against what the emulated board counts and the firmware takes.

use serde_json::Value;
use spikelet::cell::CellName;
use spikelet::config::Config;
use spikelet::cost::{Activity, BOARDS, ModelTerms, Table, costs};
use spikelet::data::{DatasetName, Images, Samples};
use spikelet::device::{InputKind, run_samples};
use spikelet::simulate::Stop;
use spikelet_export::{AlignedBytes, EncoderHeader, ModelFile};
use spikelet_runtime::Width;
use spikelet_runtime::formats::Score;
use spikelet_tests::variants::{pruned, with_header};
use spikelet_tests::{
    BOARD, GENERAL, LIF, Noise, PAPER, RandomCells, boot, load, random_model_in, rate, shipped_models,
    spikelet, trained_model, trained_model_of,
};

/// Images of which two thirds of the pixels are black, in pairs or not.
fn images(side: usize, count: usize) -> Samples {
    let mut noise = Noise(9);
    let mut pixel = || if noise.below(3) > 0 { 0 } else { noise.below(256) as u8 };
    let pixels = (0..side * side * count).map(|_| pixel()).collect();
    Images { width: side, height: side, pixels, labels: vec![0; count] }.into()
}

/// Predicts the instructions per timestep and per inference, and the firmware's memory, and compares them with a board's.
fn check(name: &str, model: &AlignedBytes, samples: &Samples, stop: Stop) {
    let file = ModelFile::open(model).unwrap();
    let activity = Activity::of_samples(&file, samples, stop);
    let parts = Table::cortex_m4().price(&ModelTerms::new(&file, &activity)).unwrap();
    let mut board = boot(model);
    let input = if file.input().encoder.is_some() { InputKind::Pixels } else { InputKind::Spikes };
    let device = run_samples(&mut board.client, &file, samples, input, stop, |_| {}).unwrap();
    let stack = u64::from(board.client.memory().unwrap().stack_used);
    let counted = |ticks: u64| ticks as f64 / BOARD.ticks_per_instruction();
    let network = counted(device.iter().map(|result| u64::from(result.ticks)).sum());
    let encoder = counted(device.iter().map(|result| u64::from(result.ticks_encoding)).sum());
    let steps: f64 = device.iter().map(|result| f64::from(result.inference.steps)).sum();
    assert_eq!(activity.steps, steps, "{name}");

    let told = costs(&file, Some((&activity, String::new())), &BOARDS).unwrap();
    let work = told.work.unwrap();
    let sequences = samples.len() as f64;
    eprintln!(
        "{name}: {:.0} instructions per timestep predicted, {:.0} counted, {:+.2} %; encoder {:.0} and {:.0}",
        work.instructions_per_step,
        network / steps,
        100.0 * (parts.of_network() / network - 1.0),
        work.encoding_per_step,
        encoder / steps,
    );
    let near = |what: &str, predicted: f64, counted: f64| {
        let error = (predicted / counted - 1.0).abs();
        assert!(error <= 0.05, "{name}, {what}: {predicted} is predicted, {counted} counted");
    };
    near("timestep", work.instructions_per_step, network / steps);
    near("inference", work.instructions_per_inference, (network + encoder) / sequences);
    if encoder > 0.0 {
        near("encoder", work.encoding_per_step, encoder / steps);
    }

    // Sizes: where a board has as much memory as the firmware really takes, give or take 1 %, the decision is right.
    let memory = told.memory;
    let ram = board.firmware.ram + stack;
    eprintln!("  flash {} and {}, RAM {} and {ram}", memory.flash, board.firmware.flash, memory.ram);
    assert!(
        (memory.flash as f64 / board.firmware.flash as f64 - 1.0).abs() < 0.01,
        "{name}: flash {}",
        memory.flash
    );
    assert!(
        memory.ram >= ram && memory.ram <= ram + 512,
        "{name}: {} B of RAM predicted, {ram} measured",
        memory.ram
    );
    for board_cost in &told.boards {
        let really = board.firmware.flash <= board_cost.board.flash && ram <= board_cost.board.ram;
        assert_eq!(board_cost.fits, really, "{name} on {}", board_cost.board.name);
    }
}

/// Trained networks of the sizes that people use, on images that they were not trained on.
#[test]
fn instructions_of_trained_networks_are_predicted_within_5_percent() {
    let data = load(DatasetName::Digits).unwrap();
    let samples = data.test.take(8);
    let wide = trained_model(&data, &[784, 512, 100], 200, 500);
    check("784-512-100", &wide, &samples, Stop::AtTheEnd);
    let wide = with_header(&wide, |header| header.outline.margin = Some(Score::ONE.to_bits()));
    check("784-512-100, early", &wide, &samples, Stop::WhenDecided);
    let deep = trained_model(&data, &[784, 128, 64, 20], 60, 1000);
    check("784-128-64-20", &deep, &samples, Stop::AtTheEnd);
    let mut lif = Config {
        layers: vec![784, 200, 50],
        steps: 44,
        epochs: 1,
        train_samples: Some(1000),
        ..Config::default()
    };
    lif.set_cell(CellName::Lif);
    check("784-200-50 of LIF", &trained_model_of(&data, &lif), &samples, Stop::AtTheEnd);
}

/// The models that come with Spikelet, deciding early.
#[test]
fn instructions_of_shipped_models_are_predicted_within_5_percent() {
    let samples = load(DatasetName::Digits).unwrap().test.take(60);
    for path in shipped_models() {
        let model = AlignedBytes::from_slice(&std::fs::read(&path).unwrap());
        check(&path.display().to_string(), &model, &samples, Stop::WhenDecided);
    }
}

/// Other widths, encoders and cells, with weights of which all spikes.
#[test]
fn instructions_of_other_widths_and_cells_are_predicted_within_5_percent() {
    use Width::{Eight, Five, Four, Three, Two};
    type Case = (&'static str, Width, RandomCells, &'static [u16], EncoderHeader);
    let cases: [Case; 7] = [
        ("4 bits", Four, PAPER, &[784, 512, 100], rate()),
        ("4 bits, 784-100", Four, PAPER, &[784, 100], rate()),
        ("2 bits", Two, PAPER, &[784, 150, 50], rate()),
        ("5 bits", Five, PAPER, &[784, 120, 50], rate()),
        ("3 bits", Three, PAPER, &[784, 90, 50], EncoderHeader::Latency {}),
        ("LIF", Four, LIF, &[784, 140, 60, 30], EncoderHeader::Latency {}),
        ("general SRC", Eight, GENERAL, &[784, 140, 60], rate()),
    ];
    for (seed, (name, width, cells, widths, encoder)) in (100..).zip(cases) {
        let model = random_model_in(&[width], cells, widths, [0, 44, 0], encoder, seed);
        check(name, &model, &images(28, 5), Stop::AtTheEnd);
    }
    let model = random_model_in(&[Four], PAPER, &[784, 160, 60], [2, 44, 5], rate(), 99);
    check("pruned", &pruned(&model, 0), &images(28, 5), Stop::AtTheEnd);
}

/// The command: a model that small boards have no room for, one that they have, and options that make no sense.
#[test]
fn the_command_tells_costs_and_boards() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, model: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, model).unwrap();
        path.display().to_string()
    };
    let large =
        write("large.spk", &random_model_in(&[Width::Eight], PAPER, &[784, 512, 100], [0, 20, 0], rate(), 1));
    let small = write("small.spk", &random_model_in(&[Width::Two], PAPER, &[784, 30], [0, 20, 0], rate(), 1));
    let told = |arguments: &[&str]| -> Value {
        let output = spikelet().arg("--json").arg("inspect").args(arguments).assert().success();
        serde_json::from_slice(&output.get_output().stdout).unwrap()
    };
    let digits = told(&[&large, "--dataset", "digits", "--samples", "20"]);
    let work = &digits["costs"]["work"];
    assert!(work["activity"].as_str().unwrap().contains("first 20 test samples of digits"));
    let per_step =
        work["instructions_per_step"].as_f64().unwrap() + work["encoding_per_step"].as_f64().unwrap();
    let per_inference = work["instructions_per_inference"].as_f64().unwrap();
    assert!((per_inference / (20.0 * per_step) - 1.0).abs() < 1e-9);
    let board = |told: &Value, name: &str| {
        let boards = told["costs"]["boards"].as_array().unwrap();
        boards.iter().find(|board| board["name"] == name).unwrap().clone()
    };
    // 450 KB of weights.
    for (name, fits) in [("qemu:lm3s6965evb", false), ("qemu:microbit", false), ("nrf52840-dk", true)] {
        assert_eq!(board(&digits, name)["fits"], fits, "{name}");
    }
    assert_eq!(digits["costs"]["dense"]["macs"], 784 * 512 + 512 * 100 + 100 * 10);
    let nordic = board(&digits, "nrf52840-dk");
    let milliseconds = nordic["spiking"]["milliseconds"].as_f64().unwrap();
    assert!((milliseconds - 1.5 * per_inference / 64e3).abs() < 1e-6, "{nordic}");

    // Without data: memory and boards, and the reason.
    let silent = told(&[&small]);
    assert!(silent["activity_unknown"].as_str().unwrap().contains("\"random\" is unknown"));
    assert!(silent["costs"]["work"].is_null());
    assert_eq!(board(&silent, "qemu:lm3s6965evb")["fits"], true);
    // With shares as simulated, about the same comes out.
    let layers = digits["costs"]["layers"].as_array().unwrap();
    let share = |layer: &Value| layer["work"]["activity"].as_f64().unwrap();
    let input = work["input_spikes"].as_f64().unwrap() / 784.0;
    let shares = format!("{input},{},{}", share(&layers[0]), share(&layers[1]));
    let given = told(&[&large, "--activity", &shares, "--board", "nrf52840-dk"]);
    let given_per_step = given["costs"]["work"]["instructions_per_step"].as_f64().unwrap();
    let simulated = work["instructions_per_step"].as_f64().unwrap();
    assert!((given_per_step / simulated - 1.0).abs() < 0.1, "{given_per_step} and {simulated}");
    assert_eq!(given["costs"]["boards"].as_array().unwrap().len(), 1);

    for (arguments, words) in [
        (&["--board", "nrf9160"][..], "there is no board \"nrf9160\": choose one of nrf52840-dk"),
        (&["--activity", "0.1,0.2"], "needs 3 shares"),
        (&["--activity", "0.1,0.2,1.5"], "are 0 to 1"),
        (&["--dataset", "digits", "--samples", "0"], "--samples must be at least 1"),
    ] {
        let output = spikelet().arg("inspect").arg(&large).args(arguments).assert().failure();
        let stderr = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(stderr.starts_with("error: ") && stderr.contains(words), "{stderr}");
    }
}
