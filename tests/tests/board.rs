//! The board under QEMU: greeting, bad frames, costs, failing on faults.

use spikelet::data::{DatasetName, Images, Samples};
use spikelet::device::{
    Board, Client, ClientError, DeviceInference, FirmwareOptions, InputKind, Qemu, Wire, build, measure,
    run_samples,
};
use spikelet::simulate::{Stop, simulate};
use spikelet_export::link::{self, LinkError, Reply, ReplyBody, Request, RequestBody, ResetCause};
use spikelet_export::{EncoderHeader, ModelFile};
use spikelet_runtime::{MAX_LAYERS, Width};
use spikelet_tests::{
    BOARD, GENERAL, LIF, Noise, PAPER, RandomCells, boot, boot_on, firmware, load, random_model,
    random_model_in, rate, trained_model,
};

fn images(side: usize, count: usize, seed: u64) -> Samples {
    let mut noise = Noise(seed);
    // A third of the pixels is black, as in real images.
    let mut pixel = || if noise.below(3) == 0 { 0 } else { noise.below(256) as u8 };
    let pixels = (0..side * side * count).map(|_| pixel()).collect();
    Images { width: side, height: side, pixels, labels: vec![0; count] }.into()
}

#[test]
fn networks_of_any_shape_and_coding_are_equal_to_the_host() {
    use Width::{Eight, Five, Four, Three, Two};
    type Case = (&'static [Width], RandomCells, &'static [u16], [u16; 3], EncoderHeader);
    let cases: [Case; 7] = [
        (&[Eight], PAPER, &[1, 10], [0, 300, 0], rate()),
        (&[Eight], PAPER, &[784, 130, 50], [0, 60, 0], EncoderHeader::Latency {}),
        (&Width::ALL, PAPER, &[100, 3, 5, 2, 9, 4, 6, 8, 10], [0, 50, 0], rate()),
        (&[Eight], LIF, &[49, 33, 7, 20], [0, 70, 9], rate()),
        (&[Five, Four], GENERAL, &[49, 33, 7, 20], [6, 70, 5], rate()),
        (&[Three, Two], GENERAL, &[144, 40, 30], [3, 150, 0], EncoderHeader::LatencyLog {}),
        (&[Four, Two], PAPER, &[784, 110, 50], [0, 60, 0], EncoderHeader::Latency {}),
    ];
    for (seed, (bits, cells, widths, steps, encoder)) in (1..).zip(cases) {
        let model = random_model_in(bits, cells, widths, steps, encoder, seed);
        let file = ModelFile::open(&model).unwrap();
        let images = images(usize::from(widths[0].isqrt()), 20, seed);
        let host = simulate(&file, &images, || {});
        assert!(
            host.inferences.iter().any(|inference| inference.spike_counts[0] > 0),
            "{widths:?} is silent"
        );
        let mut board = boot(&model);
        let mut inputs = vec![InputKind::Spikes];
        if encoder.is_on_boards() {
            inputs.push(InputKind::Pixels);
        } else {
            let refused =
                board.client.infer_pixels(0, &vec![9; usize::from(widths[0])], Stop::AtTheEnd).unwrap_err();
            assert!(matches!(refused, ClientError::Refused(LinkError::NoEncoder)), "{refused}");
        }
        for input in inputs {
            let device =
                run_samples(&mut board.client, &file, &images, input, Stop::AtTheEnd, |_| {}).unwrap();
            for (device, host) in device.iter().zip(&host.inferences) {
                assert_eq!(device.inference, *host, "{cells:?}, {widths:?}, {input:?}");
            }
        }
    }
}

/// Over either wire, which differ neither in the answers nor in the counts.
#[test]
fn every_core_is_equal_to_the_host() {
    let model = random_model_in(&Width::ALL, PAPER, &[100, 67, 50, 64, 33, 40], [0, 60, 0], rate(), 10);
    let file = ModelFile::open(&model).unwrap();
    let images = images(10, 10, 10);
    let host = simulate(&file, &images, || {});
    for board in Board::ALL {
        let (_folder, firmware) = firmware(board, &model, &[]);
        let mut counted = Vec::new();
        for wire in [Wire::Uart, Wire::Channel] {
            let (mut qemu, mut client) = Qemu::start_by(wire, board, &firmware.elf).unwrap();
            assert_eq!(client.hello().unwrap().board, board.machine());
            for input in [InputKind::Spikes, InputKind::Pixels] {
                let device = run_samples(&mut client, &file, &images, input, Stop::AtTheEnd, |_| {});
                let device = device.unwrap_or_else(|error| panic!("{board}, {wire:?}, {input:?}: {error}"));
                for (device, host) in device.iter().zip(&host.inferences) {
                    assert_eq!(device.inference, *host, "{board}, {wire:?}, {input:?}");
                }
                let ticks = |of: fn(&DeviceInference) -> u32| {
                    device.iter().map(|device| f64::from(of(device))).sum::<f64>()
                };
                counted.push((wire, ticks(|device| device.ticks), ticks(|device| device.ticks_encoding)));
            }
            client.shutdown().unwrap();
            assert!(qemu.wait().unwrap().success(), "{board}, {wire:?}: {}", qemu.words());
        }
        // To a tick for each reading of the clock, and the dozen instructions that an interrupt takes now and then.
        let [uart, channel] = [&counted[..2], &counted[2..]];
        for (uart, channel) in uart.iter().zip(channel) {
            let differ = |one: f64, other: f64| (one - other).abs() > 0.001 * one;
            assert!(
                !differ(uart.1, channel.1) && !differ(uart.2, channel.2),
                "{board}: {uart:?}, {channel:?}"
            );
        }
    }
}

/// A host that goes away ends the emulation.
#[test]
fn a_closed_channel_ends_the_board() {
    let (_folder, firmware) = firmware(BOARD, &random_model(&[4, 10], 5, rate(), 1), &[]);
    let (mut qemu, client) = Qemu::start_by(Wire::Channel, BOARD, &firmware.elf).unwrap();
    drop(client);
    assert!(!qemu.wait().unwrap().success());
    assert!(!qemu.log().is_empty(), "the log goes another way");
}

/// What the micro:bit's 16 KB of RAM are enough for.
#[test]
fn the_smallest_board_runs_784_100_at_4_bits() {
    let model = random_model_in(&[Width::Four], PAPER, &[784, 100], [0, 44, 0], rate(), 3);
    let file = ModelFile::open(&model).unwrap();
    let images = images(28, 10, 3);
    let host = simulate(&file, &images, || {});
    assert!(host.inferences.iter().all(|inference| inference.spike_counts[0] > 0), "it is silent");
    let mut booted = boot_on(Board::Microbit, &model);
    for input in [InputKind::Spikes, InputKind::Pixels] {
        let device = run_samples(&mut booted.client, &file, &images, input, Stop::AtTheEnd, |_| {}).unwrap();
        for (device, host) in device.iter().zip(&host.inferences) {
            assert_eq!(device.inference, *host, "{input:?}");
        }
    }
    let costs = measure(&mut booted.client, Board::Microbit, &file, 25).unwrap();
    let again = measure(&mut booted.client, Board::Microbit, &file, 25).unwrap();
    assert_eq!(costs.layers[0].per_synaptic_operation, again.layers[0].per_synaptic_operation);
    // Neurons took other branches: their states have moved on.
    assert!((costs.layers[0].per_neuron - again.layers[0].per_neuron).abs() < 0.1, "{costs:?}, {again:?}");
    let left = booted.client.memory().unwrap().stack_free;
    println!("{costs:?}, {} B of variables, {left} B left", booted.firmware.ram);
    assert!(left > 4096, "{left} B of RAM are left");
}

/// The linker's words become a sentence with what the model needs and what there is.
#[test]
fn a_model_too_large_for_a_board_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.spk");
    std::fs::write(&path, &*random_model(&[784, 1000, 900], 5, rate(), 1)).unwrap();
    let refused = build(Board::Microbit, &path, FirmwareOptions::default()).unwrap_err().to_string();
    let start = "qemu:microbit is too small for this model, which needs ";
    let rest = refused.strip_prefix(start).unwrap_or_else(|| panic!("{refused}"));
    let need = rest.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok());
    let need: Vec<u64> = need.collect();
    let [flash, 262_144, ram, 16_384] = need[..] else { panic!("{refused}") };
    assert!((1_700_000..1_800_000).contains(&flash) && (16_385..40_000).contains(&ram), "{refused}");
}

#[test]
fn bad_frames_get_an_error_and_the_next_good_one_works() {
    let model = random_model(&[16, 10], 20, rate(), 1);
    let mut board = boot(&model);
    let client = &mut board.client;
    let frame = |body| {
        let mut buffer = [0; link::REQUEST + 1];
        link::encode(&Request { sequence: 77, body }, &mut buffer).unwrap().to_vec()
    };
    let mut damaged = frame(RequestBody::Hello { version: link::VERSION });
    damaged[3] ^= 4;
    let mut unknown = [0; 32];
    let unknown = link::encode(&(5u16, 200u8), &mut unknown).unwrap().to_vec();
    let oversized = [vec![1; 3000], vec![0]].concat();
    let not_cobs = vec![200, 1, 2, 0];
    let cases = [
        (damaged, None, LinkError::Damaged),
        (unknown, None, LinkError::Unknown),
        (oversized, None, LinkError::Oversized),
        (not_cobs, None, LinkError::Damaged),
        (
            frame(RequestBody::InferPixels { stream: 0, early: false, pixels: &[1; 15] }),
            Some(77),
            LinkError::PixelCount,
        ),
        (frame(RequestBody::Finish), Some(77), LinkError::NotBegun),
        (frame(RequestBody::Steps { spikes: &[1] }), Some(77), LinkError::NotBegun),
        (frame(RequestBody::Measure { layer: 1, spikes: 1 }), Some(77), LinkError::Layer),
    ];
    for (bytes, sequence, error) in cases {
        client.send_raw(&bytes).unwrap();
        assert_eq!(client.next_reply().unwrap(), Reply { sequence, body: ReplyBody::Error(error) });
        let hello = client.hello().unwrap();
        assert_eq!((hello.board, hello.inputs, hello.classes, hello.steps), ("mps2-an386", 16, 10, 20));
    }
    client.infer_pixels(0, &[9; 16], Stop::AtTheEnd).unwrap();
    client.shutdown().unwrap();
    assert!(board.qemu.wait().unwrap().success());
    assert!(!board.qemu.log().is_empty(), "the firmware logs through semihosting");
}

/// The targets: one instruction per synaptic operation at 512 neurons and 1.25 at 100, 24 per neuron at 512, 150 for a timestep
/// without a spike at rest; and what was measured of flash and RAM, rounded up. Instructions are exact, so this is no timed test.
#[test]
fn costs_are_as_promised() {
    let data = load(DatasetName::Digits).unwrap();
    let model = trained_model(&data, &[784, 512, 100], 200, 500);
    let file = ModelFile::open(&model).unwrap();
    assert!(file.model().layers().iter().all(|layer| layer.integrator().proved), "trained weights are small");
    let mut board = boot(&model);
    let client = &mut board.client;
    client.infer_pixels(1, &[100; 784], Stop::AtTheEnd).unwrap();
    let images = images(28, 1, 4);
    run_samples(client, &file, &images, InputKind::Spikes, Stop::AtTheEnd, |_| {}).unwrap();
    let costs = measure(client, BOARD, &file, 25).unwrap();
    eprintln!("{costs:?}, {} B of flash, {} B of variables", board.firmware.flash, board.firmware.ram);
    let [wide, narrow] = &costs.layers[..] else { panic!("two layers") };
    assert!(wide.per_synaptic_operation <= 1.0 && narrow.per_synaptic_operation <= 1.25, "{costs:?}");
    // A call's fixed cost is spread over few neurons in the second layer.
    assert!(wide.per_neuron <= 24.0 && narrow.per_neuron <= 27.0, "{costs:?}");
    let silent = costs.silent_step.expect("trained biases are low enough for every neuron to rest");
    assert!((1.0..=150.0).contains(&silent), "{silent} instructions for a timestep at rest");
    assert_eq!(costs, measure(client, BOARD, &file, 25).unwrap(), "instructions are counted exactly");
    let beside = board.firmware.flash - file.len() as u64;
    assert!(beside <= 40 * 1024, "{beside} B of flash beside the model file");
    assert!(costs.stack < 1024, "{costs:?}");
    let ram = board.firmware.ram + u64::from(costs.stack);
    // 2 KB of it are the queue of received bytes.
    assert!(ram <= 18 * 1024, "{ram} B of RAM");
}

/// Every request, the largest inputs and the most layers. (tests/image.rs has a bound for whatever may come.)
#[test]
fn the_stack_stays_below_a_kilobyte() {
    use Width::{Eight, Five, Four, Three, Two};
    let deep = [&[784, 40][..], &[20; MAX_LAYERS - 1]].concat();
    let cases: [(&[Width], RandomCells, &[u16]); 3] = [
        (&[Two, Three, Four, Five, Eight], PAPER, &deep),
        (&[Five, Two], GENERAL, &[784, 150, 50]),
        (&[Eight, Four], LIF, &[784, 100, 50]),
    ];
    for (seed, (bits, cells, widths)) in (1..).zip(cases) {
        let model = random_model_in(bits, cells, widths, [0, 300, 0], rate(), seed);
        let mut board = boot(&model);
        let client = &mut board.client;
        client.hello().unwrap();
        for bytes in [&[vec![1; 3000], vec![0]].concat()[..], &[200, 1, 2, 0], &[3, 1, 1, 0]] {
            client.send_raw(bytes).unwrap();
            assert!(matches!(client.next_reply().unwrap().body, ReplyBody::Error(_)));
        }
        client.infer_pixels(u64::MAX, &[255; 784], Stop::AtTheEnd).unwrap();
        let all: Vec<u16> = (0..784).collect();
        client.infer_spikes([&all[..]; 30], Stop::WhenDecided).unwrap();
        for layer in 0..widths.len() as u8 - 1 {
            client.measure(layer, u16::MAX).unwrap();
        }
        let memory = client.memory().unwrap();
        println!("{bits:?}, {} layers: {} B of stack", widths.len() - 1, memory.stack_used);
        assert!((300..1024).contains(&memory.stack_used), "{widths:?}: {memory:?}");
        client.shutdown().unwrap();
    }
}

#[test]
fn a_fault_and_a_panic_end_with_a_failing_status() {
    let model = random_model(&[4, 10], 5, rate(), 1);
    for feature in ["fault", "panic"] {
        let (_folder, firmware) = firmware(BOARD, &model, &[feature]);
        let mut qemu = Qemu::start_alone(BOARD, &firmware.elf).unwrap();
        assert!(!qemu.wait().unwrap().success(), "{feature}");
    }
}

#[test]
fn the_watchdog_restarts_a_board_that_hangs() {
    let model = random_model(&[4, 10], 5, rate(), 1);
    let (_folder, firmware) = firmware(BOARD, &model, &["hang"]);
    let (_qemu, stream) = Qemu::start_stream(BOARD, &firmware.elf, None, &[]).unwrap();
    // What it is asked while it hangs is lost: it has to be asked again.
    let mut client = Client::new(stream);
    client.hello().unwrap();
    let health = client.health().unwrap();
    assert_eq!((health.resets, health.cause), (1, ResetCause::Watchdog), "{health:?}");
    assert!(health.frames_good >= 1 && health.stack_free > 0, "{health:?}");
}
