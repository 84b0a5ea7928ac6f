//! `spikelet model`: the models in the flash of an attached board; and how another one gets there.

use super::{model, show};
use crate::device::{Port, Sent};
use crate::progress;
use serde::Serialize;
use spikelet_export::link::{Models, StoredModel};
use std::path::Path;
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ModelCommand {
    /// List the models that a board keeps, and say which one runs.
    List(On),
    /// Let a board run the model that it ran before.
    Rollback(On),
}

#[derive(Debug, clap::Args)]
struct On {
    /// Where the board is: serial:PATH, serial:PATH@BAUD, tcp:HOST:PORT or unix:PATH.
    #[arg(long, value_name = "PORT")]
    board: Port,
}

/// The models that a board keeps.
#[derive(Debug, Serialize)]
struct Listed {
    board: String,
    port: String,
    /// The model that runs.
    running: String,
    /// True if that is the one that was built into the firmware.
    built_in: bool,
    /// Longest model file that a slot can hold, in bytes.
    room: u32,
    slots: Vec<Listing>,
}

#[derive(Debug, Serialize)]
struct Listing {
    slot: usize,
    model: String,
    length: u32,
    /// The higher, the later it was activated.
    generation: u32,
    runs: bool,
}

/// What a board has gone back to.
#[derive(Debug, Serialize)]
struct RolledBack {
    port: String,
    /// The model that ran before, and the one that runs now.
    before: String,
    running: String,
}

/// What was sent to a board.
#[derive(Debug, Serialize)]
struct Delivered {
    board: String,
    port: String,
    model: String,
    #[serde(flatten)]
    sent: Sent,
    seconds: f64,
}

pub fn run(args: ModelArgs, json: bool) -> anyhow::Result<()> {
    match args.command {
        ModelCommand::List(On { board }) => list(&board, json),
        ModelCommand::Rollback(On { board }) => roll_back(&board, json),
    }
}

fn list(port: &Port, json: bool) -> anyhow::Result<()> {
    let (mut client, greeting) = port.connect()?;
    let Models { active, room, slots } = client.models()?;
    let listing = |(slot, stored): (usize, &Option<StoredModel>)| {
        let StoredModel { model, length, generation } = (*stored)?;
        let runs = active.map(usize::from) == Some(slot);
        Some(Listing { slot, model: format!("{model:08x}"), length, generation, runs })
    };
    let listed = Listed {
        board: greeting.board,
        port: port.to_string(),
        running: format!("{:08x}", greeting.model),
        built_in: active.is_none(),
        room,
        slots: slots.iter().enumerate().filter_map(listing).collect(),
    };
    show::show(json, &listed, print)
}

fn print(listed: &Listed) {
    let Listed { board, port, running, built_in, room, slots } = listed;
    let from = if *built_in { ", built into its firmware" } else { "" };
    println!("{board} on {port} runs model {running}{from}");
    if *room == 0 {
        println!("It has no flash set apart for other models.");
        return;
    }
    let rows = slots.iter().map(|listing| {
        let size = format!("{} B", show::grouped(listing.length.into()));
        let runs = if listing.runs { "runs" } else { "" };
        let (slot, generation) = (listing.slot.to_string(), listing.generation.to_string());
        vec![slot, listing.model.clone(), size, generation, runs.to_owned()]
    });
    println!("{}", show::table(&["slot", "model", "size", "activation", ""], rows));
    println!("A slot holds models of up to {} B.", show::grouped((*room).into()));
}

fn roll_back(port: &Port, json: bool) -> anyhow::Result<()> {
    let (mut client, greeting) = port.connect()?;
    let waiting = progress::waiting("the board starts anew");
    let running = client.rollback();
    waiting.finish_and_clear();
    let (before, running) = (format!("{:08x}", greeting.model), format!("{:08x}", running?));
    show::show(json, &RolledBack { port: port.to_string(), before, running }, |back| {
        println!("{port} runs model {} again, instead of {}", back.running, back.before);
    })
}

/// Sends the model in a file to the board on a port, which runs it from then on.
pub fn send(path: &Path, port: &Port, json: bool) -> anyhow::Result<()> {
    let bytes = model::read(path)?;
    let id = model::open(&bytes, path)?.id();
    let (mut client, greeting) = port.connect()?;
    let bar = progress::bar("sending", bytes.len(), "B");
    let start = Instant::now();
    let sent = client.send_model(&bytes, |held| bar.set_position(held.into()));
    bar.finish_and_clear();
    let delivered = Delivered {
        board: greeting.board,
        port: port.to_string(),
        model: format!("{id:08x}"),
        sent: sent?,
        seconds: start.elapsed().as_secs_f64(),
    };
    show::show(json, &delivered, |delivered| {
        let Delivered { board, model, sent, seconds, .. } = delivered;
        if sent.already {
            println!("{board} on {port} runs model {model} already");
            return;
        }
        let bytes = show::grouped((sent.bytes - sent.resumed).into());
        println!("{board} on {port} runs model {model}: {bytes} B sent in {seconds:.1} s");
        if sent.resumed > 0 {
            println!(
                "{} B were there already, from a transfer that broke off",
                show::grouped(sent.resumed.into())
            );
        }
    })
}
