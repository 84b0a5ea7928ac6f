//! Rasters and confusion matrices.

use super::draw::{self, Area, chart, colour, failed, number};
use super::{Confusion, Raster};
use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::fmt::Write;

/// Draws the axes, and appends the spikes to `dots`: one path for all of them, since an element each would make files of
/// megabytes.
pub fn raster(panel: &Raster, area: &Area<'_>, dots: &mut String) -> Result<()> {
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
    let (width, height) = chart.plotting_area().dim_in_pixel();
    let (across, down) = (f64::from(width) / steps, f64::from(height) / rows);
    // However many neurons share a pixel, a spike has one of its own.
    let high = down.floor().max(1.0);
    let _ = write!(dots, r##"<path fill="none" stroke="#000000" stroke-width="{high}" d=""##);
    for (row, start, length) in stretches(&panel.spikes) {
        let (x, y) = chart.backend_coord(&(start as f64, row as f64 + 1.0));
        let wide = (across * length as f64).round().max(1.0);
        let _ = write!(dots, "M{x} {}h{wide}", f64::from(y) + high / 2.0);
    }
    dots.push_str("\"/>\n");
    Ok(())
}

/// Row, first timestep and length of each stretch of spikes: those of SRC last for several timesteps.
fn stretches(spikes: &[(usize, usize)]) -> Vec<(usize, usize, usize)> {
    let mut sorted: Vec<(usize, usize)> = spikes.iter().map(|&(t, row)| (row, t)).collect();
    sorted.sort_unstable();
    let mut found: Vec<(usize, usize, usize)> = Vec::new();
    for (row, t) in sorted {
        match found.last_mut() {
            Some((last, start, length)) if *last == row && t <= *start + *length => {
                *length = t - *start + 1;
            }
            _ => found.push((row, t, 1)),
        }
    }
    found
}

pub fn confusion(panel: &Confusion, area: &Area<'_>) -> Result<()> {
    let count = panel.counts.len().max(1);
    let classes = count as f64;
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
    let origin = area.get_base_pixel();
    let place = |x: f64, y: f64| {
        let (x, y) = chart.backend_coord(&(x, y));
        (x - origin.0, y - origin.1)
    };
    // Numbers of many classes would run into each other.
    for class in (0..count).step_by(count.div_ceil(20)) {
        let (x, y) = place(class as f64 + 0.5, classes);
        draw::write(area, &class.to_string(), (x, y + 10), 12, BLACK, HPos::Center)?;
        let (x, y) = place(0.0, class as f64 + 0.5);
        draw::write(area, &class.to_string(), (x - 8, y), 12, BLACK, HPos::Right)?;
    }
    for (label, row) in panel.counts.iter().enumerate() {
        let all = f64::from(row.iter().sum::<u32>().max(1));
        for (answer, &number) in row.iter().enumerate() {
            let (x, y) = (answer as f64, label as f64);
            let share = f64::from(number) / all;
            let hue = colour(usize::from(answer != label)).mix(share.sqrt());
            chart
                .draw_series([Rectangle::new([(x, y), (x + 1.0, y + 1.0)], hue.filled())])
                .map_err(failed)?;
            if number > 0 && count <= 20 {
                let ink = if share > 0.4 { WHITE } else { BLACK };
                let style =
                    ("sans-serif", 11).into_font().color(&ink).pos(Pos::new(HPos::Center, VPos::Center));
                let text = Text::new(number.to_string(), (x + 0.5, y + 0.5), style);
                chart.draw_series([text]).map_err(failed)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spikes_side_by_side_are_one_stretch() {
        let spikes = [(3, 1), (4, 1), (4, 1), (6, 1), (5, 0)];
        assert_eq!(stretches(&spikes), [(0, 5, 1), (1, 3, 2), (1, 6, 1)]);
        assert!(stretches(&[]).is_empty());
    }
}
