//! The FPGA's table: small networks in few timesteps and few bits, trained, exported to decide early, and run on an emulated board.

use super::on_board;
use crate::cli::export::{self, Decision};
use crate::cli::run::BoardRun;
use crate::cli::show;
use crate::cost::boards::{BOARDS, BoardFacts};
use crate::data;
use crate::deploy;
use crate::device::Board;
use crate::reproduce::plan::{FPGA, Item, Job, value_name};
use crate::reproduce::runs::Plan;
use crate::reproduce::table::Table;
use crate::workers::run::State;
use crate::{checkpoint, reproduce};
use serde::Serialize;
use std::fmt::Write;

/// The board that counts instructions.
const BOARD: Board = Board::Mps2An386;
/// Boards whose energy is modelled.
const MODELLED: [&str; 2] = ["nrf52840-dk", "nucleo-u575"];
/// Percentage points that deciding early may lose on validation samples.
const POINTS: f64 = 0.1;

/// A network on the board.
#[derive(Debug, Serialize)]
pub struct Row {
    name: String,
    steps: usize,
    bits: u8,
    coding: String,
    /// On all samples, deciding early, as the board did it.
    board: BoardRun,
    /// Instructions of an inference, its encoding included.
    instructions: f64,
    /// Modelled, µJ, on each of the boards named.
    microjoules: Vec<(&'static str, f64)>,
}

const HEADING: [&str; 12] = [
    "T",
    "code",
    "bits",
    "at the end of T, %",
    "deciding early, %",
    "timesteps in the mean",
    "instructions of a timestep",
    "of its encoding",
    "of an inference",
    "nRF52840, µJ modelled",
    "STM32U575, µJ modelled",
    "the FPGA: %, µJ",
];

/// Exports and runs each chosen network of the plan that is trained and has not been run, and writes what came of all; trains none.
pub fn measure(plan: &Plan<'_>, table: &Table, run: bool) -> anyhow::Result<Vec<Row>> {
    let jobs = Item::Fpga.jobs();
    let chosen = plan.chosen(&jobs)?;
    let mut rows = Vec::new();
    let mut data = None;
    for job in &jobs {
        let folder = plan.folder(job, 0);
        let kept = folder.join("board.json");
        let mut board = on_board::read(&kept)?;
        let is_trained = matches!(plan.state(job, 0)?, State::Finished(_));
        let is_wanted = run && is_trained && chosen.contains(&job);
        if board.is_none() && is_wanted && folder.join("best.safetensors").is_file() {
            let data = match &mut data {
                Some(data) => data,
                none => none.insert(data::load(job.config.dataset.clone(), plan.data)?),
            };
            let model = folder.join("model.spk");
            let trained = deploy::open_run(&folder)?;
            let decision = Some(Decision { data, points: POINTS });
            export::export(&trained, None, &data.test, model.clone(), false, decision)?;
            board = on_board::run(BOARD, &model, data, None, &kept)?;
        }
        if let Some(board) = board.filter(|_| is_trained) {
            rows.push(row(plan, job, board));
        }
    }
    write(plan, table, &rows)?;
    Ok(rows)
}

fn row(plan: &Plan<'_>, job: &Job, board: BoardRun) -> Row {
    let config = plan.config(job, 0);
    let per_step = board.instructions_per_step.unwrap_or(0.0) + board.encoding_per_step.unwrap_or(0.0);
    let instructions = per_step * board.mean_steps;
    let bits: Vec<u8> = config.bits.clone().map_or_else(Vec::new, Into::into);
    let on = |board: &'static BoardFacts| {
        let power = board.power?;
        let cycles = instructions * board.core.cycles_per_instruction()?;
        Some((board.name, cycles * power.picojoules / 1e6))
    };
    Row {
        name: job.name.clone(),
        steps: config.steps,
        bits: bits.first().copied().unwrap_or(8),
        coding: value_name(config.coding),
        instructions,
        microjoules: BOARDS.iter().filter(|board| MODELLED.contains(&board.name)).filter_map(on).collect(),
        board,
    }
}

/// The table as text, row by row.
fn cells(rows: &[Row]) -> impl Iterator<Item = Vec<String>> {
    let percent = |share: f64| format!("{:.2}", 100.0 * share);
    let whole = |value: f64| show::grouped(value.round() as u64);
    rows.iter().map(move |row| {
        let board = &row.board;
        let fpga = FPGA.iter().find(|fpga| (fpga.0, fpga.1.bits()) == (row.steps, row.bits));
        let energy = |name: &str| {
            let found = row.microjoules.iter().find(|(board, _)| *board == name);
            found.map_or("–".to_owned(), |(_, microjoules)| format!("{microjoules:.1}"))
        };
        vec![
            row.steps.to_string(),
            row.coding.clone(),
            row.bits.to_string(),
            percent(board.host_accuracy_at_the_end.unwrap_or(board.host_accuracy)),
            percent(board.device_accuracy),
            format!("{:.1}", board.mean_steps),
            board.instructions_per_step.map_or("–".to_owned(), whole),
            board.encoding_per_step.map_or("–".to_owned(), whole),
            whole(row.instructions),
            energy(MODELLED[0]),
            energy(MODELLED[1]),
            fpga.map_or("–".to_owned(), |fpga| format!("{:.2}, {:.0}", fpga.2, fpga.3)),
        ]
    })
}

/// What the energy on a board is modelled with, and the modelled energy of the dense int8 network 784-100-10 there, in words.
fn modelled(board: &BoardFacts) -> Option<String> {
    const MACS: f64 = 784.0 * 100.0 + 100.0 * 10.0;
    let (power, cycles) = (board.power?, board.core.cycles_per_instruction()?);
    let dense = MACS * power.dense_cycles * power.picojoules / 1e6;
    Some(format!(
        "{} ({}): {cycles} cycles for each, {} pJ per cycle, where the dense int8 network of this shape is modelled at {dense:.1} µJ",
        board.name, board.core, power.picojoules
    ))
}

fn write(plan: &Plan<'_>, table: &Table, rows: &[Row]) -> anyhow::Result<()> {
    let folder = reproduce::folder(Item::Fpga, plan);
    let mut text = format!("# fpga\n\n`{}`: 784-100 on MNIST, {}.\n\n", table.command, table.schedule);
    let samples = rows.iter().map(|row| row.board.samples).max().unwrap_or(0);
    let equal = rows.iter().all(|row| row.board.equal == row.board.samples);
    let boards = BOARDS.iter().filter(|board| MODELLED.contains(&board.name));
    let modelled: Vec<String> = boards.filter_map(modelled).collect();
    let _ = writeln!(
        text,
        "{} test images as pixels on {BOARD}, which decides as soon as the margin is reached that loses at most {POINTS} points on \
         validation samples; {}. Energy is **modelled** from the board's instructions (trainer/docs/costs.md says how, and how well), on \
         {}. The FPGA's energy is its time times its power (arXiv 2605.10679, partly our division).\n",
        show::grouped(samples as u64),
        if equal { "all are equal to the host in every bit" } else { "not all are equal to the host" },
        modelled.join(", and on ")
    );
    let _ = writeln!(text, "{}\n", show::markdown(&HEADING, cells(rows)));
    let missing = Item::Fpga.jobs().len() - rows.len();
    if missing > 0 {
        let _ = writeln!(text, "{missing} of {} networks are not trained and run yet.", missing + rows.len());
    }
    checkpoint::write_atomically(&folder.join("RESULT.md"), text.as_bytes())?;
    checkpoint::write_atomically(&folder.join("boards.json"), serde_json::to_string_pretty(rows)?.as_bytes())
}

/// Prints the table.
pub fn print(rows: &[Row]) {
    println!("{}", show::table(&HEADING, cells(rows)));
}
