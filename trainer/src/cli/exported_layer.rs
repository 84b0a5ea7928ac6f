//! What export did to a layer, and what it found in it.

use super::rest::{LayerRest, some};
use super::show;
use crate::simulate::Simulation;
use serde::Serialize;
use spikelet_export::ModelFile;
use spikelet_export::quantise::LayerReport;
use spikelet_runtime::Shape;

/// What export did to a layer, and what it found in it.
#[derive(Debug, Serialize)]
pub struct ExportedLayer {
    pub neurons: usize,
    /// Width of a weight.
    pub bits: u8,
    inputs: usize,
    weights: usize,
    /// Weights that were not 0 and are now.
    zeroed: usize,
    /// Weights cut off at the most that their width holds.
    saturated: usize,
    relative_error: f64,
    /// Inputs without any weight but 0, which take no room.
    pruned_inputs: usize,
    /// Neurons without any weight but 0, which take no room.
    pruned_neurons: usize,
    /// Sums are proved to fit 32 bits.
    sums_proved: bool,
    /// The most that a sum can be, as a share of what is proved to fit.
    most_input: f64,
    /// Share of timesteps of the test samples in which a current was cut off at the end of its range.
    currents_saturated: f64,
    /// Neurons that never spiked on the test samples.
    pub silent: usize,
    /// Which ones.
    dead: Vec<usize>,
    /// Neurons that spiked in nearly all timesteps of the test samples, or spike without any input.
    always_on: Vec<usize>,
    activity: f64,
    /// What becomes of it without input.
    rest: LayerRest,
}

/// One for each layer.
pub fn layers(file: &ModelFile<'_>, reports: &[LayerReport], fixed: &Simulation) -> Vec<ExportedLayer> {
    let (activity, dead, always_on) = (fixed.activity(), fixed.never_spiking(), fixed.always_spiking());
    let layer = |(index, report): (usize, &LayerReport)| {
        let layer = &file.model().layers()[index];
        let shape = layer.synapses().shape();
        let (inputs, neurons) = (usize::from(shape.inputs), layer.neurons());
        let rest = LayerRest::of(layer);
        let mut always_on: Vec<usize> =
            always_on[index].iter().copied().chain(rest.spiking_alone()).collect();
        always_on.sort_unstable();
        always_on.dedup();
        ExportedLayer {
            neurons,
            bits: layer.synapses().width().bits(),
            inputs,
            weights: report.weights,
            zeroed: report.zeroed,
            saturated: report.saturated,
            relative_error: report.relative_error,
            pruned_inputs: shape
                .rows
                .map_or(0, |rows| rows.iter().filter(|&&row| row == Shape::PRUNED).count()),
            pruned_neurons: shape.columns.map_or(0, |columns| neurons - columns.len()),
            sums_proved: layer.integrator().proved,
            most_input: report.most_input,
            currents_saturated: fixed.saturations[index] as f64 / fixed.steps(),
            silent: dead[index].len(),
            dead: dead[index].clone(),
            always_on,
            activity: activity[index],
            rest,
        }
    };
    reports.iter().enumerate().map(layer).collect()
}

/// A table, and below it what it has no room for.
pub fn print(layers: &[ExportedLayer]) {
    let rows = layers.iter().enumerate().map(|(index, layer)| {
        vec![
            index.to_string(),
            show::grouped(layer.weights as u64),
            layer.zeroed.to_string(),
            layer.saturated.to_string(),
            show::percent(layer.relative_error),
            format!("{} of {}", layer.silent, layer.neurons),
            show::percent(layer.activity),
        ]
    });
    let heading = ["layer", "weights", "zeroed", "saturated", "error", "silent neurons", "activity"];
    println!("{}", show::table(&heading, rows));
    for (index, layer) in layers.iter().enumerate() {
        println!("layer {index}: {}", layer.words());
        println!("layer {index}: {}", layer.rest.words());
    }
}

impl ExportedLayer {
    fn words(&self) -> String {
        let mut words = vec![sums(self.sums_proved, Some(self.most_input))];
        if self.currents_saturated > 0.0 {
            words.push(format!(
                "a current is cut off in {} of timesteps",
                show::percent(self.currents_saturated)
            ));
        }
        let pruned =
            [(self.pruned_inputs, self.inputs, "inputs"), (self.pruned_neurons, self.neurons, "neurons")];
        for (count, of, what) in pruned.into_iter().filter(|pruned| pruned.0 > 0) {
            words.push(format!("{count} of {of} {what} have no weight and take no room"));
        }
        for (which, what) in [(&self.dead, "never spiked"), (&self.always_on, "always on")] {
            if !which.is_empty() {
                words.push(format!("{what}: {}", some(which.iter().map(usize::to_string))));
            }
        }
        words.join("; ")
    }
}

/// Whether a layer's sums fit, and the most that they take of their range, if that is known.
pub fn sums(proved: bool, most: Option<f64>) -> String {
    let most = most.map_or(String::new(), |most| format!(", {} of their range at most", show::percent(most)));
    if proved {
        format!("sums are proved to fit{most}")
    } else {
        format!("sums are not proved to fit{most}: they are multiplied in 64 bits, and saturate")
    }
}
