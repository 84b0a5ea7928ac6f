//! Scores after every timestep, by the readouts that training and evaluation use.
//!
//! Those give v\[T\] alone. But v\[t\] is the v\[T\] of a sequence that ends at t, and silent timesteps in front of a sequence
//! change nothing in it: the integrators begin at 0.

use crate::kernel::Events;
use crate::layer::{Edge, Spikes};
use crate::network::Architecture;
use crate::readout::readout;
use crate::recurrent;
use crate::spike_train::SpikeTrain;
use candle_core::{DType, Device, Result, Tensor};
use std::sync::Arc;

/// Beginnings of a sequence that are read out at once.
const BATCH: usize = 64;

/// `[class][timestep]`, from the spikes of the last layer.
pub fn of_spikes(spikes: &Events<f32>, architecture: &Architecture) -> Result<Vec<Vec<f32>>> {
    let width = architecture.widths.last().copied().unwrap_or(0);
    let mut scores = vec![Vec::with_capacity(spikes.steps()); architecture.classes];
    let ends: Vec<usize> = (1..=spikes.steps()).collect();
    for batch in ends.chunks(BATCH) {
        let longest = batch[batch.len() - 1];
        let events = batch.iter().map(|&end| beginning(spikes, end, longest - end)).collect();
        let edge = Edge {
            tensor: Tensor::zeros(1, DType::F32, &Device::Cpu)?,
            slot: Arc::default(),
            weight: Arc::default(),
            layer: 0,
        };
        let spikes = Spikes { events: Arc::new(events), width, edge: Some(edge) };
        append(&mut scores, &readout(&spikes, architecture.classes, &architecture.readout)?)?;
    }
    Ok(scores)
}

/// `[class][timestep]`, from h of the last layer, `[1, timesteps, neurons]`.
pub fn of_dense(h: Option<&Tensor>, architecture: &Architecture) -> Result<Vec<Vec<f32>>> {
    let mut scores = vec![Vec::new(); architecture.classes];
    let Some(h) = h else { return Ok(scores) };
    for end in 1..=h.dims3()?.1 {
        let beginning = h.narrow(1, 0, end)?.contiguous()?;
        let last = recurrent::readout(&beginning, architecture.classes, &architecture.readout)?;
        append(&mut scores, &last)?;
    }
    Ok(scores)
}

/// Appends `[timesteps, classes]`.
fn append(scores: &mut [Vec<f32>], more: &Tensor) -> Result<()> {
    for row in more.to_vec2::<f32>()? {
        scores.iter_mut().zip(row).for_each(|(class, score)| class.push(score));
    }
    Ok(())
}

/// The first `end` timesteps of a sequence behind `silent` silent ones.
fn beginning(events: &Events<f32>, end: usize, silent: usize) -> Events<f32> {
    let spikes = events.train.offsets[end] as usize;
    let mut offsets = vec![0; silent];
    offsets.extend_from_slice(&events.train.offsets[..=end]);
    let values = events.values.get(..spikes).unwrap_or_default().to_vec();
    Events { train: SpikeTrain { offsets, inputs: events.train.inputs[..spikes].to_vec() }, values }
}
