//! Host and board, bit for bit: class, scores and spike counts of real images at T = 200, of every kind of cell, and of
//! recordings.
//!
//! The board encodes the pixels itself, so its encoder is compared too; a part of the images is sent as spikes.

use spikelet::cell::{Cell, CellName, Gate, Learnable, SpikeKind, SrcCell};
use spikelet::config::{Coding, Config};
use spikelet::data::{Dataset, DatasetName};
use spikelet::device::{ClientError, InputKind, Wire, run_samples};
use spikelet::simulate::{Stop, simulate};
use spikelet_export::ModelFile;
use spikelet_export::link::LinkError;
use spikelet_runtime::Layer;
use spikelet_tests::{BOARD, boot_by, load, trained_model, trained_model_of};

const STEPS: usize = 200;
/// Images sent as spikes, which takes longer: the emulated UART is slow.
const AS_SPIKES: usize = 50;

fn check_images(dataset: DatasetName, layers: &[usize], samples: usize) {
    let Some(data) = load(dataset) else { return };
    let model = trained_model(&data, layers, STEPS, 3000);
    check(&data, &model, &[(InputKind::Pixels, samples), (InputKind::Spikes, AS_SPIKES)]);
}

/// Compares so many test samples, sent as each kind of input; the first count is the most.
fn check(data: &Dataset, model: &[u8], inputs: &[(InputKind, usize)]) {
    let file = ModelFile::open(model).unwrap();
    let mut board = boot_by(Wire::Channel, BOARD, model);
    let client = &mut board.client;
    let hello = client.hello().unwrap();
    assert_eq!((hello.model, hello.steps), (file.id(), file.input().sequence()));

    let samples = inputs[0].1;
    let images = data.test.take(samples);
    let host = simulate(&file, &images, || {});
    for &(input, count) in inputs {
        let device = run_samples(client, &file, &images.take(count), input, Stop::AtTheEnd, |_| {}).unwrap();
        for (index, (device, host)) in device.iter().zip(&host.inferences).enumerate() {
            assert_eq!(device.inference, *host, "sample {index} of {}, sent as {input:?}", data.name);
            assert_eq!(device.inference.steps, file.input().sequence());
        }
        assert_eq!(device.len(), count);
    }
    // A network that has learnt nothing would compare little.
    let right = host.classes().iter().zip(images.labels()).filter(|(class, label)| class == label).count();
    assert!(right * 2 > samples, "{right} of {samples} right");
    assert!(host.inferences.iter().filter(|sample| sample.spike_counts.contains(&0)).count() * 20 < samples);
    if file.input().encoder.is_none() {
        let refused = client.infer_pixels(0, &[0; 10], Stop::AtTheEnd).unwrap_err();
        assert!(matches!(refused, ClientError::Refused(LinkError::NoEncoder)), "{refused}");
    }
    client.shutdown().unwrap();
    assert!(board.qemu.wait().unwrap().success(), "{}", board.qemu.words());
}

#[test]
fn mnist_784_100() {
    check_images(DatasetName::Mnist, &[784, 100], 200);
}

#[test]
fn mnist_784_512_100() {
    check_images(DatasetName::Mnist, &[784, 512, 100], 100);
}

#[test]
fn digits_784_100() {
    check_images(DatasetName::Digits, &[784, 100], 200);
}

#[test]
fn digits_784_512_100() {
    check_images(DatasetName::Digits, &[784, 512, 100], 100);
}

/// Every test image of the built-in data, and a thousand of MNIST: `cargo test --package spikelet-tests --test parity -- --ignored`.
#[test]
#[ignore = "takes minutes"]
fn thousands_of_images() {
    for layers in [&[784, 100][..], &[784, 512, 100]] {
        check_images(DatasetName::Mnist, layers, 1000);
        check_images(DatasetName::Digits, layers, 2000);
    }
}

#[test]
fn digits_lif() {
    let Some(data) = load(DatasetName::Digits) else { return };
    let mut config = Config {
        layers: vec![784, 60, 50],
        steps: 40,
        blank_before: 3,
        blank_after: 7,
        train_samples: Some(3000),
        epochs: 2,
        ..Config::default()
    };
    config.set_cell(CellName::Lif);
    let model = trained_model_of(&data, &config);
    let file = ModelFile::open(&model).unwrap();
    assert!(file.model().layers().iter().all(|layer| matches!(layer, Layer::Lif(_))));
    check(&data, &model, &[(InputKind::Pixels, 100), (InputKind::Spikes, 30)]);
}

/// Everything at once that the paper's experiments leave off, and constants that were learnt.
#[test]
fn digits_general_src() {
    use Learnable::{Alpha, H0, HS0, R, RS, Rho, Z};
    let Some(data) = load(DatasetName::Digits) else { return };
    let cell = SrcCell {
        z: 0.2,
        gate: Gate::Previous,
        spikes: SpikeKind::Binary,
        h0: -0.7,
        h_s0: -0.4,
        learn: [Alpha, Rho, Z, R, RS, H0, HS0].into(),
        ..SrcCell::default()
    };
    let config = Config {
        layers: vec![784, 60, 50],
        steps: 40,
        blank_before: 5,
        blank_after: 4,
        train_samples: Some(3000),
        epochs: 2,
        cell: Cell::Src(cell),
        ..Config::default()
    };
    let model = trained_model_of(&data, &config);
    let file = ModelFile::open(&model).unwrap();
    let [Layer::Src(first), Layer::Src(second)] = file.model().layers() else { panic!("no SRC") };
    assert_eq!((first.initial().len(), second.initial().len()), (60, 50));
    assert_ne!(first.constants(), second.constants(), "each layer has learnt its own");
    check(&data, &model, &[(InputKind::Pixels, 100), (InputKind::Spikes, 30)]);
}

/// Recordings go to the board as spikes: 2,312 inputs.
#[test]
fn nmnist_2312_100() {
    let Some(data) = load(DatasetName::Nmnist) else { return };
    let mut config = Config {
        layers: vec![2312, 100],
        steps: 60,
        train_samples: Some(1000),
        epochs: 3,
        ..Config::default()
    };
    config.set_coding(Coding::Events);
    let model = trained_model_of(&data, &config);
    check(&data, &model, &[(InputKind::Spikes, 50)]);
}
