//! `spikelet inspect`: what is in a model file, and what it will need on a board.

use super::{model, show};
use serde::Serialize;
use spikelet_export::{EncoderHeader, ModelFile};
use spikelet_runtime::Synapses;
use spikelet_runtime::encode::Gain;
use spikelet_runtime::formats::{Loss, TanhArgument};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// Model file.
    model: PathBuf,
}

/// What `inspect` tells.
#[derive(Debug, Serialize)]
pub struct Inspection {
    file: PathBuf,
    id: String,
    format: u16,
    bytes: usize,
    inputs: String,
    layers: Vec<Layer>,
    classes: u16,
    steps: u16,
    encoder: String,
    /// Bytes of [`spikelet_runtime::Memory`] on a 32-bit core.
    state_ram: usize,
    /// Bytes of one image on the device.
    input_ram: usize,
    /// Weights added in a timestep if every input and neuron spikes.
    most_synaptic_operations: u64,
    trained_on: String,
    seed: u64,
    epochs: u16,
    float_accuracy: Option<f64>,
    fixed_accuracy: Option<f64>,
    test_samples: u32,
    made_by: String,
}

#[derive(Debug, Serialize)]
struct Layer {
    cell: &'static str,
    inputs: u16,
    neurons: u16,
    bits: u8,
    /// Flash: weights and constants of neurons.
    bytes: usize,
    zero_weights: usize,
    alpha: f64,
    bias_least: f64,
    bias_most: f64,
}

pub fn run(args: InspectArgs, json: bool) -> anyhow::Result<()> {
    let bytes = model::read(&args.model)?;
    let file = model::open(&bytes, &args.model)?;
    show::show(json, &inspect(&file, args.model)?, print)
}

/// What is in a model file.
pub fn inspect(file: &ModelFile<'_>, path: PathBuf) -> anyhow::Result<Inspection> {
    let header = file.header()?;
    let need = file.model().need();
    let layers = file.model().layers().iter().zip(&header.layers).map(|(layer, head)| {
        let synapses = layer.synapses();
        let rows = || (0..synapses.inputs()).filter_map(|input| synapses.row(input));
        let biases =
            || layer.neurons().iter().map(|&[_, bias]| TanhArgument::from_bits(bias).to_num::<f64>());
        Layer {
            cell: "SRC",
            inputs: synapses.inputs(),
            neurons: synapses.neurons(),
            bits: head.bits,
            bytes: usize::from(synapses.inputs()) * Synapses::stride(synapses.neurons())
                + 8 * usize::from(synapses.neurons()),
            zero_weights: rows().flatten().filter(|&&weight| weight == 0).count(),
            alpha: 1.0 - loss(layer.constants().loss),
            bias_least: biases().fold(f64::INFINITY, f64::min),
            bias_most: biases().fold(f64::NEG_INFINITY, f64::max),
        }
    });
    let layers: Vec<Layer> = layers.collect();
    let provenance = header.provenance;
    let share =
        |correct| (provenance.samples > 0).then(|| f64::from(correct) / f64::from(provenance.samples));
    Ok(Inspection {
        file: path,
        id: format!("{:08x}", file.id()),
        format: spikelet_export::VERSION,
        bytes: file.len(),
        inputs: format!("{} × {} × {}", header.width, header.height, header.channels),
        most_synaptic_operations: layers.iter().map(|l| u64::from(l.inputs) * u64::from(l.neurons)).sum(),
        layers,
        classes: header.classes,
        steps: header.steps,
        encoder: match header.encoder {
            EncoderHeader::Rate { gain, seed } => {
                format!("rate, gain {}, seed {seed}", Gain::from_bits(gain))
            }
            EncoderHeader::Latency {} => "latency, linear".to_owned(),
        },
        state_ram: need.ram(),
        input_ram: 3 * need.inputs,
        trained_on: provenance.data.to_owned(),
        seed: provenance.seed,
        epochs: provenance.epochs,
        float_accuracy: share(provenance.float_correct),
        fixed_accuracy: share(provenance.fixed_correct),
        test_samples: provenance.samples,
        made_by: provenance.tool.to_owned(),
    })
}

fn loss(loss: Loss) -> f64 {
    loss.to_num()
}

fn print(inspection: &Inspection) {
    let accuracy = |share: Option<f64>| {
        share.map_or("not measured".to_owned(), |share| {
            format!("{} of {} test samples", show::percent(share), inspection.test_samples)
        })
    };
    println!("{}, model {}, format version {}", inspection.file.display(), inspection.id, inspection.format);
    println!(
        "{}",
        show::list([
            ("input", format!("{}, {}", inspection.inputs, inspection.encoder)),
            ("timesteps", inspection.steps.to_string()),
            ("classes", inspection.classes.to_string()),
            (
                "trained on",
                format!("{}, {} epochs, seed {}", inspection.trained_on, inspection.epochs, inspection.seed)
            ),
            ("accuracy in float", accuracy(inspection.float_accuracy)),
            ("accuracy of this model", accuracy(inspection.fixed_accuracy)),
            ("made by", inspection.made_by.clone()),
        ])
    );
    let rows = inspection.layers.iter().enumerate().map(|(index, layer)| {
        vec![
            format!("{index}: {}", layer.cell),
            format!("{} → {}", layer.inputs, layer.neurons),
            format!("{} bit", layer.bits),
            format!("{} B", show::grouped(layer.bytes as u64)),
            layer.zero_weights.to_string(),
            format!("{:.3}", layer.alpha),
            format!("{:.2} to {:.2}", layer.bias_least, layer.bias_most),
        ]
    });
    let heading = ["layer", "shape", "weights", "flash", "weights of 0", "α", "b_h"];
    println!("{}", show::table(&heading, rows));
    println!(
        "{}",
        show::list([
            ("flash for the model", format!("{} B", show::grouped(inspection.bytes as u64))),
            (
                "RAM for states, spikes and scores",
                format!("{} B", show::grouped(inspection.state_ram as u64))
            ),
            ("RAM for an image and its spikes", format!("{} B", show::grouped(inspection.input_ram as u64))),
            (
                "synaptic operations in a timestep, at most",
                show::grouped(inspection.most_synaptic_operations)
            ),
        ])
    );
    println!(
        "The program itself comes on top: `spikelet run` prints flash, RAM and stack as built and measured."
    );
}
