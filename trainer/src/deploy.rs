//! From a trained run to a model file, and what that costs in accuracy.

use crate::checkpoint;
use crate::config::{Coding, Config};
use crate::data::Samples;
use crate::network::Network;
use anyhow::{Context, Result, ensure};
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
    // Every data set there is has ten classes; the last layer's width must be a multiple of them.
    let checkpoint = checkpoint::load(&checkpoint, CLASSES)?;
    Ok(Trained { config: checkpoint.config, network: checkpoint.network })
}

/// Classes of every data set there is.
const CLASSES: usize = 10;

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
    layers: Vec<LayerHeader>,
    blocks: Vec<LayerBlocks>,
    /// Per layer.
    pub reports: Vec<LayerReport>,
}

/// Quantises every layer to 8 bits with a scale per neuron.
///
/// # Errors
/// One sentence about the layer that does not fit the device's formats.
pub fn quantise_network(trained: &Trained) -> Result<Quantised> {
    let cell = trained.config.cell.src().context("only SRC")?;
    let cell = FloatCell {
        alpha: cell.alpha,
        rho: cell.rho,
        r: cell.r,
        r_s: cell.r_s,
        z_s_hyp: cell.z_s_hyp,
        z_s_dep: cell.z_s_dep,
    };
    let mut quantised = Quantised { layers: Vec::new(), blocks: Vec::new(), reports: Vec::new() };
    for index in 0..trained.network.layers().len() {
        let (weight, bias) = trained.network.layer(index)?;
        let layer = quantise(&FloatLayer { weight: &weight, bias: &bias, cell })
            .with_context(|| format!("layer {index} cannot be quantised"))?;
        quantised.layers.push(LayerHeader { neurons: layer.neurons, bits: 8, cell: layer.constants.into() });
        quantised.blocks.push(layer.blocks);
        quantised.reports.push(layer.report);
    }
    Ok(quantised)
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
            classes: CLASSES as u16,
            steps: config.steps as u16,
            encoder: match config.coding {
                Coding::Rate => {
                    EncoderHeader::Rate { gain: Gain::from_num(config.gain).to_bits(), seed: config.seed }
                }
                Coding::Latency => EncoderHeader::Latency {},
                Coding::LatencyLog | Coding::Events => todo!(),
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
