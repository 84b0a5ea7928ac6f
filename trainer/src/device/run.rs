//! Samples on a board.

use super::{Board, Client, ClientError};
use crate::data::Samples;
use crate::simulate::{HostMemory, Inference, Stop, infer};
use crate::spike_train::{Encoding, Show, SpikeTrain};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use spikelet_export::ModelFile;
use spikelet_export::link::Inferred;
use spikelet_runtime::Network;
use std::borrow::Borrow;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::sync::mpsc::{self, SyncSender};

/// What is sent to a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
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
        let train = || encoding.train(samples, index, Show::Evaluation);
        let result = show_sample(client, samples, index, input, stop, train)?;
        done(&result);
        results.push(result);
    }
    Ok(results)
}

/// Shows one sample to a board; `train` gives its spikes, if they are to be sent.
fn show_sample<S: Read + Write, T: Borrow<SpikeTrain>>(
    client: &mut Client<S>,
    samples: &Samples,
    index: usize,
    input: InputKind,
    stop: Stop,
    train: impl FnOnce() -> T,
) -> Result<DeviceInference, ClientError> {
    let inferred = match (input, samples) {
        (InputKind::Pixels, Samples::Images(images)) => {
            client.infer_pixels(Show::Evaluation.stream(index), images.image(index), stop)?
        }
        // Recordings have no pixels: their events are spikes already, and are sent as such.
        _ => {
            let train = train();
            let train = train.borrow();
            client.infer_spikes((0..train.steps()).map(|t| train.at(t)), stop)?
        }
    };
    Ok(inferred.into())
}

/// What board and host say of a sample.
#[derive(Clone, Debug)]
pub struct Paired {
    /// The board.
    pub device: DeviceInference,
    /// The host, until the same stop.
    pub host: Inference,
    /// The host's class at the end of the sequence; only where the board stops when it has decided.
    pub host_at_the_end: Option<u16>,
}

impl Paired {
    /// True if class, timesteps, scores and spike counts are equal in every bit.
    pub fn is_equal(&self) -> bool {
        self.device.inference == self.host
    }
}

/// Samples that the host prepares at once.
const PIECE: usize = 32;

/// Prepared samples that wait for the board, at most: it gets the next one without waiting, and memory does not grow with
/// the number of samples.
const AHEAD: usize = 64;

/// What the host knows of a sample before the board has seen it.
struct Prepared {
    train: SpikeTrain,
    host: Inference,
    host_at_the_end: Option<u16>,
}

/// As [`run_samples`], beside the host: while the board works, the host encodes and simulates the next samples on all its
/// threads. Ends early where `done` says so.
///
/// # Errors
/// [`ClientError`] of the first sample that fails.
///
/// # Panics
/// If the samples do not fit the model.
pub fn run_beside_host<S: Read + Write>(
    client: &mut Client<S>,
    file: &ModelFile<'_>,
    samples: &Samples,
    input: InputKind,
    stop: Stop,
    mut done: impl FnMut(&Paired) -> ControlFlow<()>,
) -> Result<Vec<Paired>, ClientError> {
    std::thread::scope(|scope| {
        let (give, prepared) = mpsc::sync_channel(AHEAD);
        scope.spawn(move || prepare(file, samples, stop, &give));
        let mut results = Vec::with_capacity(samples.len());
        for (index, Prepared { train, host, host_at_the_end }) in prepared.into_iter().enumerate() {
            let device = show_sample(client, samples, index, input, stop, || &train)?;
            let result = Paired { device, host, host_at_the_end };
            let flow = done(&result);
            results.push(result);
            if flow.is_break() {
                break;
            }
        }
        Ok(results)
    })
}

/// Encodes and simulates sample after sample, until all are done or nobody takes them any more.
fn prepare(file: &ModelFile<'_>, samples: &Samples, stop: Stop, give: &SyncSender<Prepared>) {
    let encoding = Encoding::of_model(file);
    let memory = || HostMemory::new(file.model().need());
    let prepare = |memory: &mut HostMemory, index| {
        let train = encoding.train(samples, index, Show::Evaluation);
        let host = infer(file, memory, &train, stop);
        let at_the_end = || infer(file, memory, &train, Stop::AtTheEnd).class;
        let host_at_the_end = (stop == Stop::WhenDecided).then(at_the_end);
        Prepared { train, host, host_at_the_end }
    };
    for first in (0..samples.len()).step_by(PIECE) {
        let indices = first..samples.len().min(first + PIECE);
        let piece: Vec<Prepared> = indices.into_par_iter().map_init(memory, prepare).collect();
        for prepared in piece {
            if give.send(prepared).is_err() {
                return;
            }
        }
    }
}

impl From<Inferred> for DeviceInference {
    fn from(inferred: Inferred) -> Self {
        let Inferred { class, steps, scores, spike_counts, ticks, ticks_encoding } = inferred;
        let (scores, spike_counts) = (scores.to_vec(), spike_counts.to_vec());
        Self { inference: Inference { class, steps, scores, spike_counts }, ticks, ticks_encoding }
    }
}

/// What a layer costs, in instructions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerCosts {
    /// Spiking inputs it was measured with.
    pub spikes: u16,
    /// Instructions per weight added, everything of the stage included.
    pub per_synaptic_operation: f64,
    /// Instructions per neuron advanced, everything of the stage included.
    pub per_neuron: f64,
}

/// What a model costs on a board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
