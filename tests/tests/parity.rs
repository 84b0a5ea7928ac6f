//! Host and board, bit for bit: class, scores and spike counts of real images at T = 200.
//!
//! The board encodes the pixels itself, so its encoder is compared too; a part of the images is sent as spikes.

use spikelet::data::DatasetName;
use spikelet::device::{InputKind, run_samples};
use spikelet::simulate::simulate;
use spikelet_export::ModelFile;
use spikelet_tests::{boot, load, trained_model};

const STEPS: usize = 200;
/// Images sent as spikes, which takes longer: the emulated UART is slow.
const AS_SPIKES: usize = 50;

fn check(dataset: DatasetName, layers: &[usize], samples: usize) {
    let Some(data) = load(dataset.clone()) else { return };
    let model = trained_model(&data, layers, STEPS, 3000);
    let file = ModelFile::open(&model).unwrap();
    let mut board = boot(&model);
    let client = &mut board.client;
    assert_eq!(client.hello().unwrap().model, file.id());

    let images = data.test.take(samples);
    let host = simulate(&file, &images, || {});
    for (input, count) in [(InputKind::Pixels, samples), (InputKind::Spikes, AS_SPIKES)] {
        let device = run_samples(client, &file, &images.take(count), input, |_| {}).unwrap();
        for (index, (device, host)) in device.iter().zip(&host.inferences).enumerate() {
            assert_eq!(device.inference, *host, "image {index} of {dataset}, sent as {input:?}");
        }
        assert_eq!(device.len(), count);
    }
    // A network that has learnt nothing would compare little.
    let right = host.classes().iter().zip(images.labels()).filter(|(class, label)| class == label).count();
    assert!(right * 2 > samples, "{right} of {samples} right");
    assert!(host.inferences.iter().filter(|sample| sample.spike_counts.contains(&0)).count() * 20 < samples);
    client.shutdown().unwrap();
    assert!(board.qemu.wait().unwrap().success(), "{}", board.qemu.words());
}

#[test]
fn mnist_784_100() {
    check(DatasetName::Mnist, &[784, 100], 1000);
}

#[test]
fn mnist_784_512_100() {
    check(DatasetName::Mnist, &[784, 512, 100], 1000);
}

#[test]
fn digits_784_100() {
    check(DatasetName::Digits, &[784, 100], 2000);
}

#[test]
fn digits_784_512_100() {
    check(DatasetName::Digits, &[784, 512, 100], 2000);
}
