//! `spikelet reproduce`: make a table or figure of the paper again, and what goes on from there.

mod devices;
mod fpga;
mod on_board;
mod results;

use super::folder::DataFolder;
use super::show;
use crate::interrupt;
use crate::reproduce::plan::Item;
use crate::reproduce::runs::Plan;
use crate::reproduce::table::Table;
use crate::reproduce::{self, neuron::Finding};
use crate::workers::Manner;
use anyhow::bail;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct ReproduceArgs {
    item: Item,
    /// Times that the training set is shown [default: 100 as in the paper, 200 for Fashion-MNIST].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    epochs: Option<u16>,
    /// Networks trained of each kind, with the seeds 0, 1, ….
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Train only networks with one of these names or parts of names, joined by commas, like mnist/rate or lif/5; see
    /// --list. Of devices: a model and a board like mnist-fast/microbit.
    #[arg(long, value_name = "PART,PART", value_delimiter = ',')]
    only: Vec<String>,
    /// Timesteps in which a sample is shown [default: 200, as in the paper].
    #[arg(long)]
    steps: Option<usize>,
    /// Use only so many training samples.
    #[arg(long, value_name = "N")]
    train_samples: Option<usize>,
    /// Of devices: show each board only so many test images [default: all].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    test_samples: Option<u32>,
    /// Folder for the results, and for the runs, which all items share; what is there is gone on with. Several processes
    /// may work in it at once.
    #[arg(long, value_name = "DIR", default_value = "runs/reproduce")]
    out: PathBuf,
    /// List the networks, and train none.
    #[arg(long)]
    list: bool,
    /// Write and print the results of the runs that are there, also while others train, and train none.
    #[arg(long, conflicts_with = "list")]
    partial: bool,
    #[command(flatten)]
    manner: Manner,
    #[command(flatten)]
    folder: DataFolder,
}

pub fn run(args: ReproduceArgs, json: bool) -> anyhow::Result<()> {
    let jobs = args.item.jobs();
    if args.list {
        let names: Vec<String> = match args.item {
            Item::Devices => devices::names()?,
            _ => jobs.into_iter().map(|job| job.name).collect(),
        };
        return show::show(json, &names, |names| names.iter().for_each(|name| println!("{name}")));
    }
    let test_samples = args.test_samples.map(|samples| samples as usize);
    match args.item {
        Item::Results => {
            let path = results::write(&args.out)?;
            return show::show(json, &path, |path| println!("written to {}", path.display()));
        }
        Item::Devices => {
            interrupt::stop_on_ctrl_c();
            let rows =
                devices::measure(&args.out, args.folder.path(), &args.only, test_samples, !args.partial)?;
            return show::show(json, &rows, |rows| devices::print(rows));
        }
        _ => {}
    }
    if jobs.is_empty() {
        let folder = args.out.join(args.item.name());
        let findings = reproduce::neuron(args.item, &args.out)?;
        return show::show(json, &findings, |findings| {
            findings.iter().for_each(|Finding { statement, .. }| println!("{statement}"));
            println!("written to {}", folder.display());
        });
    }
    let plan = Plan {
        seeds: args.seeds,
        only: &args.only,
        epochs: args.epochs.map(usize::from),
        steps: args.steps,
        train_samples: args.train_samples,
        out: &args.out,
        data: args.folder.path(),
    };
    let folder = reproduce::folder(args.item, &plan);
    let table = if args.partial {
        reproduce::partial(args.item, &plan)?
    } else {
        interrupt::stop_on_ctrl_c();
        reproduce::networks(args.item, &plan, args.manner, |sentence| eprintln!("{sentence}"))?
    };
    if args.item == Item::Fpga {
        let rows = fpga::measure(&plan, &table, !args.partial)?;
        if !json {
            fpga::print(&rows);
        }
    }
    let failed = table.failures.len();
    if !json || failed == 0 {
        show::show(json, &table, |table| {
            println!("{}", table.schedule);
            println!("{}", show::table(&Table::HEADING, table.cells()));
            for Finding { statement, holds } in &table.findings {
                println!("{}: {statement}", if *holds { "as in the paper" } else { "not as in the paper" });
            }
            println!("written to {}", folder.display());
        })?;
    }
    match table.failures.as_slice() {
        [] => Ok(()),
        [failure] => bail!("{failure}"),
        [first, ..] => bail!("{failed} runs failed; the first is {first}"),
    }
}
