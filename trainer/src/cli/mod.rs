//! Command line: one module per command.

mod bench;
mod card;
mod costs;
mod data;
mod demo;
mod eval;
mod export;
mod exported_layer;
mod flash;
mod folder;
mod health;
mod import;
mod inspect;
mod model;
mod model_slots;
mod monitor;
mod report;
mod reproduce;
mod rest;
mod run;
mod sample;
mod settings;
pub(crate) mod show;
mod sweep;
mod trace;
mod train;

use crate::kernel::simd;
use clap::{Parser, Subcommand};

/// Train networks of Spiking Recurrent Cells and run them on microcontrollers.
#[derive(Debug, Parser)]
#[command(name = "spikelet", version, max_term_width = 100)]
pub struct Cli {
    /// Print one JSON object on stdout instead of tables.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train, quantise, flash and run: the whole path on the built-in data.
    Demo(demo::DemoArgs),
    /// List, check and show data sets.
    Data(data::DataArgs),
    /// Train a network.
    Train(Box<train::TrainArgs>),
    /// Measure a run or a model on a test set.
    Eval(eval::EvalArgs),
    /// Make a run of a network that was trained elsewhere.
    Import(Box<import::ImportArgs>),
    /// Quantise a run and write a model file.
    Export(export::ExportArgs),
    /// Print what is in a model file and what it needs on a board.
    Inspect(inspect::InspectArgs),
    /// Build the firmware with a model and flash it onto a board.
    Flash(flash::FlashArgs),
    /// Run samples on a board and compare with the host.
    Run(run::RunArgs),
    /// List the models that an attached board keeps, or go back to the one before.
    Model(model_slots::ModelArgs),
    /// Tell how an attached board is.
    Health(health::HealthArgs),
    /// Watch samples as they run on a board, in the terminal or as lines.
    Monitor(monitor::MonitorArgs),
    /// Look at one sample's way through a run's network.
    Trace(trace::TraceArgs),
    /// Write a run's report: one HTML file with everything in it.
    Report(report::ReportArgs),
    /// Make a table or figure of the paper again.
    Reproduce(reproduce::ReproduceArgs),
    /// Train with many settings and seeds, by one process or many.
    Sweep(Box<sweep::SweepArgs>),
    /// Time training and evaluation on this machine, and count what kernels cost on boards.
    Bench(bench::BenchArgs),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what to do.
    pub fn run(self) -> anyhow::Result<()> {
        simd::from_environment()?;
        match self.command {
            Command::Demo(args) => demo::run(args, self.json),
            Command::Data(args) => data::run(args, self.json),
            Command::Train(args) => train::run(*args, self.json),
            Command::Eval(args) => eval::run(args, self.json),
            Command::Import(args) => import::run(*args, self.json),
            Command::Export(args) => export::run(args, self.json),
            Command::Inspect(args) => inspect::run(args, self.json),
            Command::Flash(args) => flash::run(args, self.json),
            Command::Run(args) => run::run(args, self.json),
            Command::Model(args) => model_slots::run(args, self.json),
            Command::Health(args) => health::run(args, self.json),
            Command::Monitor(args) => monitor::run(args, self.json),
            Command::Trace(args) => trace::run(args, self.json),
            Command::Report(args) => report::run(args, self.json),
            Command::Reproduce(args) => reproduce::run(args, self.json),
            Command::Sweep(args) => sweep::run(*args, self.json),
            Command::Bench(args) => bench::run(args, self.json),
        }
    }
}
