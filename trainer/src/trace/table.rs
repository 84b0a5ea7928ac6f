//! A trace's numbers as tables.

use super::Trace;
use std::fmt::Write;

/// States and scores: one line per timestep, one column per signal.
///
/// Columns are `step`, then `layer.neuron.signal` like `0.12.h_s`, then `score.class`.
pub fn csv(trace: &Trace) -> String {
    let mut text = String::from("step");
    let mut columns: Vec<&[f32]> = Vec::new();
    for neuron in &trace.neurons {
        for signal in &neuron.signals {
            let _ = write!(text, ",{}.{}.{}", neuron.layer, neuron.neuron, signal.name);
            columns.push(&signal.values);
        }
    }
    for (class, scores) in trace.scores.iter().enumerate() {
        let _ = write!(text, ",score.{class}");
        columns.push(scores);
    }
    text.push('\n');
    for t in 0..trace.steps {
        let _ = write!(text, "{t}");
        for column in &columns {
            let _ = write!(text, ",{}", column[t]);
        }
        text.push('\n');
    }
    text
}

/// Every spike: `layer,step,neuron,value`, the input's in layer `input`.
pub fn spikes_csv(trace: &Trace) -> String {
    let mut text = String::from("layer,step,neuron,value\n");
    let layers = trace.layers.iter().enumerate().map(|(index, raster)| (index.to_string(), raster));
    for (layer, raster) in std::iter::once(("input".to_owned(), &trace.input)).chain(layers) {
        for (step, neuron, value) in &raster.spikes {
            let _ = writeln!(text, "{layer},{step},{neuron},{value}");
        }
    }
    text
}
