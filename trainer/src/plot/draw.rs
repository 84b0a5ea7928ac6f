//! A figure as SVG: its head, its panels in their places, and what all panels share.

use super::{Figure, Panel, bars, lines, scores, squares};
use anyhow::{Result, anyhow, ensure};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;

/// Height of one line of the title in pixels, and of one line of the note.
const TITLE: u32 = 24;
const NOTE: u32 = 17;
/// Height of a line of a legend.
const LEGEND: i32 = 18;
/// Space above a legend.
const GAP: i32 = 4;

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

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub const fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}

pub fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{error}")
}

/// A font's size in pixels, and the mean width of its letters.
const fn letters(size: u32) -> f64 {
    0.54 * size as f64
}

pub fn svg(figure: &Figure) -> Result<String> {
    ensure!(!figure.panels.is_empty(), "it has no panels");
    let columns = figure.columns.max(1).min(figure.panels.len());
    let rows = figure.panels.len().div_ceil(columns);
    let width = figure.size.0 * columns as u32;
    let fits = |size| ((width as f64 - 24.0) / letters(size)) as usize;
    let (title, note) = (wrapped(&figure.title, fits(18)), wrapped(&figure.note, fits(12)));
    let head = match title.len() + note.len() {
        0 => 0,
        _ => 16 + TITLE * title.len().max(1) as u32 + NOTE * note.len() as u32,
    };
    let size = (width, figure.size.1 * rows as u32 + head);
    let (mut text, mut dots) = (String::new(), String::new());
    {
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let (top, rest) = root.split_vertically(head);
        let mut y = 8;
        let lines = title.iter().map(|line| (line, 18, TITLE, BLACK));
        for (line, size, height, ink) in lines.chain(note.iter().map(|line| (line, 12, NOTE, COLOURS[6]))) {
            let place = (width as i32 / 2, y + height as i32 / 2);
            write(&top, line, place, size, ink, HPos::Center)?;
            y += height as i32;
        }
        for (panel, area) in figure.panels.iter().zip(rest.split_evenly((rows, columns))) {
            let area = area.margin(4, 4, 10, 16);
            match panel {
                Panel::Lines(panel) => lines::lines(panel, &area)?,
                Panel::Raster(panel) => squares::raster(panel, &area, &mut dots)?,
                Panel::Bars(panel) => bars::bars(panel, &area)?,
                Panel::Compared(panel) => bars::compared(panel, &area)?,
                Panel::Confusion(panel) => squares::confusion(panel, &area)?,
                Panel::Scores(panel) => scores::scores(panel, &area)?,
            }
        }
        root.present().map_err(failed)?;
    }
    if let Some(end) = text.rfind("</svg>") {
        text.insert_str(end, &dots);
    }
    Ok(text)
}

/// Text in lines of at most `width` letters, broken at spaces.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Writes text whose middle, or left end, is at a place of an area, in pixels.
pub fn write(
    area: &Area<'_>,
    text: &str,
    place: (i32, i32),
    size: u32,
    ink: RGBColor,
    at: HPos,
) -> Result<()> {
    let style = ("sans-serif", size).into_font().color(&ink).pos(Pos::new(at, VPos::Center));
    area.draw(&Text::new(text.to_owned(), place, style)).map_err(failed)
}

/// The range of finite numbers, a little wider than they need; 0 to 1 if there are none.
pub fn range(values: impl Iterator<Item = f64>) -> Range<f64> {
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
        plotters::chart::ChartBuilder::on($area)
            .caption($title, ("sans-serif", 15))
            .x_label_area_size(38)
            .y_label_area_size(62)
            .build_cartesian_2d($x, $y)
            .map_err($crate::plot::draw::failed)?
    };
}
pub(super) use chart;

/// A number beside an axis.
pub fn number(value: &f64) -> String {
    // Ticks are multiples of a step, and what should be 0 may be off by a rounding.
    if value.abs() < 1e-12 {
        return "0".to_owned();
    }
    if value.abs() >= 1e6 || value.abs() < 1e-3 {
        return format!("{value:.1e}");
    }
    format!("{value:.3}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// How a series is marked in a legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Line,
    Block,
    Dot,
    Diamond,
}

/// Writes names and marks at the bottom of an area, in as many lines as they need, and returns what is left of it. Beside
/// the axes they hide nothing, which a legend within them always does for some data.
pub fn legend<'a>(area: &Area<'a>, entries: &[(String, RGBColor, Mark)]) -> Result<Area<'a>> {
    let (width, height) = area.dim_in_pixel();
    let (left, right) = (62, width as i32);
    let mut places = Vec::new();
    let (mut x, mut line) = (left, 0);
    for (name, ..) in entries {
        let needs = 26 + (name.chars().count() as f64 * letters(12)) as i32 + 14;
        if x > left && x + needs > right {
            (x, line) = (left, line + 1);
        }
        places.push((x, line));
        x += needs;
    }
    if entries.is_empty() {
        return Ok(area.clone());
    }
    let (rest, strip) = area.split_vertically(height as i32 - LEGEND * (line + 1) - GAP);
    for ((name, colour, mark), (x, line)) in entries.iter().zip(places) {
        let y = GAP + LEGEND * line + LEGEND / 2;
        let fill = colour.filled();
        match mark {
            Mark::Line => strip.draw(&PathElement::new(vec![(x, y), (x + 20, y)], colour.stroke_width(3))),
            Mark::Block => strip.draw(&Rectangle::new([(x + 4, y - 5), (x + 16, y + 5)], fill)),
            Mark::Dot => strip.draw(&Circle::new((x + 10, y), 4, fill)),
            Mark::Diamond => {
                let corners = diamond().into_iter().map(|(dx, dy)| (x + 10 + dx, y + dy)).collect::<Vec<_>>();
                strip.draw(&PathElement::new(corners, colour.stroke_width(2)))
            }
        }
        .map_err(failed)?;
        write(&strip, name, (x + 26, y), 12, BLACK, HPos::Left)?;
    }
    Ok(rest)
}

/// A diamond's corners around its middle, in pixels.
pub fn diamond() -> Vec<(i32, i32)> {
    vec![(0, -6), (6, 0), (0, 6), (-6, 0), (0, -6)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beside_axes_are_short() {
        for (value, text) in [
            (-2.2e-16, "0"),
            (0.2 + 0.1, "0.3"),
            (-1.0, "-1"),
            (98.0, "98"),
            (2e7, "2.0e7"),
            (2e-4, "2.0e-4"),
        ] {
            assert_eq!(number(&value), text);
        }
    }

    #[test]
    fn text_is_broken_at_spaces() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable", 3), ["unbreakable"]);
        assert!(wrapped("", 10).is_empty());
    }

    #[test]
    fn ranges_leave_out_what_is_no_number() {
        assert_eq!(range([f64::NAN].into_iter()), 0.0..1.0);
        assert_eq!(range([2.0, f64::INFINITY].into_iter()), 1.5..2.5);
    }
}
