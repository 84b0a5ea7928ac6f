//! The models that come with Spikelet on every emulated board.

use super::on_board;
use crate::cli::run::BoardRun;
use crate::cli::{model, show};
use crate::data;
use crate::device::{Board, check_fit};
use crate::{checkpoint, interrupt};
use anyhow::Context;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

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

/// Runs every shipped model on every board that has room for it, unless a result of that is kept, and writes what came of all.
pub fn measure(out: &Path, data_folder: Option<&Path>, run: bool) -> anyhow::Result<Vec<Row>> {
    let folder = out.join("devices");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut rows = Vec::new();
    let mut data: Option<data::Dataset> = None;
    for path in model::shipped_models() {
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let bytes = model::read(&path)?;
        let file = model::open(&bytes, &path)?;
        let dataset = file.header()?.provenance.data;
        for board in Board::ALL {
            if check_fit(board, &file).is_err() {
                continue;
            }
            let kept = folder.join(format!("{name}-{}.json", board.to_string().trim_start_matches("qemu:")));
            let mut result = on_board::kept(&kept, &file)?;
            if result.is_none() && run && !interrupt::is_stopped() {
                if data.as_ref().is_none_or(|data| data.name.to_string() != dataset) {
                    let dataset = dataset.parse().map_err(anyhow::Error::msg)?;
                    data = Some(data::load(dataset, data_folder)?);
                }
                if let Some(data) = &data {
                    eprintln!("{name} on {board}");
                    result = Some(on_board::run(board, &path, data, None, &kept)?);
                }
            }
            rows.extend(result.map(|run| Row { model: name.clone(), core: board.core(), run }));
        }
    }
    write(&folder, &rows)?;
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

fn write(folder: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let mut text = "# devices\n\n`cargo spikelet reproduce devices`: the models that come with Spikelet on the emulated boards, \
        shown the test images as pixels, which the board encodes. Instructions are counted exactly, and are not cycles.\n\n"
        .to_owned();
    let _ = writeln!(text, "{}", show::markdown(&HEADING, cells(rows)));
    checkpoint::write_atomically(&folder.join("RESULT.md"), text.as_bytes())
}

/// Prints the table.
pub fn print(rows: &[Row]) {
    println!("{}", show::table(&HEADING, cells(rows)));
}
