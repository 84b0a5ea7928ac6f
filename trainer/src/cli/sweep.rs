//! `spikelet sweep`: train with many settings.

use super::folder::DataFolder;
use super::settings::Settings;
use super::show;
use crate::data::Dataset;
use crate::interrupt;
use crate::sweep::Sweep;
use crate::sweep::grid::{Axis, points};
use crate::workers::Manner;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct SweepArgs {
    /// A setting and its values, like lr=0.001,0.002 or layers=784-100,784-512-100; more of them make every combination.
    /// Without any, the sweep in --out is gone on with.
    #[arg(long, value_name = "SETTING=VALUE,VALUE")]
    vary: Vec<Axis>,
    /// JSON file of settings and their values, like {"lr": [0.001, 0.002]}.
    #[arg(long, value_name = "FILE")]
    grid: Option<PathBuf>,
    /// Runs of each point, with the seeds 0, 1, … [default: 3].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: Option<u64>,
    /// Folder for the sweep and its runs; what is there is gone on with. Several processes may work in it at once.
    #[arg(long, value_name = "DIR", default_value = "runs/sweep")]
    out: PathBuf,
    /// List the runs, and train none.
    #[arg(long)]
    list: bool,
    /// Write and print the table of the runs that are there, also while others train, and train none.
    #[arg(long, conflicts_with = "list")]
    partial: bool,
    #[command(flatten)]
    manner: Manner,
    /// Number of threads [default: as many as cores]. The result does not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    folder: DataFolder,
}

pub fn run(args: SweepArgs, json: bool) -> Result<()> {
    let is_named = !args.vary.is_empty() || args.grid.is_some() || !args.settings.is_empty();
    let sweep = if is_named { args.sweep()? } else { args.found()? };
    let out = &args.out;
    if args.list {
        let names: Vec<String> = sweep.tasks(out).into_iter().map(|task| task.name).collect();
        return show::show(json, &names, |names| names.iter().for_each(|name| println!("{name}")));
    }
    sweep.begin(out)?;
    let table = if args.partial {
        sweep.write(out, &[])?
    } else {
        interrupt::stop_on_ctrl_c();
        super::train::with_threads(args.threads, || {
            sweep.train(out, args.folder.path(), args.manner, |sentence| eprintln!("{sentence}"))
        })?
    };
    let failed = table.failures.len();
    if !json || failed == 0 {
        show::show(json, &table, |table| {
            println!("{}", show::table(&table.heading(), table.cells()));
            println!("written to {}", out.display());
        })?;
    }
    match table.failures.as_slice() {
        [] => Ok(()),
        [failure] => bail!("{failure}"),
        [first, ..] => bail!("{failed} runs failed; the first is {first}"),
    }
}

impl SweepArgs {
    /// The sweep that is in the folder.
    fn found(&self) -> Result<Sweep> {
        let sweep = Sweep::read(&self.out)?;
        if self.seeds.is_some_and(|seeds| seeds != sweep.seeds) {
            bail!("the sweep in {} has {} seeds: leave out --seeds", self.out.display(), sweep.seeds);
        }
        Ok(sweep)
    }

    /// The sweep that the options make.
    fn sweep(&self) -> Result<Sweep> {
        let mut axes = self.vary.clone();
        if let Some(path) = &self.grid {
            axes.extend(Axis::read(path)?);
        }
        let mut data: Option<Dataset> = None;
        let points = points(&axes, |values| {
            let settings = self.settings.with(values)?;
            let mut config = settings.config()?;
            let loaded = match data.take().filter(|data| data.name == config.dataset) {
                Some(loaded) => loaded,
                None => self.folder.load(config.dataset.clone())?,
            };
            settings.fit(&mut config, &loaded)?;
            let words = || values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
            config.check(&loaded).with_context(|| words().join(" "))?;
            data = Some(loaded);
            Ok(config)
        })?;
        Ok(Sweep { seeds: self.seeds.unwrap_or(3), points })
    }
}
