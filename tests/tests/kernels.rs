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
    (("sum", 8, 512, 25), [7.34, 1.21, 0.94, 0.94, 0.94]),
    (("sum", 5, 512, 25), [8.12, 5.86, 5.77, 5.77, 5.77]),
    (("sum", 4, 512, 25), [4.15, 0.87, 0.77, 0.77, 0.77]),
    (("sum", 3, 512, 25), [6.86, 5.01, 5.05, 5.05, 5.05]),
    (("sum", 2, 512, 25), [2.89, 0.57, 0.57, 0.57, 0.57]),
    (("sum", 8, 100, 25), [7.69, 1.43, 1.16, 1.16, 1.16]),
    (("sum", 5, 100, 25), [8.89, 6.65, 6.64, 6.64, 6.64]),
    (("sum", 4, 100, 25), [4.59, 1.14, 1.03, 1.03, 1.03]),
    (("sum", 3, 100, 25), [7.80, 5.94, 6.05, 6.05, 6.05]),
    (("sum", 2, 100, 25), [3.50, 0.92, 0.92, 0.92, 0.92]),
    (("sum", 8, 512, 100), [6.75, 1.13, 0.87, 0.87, 0.87]),
    (("sum", 5, 512, 100), [7.07, 4.96, 4.85, 4.85, 4.86]),
    (("sum", 4, 512, 100), [3.61, 0.88, 0.73, 0.73, 0.73]),
    (("sum", 3, 512, 100), [5.92, 4.17, 4.18, 4.18, 4.18]),
    (("sum", 2, 512, 100), [2.45, 0.52, 0.52, 0.52, 0.52]),
    (("sum-graded", 8, 100, 15), [10.30, 4.08, 4.09, 4.09, 4.09]),
    (("sum-graded", 5, 100, 15), [15.69, 13.68, 13.61, 13.61, 13.61]),
    (("sum-graded", 4, 100, 15), [9.59, 3.84, 3.85, 3.85, 3.85]),
    (("sum-graded", 3, 100, 15), [14.94, 12.39, 12.38, 12.38, 12.38]),
    (("sum-graded", 2, 100, 15), [8.89, 3.90, 3.91, 3.91, 3.91]),
    (("src", 0, 512, 0), [165.0, 112.0, 23.0, 23.0, 23.0]),
    (("src-silent", 0, 512, 0), [166.0, 112.0, 25.0, 25.0, 25.0]),
    (("src", 0, 100, 0), [167.0, 113.0, 25.0, 25.0, 25.0]),
    (("src-binary", 0, 512, 0), [165.0, 112.0, 23.0, 23.0, 23.0]),
    (("src-unproved", 0, 512, 0), [219.0, 122.0, 38.0, 38.0, 38.0]),
    (("src-general", 0, 512, 0), [164.0, 112.0, 111.0, 111.0, 113.0]),
    (("lif", 0, 512, 0), [53.0, 39.0, 38.0, 38.0, 38.0]),
    (("rest", 0, 612, 0), [99.0, 75.0, 75.0, 75.0, 75.0]),
    (("rate-code", 0, 784, 0), [47.0, 12.0, 12.0, 12.0, 12.0]),
];

/// Another compiler's code may be so much dearer.
const SLACK: f64 = 1.05;

/// A kernel that differs from its plain form ends the program with a failing status, and with it this test.
#[test]
fn kernels_are_equal_to_their_plain_form_and_cost_what_they_did() {
    let bench = device(&Board::ALL, |_| {}).unwrap();
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
        for (board, limit) in bench.boards.iter().zip(limits) {
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
    let again = run_kernels(Board::Mps2An505, &build_kernels(Board::Mps2An505).unwrap().elf).unwrap();
    assert_eq!(again.costs, bench.boards[4].costs, "instructions are counted exactly");
    // What an M4 can do, an M3 cannot.
    let wrong = build_kernels(Board::Mps2An386).unwrap();
    let error = run_kernels(Board::Mps2An385, &wrong.elf).unwrap_err().to_string();
    assert_eq!(error, "the kernels fail on qemu:mps2-an385: hard fault");
}

#[test]
fn bad_input_gets_a_sentence() {
    let refuses = |arguments: &[&str], words: &str| {
        spikelet().args(arguments).assert().failure().stderr(contains(words));
    };
    let boards =
        "choose one of qemu:microbit, qemu:mps2-an385, qemu:mps2-an386, qemu:mps2-an500, qemu:mps2-an505";
    refuses(
        &["bench", "device", "--board", "mps2-an386,z80"],
        &format!("there is no board \"z80\": {boards}"),
    );
    refuses(
        &["run", "model.spk", "--board", "qemu:microbit"],
        "qemu:microbit runs no models, only `bench device`",
    );
    let empty = tempfile::tempdir().unwrap();
    let output = spikelet().args(["bench", "device"]).env("PATH", empty.path()).assert().failure();
    let stderr = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    assert!(stderr.starts_with("error: qemu-system-arm is missing: install it"), "{stderr}");
}
