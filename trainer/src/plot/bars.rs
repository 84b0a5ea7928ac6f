//! Groups of bars, and groups of values beside published ones.

use super::draw::{Area, Mark, chart, colour, diamond, failed, legend, number, range, write};
use super::{Bars, Compared};
use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use std::ops::Range;

/// A chart whose horizontal axis has a name in the middle of each group.
macro_rules! grouped {
    ($area:expr, $title:expr, $y:expr, $groups:expr, $heights:expr) => {{
        let (count, floor) = ($groups.len().max(1), $heights.start);
        let mut chart = chart!($area, $title, 0.0..count as f64, $heights);
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .disable_x_mesh()
            .x_labels(0)
            .y_label_formatter(&number)
            .y_desc($y)
            .label_style(("sans-serif", 12))
            .draw()
            .map_err(failed)?;
        let origin = $area.get_base_pixel();
        for (index, name) in $groups.iter().enumerate() {
            let (x, y) = chart.backend_coord(&(index as f64 + 0.5, floor));
            write($area, name, (x - origin.0, y - origin.1 + 14), 12, BLACK, HPos::Center)?;
        }
        chart
    }};
}

pub fn bars(panel: &Bars, area: &Area<'_>) -> Result<()> {
    let named = panel.series.iter().enumerate().filter(|(_, (name, _))| !name.is_empty());
    let entries: Vec<_> =
        named.map(|(index, (name, _))| (name.clone(), colour(index), Mark::Block)).collect();
    let area = &legend(area, &entries)?;
    let values = panel.series.iter().flat_map(|(_, values)| values.iter().flatten().copied());
    let most = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
    let heights: Range<f64> = 0.0..if most > 0.0 { 1.15 * most } else { 1.0 };
    let mut chart = grouped!(area, &panel.title, &panel.y, panel.groups, heights);
    let width = 0.8 / panel.series.len().max(1) as f64;
    let origin = area.get_base_pixel();
    for (index, (_, values)) in panel.series.iter().enumerate() {
        let left = |group: usize| group as f64 + 0.1 + width * index as f64;
        let finite = |(group, value): (usize, &Option<f64>)| {
            value.filter(|value| value.is_finite()).map(|value| (group, value))
        };
        let there: Vec<_> = values.iter().enumerate().filter_map(finite).collect();
        let bar = |&(group, value): &(usize, f64)| {
            let corners = [(left(group), 0.0), (left(group) + 0.95 * width, value)];
            Rectangle::new(corners, colour(index).filled())
        };
        chart.draw_series(there.iter().map(bar)).map_err(failed)?;
        for (group, value) in there {
            let (x, y) = chart.backend_coord(&(left(group) + 0.475 * width, value));
            let text = format!("{value:.2}");
            write(area, &text, (x - origin.0, y - origin.1 - 8), 11, BLACK, HPos::Center)?;
        }
    }
    Ok(())
}

pub fn compared(panel: &Compared, area: &Area<'_>) -> Result<()> {
    let named = panel.series.iter().enumerate();
    let mut entries: Vec<_> =
        named.map(|(index, (name, _))| (name.clone(), colour(index), Mark::Dot)).collect();
    let published = || panel.published.iter().flat_map(|(_, values)| values.iter().flatten().copied());
    if published().next().is_some() {
        let named = panel.published.iter().enumerate();
        entries.extend(named.map(|(index, (name, _))| (name.clone(), colour(index), Mark::Diamond)));
    }
    let area = &legend(area, &entries)?;
    let values = panel.series.iter().flat_map(|(_, values)| values.iter().flatten());
    let ends = values.flat_map(|&(mean, spread)| [mean - spread, mean + spread]);
    let heights = range(ends.chain(published()));
    let mut chart = grouped!(area, &panel.title, &panel.y, panel.groups, heights);
    let width = 0.8 / panel.series.len().max(1) as f64;
    // Each series has a lane in its group, and in it ours stands to the left of the published one.
    let lane = |group: usize, index: usize, place: f64| group as f64 + 0.1 + width * (index as f64 + place);
    for (index, (_, values)) in panel.series.iter().enumerate() {
        let colour = colour(index);
        for (group, value) in values.iter().enumerate() {
            let Some((mean, spread)) = value.filter(|(mean, _)| mean.is_finite()) else { continue };
            let x = lane(group, index, 0.35);
            let whisker = vec![(x, mean - spread), (x, mean + spread)];
            chart.draw_series([PathElement::new(whisker, colour.stroke_width(2))]).map_err(failed)?;
            chart.draw_series([Circle::new((x, mean), 4, colour.filled())]).map_err(failed)?;
        }
    }
    for (index, (_, values)) in panel.published.iter().enumerate() {
        let there = values.iter().enumerate().filter_map(|(group, value)| Some((group, (*value)?)));
        let marks = there.map(|(group, value)| {
            let mark = PathElement::new(diamond(), colour(index).stroke_width(2));
            EmptyElement::at((lane(group, index, 0.65), value)) + mark
        });
        chart.draw_series(marks).map_err(failed)?;
    }
    Ok(())
}
