//! The numbers of a figure, for whoever wants to draw or check it with other means.

use super::{Figure, Panel};
use anyhow::{Result, anyhow};

pub fn csv(figure: &Figure) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["panel", "series", "x", "y", "deviation"])?;
    for panel in &figure.panels {
        for [title, series, x, y, deviation] in rows(panel) {
            table.write_record([title, series, x, y, deviation])?;
        }
    }
    table.into_inner().map_err(|error| anyhow!("{error}"))
}

fn rows(panel: &Panel) -> Vec<[String; 5]> {
    let mut rows = Vec::new();
    let mut add = |title: &str, series: &str, x: String, y: String, deviation: Option<f64>| {
        let deviation = deviation.map_or(String::new(), |deviation| deviation.to_string());
        rows.push([title.to_owned(), series.to_owned(), x, y, deviation]);
    };
    match panel {
        Panel::Lines(panel) => {
            for line in &panel.lines {
                for (index, point) in line.points.iter().enumerate() {
                    let deviation = line.spread.get(index).copied();
                    add(&panel.title, &line.name, point.0.to_string(), point.1.to_string(), deviation);
                }
            }
        }
        Panel::Raster(panel) => {
            for &(t, row) in &panel.spikes {
                add(&panel.title, "", t.to_string(), row.to_string(), None);
            }
        }
        Panel::Bars(panel) => {
            for (name, values) in &panel.series {
                for (group, value) in panel.groups.iter().zip(values) {
                    if let Some(value) = value {
                        add(&panel.title, name, group.clone(), value.to_string(), None);
                    }
                }
            }
        }
        Panel::Compared(panel) => {
            for (name, values) in &panel.series {
                for (group, value) in panel.groups.iter().zip(values) {
                    if let Some((mean, deviation)) = value {
                        add(&panel.title, name, group.clone(), mean.to_string(), Some(*deviation));
                    }
                }
            }
            for (name, values) in &panel.published {
                for (group, value) in panel.groups.iter().zip(values) {
                    if let Some(value) = value {
                        add(&panel.title, name, group.clone(), value.to_string(), None);
                    }
                }
            }
        }
        Panel::Scores(panel) => {
            for (class, values) in panel.values.iter().enumerate() {
                let name = panel.names.get(class).cloned().unwrap_or_else(|| class.to_string());
                for (t, value) in values.iter().enumerate() {
                    add(&panel.title, &name, t.to_string(), value.to_string(), None);
                }
            }
        }
        Panel::Confusion(panel) => {
            for (label, counts) in panel.counts.iter().enumerate() {
                for (answer, count) in counts.iter().enumerate() {
                    add(&panel.title, &label.to_string(), answer.to_string(), count.to_string(), None);
                }
            }
        }
    }
    rows
}
