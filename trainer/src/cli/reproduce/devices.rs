//! The models that come with Spikelet on every emulated board.

use super::on_board;
use crate::cli::run::BoardRun;
use crate::cli::{model, show};
use crate::data::{self, Dataset};
use crate::device::{Board, check_fit};
use crate::reproduce::runs::chosen;
use crate::{checkpoint, interrupt};
use anyhow::Context;
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A model on a board.
#[derive(Debug, Serialize)]
pub struct Row {
    model: String,
    core: &'static str,
    run: BoardRun,
}

const HEADING: [&str; 12] = [
    "model",
    "board",
    "core",
    "flash, B",
    "RAM with stack, B",
    "instructions of a timestep",
    "of its encoding",
    "timesteps in the mean",
    "instructions of an inference",
    "accuracy, %",
    "images",
    "equal to the host",
];

/// A shipped model, and a board that has room for it.
struct Pair {
    /// Like `mnist-fast/microbit`.
    name: String,
    path: PathBuf,
    board: Board,
}

/// Every shipped model on every board that has room for it.
fn pairs() -> anyhow::Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for path in model::shipped_models() {
        let model = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let bytes = model::read(&path)?;
        let file = model::open(&bytes, &path)?;
        let fitting = Board::ALL.into_iter().filter(|&board| check_fit(board, &file).is_ok());
        pairs.extend(fitting.map(|board| {
            let machine = board.to_string();
            let name = format!("{model}/{}", machine.trim_start_matches("qemu:"));
            Pair { name, path: path.clone(), board }
        }));
    }
    Ok(pairs)
}

/// The names of all pairs of model and board.
pub fn names() -> anyhow::Result<Vec<String>> {
    Ok(pairs()?.into_iter().map(|pair| pair.name).collect())
}

/// Runs the models and boards chosen with `only`, of which no result is kept, on the first `samples` test images, all without it; and
/// writes what is kept of all.
pub fn measure(
    out: &Path,
    data_folder: Option<&Path>,
    only: &[String],
    samples: Option<usize>,
    run: bool,
) -> anyhow::Result<Vec<Row>> {
    let pairs = pairs()?;
    let wanted: Vec<&str> =
        chosen(&pairs, |pair| &pair.name, only)?.into_iter().map(|pair| pair.name.as_str()).collect();
    let mut folder = out.join("devices");
    if let Some(samples) = samples {
        folder.push(format!("n{samples}"));
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut rows = Vec::new();
    let mut data: Option<Dataset> = None;
    for Pair { name, path, board } in &pairs {
        let bytes = model::read(path)?;
        let file = model::open(&bytes, path)?;
        let kept = folder.join(format!("{}.json", name.replace('/', "-")));
        let mut result = on_board::kept(&kept, &file)?;
        if result.is_none() && run && wanted.contains(&name.as_str()) && !interrupt::is_stopped() {
            let dataset = file.header()?.provenance.data;
            let loaded = match data.take().filter(|data| data.name.to_string() == dataset) {
                Some(loaded) => loaded,
                None => data::load(dataset.parse().map_err(anyhow::Error::msg)?, data_folder)?,
            };
            eprintln!("{name}");
            result = on_board::run(*board, path, data.insert(loaded), samples, &kept)?;
        }
        let model = name.split('/').next().unwrap_or_default().to_owned();
        rows.extend(result.map(|run| Row { model, core: board.core(), run }));
    }
    write(&folder, samples, &rows)?;
    Ok(rows)
}

fn cells(rows: &[Row]) -> impl Iterator<Item = Vec<String>> {
    let whole = |value: f64| show::grouped(value.round() as u64);
    rows.iter().map(move |Row { model, core, run }| {
        let per_step = run.instructions_per_step.unwrap_or(0.0) + run.encoding_per_step.unwrap_or(0.0);
        vec![
            model.clone(),
            run.board.clone(),
            (*core).to_owned(),
            run.flash.map_or("–".to_owned(), show::grouped),
            run.ram.map_or("–".to_owned(), |ram| show::grouped(ram + u64::from(run.stack))),
            run.instructions_per_step.map_or("–".to_owned(), whole),
            run.encoding_per_step.map_or("–".to_owned(), whole),
            format!("{:.1}", run.mean_steps),
            whole(per_step * run.mean_steps),
            format!("{:.2}", 100.0 * run.device_accuracy),
            show::grouped(run.samples as u64),
            show::grouped(run.equal as u64),
        ]
    })
}

fn write(folder: &Path, samples: Option<usize>, rows: &[Row]) -> anyhow::Result<()> {
    let option = samples.map_or(String::new(), |samples| format!(" --test-samples {samples}"));
    let mut text = format!(
        "# devices\n\n`cargo spikelet reproduce devices{option}`: the models that come with Spikelet on the emulated boards, \
         shown the test images as pixels, which the board encodes; it decides early if its model says when. Instructions are counted \
         exactly, and are not cycles.\n\n"
    );
    let _ = writeln!(text, "{}", show::markdown(&HEADING, cells(rows)));
    checkpoint::write_atomically(&folder.join("RESULT.md"), text.as_bytes())
}

/// Prints the table.
pub fn print(rows: &[Row]) {
    println!("{}", show::table(&HEADING, cells(rows)));
}
