//! The program that compares and measures the kernels: how it is run, and what it prints.

use super::{Board, Qemu};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a board says of its kernels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kernels {
    /// The board.
    pub board: String,
    /// Its core, like `M4`.
    pub core: String,
    /// What was compared with its plain form, and found equal in every bit.
    pub compared: Vec<Compared>,
    /// What was measured.
    pub costs: Vec<KernelCost>,
}

/// Kernels that are equal to their plain form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// Which.
    pub compared: String,
    /// Calls that were compared.
    pub count: u32,
}

/// What a kernel costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelCost {
    /// Which.
    pub kernel: String,
    /// Bits of a weight; 0 without weights.
    pub bits: u8,
    /// Neurons, or pixels.
    pub neurons: u32,
    /// Spikes that sums are of, or that neurons or pixels made in all timesteps measured.
    pub spikes: u32,
    /// Instructions, everything of the call included.
    pub instructions: u32,
    /// Synaptic operations, neurons times timesteps, or what else the instructions are of.
    pub operations: u32,
}

impl KernelCost {
    /// Instructions of an operation.
    pub fn per_operation(&self) -> f64 {
        f64::from(self.instructions) / f64::from(self.operations)
    }
}

/// A line that the program prints.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Compared(Compared),
    Cost(KernelCost),
}

/// Runs the program on a board.
///
/// # Errors
/// If it does not run, and, in its own words, if a kernel differs from its plain form.
pub fn run_kernels(board: Board, elf: &Path) -> Result<Kernels> {
    let mut qemu = Qemu::start_alone(board, elf)?;
    let success = qemu.wait()?.success();
    let printed = String::from_utf8_lossy(&qemu.log()).into_owned();
    let (mut compared, mut costs, mut other) = (Vec::new(), Vec::new(), Vec::new());
    for line in printed.lines() {
        match serde_json::from_str(line) {
            Ok(Line::Compared(kernels)) => compared.push(kernels),
            Ok(Line::Cost(cost)) => costs.push(cost),
            Err(_) => other.push(line),
        }
    }
    if !success {
        let said = if other.is_empty() { qemu.words() } else { other.join(" ") };
        bail!("the kernels fail on {board}: {said}");
    }
    if let Some(line) = other.first() {
        bail!("{board} says what is no measurement: {line}");
    }
    costs.first().with_context(|| format!("{board} has measured nothing"))?;
    Ok(Kernels { board: board.to_string(), core: board.core().to_owned(), compared, costs })
}
