//! Instructions of each piece of work, and the size of the firmware, as measured on an emulated board.

use super::terms::{ModelTerms, Terms};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use spikelet_export::ModelFile;
use spikelet_runtime::Need;
use std::collections::{BTreeMap, BTreeSet};

/// What was measured on a core. `cargo run --release --package spikelet-tests --bin fit-costs` measures anew and writes the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The core.
    pub core: String,
    /// The emulated board that has it.
    pub board: String,
    /// How the constants were found.
    pub fit: Fit,
    /// Size of the firmware.
    pub firmware: FirmwareSize,
    /// Instructions, by the names of [`Terms`].
    pub instructions: BTreeMap<String, f64>,
}

/// How well the constants give back what they were fitted to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// Measurements.
    pub measurements: usize,
    /// Mean size of the relative error.
    pub mean_error: f64,
    /// Largest relative error.
    pub worst_error: f64,
}

/// Size of the firmware around a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FirmwareSize {
    /// Bytes of flash without kernels of any width, and beside the model file.
    pub flash: f64,
    /// Bytes of flash of each width's kernels, by its bits.
    pub widths: BTreeMap<String, f64>,
    /// Bytes of variables beside those that grow with the model.
    pub ram: u64,
    /// Bytes of stack at the deepest.
    pub stack: u64,
}

/// Instructions of the parts of a model, for the activity they were counted for.
#[derive(Clone, Debug, PartialEq)]
pub struct Instructions {
    /// Of each layer: its sums, its neurons.
    pub layers: Vec<[f64; 2]>,
    /// Of the readout.
    pub readout: f64,
    /// Of calls and what belongs to no part.
    pub network: f64,
    /// Of the encoder, where the board makes the spikes.
    pub encoder: f64,
}

impl Instructions {
    /// All of the network, without the encoder.
    pub fn of_network(&self) -> f64 {
        self.layers.iter().flatten().sum::<f64>() + self.readout + self.network
    }
}

impl Table {
    /// The Cortex-M4's, the core whose application is measured.
    ///
    /// # Panics
    /// Never with the file that this was built with: a test reads it.
    pub fn cortex_m4() -> Self {
        serde_json::from_str(include_str!("mps2-an386.json")).expect("the committed table is well formed")
    }

    /// Instructions of some work.
    ///
    /// # Errors
    /// If the table has no constant for a piece of it.
    pub fn instructions_of(&self, terms: &Terms) -> Result<f64> {
        let of = |(name, times): (&str, f64)| {
            let each = self.instructions.get(name).with_context(|| {
                format!("no instructions of \"{name}\" were measured: fit the costs again with the program fit-costs")
            })?;
            Ok(each * times)
        };
        terms.iter().map(of).sum()
    }

    /// The same part by part.
    ///
    /// # Errors
    /// As [`instructions_of`](Self::instructions_of).
    pub fn price(&self, terms: &ModelTerms) -> Result<Instructions> {
        let layer =
            |[sums, neurons]: &[Terms; 2]| Ok([self.instructions_of(sums)?, self.instructions_of(neurons)?]);
        Ok(Instructions {
            layers: terms.layers.iter().map(layer).collect::<Result<_>>()?,
            readout: self.instructions_of(&terms.readout)?,
            network: self.instructions_of(&terms.network)?,
            encoder: self.instructions_of(&terms.encoder)?,
        })
    }
}

impl FirmwareSize {
    /// Bytes of flash of the firmware with a model.
    pub fn flash_with(&self, file: &ModelFile<'_>) -> u64 {
        let kernels = widths_of(file).iter().filter_map(|bits| self.widths.get(bits)).sum::<f64>();
        (self.flash + kernels).round() as u64 + file.len() as u64
    }

    /// Bytes of variables of the firmware with a model, the stack left out.
    pub fn ram_with(&self, need: Need) -> u64 {
        self.ram + growing_ram(need)
    }
}

/// Bytes of variables that grow with the model: its states, and the list of the input's spikes.
pub fn growing_ram(need: Need) -> u64 {
    (need.ram() + (2 * need.inputs).next_multiple_of(4)) as u64
}

/// Bits of the weights of a model's layers, each once.
pub fn widths_of(file: &ModelFile<'_>) -> BTreeSet<String> {
    file.model().layers().iter().map(|layer| layer.synapses().width().bits().to_string()).collect()
}
