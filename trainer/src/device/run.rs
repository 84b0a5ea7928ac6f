//! Samples on a board.

use super::{Board, Client, ClientError};
use crate::data::Samples;
use crate::simulate::{HostMemory, Inference, Stop};
use crate::spike_train::{Encoding, Show};
use serde::Serialize;
use spikelet_export::ModelFile;
use spikelet_export::link::Inferred;
use spikelet_runtime::Network;
use std::io::{Read, Write};

/// What is sent to a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputKind {
    /// Spikes, encoded on the host.
    Spikes,
    /// Pixels, encoded on the board.
    Pixels,
}

/// What a board says of a sample, and what that cost.
#[derive(Clone, Debug)]
pub struct DeviceInference {
    /// Comparable with the host's in every bit.
    pub inference: Inference,
    /// Ticks in the network.
    pub ticks: u32,
    /// Ticks in the encoder.
    pub ticks_encoding: u32,
}

/// Shows samples to a board one after the other, each in its evaluation stream and until `stop`; calls `done` after
/// each.
///
/// Spikes are sent for the whole sequence, blank timesteps included; a board that is sent pixels adds those itself.
///
/// # Errors
/// [`ClientError`] of the first sample that fails.
pub fn run_samples<S: Read + Write>(
    client: &mut Client<S>,
    file: &ModelFile<'_>,
    samples: &Samples,
    input: InputKind,
    stop: Stop,
    mut done: impl FnMut(&DeviceInference),
) -> Result<Vec<DeviceInference>, ClientError> {
    let encoding = Encoding::of_model(file);
    let mut results = Vec::with_capacity(samples.len());
    for index in 0..samples.len() {
        let inferred = match (input, samples) {
            (InputKind::Pixels, Samples::Images(images)) => {
                client.infer_pixels(Show::Evaluation.stream(index), images.image(index), stop)?
            }
            // Recordings have no pixels: their events are spikes already, and are sent as such.
            _ => {
                let train = encoding.train(samples, index, Show::Evaluation);
                client.infer_spikes((0..train.steps()).map(|t| train.at(t)), stop)?
            }
        };
        let result = DeviceInference::from(inferred);
        done(&result);
        results.push(result);
    }
    Ok(results)
}

impl From<Inferred> for DeviceInference {
    fn from(inferred: Inferred) -> Self {
        let Inferred { class, steps, scores, spike_counts, ticks, ticks_encoding } = inferred;
        let (scores, spike_counts) = (scores.to_vec(), spike_counts.to_vec());
        Self { inference: Inference { class, steps, scores, spike_counts }, ticks, ticks_encoding }
    }
}

/// What a layer costs, in instructions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LayerCosts {
    /// Spiking inputs it was measured with.
    pub spikes: u16,
    /// Instructions per weight added, everything of the stage included.
    pub per_synaptic_operation: f64,
    /// Instructions per neuron advanced, everything of the stage included.
    pub per_neuron: f64,
}

/// What a model costs on a board.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Costs {
    /// Per layer.
    pub layers: Vec<LayerCosts>,
    /// Instructions of a timestep without a spike while every layer rests; `None` if a layer does not come to rest.
    pub silent_step: Option<f64>,
    /// Bytes of stack, at the deepest so far.
    pub stack: u32,
}

/// Measures each layer with `spikes` spiking inputs, or as many as it has.
///
/// # Errors
/// [`ClientError`].
pub fn measure<S: Read + Write>(
    client: &mut Client<S>,
    board: Board,
    file: &ModelFile<'_>,
    spikes: u16,
) -> Result<Costs, ClientError> {
    let mut layers = Vec::new();
    for (index, layer) in file.model().layers().iter().enumerate() {
        let synapses = layer.synapses();
        let spikes = spikes.min(synapses.inputs());
        let measured = client.measure(index as u8, spikes)?;
        let instructions =
            |ticks: u32| (f64::from(ticks - measured.empty) / board.ticks_per_instruction()).round();
        let neurons = f64::from(synapses.neurons());
        layers.push(LayerCosts {
            spikes,
            per_synaptic_operation: instructions(measured.synapses) / (neurons * f64::from(spikes)),
            per_neuron: instructions(measured.neurons) / neurons,
        });
    }
    let silent_step = measure_silence(client, board, file)?;
    Ok(Costs { layers, silent_step, stack: client.memory()?.stack_used })
}

/// Measures a timestep without a spike while every layer rests, as the mean of many.
fn measure_silence<S: Read + Write>(
    client: &mut Client<S>,
    board: Board,
    file: &ModelFile<'_>,
) -> Result<Option<f64>, ClientError> {
    const MANY: u16 = 1000;
    let Some(until_rest) = silent_steps_until_rest(file) else { return Ok(None) };
    let mut ticks = |steps: u16| {
        let silence = std::iter::repeat_n(&[][..], steps.into());
        client.infer_spikes(silence, Stop::AtTheEnd).map(|inferred| inferred.ticks)
    };
    let many = ticks(until_rest + MANY)? - ticks(until_rest)?;
    // The clock is read once more in each timestep.
    let empty = client.measure(0, 0)?.empty;
    let each = f64::from(many) / f64::from(MANY) - f64::from(empty);
    Ok(Some((each / board.ticks_per_instruction()).round()))
}

/// Timesteps without a spike, from the start of a sequence, until every layer rests; `None` if that takes too long to wait for.
fn silent_steps_until_rest(file: &ModelFile<'_>) -> Option<u16> {
    const LONG: u16 = 10_000;
    let model = file.model();
    let mut memory = HostMemory::new(model.need());
    let mut network = Network::new(model, memory.view()).ok()?;
    (1..LONG).find(|_| {
        network.step(&[]);
        network.resting().count_ones() as usize == model.layers().len()
    })
}
