//! Models over the wire: an emulated board receives them into the slots of its flash, which outlives the emulation.

use spikelet::device::{Client, ClientError, Firmware, Qemu};
use spikelet::simulate::Stop;
use spikelet_export::link::LinkError;
use spikelet_export::{AlignedBytes, ModelFile};
use spikelet_runtime::Network;
use spikelet_tests::{BOARD, Noise, firmware, random_model, rate};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Models of one shape, 14 KB each; the first is built into the firmware.
fn model(seed: u64) -> AlignedBytes {
    random_model(&[100, 120, 10], 12, rate(), seed)
}

fn id(model: &AlignedBytes) -> u32 {
    ModelFile::open(model).unwrap().id()
}

fn boot(firmware: &Firmware, flash: &Path) -> (Qemu, Client<UnixStream>) {
    Qemu::start_with_flash(BOARD, &firmware.elf, Some(flash)).unwrap()
}

fn running(client: &mut Client<UnixStream>) -> u32 {
    client.hello().unwrap().model
}

/// The board computes what a model does, in every bit.
fn check_parity(client: &mut Client<UnixStream>, model: &AlignedBytes) {
    let file = ModelFile::open(model).unwrap();
    let pixels: Vec<u8> = (0..100).map(|n| (n * 31) as u8).collect();
    let inferred = client.infer_pixels(4, &pixels, Stop::AtTheEnd).unwrap();
    let mut memory = spikelet::simulate::HostMemory::new(file.model().need());
    let mut network = Network::new(file.model(), memory.view()).unwrap();
    let mut spiking = heapless::Vec::<u16, 100>::new();
    file.input().present(&mut network, 4, false, &pixels, &mut spiking, |_| {}).unwrap();
    let scores: Vec<i32> = network.scores().iter().map(|score| score.to_bits()).collect();
    assert_eq!(inferred.scores[..], scores[..]);
    assert_eq!(inferred.spike_counts[..], *network.spike_counts());
}

#[test]
#[ignore = "kills QEMU for a minute and a half: cargo test -p spikelet-tests --test update -- --ignored"]
fn a_board_killed_at_any_moment_comes_up_with_a_whole_model() {
    let [built_in, first, second] = [1, 2, 3].map(model);
    let (folder, firmware) = firmware(BOARD, &built_in, &[]);
    let flash = folder.path().join("flash, with a comma");
    let (qemu, mut client) = boot(&firmware, &flash);
    assert_eq!(running(&mut client), id(&built_in));
    let sent = client.send_model(&first, |_| {}).unwrap();
    assert_eq!((sent.resumed, sent.already), (0, false));
    assert_eq!(running(&mut client), id(&first));
    check_parity(&mut client, &first);

    // What needs more memory than there is, is refused before anything is erased.
    let before = client.models().unwrap();
    let large = random_model(&[100, 130, 10], 12, rate(), 4);
    let error = client.send_model(&large, |_| {}).unwrap_err();
    assert!(matches!(error, ClientError::Refused(LinkError::TooLarge)), "{error}");
    assert_eq!(client.models().unwrap(), before);

    // A file whose CRC is right and which says of itself that it computes something else.
    let mut wrong = model(5);
    let header = 16 + usize::from(u16::from_le_bytes([wrong[6], wrong[7]]));
    wrong[header - 1] ^= 1;
    let crc = spikelet_export::crc::of_file(&wrong);
    wrong[12..16].copy_from_slice(&crc.to_le_bytes());
    let error = client.send_model(&wrong, |_| {}).unwrap_err();
    assert!(matches!(error, ClientError::KeptOld), "{error}");
    assert_eq!(running(&mut client), id(&first));
    let models = client.models().unwrap();
    assert_eq!(models.slots.iter().flatten().count(), 1, "it was given up: {models:?}");
    drop((client, qemu));

    let mut noise = Noise(8);
    let (mut kills, mut resumed) = (0, 0);
    loop {
        let (qemu, mut client) = boot(&firmware, &flash);
        let model = running(&mut client);
        if model == id(&second) {
            assert!(kills > 3, "the update was broken off a few times");
            break;
        }
        assert_eq!(model, id(&first), "after {kills} kills");
        check_parity(&mut client, &first);
        let kill = thread::spawn({
            // The later ones have more time, so that there is an end to it.
            let wait = Duration::from_millis(noise.below(20 + 10 * kills) as u64);
            move || {
                thread::sleep(wait);
                drop(qemu);
            }
        });
        let mut start = None;
        let _ = client.send_model(&second, |held| start = start.or(Some(held)));
        resumed += usize::from(start.is_some_and(|held| held > 0));
        kill.join().unwrap();
        kills += 1;
    }
    assert!(resumed > 0, "none of {kills} went on from where the one before ended");

    let (_qemu, mut client) = boot(&firmware, &flash);
    check_parity(&mut client, &second);
    assert!(client.send_model(&second, |_| {}).unwrap().already);
    assert_eq!(client.rollback().unwrap(), id(&first));
    check_parity(&mut client, &first);
}
