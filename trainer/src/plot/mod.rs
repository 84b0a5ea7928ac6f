//! Figures: panels of lines, rasters, bars and confusion matrices, as SVG and as PNG.
//!
//! The SVG is drawn by `plotters`; the PNG is that SVG, drawn by `resvg` with a font that is part of the program, so that
//! both look alike on every machine, with or without fonts of its own.

mod bars;
mod draw;
mod lines;
mod numbers;
mod panel;
mod png;
mod scores;
mod squares;

pub use panel::{Bars, Compared, Confusion, Line, Lines, MeanAndDeviation, Panel, Raster, Scores};

use crate::checkpoint::write_atomically;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// A figure of one or more panels, row after row.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Above everything.
    pub title: String,
    /// Below the title, in smaller letters; empty for none.
    pub note: String,
    /// The panels.
    pub panels: Vec<Panel>,
    /// Panels in a row, at least 1.
    pub columns: usize,
    /// Width and height of a panel in pixels.
    pub size: (u32, u32),
}

impl Figure {
    /// A figure with panels of the usual size.
    pub fn new(title: impl Into<String>, columns: usize, panels: Vec<Panel>) -> Self {
        let (title, note) = (title.into(), String::new());
        Self { title, note, panels, columns: columns.max(1), size: (560, 340) }
    }

    /// The numbers that its panels show, as CSV: `panel,series,x,y,deviation`, with the name of a group for x where
    /// there are groups.
    ///
    /// # Errors
    /// None but those of memory.
    pub fn csv(&self) -> Result<Vec<u8>> {
        numbers::csv(self)
    }

    /// The figure as an SVG document.
    ///
    /// # Errors
    /// If there is no panel to draw.
    pub fn svg(&self) -> Result<String> {
        draw::svg(self).with_context(|| format!("the figure \"{}\" cannot be drawn", self.title))
    }

    /// Writes `STEM.svg` and `STEM.png`, and returns their paths.
    ///
    /// # Errors
    /// If the figure cannot be drawn or a file cannot be written.
    pub fn write(&self, stem: &Path) -> Result<[PathBuf; 2]> {
        let svg = self.svg()?;
        let named = |extension: &str| {
            let mut name = stem.as_os_str().to_owned();
            name.push(extension);
            PathBuf::from(name)
        };
        let paths = [named(".svg"), named(".png")];
        write_atomically(&paths[0], svg.as_bytes())?;
        write_atomically(&paths[1], &png::from_svg(&svg)?)?;
        Ok(paths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure() -> Figure {
        let line = |name: &str, spread: Vec<f64>| Line {
            name: name.to_owned(),
            points: vec![(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)],
            spread,
        };
        let lines = Lines {
            title: "lines & <more>".to_owned(),
            x: "epoch".to_owned(),
            y: "loss".to_owned(),
            lines: vec![line("a", vec![0.5; 3]), line("b", Vec::new())],
        };
        let raster = Raster { title: "raster".to_owned(), steps: 20, rows: 10, spikes: vec![(3, 4), (5, 9)] };
        let bars = Bars {
            title: "bars".to_owned(),
            y: "%".to_owned(),
            groups: vec!["1".to_owned(), "2".to_owned()],
            series: vec![("SRC".to_owned(), vec![Some(1.0), None])],
        };
        let compared = Compared {
            title: "compared".to_owned(),
            y: "%".to_owned(),
            groups: vec!["1 layer".to_owned(), "2 layers".to_owned()],
            series: vec![("SRC, here".to_owned(), vec![Some((97.0, 0.5)), None])],
            published: vec![("SRC, there".to_owned(), vec![Some(97.5), Some(98.0)])],
        };
        let confusion = Confusion { title: "answers".to_owned(), counts: vec![vec![9, 1], vec![0, 7]] };
        let scores = Scores {
            title: "scores".to_owned(),
            names: ["cat", "dog", "owl"].map(str::to_owned).into(),
            values: vec![vec![0.0, 1.0], vec![0.0, 2.0], vec![0.0, -1.0]],
            winner: 1,
            label: 0,
        };
        let panels = vec![
            Panel::Lines(lines),
            Panel::Raster(raster),
            Panel::Bars(bars),
            Panel::Confusion(confusion),
            Panel::Compared(compared),
            Panel::Scores(scores),
        ];
        Figure::new("all of them", 2, panels)
    }

    #[test]
    fn one_call_writes_both_files() {
        let folder = tempfile::tempdir().unwrap();
        let [svg, png] = figure().write(&folder.path().join("fig.1")).unwrap();
        assert!(svg.ends_with("fig.1.svg") && png.ends_with("fig.1.png"));
        let text = std::fs::read_to_string(svg).unwrap();
        for word in [
            "all of them",
            "lines &amp; &lt;more&gt;",
            "epoch",
            "SRC, there",
            "2 layers",
            "dog wins",
            "cat is right",
        ] {
            assert!(text.contains(word), "{word} is not in the SVG");
        }
        let decoder = ::png::Decoder::new(std::io::BufReader::new(std::fs::File::open(png).unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (1120, 1060));
        // The title's letters are there: a font was found, on whatever machine this is.
        let title = &pixels[..1120 * 38 * 4];
        assert!(title.as_chunks::<4>().0.iter().filter(|pixel| pixel[0] < 128).count() > 200);
    }

    #[test]
    fn the_numbers_are_there_too() {
        let text = String::from_utf8(figure().csv().unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "panel,series,x,y,deviation");
        assert_eq!(lines[1..3], ["lines & <more>,a,0,1,0.5", "lines & <more>,a,1,3,0.5"]);
        for line in
            ["lines & <more>,b,2,2,", "raster,,3,4,", "bars,SRC,1,1,", "answers,1,1,7,", "scores,owl,1,-1,"]
        {
            assert!(lines.contains(&line), "{line} is not in {text}");
        }
        assert!(lines.contains(&"compared,\"SRC, here\",1 layer,97,0.5"), "{text}");
        assert!(lines.contains(&"compared,\"SRC, there\",2 layers,98,"), "{text}");
    }

    #[test]
    fn empty_lines_and_values_that_are_no_numbers_are_drawn_around() {
        let line =
            Line { name: "n".to_owned(), points: vec![(0.0, f64::NAN), (1.0, 1.0)], spread: Vec::new() };
        let lines = Lines { title: String::new(), x: String::new(), y: String::new(), lines: vec![line] };
        assert!(Figure::new("", 1, vec![Panel::Lines(lines)]).svg().unwrap().contains("<svg"));
        assert!(Figure::new("none", 1, Vec::new()).svg().is_err());
    }

    #[test]
    fn every_spike_of_a_raster_is_one_piece_of_one_path() {
        let spikes: Vec<(usize, usize)> = (0..500).map(|k| (k % 50, 3 * k % 20)).collect();
        let raster = Raster { title: String::new(), steps: 50, rows: 20, spikes };
        let svg = Figure::new("", 1, vec![Panel::Raster(raster)]).svg().unwrap();
        let path = svg.lines().find(|line| line.starts_with("<path")).unwrap();
        let pieces = path.matches('M').count();
        assert!(pieces > 50 && pieces <= 500, "{pieces}");
        assert!(path.len() < 120 + pieces * 16, "{} bytes", path.len());
    }
}
