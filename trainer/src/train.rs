//! Training: from a config and a data set to a run folder.
//!
//! | file | holds |
//! |---|---|
//! | `config.json` | the [`Config`] |
//! | `metrics.jsonl` | one [`EpochMetrics`] a line |
//! | `best.safetensors` | the network of the epoch with the best validation accuracy |
//! | `last.safetensors` | the network after the last epoch, and all that training needs to go on |
//! | `result.json` | the [`RunResult`], once the last epoch is done |
//!
//! Everything random comes from the config's seed and the epoch's number, so a resumed run ends in the same bits as an
//! unbroken one, whatever the number of threads.

use crate::checkpoint::{self, Progress};
use crate::config::Config;
use crate::data::Dataset;
use crate::evaluate::{Evaluation, evaluate};
use crate::forecast::{self, Forecast};
use crate::interrupt::is_stopped;
use crate::loss;
use crate::network::Network;
use crate::optimiser::Adam;
use crate::progress;
use crate::spike_train::{Show, SpikeBatch};
use crate::stage::{self, Stage};
use anyhow::{Context, Result, bail, ensure};
use candle_core::{D, Tensor};
use indicatif::ProgressBar;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::time::Instant;

/// Measures of an epoch; accuracies and activities are shares, 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Counted from 1.
    pub epoch: usize,
    /// Learning rate at its end.
    pub learning_rate: f64,
    /// Mean cross-entropy of the training batches, while they were trained.
    pub train_loss: f64,
    /// Accuracy on them.
    pub train_accuracy: f64,
    /// Mean norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Cross-entropy on the validation images.
    pub validation_loss: f64,
    /// Accuracy on them.
    pub validation_accuracy: f64,
    /// Per layer, on the validation images (Eq. 2).
    pub activity: Vec<f64>,
    /// On them: `confusion[label][class]`; empty in runs of earlier versions.
    #[serde(default)]
    pub confusion: Vec<Vec<u32>>,
    /// Training samples per second, validation not counted.
    pub samples_per_second: f64,
    /// The whole epoch, validation included.
    pub seconds: f64,
}

/// What a finished run came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Epoch that was chosen by its validation accuracy, counted from 1.
    pub best_epoch: usize,
    /// That accuracy.
    pub validation_accuracy: f64,
    /// The chosen network on the test images.
    pub test: Evaluation,
    /// Mean training speed of all epochs.
    pub samples_per_second: f64,
    /// Mean duration of an epoch, validation included.
    #[serde(default)]
    pub seconds_per_epoch: f64,
    /// Bytes of memory that were foretold.
    #[serde(default)]
    pub memory_forecast: u64,
    /// The most bytes of memory that it took, where that is known.
    #[serde(default)]
    pub memory_peak: Option<u64>,
    /// A sentence if the data are only a part of the published set.
    #[serde(default)]
    pub subset: Option<String>,
}

/// Trains in the folder `out`, or goes on there with `resume`, and measures the best network on the test images once.
///
/// # Errors
/// If the config does not fit the data, the folder holds another run, a file cannot be written, or Ctrl-C was pressed:
/// then nothing but the current epoch is lost.
pub fn train(config: &Config, data: &Dataset, out: &Path, resume: bool) -> Result<RunResult> {
    config.check(data)?;
    let mut run = Run::open(config, data, out, resume)?;
    forecast::forget_peak();
    let forecast = Forecast::of(config, data);
    eprintln!("{forecast}");
    if let Some(sentence) = forecast.warning(config.batch) {
        eprintln!("{sentence}");
    }
    let (train, validation) = split(config, data);
    while run.progress.epochs < config.epochs {
        run.epoch(data, &train, &validation)?;
    }
    run.finish(data, &forecast)
}

/// Trains batches as [`train`] does, but validates nothing and keeps nothing on the disk: what benchmarks time. The order of
/// the samples begins anew when all have been shown, and `config.epochs` only says how the learning rate falls.
#[derive(Debug)]
pub struct Rehearsal<'a> {
    run: Run<'a>,
    data: &'a Dataset,
    samples: Vec<usize>,
}

impl<'a> Rehearsal<'a> {
    /// A network at the start of its training.
    ///
    /// # Errors
    /// If the config does not fit the data.
    pub fn new(config: &'a Config, data: &'a Dataset) -> Result<Self> {
        config.check(data)?;
        Ok(Self { run: Run::fresh(config, data, Path::new(""))?, data, samples: split(config, data).0 })
    }

    /// Trains so many batches, and waits for the last one.
    ///
    /// # Errors
    /// If the training comes to no number, or Ctrl-C was pressed.
    pub fn train(&mut self, batches: usize) -> Result<()> {
        let (mut left, bar) = (batches * self.run.config.batch, ProgressBar::hidden());
        while left > 0 {
            let count = left.min(self.samples.len());
            self.run.train_epoch(self.data, &self.samples[..count], &bar)?;
            self.run.progress.epochs = (self.run.progress.epochs + 1).min(self.run.config.epochs - 1);
            left -= count;
        }
        Ok(())
    }

    /// The network as it is now.
    pub const fn network(&self) -> &Network<f32> {
        &self.run.network
    }
}

/// The config of the run in the folder `out`.
///
/// # Errors
/// One sentence if there is none, or if it is damaged.
pub fn read_config(out: &Path) -> Result<Config> {
    Config::read(&out.join("config.json"))
}

/// Indices of the training and the validation images: a seeded 90/10 split, or as the config says.
pub fn split(config: &Config, data: &Dataset) -> (Vec<usize>, Vec<usize>) {
    let mut all: Vec<usize> = (0..data.train.len()).collect();
    all.shuffle(&mut rng(config.seed, 0));
    all.truncate(config.samples(data));
    let validation = all.split_off(all.len() - config.validation_samples(all.len()));
    (all, validation)
}

/// Random numbers for one purpose: 0 the split, 1 and on the order of samples in an epoch.
fn rng(seed: u64, purpose: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1 + purpose);
    rng
}

#[derive(Debug)]
struct Run<'a> {
    config: &'a Config,
    out: &'a Path,
    network: Network<f32>,
    adam: Adam,
    progress: Progress,
    metrics: Vec<EpochMetrics>,
}

impl<'a> Run<'a> {
    /// At the start.
    fn fresh(config: &'a Config, data: &Dataset, out: &'a Path) -> Result<Self> {
        let network = Network::new(config.architecture(data.classes), config.seed)?;
        network.scale_weights(config.init_gain)?;
        let adam = Adam::new(network.named());
        Ok(Self { config, out, network, adam, progress: Progress::default(), metrics: Vec::new() })
    }

    fn open(config: &'a Config, data: &Dataset, out: &'a Path, resume: bool) -> Result<Self> {
        let used = out.read_dir().is_ok_and(|mut entries| entries.next().is_some());
        ensure!(
            resume || !used,
            "{} is not empty: go on there with --resume, or choose another folder with --out",
            out.display()
        );
        ensure!(!resume || out.join("config.json").is_file(), "{} holds no run to resume", out.display());
        fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
        let mut run = Self::fresh(config, data, out)?;
        let last = out.join("last.safetensors");
        if resume && last.exists() {
            let checkpoint = checkpoint::load(&last)?;
            ensure!(checkpoint.config == *config, "{} was trained with another config", last.display());
            let (progress, moments) = checkpoint
                .training
                .with_context(|| format!("{} does not say where the training stands", last.display()))?;
            run.network = checkpoint.network;
            run.adam = Adam::new(run.network.named());
            run.adam.restore(progress.steps, moments);
            run.progress = progress;
            run.metrics = read_metrics(out, run.progress.epochs)?;
        }
        checkpoint::write_atomically(
            &out.join("config.json"),
            serde_json::to_string_pretty(config)?.as_bytes(),
        )?;
        Ok(run)
    }

    fn epoch(&mut self, data: &Dataset, train: &[usize], validation: &[usize]) -> Result<()> {
        let epoch = self.progress.epochs;
        let start = Instant::now();
        let bar =
            progress::bar(&format!("epoch {}/{}", epoch + 1, self.config.epochs), train.len(), "samples");
        let sums = self.train_epoch(data, train, &bar)?;
        let train_seconds = start.elapsed().as_secs_f64();
        bar.set_message("validating");
        let validated = evaluate(&self.network, self.config, &data.train, validation, |_| {})?;
        let metrics = EpochMetrics {
            epoch: epoch + 1,
            learning_rate: self.config.rate((epoch + 1) as f64 / self.config.epochs as f64),
            train_loss: sums.loss / train.len() as f64,
            train_accuracy: sums.right / train.len() as f64,
            gradient_norm: sums.norm / train.len() as f64,
            validation_loss: validated.cross_entropy,
            validation_accuracy: validated.accuracy,
            activity: validated.activity,
            confusion: validated.confusion,
            samples_per_second: train.len() as f64 / train_seconds,
            seconds: start.elapsed().as_secs_f64(),
        };
        // Told once it is kept: a kill after these words loses nothing of them.
        let sentence = metrics.sentence(self.config.epochs);
        self.close_epoch(metrics)?;
        progress::line(&bar, &sentence);
        bar.finish_and_clear();
        Ok(())
    }

    fn train_epoch(&mut self, data: &Dataset, train: &[usize], bar: &ProgressBar) -> Result<Sums> {
        let (config, epoch) = (self.config, self.progress.epochs);
        let mut order = train.to_vec();
        order.shuffle(&mut rng(config.seed, 1 + epoch as u64));
        let encoding = config.encoding();
        let show = Show::Training { epoch: epoch as u32 };
        let batches = order.len().div_ceil(config.batch);
        let mut sums = Sums::default();
        let (mut seen, start) = (0, Instant::now());
        let encode = |batch: &[usize]| encoding.batch(&data.train, batch, show);
        let mut ready = order.chunks(config.batch).next().map(encode);
        let mut next = order.chunks(config.batch).skip(1);
        for (index, batch) in order.chunks(config.batch).enumerate() {
            if is_stopped() {
                bar.finish_and_clear();
                bail!(
                    "stopped in epoch {} of {}: go on with `spikelet train --resume --out {}`",
                    epoch + 1,
                    config.epochs,
                    self.out.display()
                );
            }
            let Some(spikes) = ready.take() else { break };
            let labels: Vec<u32> =
                batch.iter().map(|&sample| u32::from(data.train.labels()[sample])).collect();
            let done = (epoch as f64 + index as f64 / batches as f64) / config.epochs as f64;
            let next = next.next();
            // While a batch is learnt from, the next one is encoded.
            let (learnt, encoded) = rayon::join(|| self.learn(spikes, &labels, done), || next.map(encode));
            ready = encoded;
            let learnt = learnt?;
            ensure!(learnt.loss.is_finite(), "the loss is no number any more: train again with a lower --lr");
            let size = batch.len() as f64;
            sums.loss += learnt.loss * size;
            sums.norm += learnt.norm * size;
            sums.right += learnt.right as f64;
            seen += batch.len();
            stage::batch_done(batch.len());
            bar.inc(batch.len() as u64);
            if index % 8 == 0 {
                let share = |sum: f64| sum / seen as f64;
                let activity: Vec<_> =
                    learnt.activity.iter().map(|share| format!("{:.1} %", 100.0 * share)).collect();
                let activity = activity.join("/");
                bar.set_message(format!(
                    "loss {:.3}, accuracy {:.1} %, activity {activity}, {:.0} samples/s",
                    share(sums.loss),
                    100.0 * share(sums.right),
                    seen as f64 / start.elapsed().as_secs_f64()
                ));
            }
        }
        Ok(sums)
    }

    /// One step of the optimiser, with the share `done` of the training behind it.
    fn learn(&mut self, spikes: SpikeBatch, labels: &[u32], done: f64) -> Result<Learnt> {
        let config = self.config;
        let output = self.network.forward(spikes, Some(config.training()))?;
        let targets = Tensor::new(labels, output.scores.device())?;
        let loss = {
            let _timer = stage::time(Stage::Loss, 0);
            loss::loss(config.loss, &output.scores, &targets, config.label_smoothing)?
        };
        let norm = self.adam.step(&output.backward(&loss)?, &config.step_settings(done))?;
        self.network.bound()?;
        let chosen: Vec<u32> = output.scores.argmax(D::Minus1)?.to_vec1()?;
        Ok(Learnt {
            loss: f64::from(loss.to_scalar::<f32>()?),
            norm,
            right: labels.iter().zip(&chosen).filter(|(label, class)| label == class).count(),
            activity: output.activity(),
        })
    }

    /// Writes the epoch's results, the resumable checkpoint last: whatever a kill leaves behind, the run resumes from
    /// the epoch that is whole and makes the rest again with the same bits.
    fn close_epoch(&mut self, metrics: EpochMetrics) -> Result<()> {
        let progress = &mut self.progress;
        let (accuracy, loss) = (metrics.validation_accuracy, metrics.validation_loss);
        let best = progress.best_epoch == 0
            || accuracy > progress.best_accuracy
            || (accuracy == progress.best_accuracy && loss < progress.best_loss);
        progress.epochs += 1;
        progress.steps = self.adam.steps();
        if best {
            (progress.best_epoch, progress.best_accuracy, progress.best_loss) =
                (metrics.epoch, accuracy, loss);
            checkpoint::save(&self.out.join("best.safetensors"), self.config, &self.network, None)?;
        }
        self.metrics.push(metrics);
        let mut lines = String::new();
        for metrics in &self.metrics {
            lines += &serde_json::to_string(metrics)?;
            lines.push('\n');
        }
        checkpoint::write_atomically(&self.out.join("metrics.jsonl"), lines.as_bytes())?;
        let training = Some((&self.adam, &self.progress));
        checkpoint::save(&self.out.join("last.safetensors"), self.config, &self.network, training)
    }

    fn finish(&self, data: &Dataset, forecast: &Forecast) -> Result<RunResult> {
        let best = checkpoint::load(&self.out.join("best.safetensors"))?;
        let bar = progress::bar("testing", data.test.len(), "samples");
        let indices: Vec<usize> = (0..data.test.len()).collect();
        let test = evaluate(&best.network, self.config, &data.test, &indices, |count| bar.inc(count as u64))?;
        bar.finish_and_clear();
        let mean = |of: fn(&EpochMetrics) -> f64| {
            self.metrics.iter().map(of).sum::<f64>() / self.metrics.len().max(1) as f64
        };
        let path = self.out.join("result.json");
        // A finished run that is gone on with says the same again, not what it took to say so.
        let earlier = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<RunResult>(&text).ok());
        let result = RunResult {
            best_epoch: self.progress.best_epoch,
            validation_accuracy: self.progress.best_accuracy,
            test,
            samples_per_second: mean(|metrics| metrics.samples_per_second),
            seconds_per_epoch: mean(|metrics| metrics.seconds),
            memory_forecast: forecast.total(),
            memory_peak: earlier.map_or_else(forecast::peak_memory, |earlier| earlier.memory_peak),
            subset: data.subset(),
        };
        let text = serde_json::to_string_pretty(&result)?;
        checkpoint::write_atomically(&path, text.as_bytes())?;
        Ok(result)
    }
}

/// What a batch came to.
struct Learnt {
    /// Mean loss of its samples.
    loss: f64,
    /// Norm of the gradient before clipping.
    norm: f64,
    /// Samples classified correctly.
    right: usize,
    /// Per layer (Eq. 2).
    activity: Vec<f64>,
}

/// Sums over the samples of an epoch.
#[derive(Default)]
struct Sums {
    loss: f64,
    right: f64,
    norm: f64,
}

/// The metrics of the first `epochs` epochs of the run in the folder `out`.
///
/// # Errors
/// One sentence if they are not there, damaged or fewer.
pub fn read_metrics(out: &Path, epochs: usize) -> Result<Vec<EpochMetrics>> {
    let path = out.join("metrics.jsonl");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text.lines().take(epochs).map(|line| Ok(serde_json::from_str(line)?));
    let metrics =
        lines.collect::<Result<Vec<_>>>().with_context(|| format!("{} is damaged", path.display()))?;
    ensure!(metrics.len() == epochs, "{} holds {} of {epochs} epochs", path.display(), metrics.len());
    Ok(metrics)
}

impl EpochMetrics {
    fn sentence(&self, epochs: usize) -> String {
        let activity: Vec<String> =
            self.activity.iter().map(|share| format!("{:.1}", 100.0 * share)).collect();
        let left = self.seconds * (epochs - self.epoch) as f64;
        format!(
            "epoch {:>3}/{epochs}: loss {:.4}, accuracy {:.2} %; validation loss {:.4}, accuracy {:.2} %, activity {} %; \
             {:.0} samples/s, {:.1} s, {left:.0} s left",
            self.epoch,
            self.train_loss,
            100.0 * self.train_accuracy,
            self.validation_loss,
            100.0 * self.validation_accuracy,
            activity.join("/"),
            self.samples_per_second,
            self.seconds,
        )
    }
}
