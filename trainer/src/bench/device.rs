//! What the runtime's kernels cost on every core, beside what they are meant to cost at most, and what others' cost.
//!
//! These are instructions, not cycles: how many cycles they take depends on the core, its flash and its caches.

use crate::device::{Board, KernelCost, Kernels, build_kernels, run_kernels};
use anyhow::Result;
use serde::Serialize;

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceBench {
    /// Each board's kernels.
    pub boards: Vec<Kernels>,
    /// The targets for these boards' cores.
    pub targets: Vec<TargetResult>,
    /// What others' kernels cost.
    pub others: &'static [Other],
}

/// What a kernel is meant to cost at most on some cores.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Target {
    kernel: &'static str,
    bits: u8,
    neurons: u32,
    /// Of a sum.
    spikes: Option<u32>,
    cores: &'static [&'static str],
    most: f64,
}

/// A target, and whether a core meets it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetResult {
    /// The kernel's cost.
    pub cost: KernelCost,
    /// The core.
    pub core: String,
    /// Instructions per operation at most.
    pub most: f64,
    /// True if it is no more.
    pub met: bool,
}

/// What another's kernel costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Other {
    /// Whose.
    pub name: &'static str,
    /// What it does.
    pub work: &'static str,
    /// The core.
    pub core: &'static str,
    /// The figure.
    pub cost: f64,
    /// What it is of.
    pub unit: &'static str,
}

const fn sum(bits: u8, neurons: u32, cores: &'static [&'static str], most: f64) -> Target {
    Target { kernel: "sum", bits, neurons, spikes: Some(25), cores, most }
}

const TARGETS: [Target; 9] = [
    sum(8, 512, &["M4", "M7", "M33"], 1.0),
    sum(8, 100, &["M4", "M7", "M33"], 1.25),
    sum(8, 512, &["M0"], 4.5),
    sum(8, 512, &["M3"], 3.3),
    sum(4, 512, &["M3", "M4", "M7", "M33"], 0.8),
    sum(4, 512, &["M0"], 1.4),
    sum(2, 512, &["M3", "M4", "M7", "M33"], 0.55),
    Target { kernel: "src", bits: 0, neurons: 512, spikes: None, cores: &["M4", "M7", "M33"], most: 24.0 },
    Target { kernel: "src", bits: 0, neurons: 512, spikes: None, cores: &["M0"], most: 40.0 },
];

/// Counted once in the same way on mps2-an386 and a microbit, CMSIS-NN as gcc 12 compiles it with -O3 and its DSP paths; gresil's
/// figure is derived from the 1,576 ns at 160 MHz that its authors tell.
const OTHERS: [Other; 7] = {
    const fn plain(work: &'static str, core: &'static str, cost: f64) -> Other {
        Other {
            name: "plain safe loop into i32",
            work,
            core,
            cost,
            unit: "instructions per synaptic operation",
        }
    }
    [
        plain("8 bits, 512 neurons, 25 spikes", "M4", 4.06),
        plain("8 bits, 100 neurons, 25 spikes", "M4", 4.39),
        plain("8 bits, 512 neurons, 25 spikes", "M0", 5.32),
        plain("8 bits, 100 neurons, 25 spikes", "M0", 5.75),
        Other {
            name: "CMSIS-NN",
            work: "fully connected, int8, 784 to 512",
            core: "M4",
            cost: 1.94,
            unit: "instructions per multiply-add",
        },
        Other {
            name: "CMSIS-NN",
            work: "step of an LSTM, int8, 128 inputs, 128 cells",
            core: "M4",
            cost: 2.43,
            unit: "instructions per multiply-add",
        },
        Other {
            name: "gresil",
            work: "step of a LIF neuron",
            core: "160 MHz",
            cost: 252.0,
            unit: "cycles per neuron, derived",
        },
    ]
};

/// Builds, runs and measures the kernels on each board; `before` is told of each.
///
/// # Errors
/// If a board's program does not build or run, or a kernel differs from its plain form.
pub fn device(boards: &[Board], mut before: impl FnMut(Board)) -> Result<DeviceBench> {
    let mut measured = Vec::new();
    for &board in boards {
        before(board);
        measured.push(run_kernels(board, &build_kernels(board)?.elf)?);
    }
    let targets = TARGETS.iter().flat_map(|target| measured.iter().filter_map(|board| target.result(board)));
    Ok(DeviceBench { targets: targets.collect(), boards: measured, others: &OTHERS })
}

impl Target {
    fn result(&self, board: &Kernels) -> Option<TargetResult> {
        let is_meant = |cost: &&KernelCost| {
            cost.kernel == self.kernel
                && (cost.bits, cost.neurons) == (self.bits, self.neurons)
                && self.spikes.is_none_or(|spikes| spikes == cost.spikes)
        };
        let cost = board.costs.iter().find(is_meant)?.clone();
        let core = self.cores.iter().find(|&&core| core == board.core)?.to_string();
        Some(TargetResult { met: cost.per_operation() <= self.most, cost, core, most: self.most })
    }
}
