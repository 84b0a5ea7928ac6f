//! Scores over time: with ten classes or more, a colour each would tell nothing.

use super::Scores;
use super::draw::{Area, Mark, chart, colour, failed, legend, number, range};
use anyhow::Result;
use plotters::prelude::*;

/// Of classes that are neither the winner nor the true one.
const OTHERS: RGBColor = RGBColor(150, 150, 150);

/// Draws the classes in grey, the winner above them, and the true class where it is another.
pub fn scores(panel: &Scores, area: &Area<'_>) -> Result<()> {
    let Scores { winner, label, .. } = *panel;
    let name = |class: usize| panel.names.get(class).cloned().unwrap_or_else(|| class.to_string());
    let rightly = if winner == label { ", rightly" } else { "" };
    let mut entries = vec![(format!("{} wins{rightly}", name(winner)), colour(0), Mark::Line)];
    if winner != label {
        entries.push((format!("{} is right", name(label)), colour(1), Mark::Line));
    }
    if panel.values.len() > entries.len() {
        entries.push(("other classes".to_owned(), OTHERS, Mark::Line));
    }
    let area = legend(area, &entries)?;
    let steps = panel.values.iter().map(Vec::len).max().unwrap_or(0).max(1) as f64;
    let heights = range(panel.values.iter().flatten().copied());
    let mut chart = chart!(&area, &panel.title, 0.0..steps, heights);
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
    order.sort_by_key(|&class| (class == winner, class == label));
    for class in order {
        let style = match class {
            _ if class == winner => colour(0).stroke_width(3),
            _ if class == label => colour(1).stroke_width(2),
            _ => OTHERS.stroke_width(1),
        };
        let values = panel.values[class].iter().enumerate();
        let points = values.map(|(t, &value)| ((t + 1) as f64, value)).filter(|point| point.1.is_finite());
        chart.draw_series(LineSeries::new(points, style)).map_err(failed)?;
    }
    Ok(())
}
