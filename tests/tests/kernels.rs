//! The kernels on every core under QEMU: equal to their plain form, and no dearer than they were.

use predicates::str::contains;
use spikelet::bench::device::device;
use spikelet::device::{Board, KernelCost, build_kernels, run_kernels};
use spikelet_tests::spikelet;

/// A kernel, bits of a weight, neurons, and, of a sum, spikes.
type Work = (&'static str, u8, u32, u32);

/// What kernels may cost on M0, M3, M4, M7 and M33, in instructions per operation: measured, rounded up. Instructions are counted
/// exactly, so this is no timed test.
#[rustfmt::skip]
const LIMITS: [(Work, [f64; 5]); 29] = [
    (("sum", 8, 512, 25), [1.68, 1.22, 0.95, 0.95, 0.95]),
    (("sum", 5, 512, 25), [2.06, 1.36, 1.30, 1.30, 1.30]),
    (("sum", 4, 512, 25), [1.16, 0.80, 0.77, 0.77, 0.77]),
    (("sum", 3, 512, 25), [1.72, 1.17, 1.17, 1.17, 1.17]),
    (("sum", 2, 512, 25), [0.77, 0.55, 0.55, 0.55, 0.55]),
    (("sum", 8, 100, 25), [1.91, 1.42, 1.15, 1.15, 1.15]),
    (("sum", 5, 100, 25), [4.77, 3.01, 2.94, 2.94, 2.94]),
    (("sum", 4, 100, 25), [1.45, 1.05, 1.02, 1.02, 1.02]),
    (("sum", 3, 100, 25), [4.64, 3.01, 3.01, 3.01, 3.01]),
    (("sum", 2, 100, 25), [1.23, 0.97, 0.97, 0.97, 0.97]),
    (("sum", 8, 512, 100), [1.73, 1.25, 0.98, 0.98, 0.98]),
    (("sum", 5, 512, 100), [2.07, 1.41, 1.36, 1.36, 1.36]),
    (("sum", 4, 512, 100), [1.14, 0.78, 0.74, 0.74, 0.74]),
    (("sum", 3, 512, 100), [1.83, 1.28, 1.28, 1.28, 1.28]),
    (("sum", 2, 512, 100), [0.81, 0.59, 0.59, 0.59, 0.59]),
    (("sum-graded", 8, 100, 15), [7.05, 4.24, 4.23, 4.23, 4.23]),
    (("sum-graded", 5, 100, 15), [15.32, 8.29, 8.26, 8.26, 8.26]),
    (("sum-graded", 4, 100, 15), [7.03, 3.98, 3.97, 3.97, 3.97]),
    (("sum-graded", 3, 100, 15), [15.64, 8.31, 8.28, 8.28, 8.28]),
    (("sum-graded", 2, 100, 15), [7.35, 4.00, 3.99, 3.99, 3.99]),
    (("src", 0, 512, 0), [48.0, 26.0, 22.0, 22.0, 22.0]),
    (("src-silent", 0, 512, 0), [51.0, 31.0, 25.0, 25.0, 25.0]),
    (("src", 0, 100, 0), [51.0, 29.0, 25.0, 25.0, 25.0]),
    (("src-binary", 0, 512, 0), [48.0, 26.0, 22.0, 22.0, 22.0]),
    (("src-unproved", 0, 512, 0), [110.0, 41.0, 37.0, 37.0, 37.0]),
    (("src-general", 0, 512, 0), [163.0, 112.0, 111.0, 111.0, 113.0]),
    (("lif", 0, 512, 0), [62.0, 41.0, 39.0, 39.0, 39.0]),
    (("rest", 0, 612, 0), [79.0, 62.0, 62.0, 62.0, 62.0]),
    (("rate-code", 0, 784, 0), [10.6, 6.5, 6.5, 6.5, 6.5]),
];

/// Another compiler's code may be so much dearer.
const SLACK: f64 = 1.05;

/// On a core without the DSP extension and on one with it. A kernel that differs from its plain form ends the program with a failing
/// status, and with it this test.
#[test]
fn kernels_are_equal_to_their_plain_form_and_cost_what_they_did() {
    check(&[Board::Microbit, Board::Mps2An386]);
    // What an M4 can do, an M3 cannot.
    let wrong = build_kernels(Board::Mps2An386).unwrap();
    let error = run_kernels(Board::Mps2An385, &wrong.elf).unwrap_err().to_string();
    assert_eq!(error, "the kernels fail on qemu:mps2-an385: hard fault");
}

/// `cargo test --package spikelet-tests --test kernels -- --ignored`
#[test]
#[ignore = "takes minutes"]
fn kernels_are_equal_and_cost_what_they_did_on_every_core() {
    check(&Board::CORES);
    let again = build_kernels(Board::Mps2An505).unwrap();
    let run = || run_kernels(Board::Mps2An505, &again.elf).unwrap().costs;
    assert_eq!(run(), run(), "instructions are counted exactly");
}

fn check(boards: &[Board]) {
    let bench = device(boards, |_| {}).unwrap();
    let work = |costs: &[KernelCost]| -> Vec<_> {
        costs.iter().map(|c| (c.kernel.clone(), c.bits, c.neurons, c.spikes, c.operations)).collect()
    };
    let [first, others @ ..] = &bench.boards[..] else { panic!("there are boards") };
    for board in others {
        assert_eq!(board.compared, first.compared, "{} has compared something else", board.board);
        // Neurons that spike do so on every core.
        assert_eq!(work(&board.costs), work(&first.costs), "{} and {}", board.board, first.board);
    }
    for kernels in &first.compared {
        assert!(kernels.count > 500, "{kernels:?}");
    }
    for ((kernel, bits, neurons, spikes), limits) in LIMITS {
        let of_core = |board: &Board| limits[Board::CORES.iter().position(|core| core == board).unwrap()];
        for (board, limit) in bench.boards.iter().zip(boards.iter().map(of_core)) {
            let is_meant = |cost: &&KernelCost| {
                (cost.kernel.as_str(), cost.bits, cost.neurons) == (kernel, bits, neurons)
                    && (spikes == 0 || cost.spikes == spikes)
            };
            let cost = board.costs.iter().find(is_meant).unwrap();
            assert!(cost.per_operation() <= limit * SLACK, "{}: {cost:?} is above {limit}", board.board);
        }
    }
    for target in bench.targets.iter().filter(|target| !target.met) {
        eprintln!("missed: {target:?}");
    }
}

#[test]
fn bad_input_gets_a_sentence() {
    let refuses = |arguments: &[&str], words: &str| {
        spikelet().args(arguments).assert().failure().stderr(contains(words));
    };
    refuses(
        &["bench", "device", "--board", "mps2-an386,z80"],
        "there is no board \"z80\": choose one of qemu:microbit, qemu:lm3s6965evb, qemu:mps2-an385, qemu:mps2-an386, \
         qemu:netduinoplus2, qemu:mps2-an500, qemu:mps2-an505",
    );
    refuses(
        &["bench", "device", "--board", "netduinoplus2"],
        "qemu:netduinoplus2 has the core of another one, on which kernels are measured: choose one of qemu:microbit, \
         qemu:mps2-an385, qemu:mps2-an386, qemu:mps2-an500, qemu:mps2-an505",
    );
    let empty = tempfile::tempdir().unwrap();
    let output = spikelet().args(["bench", "device"]).env("PATH", empty.path()).assert().failure();
    let stderr = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    assert!(stderr.starts_with("error: qemu-system-arm is missing: install it"), "{stderr}");
}
