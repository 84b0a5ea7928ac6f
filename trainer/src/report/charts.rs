//! A report's charts, as SVG that stands in the page.

use super::Example;
use crate::plot::{Bars, Figure, Line, Lines, Panel};
use crate::trace;
use crate::train::EpochMetrics;
use anyhow::Result;

/// A chart with what it shows in words.
#[derive(Clone, Debug)]
pub struct Chart {
    /// For those who do not see it.
    pub words: String,
    /// The drawing.
    pub svg: String,
}

/// Width and height of a chart: on a phone it is as wide as the screen.
const SIZE: (u32, u32) = (330, 230);
/// Those of a raster.
const RASTER: (u32, u32) = (330, 190);

fn chart(words: String, panel: Panel, size: (u32, u32)) -> Result<Chart> {
    let mut figure = Figure::new("", 1, vec![panel]);
    figure.size = size;
    // In a page of HTML an SVG needs no namespace, and the page then holds no address at all.
    let svg = figure.svg()?.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1);
    Ok(Chart { words, svg })
}

type OfEpoch = Box<dyn Fn(&EpochMetrics) -> f64>;

/// Curves over the epochs.
pub fn curves(epochs: &[EpochMetrics]) -> Result<Vec<Chart>> {
    let curve = |title: &str, measures: Vec<(String, OfEpoch)>| {
        let several = measures.len() > 1;
        let lines = measures.into_iter().map(|(name, measure)| Line {
            name: if several { name } else { String::new() },
            points: epochs.iter().map(|epoch| (epoch.epoch as f64, measure(epoch))).collect(),
            spread: Vec::new(),
        });
        let lines = Lines {
            title: title.to_owned(),
            x: "epoch".to_owned(),
            y: String::new(),
            lines: lines.collect(),
        };
        chart(format!("{title} over the epochs"), Panel::Lines(lines), SIZE)
    };
    let named = |measures: Vec<(&str, OfEpoch)>| {
        measures.into_iter().map(|(name, measure)| (name.to_owned(), measure)).collect::<Vec<_>>()
    };
    let layers = epochs.first().map_or(0, |epoch| epoch.activity.len());
    let activity = |layer: usize| -> (String, OfEpoch) {
        (
            format!("layer {layer}"),
            Box::new(move |epoch| 100.0 * epoch.activity.get(layer).unwrap_or(&f64::NAN)),
        )
    };
    Ok(vec![
        curve(
            "loss",
            named(vec![
                ("training", Box::new(|epoch| epoch.train_loss)),
                ("validation", Box::new(|epoch| epoch.validation_loss)),
            ]),
        )?,
        curve(
            "accuracy, %",
            named(vec![
                ("training", Box::new(|epoch| 100.0 * epoch.train_accuracy)),
                ("validation", Box::new(|epoch| 100.0 * epoch.validation_accuracy)),
            ]),
        )?,
        curve("activity, %", (0..layers).map(activity).collect())?,
        curve("learning rate", named(vec![("", Box::new(|epoch| epoch.learning_rate))]))?,
        curve("training speed, samples/s", named(vec![("", Box::new(|epoch| epoch.samples_per_second))]))?,
        curve("norm of the gradient", named(vec![("", Box::new(|epoch| epoch.gradient_norm))]))?,
    ])
}

/// Activity of each layer, in percent.
pub fn activity(layers: &[f64]) -> Result<Chart> {
    let bars = Bars {
        title: "activity on the test samples, %".to_owned(),
        y: String::new(),
        groups: (0..layers.len()).map(|layer| layer.to_string()).collect(),
        series: vec![(String::new(), layers.iter().map(|&share| Some(100.0 * share)).collect())],
    };
    chart("activity of each layer".to_owned(), Panel::Bars(bars), SIZE)
}

/// Rasters and scores of a sample.
pub fn example(example: &Example, class_names: &[String]) -> Result<Vec<Chart>> {
    let panels = trace::panels(&example.trace, class_names, example.label).into_iter();
    let chart = |panel: Panel| {
        let words = match &panel {
            Panel::Raster(raster) => format!("spikes over time: {}", raster.title),
            _ => "scores of the classes over time".to_owned(),
        };
        let size = if matches!(panel, Panel::Raster(_)) { RASTER } else { SIZE };
        chart(words, panel, size)
    };
    panels.map(chart).collect()
}
