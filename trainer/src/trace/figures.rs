//! A trace's figures.

use super::{Neuron, Raster, Signal, Trace};
use crate::plot::{self, Line, Lines, Panel, Scores};

/// The rasters of input and layers, then the scores: panels with a common time.
pub fn panels(trace: &Trace, class_names: &[String], label: usize) -> Vec<Panel> {
    let raster = |title: String, raster: &Raster| {
        let spikes = raster.spikes.iter().map(|&(t, neuron, _)| (t, neuron)).collect();
        Panel::Raster(plot::Raster { title, steps: trace.steps, rows: raster.neurons, spikes })
    };
    let mut panels = vec![raster(format!("input, {} spikes", trace.input.spikes.len()), &trace.input)];
    for (index, layer) in trace.layers.iter().enumerate() {
        let activity = 100.0 * layer.activity(trace.steps);
        let title = format!("layer {index}, {} spikes, activity {activity:.2} %", layer.spikes.len());
        panels.push(raster(title, layer));
    }
    panels.push(Panel::Scores(Scores {
        title: "scores".to_owned(),
        names: class_names.to_vec(),
        values: trace.scores.iter().map(|class| class.iter().map(|&v| f64::from(v)).collect()).collect(),
        winner: trace.class,
        label,
    }));
    panels
}

/// Signals that share a panel: i may be many times as large as the others.
const GROUPS: [&[&str]; 2] = [&["i", "x"], &["h", "h_s", "v_before_reset", "v"]];

/// The signals of the chosen neurons, and how many panels each has.
pub fn neurons(trace: &Trace) -> (Vec<Panel>, usize) {
    let groups = |neuron: &Neuron| {
        let holds = |names: &&&[&str]| neuron.signals.iter().any(|signal| names.contains(&signal.name));
        GROUPS.iter().filter(holds).map(|names| panel(neuron, names)).collect::<Vec<_>>()
    };
    let all: Vec<Vec<Panel>> = trace.neurons.iter().map(groups).collect();
    let columns = all.iter().map(Vec::len).max().unwrap_or(0);
    (all.into_iter().flatten().collect(), columns)
}

fn panel(neuron: &Neuron, names: &[&str]) -> Panel {
    let line = |name: &str, values: &mut dyn Iterator<Item = f64>| Line {
        name: name.to_owned(),
        points: values.enumerate().map(|(t, value)| (t as f64, value)).collect(),
        spread: Vec::new(),
    };
    let signals = neuron.signals.iter().filter(|signal| names.contains(&signal.name));
    let mut lines: Vec<Line> = signals
        .map(|Signal { name, values }| {
            let name = match *name {
                "v_before_reset" => "V before its reset",
                "v" => "V",
                other => other,
            };
            line(name, &mut values.iter().map(|&value| f64::from(value)))
        })
        .collect();
    if let (Some(threshold), Some(first)) = (neuron.threshold, neuron.signals.first()) {
        lines.push(line("threshold", &mut first.values.iter().map(|_| f64::from(threshold))));
    }
    let title = format!("layer {}, neuron {}", neuron.layer, neuron.neuron);
    Panel::Lines(Lines { title, x: "timestep".to_owned(), y: String::new(), lines })
}
