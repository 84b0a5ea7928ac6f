//! Curves.

use super::Lines;
use super::draw::{Area, Mark, chart, colour, failed, legend, number, range};
use anyhow::Result;
use plotters::prelude::*;

/// Most ticks of the horizontal axis.
const TICKS: usize = 11;

pub fn lines(panel: &Lines, area: &Area<'_>) -> Result<()> {
    let named = panel.lines.iter().enumerate().filter(|(_, line)| !line.name.is_empty());
    let entries: Vec<_> = named.map(|(index, line)| (line.name.clone(), colour(index), Mark::Line)).collect();
    let area = legend(area, &entries)?;
    let points = || panel.lines.iter().flat_map(|line| &line.points);
    let heights = panel.lines.iter().flat_map(|line| {
        line.points.iter().enumerate().flat_map(|(index, point)| {
            let spread = line.spread.get(index).copied().unwrap_or(0.0);
            [point.1 - spread, point.1 + spread]
        })
    });
    let across = range(points().map(|point| point.0));
    // Epochs have no fractions: no more ticks than whole numbers.
    let whole = points().filter(|point| point.0.is_finite()).all(|point| point.0.fract() == 0.0);
    let ticks = if whole { (across.end - across.start) as usize + 1 } else { TICKS };
    let tick = |value: &f64| {
        let between = whole && (value - value.round()).abs() > 1e-6;
        if between { String::new() } else { number(value) }
    };
    let mut chart = chart!(&area, &panel.title, across, range(heights));
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .x_labels(ticks.min(TICKS))
        .x_desc(&panel.x)
        .y_desc(&panel.y)
        .x_label_formatter(&tick)
        .y_label_formatter(&number)
        .label_style(("sans-serif", 12))
        .draw()
        .map_err(failed)?;
    for (index, line) in panel.lines.iter().enumerate() {
        let colour = colour(index);
        let finite = |point: &&(f64, f64)| point.0.is_finite() && point.1.is_finite();
        if !line.spread.is_empty() {
            let both = || line.points.iter().zip(&line.spread).filter(|(point, _)| finite(point));
            let upper = both().map(|(point, spread)| (point.0, point.1 + spread));
            let lower = both().rev().map(|(point, spread)| (point.0, point.1 - spread));
            let band: Vec<_> = upper.chain(lower).collect();
            chart.draw_series([Polygon::new(band, colour.mix(0.2))]).map_err(failed)?;
        }
        let points: Vec<_> = line.points.iter().filter(finite).copied().collect();
        chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(2))).map_err(failed)?;
        // A line of one point shows nothing.
        if points.len() < 40 {
            let dots = points.into_iter().map(|point| Circle::new(point, 3, colour.filled()));
            chart.draw_series(dots).map_err(failed)?;
        }
    }
    Ok(())
}
