//! Models on an emulated board, with the result kept in a file: whoever has it does not run them again.

use crate::cli::model;
use crate::cli::run::{self, BoardRun, Shown};
use crate::data::Dataset;
use crate::device::{Board, InputKind, Wire};
use crate::simulate::Stop;
use anyhow::Context;
use spikelet_export::ModelFile;
use std::path::Path;

/// The kept result of the model in `file` at `kept`, if there is one of this very model.
pub fn kept(kept: &Path, file: &ModelFile<'_>) -> anyhow::Result<Option<BoardRun>> {
    let found = read(kept)?;
    Ok(found.filter(|run| run.model == format!("{:08x}", file.id())))
}

/// A kept result, if there is one.
pub fn read(kept: &Path) -> anyhow::Result<Option<BoardRun>> {
    if !kept.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(kept).with_context(|| format!("cannot read {}", kept.display()))?;
    let run = serde_json::from_str(&text).with_context(|| {
        format!("{} is no result of a board: remove it, and it is made anew", kept.display())
    })?;
    Ok(Some(run))
}

/// Shows the pixels of the first test images (all of them without `samples`) to the model at `path` on a board, which decides early if
/// its model says when, and keeps the result at `kept`; `None` if it is stopped before all were shown.
pub fn run(
    board: Board,
    path: &Path,
    data: &Dataset,
    samples: Option<usize>,
    kept: &Path,
) -> anyhow::Result<Option<BoardRun>> {
    let bytes = model::read(path)?;
    let file = model::open(&bytes, path)?;
    let images = data.test.take(samples.unwrap_or(data.test.len()).min(data.test.len()));
    let stop = if file.model().margin().is_some() { Stop::WhenDecided } else { Stop::AtTheEnd };
    let firmware = run::build(board, path)?;
    let shown = Shown { dataset: data.name.clone(), images: &images, input: InputKind::Pixels, stop };
    let run = run::run_on_board(Wire::Channel, board, &firmware, &file, &shown)?;
    run::ensure_equal(&run)?;
    if run.stopped {
        return Ok(None);
    }
    model::write_atomically(kept, serde_json::to_string_pretty(&run)?.as_bytes())?;
    Ok(Some(run))
}
