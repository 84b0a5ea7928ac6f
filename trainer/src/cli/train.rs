//! `spikelet train`.

use super::folder::DataFolder;
use super::settings::Settings;
use super::show;
use crate::config::Config;
use crate::forecast;
use crate::interrupt;
use crate::train::{self, RunResult};
use anyhow::bail;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct TrainArgs {
    #[command(flatten)]
    settings: Settings,
    /// Go on with the run in --out.
    #[arg(long)]
    resume: bool,
    /// Folder for the run [default: runs/DATASET-LAYERS-STEPS-SEED].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    folder: DataFolder,
    /// Number of threads [default: as many as cores]. The result does not depend on it.
    #[arg(long)]
    threads: Option<usize>,
}

pub fn run(args: TrainArgs, json: bool) -> anyhow::Result<()> {
    let mut config = args.config()?;
    let data = args.folder.load(config.dataset.clone())?;
    if !args.resume {
        args.settings.fit(&mut config, &data)?;
    }
    let out = args.out.clone().unwrap_or_else(|| {
        let Config { dataset, steps, seed, .. } = &config;
        PathBuf::from(format!("runs/{}-{}-T{steps}-seed{seed}", dataset.slug(), config.shape()))
    });
    if let Some(subset) = data.subset() {
        eprintln!("{} is {subset}", data.name);
    }
    interrupt::stop_on_ctrl_c();
    let result = with_threads(args.threads, || train::train(&config, &data, &out, args.resume))?;
    show::show(json, &result, |result| print(result, &out))
}

/// Runs `work` on so many threads.
pub fn with_threads<T: Send>(
    threads: Option<usize>,
    work: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    match threads {
        None => work(),
        Some(0) => bail!("--threads must be at least 1"),
        Some(threads) => rayon::ThreadPoolBuilder::new().num_threads(threads).build()?.install(work),
    }
}

impl TrainArgs {
    fn config(&self) -> anyhow::Result<Config> {
        if !self.resume {
            return self.settings.config();
        }
        let Some(out) = &self.out else { bail!("--resume needs --out with the folder of the run") };
        if !self.settings.is_empty() {
            bail!(
                "--resume goes on with the settings of the run: leave out all options but --out, --data and --threads"
            );
        }
        train::read_config(out)
    }
}

fn print(result: &RunResult, out: &Path) {
    println!(
        "{}",
        show::list([
            ("best epoch", result.best_epoch.to_string()),
            ("validation accuracy", show::percent(result.validation_accuracy)),
            (
                "test accuracy",
                format!("{} of {} samples", show::percent(result.test.accuracy), result.test.samples)
            ),
            ("test cross-entropy", format!("{:.4}", result.test.cross_entropy)),
            ("activity per layer", show::activity(&result.test.activity)),
            ("training speed", format!("{:.0} samples/s", result.samples_per_second)),
            ("duration of an epoch", format!("{:.1} s", result.seconds_per_epoch)),
            ("most memory taken", result.memory_peak.map_or("not known here".to_owned(), forecast::words)),
            ("run", out.display().to_string()),
        ])
    );
    println!("Make a model of it with `spikelet export {}`.", out.display());
}
