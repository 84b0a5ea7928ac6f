//! `spikelet train`.

use super::folder::DataFolder;
use super::show;
use crate::config::{Coding, Config, parse_layers};
use crate::data::{Dataset, DatasetName};
use crate::train::{self, RunResult};
use anyhow::bail;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct TrainArgs {
    /// Data set: digits, mnist, fashion-mnist, nmnist, images:FOLDER or events:FOLDER [default: digits, the built-in one].
    #[arg(long, value_name = "SET")]
    dataset: Option<DatasetName>,
    /// How pixels become spikes [default: rate, or events for recordings].
    #[arg(long)]
    coding: Option<Coding>,
    /// Inputs and neurons per layer [default: 784-512-100, or what the data set takes in their place].
    #[arg(long, value_name = "784-512-100")]
    layers: Option<String>,
    /// Timesteps of a sequence [default: 200].
    #[arg(long)]
    steps: Option<usize>,
    /// Times that the training set is shown [default: 10].
    #[arg(long)]
    epochs: Option<usize>,
    /// Samples in a batch [default: 64].
    #[arg(long)]
    batch: Option<usize>,
    /// Learning rate at the start [default: 0.005].
    #[arg(long, allow_negative_numbers = true)]
    lr: Option<f64>,
    /// Seed of everything random [default: 0].
    #[arg(long)]
    seed: Option<u64>,
    /// Use only so many training images.
    #[arg(long)]
    train_samples: Option<usize>,
    /// JSON file with any of a run's settings, as in a run's config.json; other options override it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
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
    args.fit(&mut config, &data)?;
    let out = args.out.clone().unwrap_or_else(|| {
        let Config { dataset, steps, seed, .. } = &config;
        PathBuf::from(format!("runs/{}-{}-T{steps}-seed{seed}", dataset.slug(), config.shape()))
    });
    if let Some(subset) = data.subset() {
        eprintln!("{} is {subset}", data.name);
    }
    train::stop_on_ctrl_c();
    let result = with_threads(args.threads, || train::train(&config, &data, &out, args.resume))?;
    show::show(json, &result, |result| print(result, &out))
}

/// Runs `work` on so many threads.
fn with_threads<T: Send>(
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
        if self.resume {
            return self.resumed();
        }
        let mut config = match &self.config {
            None => Config::default(),
            Some(path) => Config::read(path)?,
        };
        if let Some(coding) = self.coding {
            config.set_coding(coding);
        }
        if let Some(layers) = &self.layers {
            config.layers =
                parse_layers(layers).map_err(|error| anyhow::anyhow!("--layers {layers}: {error}"))?;
        }
        fn set<T: Clone>(setting: &mut T, option: &Option<T>) {
            if let Some(value) = option {
                *setting = value.clone();
            }
        }
        set(&mut config.dataset, &self.dataset);
        set(&mut config.steps, &self.steps);
        set(&mut config.epochs, &self.epochs);
        set(&mut config.batch, &self.batch);
        set(&mut config.learning_rate, &self.lr);
        set(&mut config.seed, &self.seed);
        if self.train_samples.is_some() {
            config.train_samples = self.train_samples;
        }
        Ok(config)
    }

    /// Sets what nobody has chosen to what the data take: their coding, their inputs, ten neurons per class.
    fn fit(&self, config: &mut Config, data: &Dataset) -> anyhow::Result<()> {
        if self.resume {
            return Ok(());
        }
        let chosen = match &self.config {
            None => Default::default(),
            Some(path) => Config::keys(path)?,
        };
        if self.coding.is_none() && !chosen.contains("coding") && data.name.has_events() {
            config.set_coding(Coding::Events);
        }
        if self.layers.is_none() && !chosen.contains("layers") {
            config.layers = vec![data.train.inputs(), 512, 10 * data.classes];
        }
        Ok(())
    }

    /// The config of the run to resume, which no option may change.
    fn resumed(&self) -> anyhow::Result<Config> {
        let Some(out) = &self.out else { bail!("--resume needs --out with the folder of the run") };
        let changed = self.dataset.is_some()
            || self.coding.is_some()
            || self.layers.is_some()
            || self.steps.is_some()
            || self.epochs.is_some()
            || self.batch.is_some()
            || self.lr.is_some()
            || self.seed.is_some()
            || self.train_samples.is_some()
            || self.config.is_some();
        if changed {
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
            ("run", out.display().to_string()),
        ])
    );
    println!("Make a model of it with `spikelet export {}`.", out.display());
}
