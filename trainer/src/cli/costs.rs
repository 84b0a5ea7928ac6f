//! The part of `spikelet inspect` about costs: where the activity is from, and the tables.

use super::{model, show};
use crate::cost::boards::{BOARDS, BoardFacts};
use crate::cost::estimate::{BoardCost, Costs, Modelled, costs};
use crate::cost::{Activity, estimate};
use crate::simulate::Stop;
use anyhow::{Result, ensure};
use spikelet_export::ModelFile;

/// Options about costs.
#[derive(Debug, clap::Args)]
pub struct CostArgs {
    /// Test samples to simulate, so that it is known how much spikes.
    #[arg(long, default_value_t = 200, value_name = "N")]
    samples: usize,
    /// Instead of simulating: shares of timesteps (0 to 1) in which an input, and a neuron of each layer, spikes.
    #[arg(long, value_delimiter = ',', value_name = "SHARES")]
    activity: Option<Vec<f64>>,
    /// Only this board.
    #[arg(long, value_name = "BOARD", value_parser = board)]
    board: Option<&'static BoardFacts>,
    /// Let a sample's timesteps end as soon as the network has decided, if its model says when.
    #[arg(long, value_enum, default_value_t, value_name = "WHETHER")]
    early_exit: model::EarlyExit,
    #[command(flatten)]
    images: model::ImagesArgs,
}

/// The board of a name.
fn board(name: &str) -> Result<&'static BoardFacts, String> {
    BOARDS.iter().find(|board| board.name == name).ok_or_else(|| {
        let known: Vec<&str> = BOARDS.iter().map(|board| board.name).collect();
        format!("there is no board \"{name}\": choose one of {}", known.join(", "))
    })
}

/// What a model costs, and, if its activity is not known, why.
pub fn of_model(args: &CostArgs, file: &ModelFile<'_>) -> Result<(Costs, Option<String>)> {
    ensure!(args.samples > 0, "--samples must be at least 1");
    let boards = args.board.map_or(&BOARDS[..], std::slice::from_ref);
    let (activity, why) = match &args.activity {
        Some(shares) => (Some((Activity::of_shares(file, shares)?, "shares of --activity".to_owned())), None),
        None => match simulated(args, file) {
            Ok(activity) => (Some(activity), None),
            // Without data there is no activity, but all the rest.
            Err(error) if !args.images.is_named() => (None, Some(format!("{error:#}"))),
            Err(error) => return Err(error),
        },
    };
    let activity = activity.as_ref().map(|(activity, source)| (activity, source.clone()));
    Ok((costs(file, activity, boards)?, why))
}

/// The activity of a model's first test samples.
fn simulated(args: &CostArgs, file: &ModelFile<'_>) -> Result<(Activity, String)> {
    let data = args.images.load(file.header()?.provenance.data)?;
    model::check_fit(file, &data)?;
    let samples = model::first(&data.test, Some(args.samples.min(data.test.len())))?;
    let stop = args.early_exit.stop(file);
    let source = format!(
        "the first {} test samples of {}, simulated{}",
        samples.len(),
        data.name,
        if stop == Stop::WhenDecided { ", each until the network has decided" } else { "" }
    );
    Ok((Activity::of_samples(file, &samples, stop), source))
}

/// A number of bytes, instructions or operations.
fn grouped(number: f64) -> String {
    show::grouped(number.round() as u64)
}

/// Prints what a model costs.
pub fn print(costs: &Costs, why: Option<&str>) {
    let unknown = || "–".to_owned();
    let rows = costs.layers.iter().enumerate().map(|(index, layer)| {
        let of = |number: fn(&estimate::LayerWork) -> f64| {
            layer.work.as_ref().map_or_else(unknown, |work| grouped(number(work)))
        };
        vec![
            index.to_string(),
            format!("{} B", show::grouped(layer.flash as u64)),
            format!("{} B", show::grouped(layer.ram as u64)),
            layer.work.map_or_else(unknown, |work| format!("{:.1}", work.received)),
            layer.work.map_or_else(unknown, |work| show::percent(work.activity)),
            of(|work| work.synaptic_operations),
            of(|work| work.sums),
            of(|work| work.neurons),
        ]
    });
    println!("\nper layer, and in a mean timestep");
    let heading = [
        "layer",
        "flash",
        "RAM",
        "spikes received",
        "activity",
        "synaptic operations",
        "… instructions",
        "neurons' instructions",
    ];
    println!("{}", show::table(&heading, rows));
    let memory = &costs.memory;
    let mut rows = vec![
        (
            "flash with the application",
            format!(
                "{} B, {} B beside the model",
                show::grouped(memory.flash),
                show::grouped(memory.flash_of_program)
            ),
        ),
        (
            "RAM with the application",
            format!(
                "{} B: {} B of stack, {} B that grow with the model",
                show::grouped(memory.ram),
                show::grouped(memory.stack),
                show::grouped(memory.ram_of_model)
            ),
        ),
    ];
    if let Some(work) = &costs.work {
        rows.extend([
            ("activity of", work.activity.clone()),
            (
                "instructions per timestep",
                format!(
                    "{} (not cycles), {} of them in the readout, {} outside the layers",
                    grouped(work.instructions_per_step),
                    grouped(work.readout_per_step),
                    grouped(work.network_per_step)
                ),
            ),
            ("… and for encoding the pixels", grouped(work.encoding_per_step)),
            (
                "instructions per inference",
                format!("{} in {:.1} timesteps", grouped(work.instructions_per_inference), work.steps),
            ),
            ("predicted by", costs.counted_on.clone()),
        ]);
    }
    if let Some(why) = why {
        rows.push(("activity", format!("unknown, so instructions, time and energy are too: {why}")));
    }
    rows.push(("dense network of this shape", format!("{} MACs of int8", show::grouped(costs.dense.macs))));
    println!("{}", show::list(rows));
    print_boards(&costs.boards);
}

fn print_boards(boards: &[BoardCost]) {
    let modelled = |modelled: Option<Modelled>| match modelled {
        Some(Modelled { milliseconds, microjoules, .. }) => {
            format!("modelled {milliseconds:.2} ms, {microjoules:.1} µJ")
        }
        None => "–".to_owned(),
    };
    let left = |bytes: i64| {
        let kilobytes = bytes.unsigned_abs() / 1024;
        format!("{} KB {}", show::grouped(kilobytes), if bytes < 0 { "short" } else { "left" })
    };
    let rows = boards.iter().map(|cost| {
        let kilobytes = |bytes: u64| format!("{} KB", show::grouped(bytes / 1024));
        vec![
            cost.board.name.to_owned(),
            cost.board.power.map_or_else(
                || cost.board.core.to_string(),
                |power| format!("{}, {} MHz", cost.board.core, power.megahertz),
            ),
            format!("{}, {}", kilobytes(cost.board.flash), left(cost.flash_left)),
            format!("{}, {}", kilobytes(cost.board.ram), left(cost.ram_left)),
            if cost.fits { "yes" } else { "no" }.to_owned(),
            modelled(cost.spiking),
            modelled(cost.dense),
        ]
    });
    let heading = ["board", "core", "flash", "RAM", "fits", "an inference", "dense int8 network"];
    println!("{}", show::table(&heading, rows));
    for cost in boards {
        if let Some(conditions) = &cost.conditions {
            println!("{}: {conditions}", cost.board.name);
        }
    }
    println!(
        "Flash and RAM are those of the application as built for the Cortex-M4. Modelled is not measured: at best it is good to \
         ±15 %, and a flash with wait states costs more (trainer/docs/costs.md)."
    );
}
