//! `spikelet flash`: the firmware with a model onto a board, or a model alone over the link to a board that has it.

use super::{model, model_slots, show};
use crate::device::{self, FirmwareOptions, Port, RealBoard, check_fit};
use crate::progress;
use anyhow::ensure;
use serde::Serialize;
use std::path::PathBuf;
use std::str::FromStr;

#[derive(Debug, clap::Args)]
pub struct FlashArgs {
    /// Model file, or the name of a model that comes with Spikelet.
    #[arg(value_parser = model::named)]
    model: PathBuf,
    /// Board: nrf52840-dk, microbit-v2, nucleo-f446re, pico, or pico-2, by its debug probe; or where a board with Spikelet's firmware is:
    /// serial:PATH, serial:PATH@BAUD, tcp:HOST:PORT or unix:PATH.
    #[arg(long)]
    board: Destination,
    /// Only build the firmware, and say where it is and how large.
    #[arg(long, visible_alias = "no-flash")]
    build_only: bool,
    /// Stay, and show the board's log until Ctrl-C.
    #[arg(long, conflicts_with = "build_only")]
    log: bool,
    /// Debug probe, where there are several: one that `probe-rs list` shows, as VID:PID or VID:PID:SERIAL.
    #[arg(long, value_name = "PROBE")]
    probe: Option<String>,
}

/// Where a model goes.
#[derive(Clone, Debug)]
enum Destination {
    /// Onto a board, with the firmware, through its debug probe.
    Probe(RealBoard),
    /// Into a slot of a board that has the firmware.
    Link(Port),
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if Port::is_meant(text) {
            return text.parse().map(Self::Link);
        }
        let board: Result<RealBoard, String> = text.parse();
        board
            .map(Self::Probe)
            .map_err(|error| format!("{error}; or say where one with the firmware is: {}", Port::FORMS))
    }
}

/// What was built, and flashed unless that was not asked for.
#[derive(Debug, Serialize)]
struct Flashed {
    board: String,
    /// What probe-rs calls the chip.
    chip: &'static str,
    model: String,
    elf: PathBuf,
    /// Bytes of flash and of RAM for variables, and what the board has of them.
    flash: u64,
    board_flash: u64,
    ram: u64,
    board_ram: u64,
    flashed: bool,
}

pub fn run(args: FlashArgs, json: bool) -> anyhow::Result<()> {
    let board = match args.board {
        Destination::Probe(board) => board,
        Destination::Link(port) => {
            ensure!(
                !args.build_only && !args.log && args.probe.is_none(),
                "--build-only, --log and --probe are for boards at a debug probe: leave them out for {port}"
            );
            return model_slots::send(&args.model, &port, json);
        }
    };
    let bytes = model::read(&args.model)?;
    let file = model::open(&bytes, &args.model)?;
    check_fit(board, &file)?;
    if !args.build_only {
        device::ensure_probe_rs()?;
    }
    let waiting = progress::waiting("building the firmware");
    let firmware = device::build(board, &args.model, FirmwareOptions::default());
    waiting.finish_and_clear();
    let firmware = firmware?;
    let (board_flash, board_ram) = board.memory();
    let flashed = Flashed {
        board: board.to_string(),
        chip: board.chip(),
        model: format!("{:08x}", file.id()),
        flash: firmware.flash,
        board_flash,
        ram: firmware.ram,
        board_ram,
        flashed: !args.build_only,
        elf: firmware.elf,
    };
    let probe = args.probe.as_deref();
    if args.log {
        show::show(json, &flashed, print)?;
        return device::flash_and_log(board, &flashed.elf, probe);
    }
    if flashed.flashed {
        device::flash(board, &flashed.elf, probe)?;
    }
    show::show(json, &flashed, print)
}

fn print(flashed: &Flashed) {
    let of = |bytes, all| format!("{} of {} B", show::grouped(bytes), show::grouped(all));
    println!(
        "{}",
        show::list([
            ("board", format!("{}, probe-rs's chip {}", flashed.board, flashed.chip)),
            ("model", flashed.model.clone()),
            ("firmware", flashed.elf.display().to_string()),
            ("flash", of(flashed.flash, flashed.board_flash)),
            ("RAM for variables", of(flashed.ram, flashed.board_ram)),
        ])
    );
    if !flashed.flashed {
        println!("Not flashed.");
    }
}
