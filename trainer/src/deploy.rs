//! From a trained run to a model file, and what that costs in accuracy.

use crate::cell::{Gate, SpikeKind};
use crate::checkpoint;
use crate::config::{Coding, Config};
use crate::data::Samples;
use crate::kernel::SpikingLayer;
use crate::kernel::src_layer::Constants;
use crate::network::Network;
use crate::widths::Widths;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use spikelet_export::quantise::{
    FloatCell, FloatLayer, FloatLif, FloatSrc, LayerInput, LayerReport, quantise,
};
use spikelet_export::{
    AlignedBytes, EncoderHeader, Header, LayerBlocks, LayerHeader, Outline, Provenance, ReadoutHeader,
    write_model,
};
use spikelet_runtime::encode::Gain;
use spikelet_runtime::formats::{Loss, Score};
use spikelet_runtime::{self as runtime, Width};
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
    /// The lead at which the model decides early.
    pub margin: Option<Score>,
    /// Per layer.
    pub reports: Vec<LayerReport>,
}

/// Quantises every layer to weights of its width, with a scale per neuron. Without `bits` the widths are those that the run
/// was trained with, or else 8.
///
/// # Errors
/// One sentence about the layer that does not fit the device's formats, or cells that the device does not run.
pub fn quantise_network(trained: &Trained, bits: Option<&Widths>) -> Result<Quantised> {
    let Trained { config, network } = trained;
    let classes = network.architecture().classes as u16;
    let cells = config.cell.name();
    ensure!(
        config.cell.spikes(),
        "{} cells do not spike, so no device runs them: measure the run in float with `spikelet eval`, or train one with \
         --cell src or lif",
        cells.to_string().to_uppercase()
    );
    let eight = Widths::all(Width::Eight);
    let bits = bits.or(config.bits.as_ref()).unwrap_or(&eight);
    let widths = bits.of_layers(config.layers.len() - 1)?;
    let mut quantised =
        Quantised { classes, margin: None, layers: Vec::new(), blocks: Vec::new(), reports: Vec::new() };
    let mut input = LayerInput::First;
    for (index, &neurons) in config.layers.iter().skip(1).enumerate() {
        let (weight, layer) = (network.weight(index)?, network.kernel(index)?);
        let cell = float_cell(&layer);
        let width = widths[index];
        let layer = quantise(&FloatLayer { weight: &weight, neurons, width, input, cell })
            .with_context(|| format!("layer {index} cannot be quantised"))?;
        input = match cell {
            FloatCell::Src { constants: FloatSrc { spikes: runtime::SpikeKind::Graded, .. }, .. } => {
                LayerInput::Graded
            }
            FloatCell::Src { .. } | FloatCell::Lif(_) => LayerInput::Binary,
        };
        quantised.layers.push(layer.header);
        quantised.blocks.push(layer.blocks);
        quantised.reports.push(layer.report);
    }
    Ok(quantised)
}

/// The cells of a layer; their constants may be learnt, so each layer has its own.
fn float_cell(layer: &SpikingLayer<f32>) -> FloatCell<'_> {
    match layer {
        SpikingLayer::Src(layer) => {
            let Constants { alpha, rho, z, r, r_s, z_s_hyp, z_s_dep, gate, spikes, .. } = *layer.constants();
            let [alpha, rho, z, r, r_s, z_s_hyp, z_s_dep] =
                [alpha, rho, z, r, r_s, z_s_hyp, z_s_dep].map(shortest);
            let gated_by = match gate {
                Gate::Current => runtime::GatedBy::Current,
                Gate::Previous => runtime::GatedBy::Previous,
            };
            let spikes = match spikes {
                SpikeKind::Graded => runtime::SpikeKind::Graded,
                SpikeKind::Binary => runtime::SpikeKind::Binary,
            };
            let constants = FloatSrc { alpha, rho, r, r_s, z_s_hyp, z_s_dep, z, gated_by, spikes };
            let (h0, h_s0) = layer.initial();
            let starts_elsewhere = h0.iter().chain(h_s0).any(|&h| h != 0.0);
            let initial = starts_elsewhere.then_some((h0, h_s0));
            FloatCell::Src { constants, bias: layer.bias(), initial }
        }
        SpikingLayer::Lif(layer) => {
            let (leak, threshold, rest) = layer.constants();
            let [leak, threshold, rest] = [leak, threshold, rest].map(shortest);
            FloatCell::Lif(FloatLif { leak, threshold, rest })
        }
    }
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
        let outline = Outline {
            width: samples.width() as u16,
            height: samples.height() as u16,
            channels: samples.channels() as u8,
            classes: self.classes,
            blank_before: config.blank_before as u16,
            steps: config.steps as u16,
            blank_after: config.blank_after as u16,
            encoder: match config.coding {
                Coding::Rate => {
                    EncoderHeader::Rate { gain: Gain::from_num(config.gain).to_bits(), seed: config.seed }
                }
                Coding::Latency => EncoderHeader::Latency {},
                Coding::LatencyLog => EncoderHeader::LatencyLog {},
                Coding::Events => EncoderHeader::Events {},
            },
            readout: ReadoutHeader {
                loss: Loss::saturating_from_num(1.0 - readout.alpha).max(Loss::DELTA).to_bits(),
                excite: Score::saturating_from_num(readout.excite).to_bits(),
                inhibit: Score::saturating_from_num(readout.inhibit).to_bits(),
            },
            margin: self.margin.map(Score::to_bits),
        };
        let header = Header {
            outline,
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
