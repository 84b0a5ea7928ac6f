//! Boards to flash: their firmware is built, looked at, and handed to a probe-rs that writes down what it is asked for. No board is
//! there to run it.

use object::{Object, ObjectSection, ObjectSymbol};
use predicates::str::contains;
use serde_json::Value;
use spikelet::device::RealBoard;
use spikelet_runtime::Width;
use spikelet_tests::image::Image;
use spikelet_tests::{GENERAL, random_model, random_model_in, rate, spikelet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder with a model of all widths, and with a `probe-rs` that writes its arguments to `asked` and ends with `status`.
struct Desk {
    folder: TempDir,
    model: PathBuf,
}

impl Desk {
    fn new(status: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model.spk");
        let widths = [49, 30, 30, 30, 30, 20];
        fs::write(&model, &*random_model_in(&Width::ALL, GENERAL, &widths, [0, 9, 0], rate(), 1)).unwrap();
        let probe_rs = folder.path().join("probe-rs");
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = --version ] && exit 0\necho \"$@\" >> \"{}\"\necho words of probe-rs\nexit {status}\n",
            folder.path().join("asked").display()
        );
        fs::write(&probe_rs, script).unwrap();
        fs::set_permissions(&probe_rs, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, model }
    }

    /// `spikelet`, with this `probe-rs` before all others.
    fn spikelet(&self) -> assert_cmd::Command {
        let others = std::env::var("PATH").unwrap();
        let mut command = spikelet();
        command.env("PATH", format!("{}:{others}", self.folder.path().display()));
        command
    }

    /// What probe-rs was asked for since the last time.
    fn asked(&self) -> Vec<String> {
        let asked = self.folder.path().join("asked");
        let lines = fs::read_to_string(&asked).unwrap_or_default().lines().map(str::to_owned).collect();
        let _ = fs::remove_file(asked);
        lines
    }
}

/// Where a board's flash begins, and its interrupt of a received byte.
fn facts(board: RealBoard) -> (u64, &'static str) {
    match board {
        RealBoard::Nrf52840Dk | RealBoard::MicrobitV2 => (0, "UARTE0_UART0"),
        RealBoard::NucleoF446re => (0x0800_0000, "USART2"),
        RealBoard::Pico | RealBoard::Pico2 => (0x1000_0000, "UART0_IRQ"),
    }
}

/// Builds the firmware, hands it to probe-rs, and looks at the image.
fn flash(desk: &Desk, board: RealBoard) {
    let name = board.name();
    let arguments = ["--json", "flash", desk.model.to_str().unwrap(), "--board", name];
    let output = desk.spikelet().args(arguments).assert().success().stderr(contains("words of probe-rs"));
    let flashed: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    let elf = Path::new(flashed["elf"].as_str().unwrap());
    let chip = board.chip();
    let asked = [format!("download --chip {chip} {}", elf.display()), format!("reset --chip {chip}")];
    assert_eq!(desk.asked(), asked);
    assert_eq!(flashed["flashed"], true);

    let [flash, ram] = ["flash", "ram"].map(|key| flashed[key].as_u64().unwrap());
    println!("{name}: {flash} B of flash, {ram} B of RAM");
    // Beside the model's 4 KB of weights and its states; the runtime's kernels of all widths are in it.
    assert!((20_000..60_000).contains(&flash) && (1_000..16_000).contains(&ram), "{name}: {flash}, {ram}");

    let bytes = fs::read(elf).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let (start, received) = facts(board);
    let section = |name: &str| file.section_by_name(name).unwrap_or_else(|| panic!("{chip} has no {name}"));
    let vectors = section(".vector_table");
    let of_table = |index: usize| {
        let word: [u8; 4] = vectors.data().unwrap()[4 * index..][..4].try_into().unwrap();
        u64::from(u32::from_le_bytes(word))
    };
    let address = |name: &str| {
        let symbol = file.symbols().find(|symbol| symbol.name() == Ok(name) && !symbol.is_undefined());
        symbol.unwrap_or_else(|| panic!("{chip} has no {name}")).address() | 1
    };
    // The table begins with the end of the RAM and the start, and the interrupt has its handler.
    let (_, most_ram) = board.memory();
    assert_eq!((of_table(0), of_table(1)), (0x2000_0000 + most_ram, address("Reset")), "{name}");
    let count = vectors.size() as usize / 4;
    assert_eq!((16..count).filter(|&index| of_table(index) == address(received)).count(), 1, "{name}");
    assert_ne!(address(received), address("DefaultHandler_"), "{name}");
    match board {
        RealBoard::Pico => {
            let boot = section(".boot2");
            assert_eq!((boot.address(), boot.size(), vectors.address()), (start, 256, start + 256));
            // The chip's own program runs nothing of another sum.
            let data = boot.data().unwrap();
            assert_eq!(crc32_mpeg(&data[..252]).to_le_bytes(), data[252..]);
        }
        RealBoard::Pico2 => {
            let block = section(".start_block");
            assert_eq!(vectors.address(), start);
            assert!(block.address() + block.size() <= start + 4096, "the chip looks in the first 4 KB");
            let words: Vec<u32> = block
                .data()
                .unwrap()
                .chunks_exact(4)
                .map(|w| u32::from_le_bytes(w.try_into().unwrap()))
                .collect();
            // Marker, image type (secure, Arm, RP2350), last item, no other block, marker: section 5.9 of the datasheet.
            assert_eq!(words, [0xFFFF_DED3, 0x1021_0142, 0x0000_01FF, 0, 0xAB12_3579]);
        }
        _ => assert_eq!(vectors.address(), start, "{name}"),
    }

    // HALs check in the start-up what they are told to set up. defmt-rtt panics if a log breaks into a log, which the firmware's
    // `fail` rules out.
    let image = Image::read(&bytes);
    let (startup, panics) =
        (["board6chosen5start", "board2rp5start"], ["panic", "unwrap_failed", "expect_failed", "_fail"]);
    let all = image.leading_to("Reset", &[], &panics).unwrap();
    println!("{name}: functions that may panic, the start-up included: {all:?}");
    for begin in ["Reset", "HardFault", received] {
        let mut rest = image.leading_to(begin, &startup, &panics).unwrap();
        rest.retain(|name| name != "_defmt_acquire" && name != "_defmt_release");
        assert_eq!(rest, Vec::<String>::new(), "{name}, from {begin} on");
    }
    assert!(image.named(&["spikelet_runtime"]).count() > 5, "these are not its functions");
}

/// The sum behind the RP2040's second boot stage.
fn crc32_mpeg(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte) << 24, |sum, _| {
            if sum >> 31 == 1 { sum << 1 ^ 0x04C1_1DB7 } else { sum << 1 }
        })
    })
}

#[test]
#[ignore = "compiles five HALs, some minutes: cargo test -p spikelet-tests --test hal_boards -- --ignored"]
fn every_board_to_flash_is_built_and_flashed() {
    let desk = Desk::new(0);
    for board in RealBoard::ALL {
        flash(&desk, board);
    }
}

#[test]
fn what_is_wrong_is_said_in_a_sentence_before_anything_is_built() {
    let desk = Desk::new(0);
    let model = desk.model.to_str().unwrap();
    // Without any program on the path; this must end before cargo is called.
    let nowhere = tempfile::tempdir().unwrap();
    let missing = "error: probe-rs is missing: install it with `cargo install probe-rs-tools --locked`";
    spikelet()
        .env("PATH", nowhere.path())
        .args(["flash", model, "--board", "nrf52840-dk"])
        .assert()
        .failure()
        .stderr(contains(missing));

    let names = "choose one of nrf52840-dk, microbit-v2, nucleo-f446re, pico, pico-2";
    desk.spikelet()
        .args(["flash", model, "--board", "qemu:mps2-an386"])
        .assert()
        .failure()
        .stderr(contains(names));

    // 784 × 700 weights of a byte.
    let large = desk.folder.path().join("large.spk");
    fs::write(&large, &*random_model(&[784, 700], 9, rate(), 1)).unwrap();
    let too_small = "error: microbit-v2 is too small for this model, which needs ";
    desk.spikelet()
        .args(["flash", large.to_str().unwrap(), "--board", "microbit-v2"])
        .assert()
        .failure()
        .stderr(contains(too_small));
    assert_eq!(desk.asked(), Vec::<String>::new());
}
