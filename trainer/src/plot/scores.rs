//! Drawing scores over time: with ten classes or more, a colour each would tell nothing.

use super::Scores;
use super::draw::{Area, chart, colour, failed, number, range};
use anyhow::Result;
use plotters::prelude::*;

/// Draws the classes in grey, the winner above them, and the true class where it is another.
pub fn scores(panel: &Scores, area: &Area<'_, '_>) -> Result<()> {
    let steps = panel.values.iter().map(Vec::len).max().unwrap_or(0).max(1) as f64;
    let heights = range(panel.values.iter().flatten().copied());
    let mut chart = chart!(area, &panel.title, 0.0..steps, heights);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .x_desc("timestep")
        .y_desc("score")
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .label_style(("sans-serif", 12))
        .draw()
        .map_err(failed)?;
    // The marked classes last, so that they lie above the others.
    let mut order: Vec<usize> = (0..panel.values.len()).collect();
    order.sort_by_key(|&class| (class == panel.winner, class == panel.label));
    let mut others = false;
    for class in order {
        let (style, name) = if class == panel.winner {
            let right = if class == panel.label { ", rightly" } else { "" };
            (colour(0).stroke_width(3), Some(format!("{} wins{right}", name(panel, class))))
        } else if class == panel.label {
            (colour(1).stroke_width(2), Some(format!("{} is right", name(panel, class))))
        } else {
            let first = !std::mem::replace(&mut others, true);
            (BLACK.mix(0.35).stroke_width(1), first.then(|| "other classes".to_owned()))
        };
        let values = panel.values[class].iter().enumerate();
        let points = values.map(|(t, &value)| ((t + 1) as f64, value)).filter(|point| point.1.is_finite());
        let drawn = chart.draw_series(LineSeries::new(points, style)).map_err(failed)?;
        if let Some(name) = name {
            drawn.label(name).legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style));
        }
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 12))
        .position(SeriesLabelPosition::UpperLeft)
        .draw()
        .map_err(failed)
}

fn name(panel: &Scores, class: usize) -> String {
    panel.names.get(class).cloned().unwrap_or_else(|| class.to_string())
}
