//! All that a model costs, put together.

use super::activity::Activity;
use super::boards::{BoardFacts, Core};
use super::table::{Table, growing_ram};
use super::terms::ModelTerms;
use anyhow::Result;
use serde::Serialize;
use spikelet_export::ModelFile;
use spikelet_runtime::Layer;

/// What a model costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Costs {
    /// Bottom to top.
    pub layers: Vec<LayerCost>,
    /// What happens in a timestep, and what it takes; `None` if the activity is not known.
    pub work: Option<Work>,
    /// Of the application with the model.
    pub memory: MemoryCost,
    /// The dense int8 network of the same shape, a layer of the classes in place of the readout.
    pub dense: Dense,
    /// What is known of each board.
    pub boards: Vec<BoardCost>,
    /// Core and board that the instructions were counted on, and how well they are predicted there.
    pub counted_on: String,
}

/// What a layer costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerCost {
    /// Bytes of flash: weights and their tables, constants of neurons, initial states.
    pub flash: usize,
    /// Bytes of RAM: states of its neurons.
    pub ram: usize,
    /// Mean per timestep; `None` if the activity is not known.
    pub work: Option<LayerWork>,
}

/// A layer's mean timestep.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LayerWork {
    /// Spikes received.
    pub received: f64,
    /// Weights added.
    pub synaptic_operations: f64,
    /// Instructions of the sums.
    pub sums: f64,
    /// Instructions of the neurons.
    pub neurons: f64,
    /// Share of its neurons that spike.
    pub activity: f64,
}

/// A model's mean timestep and sequence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Work {
    /// Where the activity is from.
    pub activity: String,
    /// Timesteps of a sequence.
    pub steps: f64,
    /// Input spikes per timestep.
    pub input_spikes: f64,
    /// Instructions of the network per timestep.
    pub instructions_per_step: f64,
    /// Those of them that are the readout's.
    pub readout_per_step: f64,
    /// Those of them that belong to no layer: calls, skipped layers, asking for a decision.
    pub network_per_step: f64,
    /// Instructions per timestep to make the spikes of pixels; 0 where the host makes them.
    pub encoding_per_step: f64,
    /// Instructions of a whole sequence, encoding included.
    pub instructions_per_inference: f64,
}

/// Memory of the application with the model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MemoryCost {
    /// Bytes of flash.
    pub flash: u64,
    /// Those of them beside the model file.
    pub flash_of_program: u64,
    /// Bytes of RAM, the stack included.
    pub ram: u64,
    /// Those of them that grow with the model.
    pub ram_of_model: u64,
    /// Those of them that are stack at its deepest.
    pub stack: u64,
}

/// A dense network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Dense {
    /// Multiply-accumulates of an inference, and bytes of weights.
    pub macs: u64,
}

/// A model on a board.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BoardCost {
    /// The board.
    #[serde(flatten)]
    pub board: BoardFacts,
    /// True if flash and RAM suffice.
    pub fits: bool,
    /// Bytes of flash that are left; negative if there are too few.
    pub flash_left: i64,
    /// Bytes of RAM that are left.
    pub ram_left: i64,
    /// Modelled: of this model.
    pub spiking: Option<Modelled>,
    /// Modelled: of the dense network.
    pub dense: Option<Modelled>,
    /// What the modelled values stand on.
    pub conditions: Option<String>,
}

/// Time and energy of an inference: modelled, not measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Modelled {
    /// Cycles.
    pub cycles: f64,
    /// Milliseconds.
    pub milliseconds: f64,
    /// Microjoules.
    pub microjoules: f64,
}

/// What a model costs, with an activity and where that is from, on some boards.
///
/// # Errors
/// If the instructions of a piece of its work were not measured.
pub fn costs(
    file: &ModelFile<'_>,
    activity: Option<(&Activity, String)>,
    boards: &[BoardFacts],
) -> Result<Costs> {
    let table = Table::cortex_m4();
    let need = file.model().need();
    let firmware = &table.firmware;
    let flash = firmware.flash_with(file);
    let memory = MemoryCost {
        flash,
        flash_of_program: flash - file.len() as u64,
        ram: firmware.ram_with(need) + firmware.stack,
        ram_of_model: growing_ram(need),
        stack: firmware.stack,
    };
    let of_layer = |layer: &Layer<'_>| LayerCost {
        flash: flash_of(layer),
        ram: 2 * layer.neurons() + 4 * layer.potentials(),
        work: None,
    };
    let mut layers: Vec<LayerCost> = file.model().layers().iter().map(of_layer).collect();
    let work = match activity {
        None => None,
        Some((activity, source)) => {
            let of_parts = table.price(&ModelTerms::new(file, activity))?;
            let parts = file.model().layers().iter().zip(&activity.layers).zip(&of_parts.layers);
            for (cost, ((layer, activity_of), [sums, neurons])) in layers.iter_mut().zip(parts) {
                let columns = layer.synapses().shape().columns;
                let columns = columns.map_or(layer.neurons(), <[u16]>::len) as f64;
                cost.work = Some(LayerWork {
                    received: activity_of.received_spikes() / activity.steps,
                    synaptic_operations: activity_of.rows * columns / activity.steps,
                    sums: sums / activity.steps,
                    neurons: neurons / activity.steps,
                    activity: activity_of.spikes / (activity.steps * layer.neurons() as f64),
                });
            }
            let steps = activity.steps / activity.sequences;
            Some(Work {
                activity: source,
                steps,
                input_spikes: activity.input_spikes / activity.steps,
                instructions_per_step: of_parts.of_network() / activity.steps,
                readout_per_step: of_parts.readout / activity.steps,
                network_per_step: of_parts.network / activity.steps,
                encoding_per_step: of_parts.encoder / activity.steps,
                instructions_per_inference: (of_parts.of_network() + of_parts.encoder) / activity.sequences,
            })
        }
    };
    let dense = Dense { macs: macs(file) };
    let instructions = work.as_ref().map(|work| work.instructions_per_inference);
    Ok(Costs {
        boards: boards.iter().map(|board| on_board(*board, &memory, instructions, dense)).collect(),
        layers,
        work,
        memory,
        dense,
        counted_on: format!(
            "{}, {}: constants fitted to {} measurements, mean error {:.1} %, worst {:.1} %",
            table.core,
            table.board,
            table.fit.measurements,
            100.0 * table.fit.mean_error,
            100.0 * table.fit.worst_error
        ),
    })
}

/// Bytes of flash of a layer: weights and their tables, constants of neurons, initial states.
pub fn flash_of(layer: &Layer<'_>) -> usize {
    let shape = layer.synapses().shape();
    let initial = match layer {
        Layer::Src(layer) => layer.initial().len(),
        Layer::Lif(_) => 0,
    };
    4 * shape.words()
        + 2 * shape.rows.map_or(0, <[u16]>::len)
        + 2 * shape.columns.map_or(0, <[u16]>::len)
        + 8 * layer.neurons()
        + 4 * initial
}

/// Multiply-accumulates of the dense network of a model's shape.
fn macs(file: &ModelFile<'_>) -> u64 {
    let layers = file.model().layers();
    let of = |layer: &Layer<'_>| u64::from(layer.synapses().inputs()) * layer.neurons() as u64;
    let last = layers.last().map_or(0, Layer::neurons) as u64;
    layers.iter().map(of).sum::<u64>() + last * u64::from(file.model().readout().classes())
}

fn on_board(board: BoardFacts, memory: &MemoryCost, instructions: Option<f64>, dense: Dense) -> BoardCost {
    let left = |has: u64, needs: u64| has as i64 - needs as i64;
    let (flash_left, ram_left) = (left(board.flash, memory.flash), left(board.ram, memory.ram));
    let modelled = |cycles: f64| {
        let power = board.power?;
        let milliseconds = cycles / power.megahertz / 1e3;
        Some(Modelled { cycles, milliseconds, microjoules: cycles * power.picojoules / 1e6 })
    };
    let factor = board.core.cycles_per_instruction();
    let spiking = factor.zip(instructions).and_then(|(factor, instructions)| modelled(factor * instructions));
    let conditions = board.power.zip(factor).map(|(power, factor)| {
        let counted = if board.core == Core::M4 { "" } else { " as counted on the Cortex-M4" };
        format!(
            "modelled: {factor} cycles for each of the {}'s instructions{counted}, {} MHz without wait states, {} pJ per cycle ({}); \
             the dense network {} cycles per MAC",
            board.core, power.megahertz, power.picojoules, power.source, power.dense_cycles
        )
    });
    BoardCost {
        fits: flash_left >= 0 && ram_left >= 0,
        flash_left,
        ram_left,
        spiking,
        dense: board.power.and_then(|power| modelled(power.dense_cycles * dense.macs as f64)),
        conditions,
        board,
    }
}
