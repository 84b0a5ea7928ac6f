//! `spikelet inspect`: what is in a model file, and what it will need on a board.

use super::exported_layer::sums;
use super::rest::LayerRest;
use super::{costs, model, show};
use crate::cost::Costs;
use crate::cost::estimate::flash_of;
use crate::simulate;
use serde::Serialize;
use spikelet_export::{EncoderHeader, ModelFile};
use spikelet_runtime::encode::Gain;
use spikelet_runtime::formats::{Argument, Current};
use spikelet_runtime::{self as runtime, GatedBy, SpikeKind, lif_levels};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// Model file, or the name of a model that comes with Spikelet.
    #[arg(value_parser = model::named)]
    model: PathBuf,
    #[command(flatten)]
    costs: costs::CostArgs,
}

/// What is in a model, and what it costs.
#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    inspection: Inspection,
    costs: Costs,
    /// Why the activity is not known, if it is not.
    activity_unknown: Option<String>,
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
    blank_before: u16,
    /// Timesteps in which the input is shown, between blank ones.
    steps: u16,
    blank_after: u16,
    /// Lead of the best score at which the model decides early, if it does.
    margin: Option<f64>,
    encoder: String,
    /// Boards make the spikes themselves when they are sent pixels.
    encoder_on_boards: bool,
    /// Timesteps of its self-test.
    self_test_steps: u16,
    /// This host computes what the self-test says is right.
    self_test_passed: bool,
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
    #[serde(flatten)]
    cells: Cells,
    inputs: u16,
    neurons: u16,
    bits: u8,
    /// Flash: weights, constants of neurons, initial states.
    bytes: usize,
    zero_weights: usize,
    /// Sums are proved to fit 32 bits.
    sums_proved: bool,
    /// What becomes of it without input.
    rest: LayerRest,
}

/// Kind and constants of a layer's cells.
#[derive(Debug, Serialize)]
#[serde(tag = "cell")]
enum Cells {
    #[serde(rename = "SRC")]
    Src {
        alpha: f64,
        rho: f64,
        r: f64,
        r_s: f64,
        z_s_hyp: f64,
        z_s_dep: f64,
        z: f64,
        gate: &'static str,
        spikes: &'static str,
        initial_states: bool,
        bias_least: f64,
        bias_most: f64,
    },
    #[serde(rename = "LIF")]
    Lif {
        alpha: f64,
        /// In the unit of each neuron, the larger of the two.
        threshold_least: f64,
        threshold_most: f64,
        rest_least: f64,
        rest_most: f64,
    },
}

impl Cells {
    fn of(layer: &runtime::Layer<'_>) -> Self {
        match layer {
            runtime::Layer::Src(layer) => {
                let c = layer.constants();
                let (bias_least, bias_most) = range(
                    layer.neurons().iter().map(|n| Argument::from_bits(n[1]).to_num::<f64>() - 1.0 / 256.0),
                );
                Self::Src {
                    alpha: layer.integrator().decay.to_num(),
                    rho: c.rho.to_num(),
                    r: c.r.to_num(),
                    r_s: c.r_s.to_num(),
                    z_s_hyp: c.z_s_hyp.to_num(),
                    z_s_dep: c.z_s_dep.to_num(),
                    z: c.z.to_num(),
                    gate: match c.gated_by {
                        GatedBy::Current => "current",
                        GatedBy::Previous => "previous",
                    },
                    spikes: match c.spikes {
                        SpikeKind::Graded => "graded",
                        SpikeKind::Binary => "binary",
                    },
                    initial_states: !layer.initial().is_empty(),
                    bias_least,
                    bias_most,
                }
            }
            runtime::Layer::Lif(layer) => {
                let of = |level: fn((Current, Current)) -> Current| {
                    range(layer.neurons().iter().map(|&n| level(lif_levels(n)).to_num()))
                };
                let ((threshold_least, threshold_most), (rest_least, rest_most)) = (of(|l| l.0), of(|l| l.1));
                let alpha = layer.integrator().decay.to_num();
                Self::Lif { alpha, threshold_least, threshold_most, rest_least, rest_most }
            }
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Src { .. } => "SRC",
            Self::Lif { .. } => "LIF",
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Src {
                alpha,
                rho,
                r,
                r_s,
                z_s_hyp,
                z_s_dep,
                z,
                gate,
                spikes,
                initial_states,
                bias_least,
                bias_most,
            } => format!(
                "α {alpha:.3}, ρ {rho:.3}, r {r:.3}, r_s {r_s:.3}, z_s {z_s_hyp:.3} and {z_s_dep:.3} in spikes, z {z:.3}, \
                 gate {gate}, {spikes} spikes, {} initial states, b_h {bias_least:.2} to {bias_most:.2}",
                if *initial_states { "own" } else { "no" }
            ),
            Self::Lif { alpha, threshold_least, threshold_most, rest_least, rest_most } => format!(
                "α_V {alpha:.3}, in the larger of the two V_thresh {threshold_least:.3} to {threshold_most:.3} and V_rest \
                 {rest_least:.3} to {rest_most:.3}"
            ),
        }
    }
}

/// The least and the most of some numbers.
fn range(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), n| (least.min(n), most.max(n)))
}

pub fn run(args: InspectArgs, json: bool) -> anyhow::Result<()> {
    let bytes = model::read(&args.model)?;
    let file = model::open(&bytes, &args.model)?;
    let (costs, activity_unknown) = costs::of_model(&args.costs, &file)?;
    let told = Told { inspection: inspect(&file, args.model)?, costs, activity_unknown };
    show::show(json, &told, |told| {
        print(&told.inspection);
        costs::print(&told.costs, told.activity_unknown.as_deref());
    })
}

/// What is in a model file.
pub fn inspect(file: &ModelFile<'_>, path: PathBuf) -> anyhow::Result<Inspection> {
    let header = file.header()?;
    let outline = &header.outline;
    let need = file.model().need();
    let layers = file.model().layers().iter().zip(&header.layers).map(|(layer, head)| {
        let synapses = layer.synapses();
        let weights = || {
            let neurons = move |input| (0..synapses.neurons()).filter_map(move |n| synapses.weight(input, n));
            (0..synapses.inputs()).flat_map(neurons)
        };
        Layer {
            cells: Cells::of(layer),
            inputs: synapses.inputs(),
            neurons: synapses.neurons(),
            bits: head.bits,
            bytes: flash_of(layer),
            zero_weights: weights().filter(|&weight| weight == 0).count(),
            sums_proved: layer.integrator().proved,
            rest: LayerRest::of(layer),
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
        inputs: format!("{} × {} × {}", outline.width, outline.height, outline.channels),
        most_synaptic_operations: layers.iter().map(|l| u64::from(l.inputs) * u64::from(l.neurons)).sum(),
        layers,
        classes: outline.classes,
        blank_before: outline.blank_before,
        steps: outline.steps,
        blank_after: outline.blank_after,
        margin: file.model().margin().map(|margin| margin.to_num()),
        encoder_on_boards: outline.encoder.is_on_boards(),
        encoder: match outline.encoder {
            EncoderHeader::Rate { gain, seed } => {
                format!("rate, gain {}, seed {seed}", Gain::from_bits(gain))
            }
            EncoderHeader::Latency {} => "latency, linear".to_owned(),
            EncoderHeader::LatencyLog {} => "latency, logarithmic".to_owned(),
            EncoderHeader::Events {} => "events".to_owned(),
        },
        self_test_steps: file.test_vector().steps,
        self_test_passed: simulate::self_test(file).is_ok(),
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
            (
                "spikes made",
                if inspection.encoder_on_boards { "by board or host" } else { "by the host" }.to_owned()
            ),
            (
                "timesteps",
                match (inspection.blank_before, inspection.blank_after) {
                    (0, 0) => inspection.steps.to_string(),
                    (before, after) => format!("{before} blank, {}, {after} blank", inspection.steps),
                },
            ),
            (
                "early exit",
                inspection
                    .margin
                    .map_or("no".to_owned(), |margin| format!("when the best score leads by {margin:.2}")),
            ),
            ("classes", inspection.classes.to_string()),
            (
                "trained on",
                format!("{}, {} epochs, seed {}", inspection.trained_on, inspection.epochs, inspection.seed)
            ),
            ("accuracy in float", accuracy(inspection.float_accuracy)),
            ("accuracy of this model", accuracy(inspection.fixed_accuracy)),
            ("made by", inspection.made_by.clone()),
            (
                "self-test",
                format!(
                    "{} timesteps, {} on this host",
                    inspection.self_test_steps,
                    if inspection.self_test_passed { "passed" } else { "failed: export the model again" }
                )
            ),
        ])
    );
    let rows = inspection.layers.iter().enumerate().map(|(index, layer)| {
        vec![
            format!("{index}: {}", layer.cells.name()),
            format!("{} → {}", layer.inputs, layer.neurons),
            format!("{} bit", layer.bits),
            format!("{} B", show::grouped(layer.bytes as u64)),
            layer.zero_weights.to_string(),
        ]
    });
    let heading = ["layer", "shape", "weights", "flash", "weights of 0"];
    println!("{}", show::table(&heading, rows));
    for (index, layer) in inspection.layers.iter().enumerate() {
        println!("layer {index}: {}; {}", layer.cells.words(), sums(layer.sums_proved, None));
        println!("layer {index}: {}", layer.rest.words());
    }
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
}
