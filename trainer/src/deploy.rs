//! From a trained run to a model file, and what that costs in accuracy.

use crate::cell::{CellName, Gate, SpikeKind};
use crate::checkpoint;
use crate::config::{Coding, Config};
use crate::data::Samples;
use crate::kernel::SpikingLayer;
use crate::kernel::src_layer::{Constants, SrcLayer};
use crate::network::Network;
use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use spikelet_export::quantise::{FloatCell, FloatLayer, LayerReport, quantise};
use spikelet_export::{
    AlignedBytes, EncoderHeader, Header, LayerBlocks, LayerHeader, Provenance, ReadoutHeader, write_model,
};
use spikelet_runtime::encode::Gain;
use spikelet_runtime::formats::{Loss, Score};
use std::path::Path;

/// A run's chosen network.
#[derive(Debug)]
pub struct Trained {
    /// The run's config.
    pub config: Config,
    /// The network of the best epoch.
    pub network: Network<f32>,
}

/// Opens a run folder, or a checkpoint in one.
///
/// # Errors
/// One sentence if there is none, or if it is damaged.
pub fn open_run(path: &Path) -> Result<Trained> {
    let checkpoint = if path.is_dir() { path.join("best.safetensors") } else { path.to_owned() };
    ensure!(
        checkpoint.is_file(),
        "{} holds no trained network: train one with `spikelet train --out {0}`",
        path.display()
    );
    let checkpoint = checkpoint::load(&checkpoint)?;
    Ok(Trained { config: checkpoint.config, network: checkpoint.network })
}

/// How many test images a network and its model get right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// In floating point.
    pub float_correct: u32,
    /// In the fixed point of the device.
    pub fixed_correct: u32,
    /// Of so many.
    pub samples: u32,
}

/// A model's layers, quantised, and what that did to them.
#[derive(Debug)]
pub struct Quantised {
    classes: u16,
    layers: Vec<LayerHeader>,
    blocks: Vec<LayerBlocks>,
    /// Per layer.
    pub reports: Vec<LayerReport>,
}

/// Quantises every layer to 8 bits with a scale per neuron.
///
/// # Errors
/// One sentence about the layer that does not fit the device's formats, or cells that the device does not run.
pub fn quantise_network(trained: &Trained) -> Result<Quantised> {
    let Config { blank_before, blank_after, .. } = trained.config;
    ensure!(
        blank_before == 0 && blank_after == 0,
        "blank timesteps are not in the model file's format yet: evaluate the run in float"
    );
    let classes = trained.network.architecture().classes as u16;
    let mut quantised = Quantised { classes, layers: Vec::new(), blocks: Vec::new(), reports: Vec::new() };
    for index in 0..trained.config.layers.len() - 1 {
        let layer = src_layer(trained, index)?;
        let cell = float_cell(&layer)?;
        let weight = trained.network.weight(index)?;
        let layer = quantise(&FloatLayer { weight: &weight, bias: layer.bias(), cell })
            .with_context(|| format!("layer {index} cannot be quantised"))?;
        quantised.layers.push(LayerHeader { neurons: layer.neurons, bits: 8, cell: layer.constants.into() });
        quantised.blocks.push(layer.blocks);
        quantised.reports.push(layer.report);
    }
    Ok(quantised)
}

/// A layer of the cells that the device runs.
fn src_layer(trained: &Trained, index: usize) -> Result<SrcLayer<f32>> {
    let name = trained.config.cell.name();
    match name {
        CellName::Src | CellName::Lif => match trained.network.kernel(index)? {
            SpikingLayer::Src(layer) => Ok(layer),
            SpikingLayer::Lif(_) => bail!(
                "LIF cells are not in the model file's format yet: evaluate them in float, or train with --cell src"
            ),
        },
        CellName::Gru | CellName::Brc => {
            bail!("{} cells do not run on the device: train with --cell src", name.to_string().to_uppercase())
        }
    }
}

/// The constants of a layer's cells; they may be learnt, so each layer has its own.
fn float_cell(layer: &SrcLayer<f32>) -> Result<FloatCell> {
    let Constants { alpha, rho, z, r, r_s, z_s_hyp, z_s_dep, gate, spikes, .. } = *layer.constants();
    let (h0, h_s0) = layer.initial();
    let missing = [
        (gate != Gate::Current, "--gate previous"),
        (spikes != SpikeKind::Graded, "binary spikes"),
        (z != 0.0, "z above 0"),
        (h0.iter().chain(h_s0).any(|&h| h != 0.0), "initial states"),
    ];
    for (wanted, what) in missing {
        ensure!(!wanted, "{what} are not in the model file's format yet: evaluate the run in float");
    }
    let [alpha, rho, r, r_s, z_s_hyp, z_s_dep] = [alpha, rho, r, r_s, z_s_hyp, z_s_dep].map(shortest);
    Ok(FloatCell { alpha, rho, r, r_s, z_s_hyp, z_s_dep })
}

/// An f32 as the decimal number it was written as: 0.9 and not 0.8999999762.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| value.into())
}

impl Quantised {
    /// The model file.
    ///
    /// # Errors
    /// One sentence if no device would run it.
    pub fn model(&self, config: &Config, samples: &Samples, measured: Measured) -> Result<AlignedBytes> {
        let readout = &config.readout;
        let header = Header {
            width: samples.width() as u16,
            height: samples.height() as u16,
            channels: samples.channels() as u8,
            classes: self.classes,
            steps: config.steps as u16,
            encoder: match config.coding {
                Coding::Rate => {
                    EncoderHeader::Rate { gain: Gain::from_num(config.gain).to_bits(), seed: config.seed }
                }
                Coding::Latency => EncoderHeader::Latency {},
                Coding::LatencyLog | Coding::Events => {
                    bail!("this coding is not in the model file's format yet: train with rate or latency")
                }
            },
            readout: ReadoutHeader {
                loss: Loss::saturating_from_num(1.0 - readout.alpha).max(Loss::DELTA).to_bits(),
                excite: Score::saturating_from_num(readout.excite).to_bits(),
                inhibit: Score::saturating_from_num(readout.inhibit).to_bits(),
            },
            layers: self.layers.iter().copied().collect(),
            provenance: Provenance {
                data: &config.dataset.to_string(),
                seed: config.seed,
                epochs: config.epochs as u16,
                float_correct: measured.float_correct,
                fixed_correct: measured.fixed_correct,
                samples: measured.samples,
                tool: concat!("spikelet ", env!("CARGO_PKG_VERSION")),
            },
        };
        write_model(&header, &self.blocks).context("the model cannot be written")
    }
}
