//! Drawing a figure's panels.

use super::scores::scores;
use super::{Bars, Confusion, Figure, Lines, Panel, Raster};
use anyhow::{Result, anyhow, ensure};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::fmt::Write;
use std::ops::Range;

/// Height of the figure's title in pixels.
const TITLE: u32 = 40;

/// Colours of series, apart for those who see red and green alike (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(90, 90, 90),
];

pub(super) type Area<'a, 'b> = DrawingArea<SVGBackend<'a>, Shift>;

pub(super) const fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}

pub(super) fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{error}")
}

pub fn svg(figure: &Figure) -> Result<String> {
    ensure!(!figure.panels.is_empty(), "it has no panels");
    let columns = figure.columns.max(1).min(figure.panels.len());
    let rows = figure.panels.len().div_ceil(columns);
    let title = if figure.title.is_empty() { 0 } else { TITLE };
    let size = (figure.size.0 * columns as u32, figure.size.1 * rows as u32 + title);
    let (mut text, mut dots) = (String::new(), String::new());
    {
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let (top, rest) = root.split_vertically(title);
        let style = ("sans-serif", 18).into_font().color(&BLACK).pos(Pos::new(HPos::Center, VPos::Center));
        top.draw(&Text::new(figure.title.clone(), (size.0 as i32 / 2, title as i32 / 2), style))
            .map_err(failed)?;
        for (panel, area) in figure.panels.iter().zip(rest.split_evenly((rows, columns))) {
            match panel {
                Panel::Lines(panel) => lines(panel, &area)?,
                Panel::Raster(panel) => raster(panel, &area, &mut dots)?,
                Panel::Bars(panel) => bars(panel, &area)?,
                Panel::Confusion(panel) => confusion(panel, &area)?,
                Panel::Scores(panel) => scores(panel, &area)?,
            }
        }
        root.present().map_err(failed)?;
    }
    if let Some(end) = text.rfind("</svg>") {
        text.insert_str(end, &dots);
    }
    Ok(text)
}

/// The range of finite numbers, a little wider than they need; 0 to 1 if there are none.
pub(super) fn range(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (least, most) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
    if least > most {
        return 0.0..1.0;
    }
    let margin = if most > least { 0.04 * (most - least) } else { 0.5 };
    least - margin..most + margin
}

/// A chart with its axes.
macro_rules! chart {
    ($area:expr, $title:expr, $x:expr, $y:expr) => {
        ChartBuilder::on($area)
            .margin(12)
            .caption($title, ("sans-serif", 15))
            .x_label_area_size(38)
            .y_label_area_size(58)
            .build_cartesian_2d($x, $y)
            .map_err(failed)?
    };
}
pub(super) use chart;

pub(super) fn number(value: &f64) -> String {
    // What is left of a 0 that was summed up from ticks.
    let value = if value.abs() < 1e-12 { &0.0 } else { value };
    let text = if value.abs() >= 10_000.0 || (*value != 0.0 && value.abs() < 0.001) {
        format!("{value:.1e}")
    } else {
        format!("{value:.3}").trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if text == "-0" { "0".to_owned() } else { text }
}

/// The corner in which a legend hides the fewest points; the upper right one of several.
fn emptiest_corner<'p>(
    points: impl Iterator<Item = &'p (f64, f64)>,
    x: &Range<f64>,
    y: &Range<f64>,
) -> SeriesLabelPosition {
    use SeriesLabelPosition::{LowerLeft, LowerRight, UpperLeft, UpperRight};
    let mut counts = [0usize; 4];
    for point in points {
        let share = |value: f64, range: &Range<f64>| (value - range.start) / (range.end - range.start);
        let (across, up) = (share(point.0, x), share(point.1, y));
        let corners = [
            (across > 0.7, up > 0.6),
            (across < 0.3, up > 0.6),
            (across > 0.7, up < 0.4),
            (across < 0.3, up < 0.4),
        ];
        counts
            .iter_mut()
            .zip(corners)
            .for_each(|(count, (beside, level))| *count += usize::from(beside && level));
    }
    let corners = [UpperRight, UpperLeft, LowerRight, LowerLeft];
    let best = (0..4).min_by_key(|&corner| counts[corner]).unwrap_or(0);
    corners[best].clone()
}

fn lines(panel: &Lines, area: &Area<'_, '_>) -> Result<()> {
    let points = || panel.lines.iter().flat_map(|line| &line.points);
    let heights = panel.lines.iter().flat_map(|line| {
        line.points.iter().enumerate().flat_map(|(index, point)| {
            let spread = line.spread.get(index).copied().unwrap_or(0.0);
            [point.1 - spread, point.1 + spread]
        })
    });
    let (across, up) = (range(points().map(|point| point.0)), range(heights));
    let legend = emptiest_corner(points(), &across, &up);
    let mut chart = chart!(area, &panel.title, across, up);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .x_desc(&panel.x)
        .y_desc(&panel.y)
        .x_label_formatter(&number)
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
        let drawn =
            chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(2))).map_err(failed)?;
        if !line.name.is_empty() {
            drawn
                .label(&line.name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(3)));
        }
        // A line of one point shows nothing.
        if points.len() < 40 {
            let dots = points.into_iter().map(|point| Circle::new(point, 2, colour.filled()));
            chart.draw_series(dots).map_err(failed)?;
        }
    }
    if panel.lines.iter().any(|line| !line.name.is_empty()) {
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .label_font(("sans-serif", 12))
            .position(legend)
            .draw()
            .map_err(failed)?;
    }
    Ok(())
}

/// Draws the axes, and appends the spikes to `dots`: one path for all of them, since an element each would make files of
/// megabytes.
fn raster(panel: &Raster, area: &Area<'_, '_>, dots: &mut String) -> Result<()> {
    let (steps, rows) = (panel.steps.max(1) as f64, panel.rows.max(1) as f64);
    let mut chart = chart!(area, &panel.title, 0.0..steps, 0.0..rows);
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc("timestep")
        .y_desc("neuron")
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .label_style(("sans-serif", 12))
        .draw()
        .map_err(failed)?;
    let (wide, high) = chart.plotting_area().dim_in_pixel();
    let width = (0.9 * f64::from(wide) / steps).clamp(1.0, 3.0);
    let height = (0.8 * f64::from(high) / rows).clamp(1.5, 12.0);
    let _ = write!(dots, r##"<path fill="none" stroke="#000000" stroke-width="{height:.1}" d=""##);
    for &(t, row) in &panel.spikes {
        let (x, y) = chart.backend_coord(&(t as f64 + 0.5, row as f64 + 0.5));
        let _ = write!(dots, "M{x} {y}h{width:.1}");
    }
    dots.push_str("\"/>\n");
    Ok(())
}

fn bars(panel: &Bars, area: &Area<'_, '_>) -> Result<()> {
    let values = || panel.series.iter().flat_map(|(_, values)| values.iter().flatten().copied());
    let most = values().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let most = if most > 0.0 { 1.15 * most } else { 1.0 };
    let count = panel.groups.len().max(1);
    let mut chart = chart!(area, &panel.title, 0.0..count as f64, 0.0..most);
    let group = |x: &f64| {
        let index = x.floor();
        // Ticks stand in the middle of each group; any other has no name.
        let middle = (x - index - 0.5).abs() < 1e-6;
        panel.groups.get(index as usize).filter(|_| middle).cloned().unwrap_or_default()
    };
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .disable_x_mesh()
        .x_labels(2 * count + 1)
        .x_label_formatter(&group)
        .y_label_formatter(&number)
        .y_desc(&panel.y)
        .label_style(("sans-serif", 12))
        .draw()
        .map_err(failed)?;
    let width = 0.8 / panel.series.len().max(1) as f64;
    for (index, (name, values)) in panel.series.iter().enumerate() {
        let colour = colour(index);
        let bar = |(group, value): (usize, &Option<f64>)| {
            let left = group as f64 + 0.1 + width * index as f64;
            value
                .filter(|value| value.is_finite())
                .map(|value| Rectangle::new([(left, 0.0), (left + 0.95 * width, value)], colour.filled()))
        };
        let drawn = chart.draw_series(values.iter().enumerate().filter_map(bar)).map_err(failed)?;
        drawn
            .label(name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled()));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 12))
        .draw()
        .map_err(failed)
}

fn confusion(panel: &Confusion, area: &Area<'_, '_>) -> Result<()> {
    let classes = panel.counts.len().max(1) as f64;
    let mut chart = chart!(area, &panel.title, 0.0..classes, classes..0.0);
    chart
        .configure_mesh()
        .disable_mesh()
        .x_labels(0)
        .y_labels(0)
        .x_desc("answer")
        .y_desc("label")
        .label_style(("sans-serif", 12))
        .draw()
        .map_err(failed)?;
    for (label, row) in panel.counts.iter().enumerate() {
        let all = f64::from(row.iter().sum::<u32>().max(1));
        for (answer, &count) in row.iter().enumerate() {
            let (x, y) = (answer as f64, label as f64);
            let share = f64::from(count) / all;
            let hue = colour(usize::from(answer != label)).mix(share.sqrt());
            chart
                .draw_series([Rectangle::new([(x, y), (x + 1.0, y + 1.0)], hue.filled())])
                .map_err(failed)?;
            if count > 0 {
                let ink = if share > 0.4 { WHITE } else { BLACK };
                let style =
                    ("sans-serif", 11).into_font().color(&ink).pos(Pos::new(HPos::Center, VPos::Center));
                let text = Text::new(count.to_string(), (x + 0.5, y + 0.5), style);
                chart.draw_series([text]).map_err(failed)?;
            }
        }
    }
    Ok(())
}
