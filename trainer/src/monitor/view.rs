//! Draws a monitor's state.

use super::{Raster, Sample, State};
use crate::cli::show::{grouped, percent};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::widgets::{Axis, Block, Borders, Chart, Dataset, GraphType, Widget};

/// The smallest screen, columns and rows, that everything has room on.
pub const SMALLEST: (u16, u16) = (60, 16);

/// Columns of the scores.
const SCORES: u16 = 30;

/// Which key does what.
const KEYS: &str = "space pause · n next sample · + - pace · q quit";

const RIGHT: Style = Style::new().fg(Color::Green);
const WRONG: Style = Style::new().fg(Color::Red);
const QUIET: Style = Style::new().fg(Color::DarkGray);
const PLAIN: Style = Style::new();
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);

/// Draws the state; of equal states and areas the same.
pub fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let text = format!("make the terminal larger: {} × {} at least", SMALLEST.0, SMALLEST.1);
        buffer.set_stringn(area.x, area.y, text, area.width.into(), PLAIN);
        return;
    }
    let [title, totals, status, body, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(area);
    let run = &state.run;
    let text = format!("{}  model {:08x}  {}", run.board, run.model, run.dataset);
    buffer.set_stringn(title.x, title.y, text, title.width.into(), STRONG);
    line(buffer, totals, &of_all(state));
    line(buffer, status, &of_sample(state));
    buffer.set_stringn(keys.x, keys.y, KEYS, keys.width.into(), QUIET);
    let Some(sample) = &state.sample else { return };
    let [left, _, right] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(1), Constraint::Length(SCORES)])
            .areas(body);
    draw_rasters(sample, run.steps, left, buffer);
    // A row for each class and the heading; what is left is for the curves, if they have a chance to be seen.
    let classes = sample.scores.last().map_or(0, Vec::len) as u16;
    let bars = (classes + 1).min(right.height);
    let [bars, curves] = Layout::vertical([Constraint::Length(bars), Constraint::Fill(1)]).areas(right);
    draw_bars(sample, bars, buffer);
    if curves.height >= 4 {
        draw_curves(sample, run.steps, curves, buffer);
    }
}

/// What is said of all samples.
fn of_all(state: &State) -> Vec<(String, Style)> {
    let accuracy = state.accuracy().map_or("–".to_owned(), percent);
    let mut facts = vec![(format!("accuracy {accuracy} of {}", state.shown), PLAIN)];
    if let Some(rate) = state.rate {
        facts.push((format!("{rate:.0} timesteps/s"), PLAIN));
    }
    facts.push((format!("pace {}", state.pace), QUIET));
    if state.paused {
        facts.push(("paused".to_owned(), STRONG));
    }
    facts
}

/// What is said of the sample at hand.
fn of_sample(state: &State) -> Vec<(String, Style)> {
    let Some(sample) = &state.sample else {
        return vec![(format!("waiting for the first of {} samples", state.run.samples), PLAIN)];
    };
    let mut facts = vec![
        (format!("sample {} of {}", sample.index + 1, state.run.samples), PLAIN),
        (format!("timestep {} of {}", sample.steps(), state.run.steps), PLAIN),
        (format!("label {}", sample.label), STRONG),
    ];
    if let Some(class) = sample.class {
        let style = if sample.is_right() { RIGHT } else { WRONG };
        facts.push((format!("says {class}"), style.add_modifier(Modifier::BOLD)));
    }
    if let Some(step) = sample.decided {
        facts.push((format!("decided at {step}"), PLAIN));
    }
    facts
}

/// Pieces of text, two columns apart.
fn line(buffer: &mut Buffer, area: Rect, pieces: &[(String, Style)]) {
    let mut x = area.x;
    for (text, style) in pieces {
        let room = area.right().saturating_sub(x);
        x = buffer.set_stringn(x, area.y, text, room.into(), *style).0.saturating_add(2);
    }
}

/// The input's raster on top and the layers' below it, in equal shares of the height; those without room for two rows of
/// dots are counted.
fn draw_rasters(sample: &Sample, steps: usize, area: Rect, buffer: &mut Buffer) {
    const LEAST: u16 = 3;
    let all = sample.rasters.len();
    let (mut fit, mut height) = (all, area.height);
    if usize::from(height / LEAST) < all {
        height -= 1;
        fit = usize::from(height / LEAST);
        let text = format!("{} more layers: make the terminal taller", all - fit);
        buffer.set_stringn(area.x, area.bottom() - 1, text, area.width.into(), QUIET);
    }
    let shares = vec![Constraint::Fill(1); fit];
    let areas = Layout::vertical(shares).split(Rect { height, ..area });
    for (index, (raster, &area)) in sample.rasters.iter().zip(areas.iter()).enumerate() {
        let name = match index {
            0 => format!("input, {} wide", grouped(raster.neurons as u64)),
            _ => format!("layer {}, {} neurons", index - 1, grouped(raster.neurons as u64)),
        };
        let title = format!(" {name}, {} spikes ", grouped(raster.spikes() as u64));
        draw_raster(raster, &title, steps, area, buffer);
    }
}

fn draw_raster(raster: &Raster, title: &str, steps: usize, area: Rect, buffer: &mut Buffer) {
    let inner = framed(title, area, buffer);
    let rows = raster.braille(steps, inner.width.into(), inner.height.into());
    for (row, y) in rows.iter().zip(inner.top()..inner.bottom()) {
        buffer.set_string(inner.x, y, row, PLAIN);
    }
}

/// A bar for each class, as long as its score above the lowest; of too many classes those with the highest scores.
fn draw_bars(sample: &Sample, area: Rect, buffer: &mut Buffer) {
    let inner = framed(" scores ", area, buffer);
    let Some(scores) = sample.scores.last() else { return };
    let mut shown: Vec<usize> = (0..scores.len()).collect();
    shown.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    shown.truncate(inner.height.into());
    shown.sort_unstable();
    let (least, most) = range(sample);
    for (&class, y) in shown.iter().zip(inner.top()..) {
        let is_label = class == usize::from(sample.label);
        let says = sample.class == Some(class as u16);
        let style = match (is_label, says) {
            (true, _) => RIGHT,
            (false, true) => WRONG,
            (false, false) => QUIET,
        };
        let mark = if says { '▸' } else { ' ' };
        let name = format!("{mark}{class:>2} ");
        let number = format!("{:>8.2}", scores[class]);
        let room = usize::from(inner.width).saturating_sub(name.chars().count() + number.len());
        let filled = bar((scores[class] - least) / (most - least), room);
        buffer.set_stringn(inner.x, y, format!("{name}{filled:<room$}{number}"), inner.width.into(), style);
    }
}

/// A bar that fills such a share of `room` columns.
fn bar(share: f64, room: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * 8.0 * room as f64).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

/// The scores of all classes over time: the label's and that of the class now stand out.
fn draw_curves(sample: &Sample, steps: usize, area: Rect, buffer: &mut Buffer) {
    let (least, most) = range(sample);
    let classes = sample.scores.last().map_or(0, Vec::len);
    let curves: Vec<Vec<(f64, f64)>> = (0..classes)
        .map(|class| (1..).zip(&sample.scores).map(|(t, scores)| (f64::from(t), scores[class])).collect())
        .collect();
    let label = usize::from(sample.label);
    let says = sample.class.map_or(label, usize::from);
    // The last one drawn is on top.
    let mut order: Vec<usize> = (0..classes).collect();
    order.sort_by_key(|&class| (class == label, class == says));
    let dataset = |&class: &usize| {
        let style = match class {
            _ if class == label => RIGHT,
            _ if class == says => WRONG,
            _ => QUIET,
        };
        Dataset::default()
            .marker(Marker::Braille)
            .graph_type(GraphType::Line)
            .style(style)
            .data(&curves[class])
    };
    Chart::new(order.iter().map(dataset).collect())
        .block(Block::new().borders(Borders::TOP).title(" scores over time ").border_style(QUIET))
        .x_axis(Axis::default().bounds([1.0, steps as f64]))
        .y_axis(Axis::default().bounds([least, most]))
        .render(area, buffer);
}

/// The lowest and the highest score of a sample so far, 0 and 1 among them, so that they differ.
fn range(sample: &Sample) -> (f64, f64) {
    sample
        .scores
        .iter()
        .flatten()
        .fold((0.0, 1.0), |(least, most), &score| (score.min(least), score.max(most)))
}

/// A line with a title, and what is below it.
fn framed(title: &str, area: Rect, buffer: &mut Buffer) -> Rect {
    let block = Block::new().borders(Borders::TOP).title(title).border_style(QUIET);
    let inner = block.inner(area);
    block.render(area, buffer);
    inner
}
