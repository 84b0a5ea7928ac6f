//! One sample's way through a network: who spikes when, the states of chosen neurons, and the scores as they grow.
//!
//! All numbers come from the kernels of training and evaluation, run step by step where they keep nothing:
//!
//! | cells | signals of a neuron |
//! |---|---|
//! | SRC | i, x, h, h_s (Eq. 3a, 3b, 3d, 3e) |
//! | LIF | V before its reset, and V (section 2.2) |
//! | GRU, BRC | h; they have no spikes (section 3.1) |

mod choice;
mod figures;
mod scores;
mod table;

pub use choice::Choice;
pub use figures::{neurons, panels};
pub use table::{csv, spikes_csv};

use crate::cell::CellName;
use crate::kernel::{Events, SpikingLayer};
use crate::network::Network;
use crate::spike_train::SpikeTrain;
use anyhow::Result;
use candle_core::Tensor;
use serde::Serialize;

/// What one sample does in a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trace {
    /// Kind of the cells.
    pub cell: CellName,
    /// Timesteps.
    pub steps: usize,
    /// What the network is shown.
    pub input: Raster,
    /// The spikes of each layer, bottom to top; none for cells that do not spike.
    pub layers: Vec<Raster>,
    /// The chosen neurons, layer by layer.
    pub neurons: Vec<Neuron>,
    /// `scores[class][timestep]`, each after its timestep.
    pub scores: Vec<Vec<f32>>,
    /// The class with the highest score at the end.
    pub class: usize,
}

/// Spikes over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Raster {
    /// How many neurons or inputs could spike.
    pub neurons: usize,
    /// Timestep, neuron and value of each spike, in the order of time.
    pub spikes: Vec<(usize, usize, f32)>,
}

/// A chosen neuron's states over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Neuron {
    /// Its layer, counted from 0 at the bottom.
    pub layer: usize,
    /// Its index in the layer.
    pub neuron: usize,
    /// V_thresh of LIF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// Its states after each timestep.
    pub signals: Vec<Signal>,
}

/// One state of a neuron over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Signal {
    /// Like `h_s`.
    pub name: &'static str,
    /// One value per timestep.
    pub values: Vec<f32>,
}

impl Raster {
    fn of(events: &Events<f32>, neurons: usize) -> Self {
        let mut spikes = Vec::with_capacity(events.count());
        for t in 0..events.steps() {
            let (inputs, values) = events.at(t);
            let value = |k| values.get(k).copied().unwrap_or(1.0);
            spikes.extend(inputs.iter().enumerate().map(|(k, &input)| (t, usize::from(input), value(k))));
        }
        Self { neurons, spikes }
    }

    /// Share of the timesteps in which a neuron spikes (Eq. 2).
    pub fn activity(&self, steps: usize) -> f64 {
        self.spikes.len() as f64 / (self.neurons * steps).max(1) as f64
    }
}

/// Shows a network an encoded sample of `inputs` inputs.
///
/// # Errors
/// If `choice` names a neuron that there is not, or the sample does not fit the network.
pub fn trace(network: &Network<f32>, sample: SpikeTrain, inputs: usize, choice: &Choice) -> Result<Trace> {
    let architecture = network.architecture();
    let widths = &architecture.widths[1..];
    choice.check(widths)?;
    let steps = sample.steps();
    let events = Events::binary(sample);
    let input = Raster::of(&events, inputs);
    let cell = architecture.cell.name();
    let (mut layers, mut neurons) = (Vec::new(), Vec::new());
    let scores = if matches!(cell, CellName::Gru | CellName::Brc) {
        let all = network.dense(vec![events], inputs)?;
        for (index, h) in all.iter().enumerate() {
            let columns = columns(h)?;
            let size = |column: &Vec<f32>| column.iter().map(|h| f64::from(h.abs())).sum::<f64>();
            let sizes: Vec<f64> = columns.iter().map(size).collect();
            neurons.extend(choice.of(index, &sizes).into_iter().map(|neuron| {
                let signals = vec![Signal { name: "h", values: columns[neuron].clone() }];
                Neuron { layer: index, neuron, threshold: None, signals }
            }));
        }
        scores::of_dense(all.last(), architecture)?
    } else {
        let output = network.forward_events(vec![events.clone()], inputs, None)?;
        let mut below = events;
        for (index, &width) in widths.iter().enumerate() {
            let kernel = network.kernel(index)?;
            let weights: Vec<f32> = network.layers()[index].weight.flatten_all()?.to_vec1()?;
            let above = output.spikes[index][0].clone();
            let mut counts = vec![0.0; width];
            above.train.inputs.iter().for_each(|&neuron| counts[usize::from(neuron)] += 1.0);
            let chosen = choice.of(index, &counts);
            neurons.extend(states(&kernel, &weights, &below, index, &chosen));
            layers.push(Raster::of(&above, width));
            below = above;
        }
        scores::of_spikes(&below, architecture)?
    };
    Ok(Trace { cell, steps, input, layers, neurons, class: winner(&scores), scores })
}

/// `[1, timesteps, neurons]` as a list per neuron.
fn columns(h: &Tensor) -> Result<Vec<Vec<f32>>> {
    Ok(h.squeeze(0)?.t()?.contiguous()?.to_vec2()?)
}

/// The class with the highest score at the end; the first of several.
fn winner(scores: &[Vec<f32>]) -> usize {
    let last = |class: usize| scores[class].last().copied().unwrap_or(0.0);
    (1..scores.len()).fold(0, |best, class| if last(class) > last(best) { class } else { best })
}

/// Runs a layer step by step for what its forward pass does not keep.
fn states(
    kernel: &SpikingLayer<f32>,
    weights: &[f32],
    input: &Events<f32>,
    layer: usize,
    chosen: &[usize],
) -> Vec<Neuron> {
    if chosen.is_empty() {
        return Vec::new();
    }
    let (names, threshold): (&[&'static str], _) = match kernel {
        SpikingLayer::Src(_) => (&["i", "x", "h", "h_s"], None),
        SpikingLayer::Lif(layer) => (&["v_before_reset", "v"], Some(layer.constants().1)),
    };
    let signal = |&name: &&'static str| Signal { name, values: Vec::with_capacity(input.steps()) };
    let neuron =
        |&neuron: &usize| Neuron { layer, neuron, threshold, signals: names.iter().map(signal).collect() };
    let mut neurons: Vec<Neuron> = chosen.iter().map(neuron).collect();
    let mut keep = |values: &dyn Fn(usize) -> [f32; 4]| {
        for neuron in &mut neurons {
            let values = values(neuron.neuron);
            neuron.signals.iter_mut().zip(values).for_each(|(signal, value)| signal.values.push(value));
        }
    };
    match kernel {
        SpikingLayer::Src(layer) => {
            let (mut states, rho) = (layer.start(), layer.constants().rho);
            for t in 0..input.steps() {
                let (inputs, values) = input.at(t);
                layer.step(&mut states, weights, inputs, values);
                keep(&|n| [states.i[n], rho * states.y[n], states.h[n], states.h_s[n]]);
            }
        }
        SpikingLayer::Lif(layer) => {
            let mut states = layer.start();
            for t in 0..input.steps() {
                let (inputs, values) = input.at(t);
                layer.step(&mut states, weights, inputs, values);
                keep(&|n| [states.before_reset[n], states.v[n], 0.0, 0.0]);
            }
        }
    }
    neurons
}
