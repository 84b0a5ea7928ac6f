//! The linked release image of the firmware, for each core: no way to panic, no floating point, and a bounded stack.

use spikelet::device::{Board, FirmwareOptions, build};
use spikelet_runtime::Width;
use spikelet_tests::image::{EXCEPTION_FRAME, Image};
use spikelet_tests::{GENERAL, random_model_in, rate};
use std::fs;

/// Bytes that the stack may take beyond the states, interrupts included.
const STACK: u64 = 1024;

/// What the compiler and core call ways to panic.
const PANICS: [&str; 5] = ["panic", "begin_unwind", "unwrap_failed", "expect_failed", "_fail"];

/// The compiler's routines for floating point on cores without a unit, as the run-time ABI of Arm names them, and compiler-builtins'.
const FLOATS: [&str; 13] = [
    "__aeabi_f",
    "__aeabi_d",
    "__aeabi_cf",
    "__aeabi_cd",
    "__aeabi_i2f",
    "__aeabi_i2d",
    "__aeabi_ui2f",
    "__aeabi_ui2d",
    "__aeabi_l2",
    "__aeabi_ul2",
    "__aeabi_h2",
    "5float",
    "::float",
];

/// The image of a board's firmware that can do everything: a model of all widths, and features on purpose.
fn image(board: Board, target: &str, features: &[&str]) -> Image {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.spk");
    let widths = [49, 30, 30, 30, 30, 20];
    fs::write(&model, &*random_model_in(&Width::ALL, GENERAL, &widths, [0, 9, 0], rate(), 1)).unwrap();
    let options = FirmwareOptions { features, target: Some(target), ..FirmwareOptions::default() };
    let firmware = build(board, &model, options).unwrap();
    Image::read(&fs::read(firmware.elf).unwrap())
}

/// Names of the functions that compute in floating point.
fn floating(image: &Image) -> Vec<String> {
    let routines = image.named(&FLOATS).map(str::to_owned);
    let unit =
        image.functions().filter(|function| function.floats > 0).map(|function| function.names.join(" = "));
    routines.chain(unit).collect()
}

#[test]
fn no_image_can_panic_or_computes_in_floating_point_and_its_stack_is_bounded() {
    // One board of each core; M4 and M7 share a target.
    for board in [Board::Microbit, Board::Lm3s6965Evb, Board::Mps2An386, Board::Mps2An505] {
        let image = image(board, board.target(), &[]);
        assert!(image.named(&["spikelet_runtime"]).count() > 5, "these are not its functions");
        assert_eq!(image.named(&PANICS).collect::<Vec<_>>(), Vec::<&str>::new(), "{board}");
        assert_eq!(floating(&image), Vec::<String>::new(), "{board}");
        let depth = image.depth("Reset").unwrap();
        let fault = image.depth("HardFault").unwrap();
        let interrupts = image.interrupts().unwrap();
        assert_eq!(interrupts.len(), 1, "{board}: the UART's");
        // The deepest they can get is each on top of the one before it.
        let above: u64 = interrupts.iter().map(|(_, bytes)| EXCEPTION_FRAME + bytes).sum();
        let most = depth.bytes + above;
        println!(
            "{board}: at most {most} B of stack, {above} B of them of interrupts, and {EXCEPTION_FRAME} + {} B more in a fault",
            fault.bytes
        );
        for (name, bytes) in depth.chain.iter().chain(&interrupts) {
            println!("{bytes:6} {name}");
        }
        assert!((1..STACK).contains(&most), "{board}: {depth:#?}, {interrupts:?}");
    }
}

/// The same searches find what they are for. Four images more: `cargo test --package spikelet-tests --test image -- --ignored`.
#[test]
#[ignore = "builds four images more"]
fn panics_floats_and_deep_stacks_are_found() {
    let board = Board::Mps2An386;
    let panics = image(board, board.target(), &["panic"]);
    assert!(panics.named(&["begin_unwind"]).count() == 1 && panics.named(&PANICS).count() > 1);
    for target in [board.target(), "thumbv6m-none-eabi"] {
        let floats = image(board, target, &["float"]);
        assert_ne!(floating(&floats), Vec::<String>::new(), "{target}");
        assert_eq!(floats.named(&PANICS).collect::<Vec<_>>(), Vec::<&str>::new(), "{target}");
    }
    let recursion = image(board, board.target(), &["recursion"]);
    let unbounded = recursion.depth("Reset").unwrap_err();
    assert!(unbounded.contains("calls itself"), "{unbounded}");
}
