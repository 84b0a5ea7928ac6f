//! What defines a training run: everything in here and nothing else decides its result.

mod parts;

pub use parts::{ActivityGoal, Augmentation, Coding, Loss};

use crate::augment::Augmenter;
use crate::cell::{Cell, CellName};
use crate::data::{Dataset, DatasetName, Samples};
use crate::kernel::Flow;
use crate::layer::Training;
use crate::network::Architecture;
use crate::optimiser::Settings;
use crate::readout::ReadoutConfig;
use crate::recurrent;
use crate::spike_train::Encoding;
use crate::widths::Widths;
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use spikelet_runtime::encode::{Encoder, Gain, LatencyCode, RateCode};
use spikelet_runtime::{MAX_LAYERS, MAX_WIDTH};
use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// A training run. Written to `config.json`; `--config` reads the same. Defaults are the paper's (appendix A), but for
/// the number of epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Data set.
    pub dataset: DatasetName,
    /// Coding of its pixels.
    pub coding: Coding,
    /// Spike probability of a white pixel per timestep, for the rate code.
    pub gain: f64,
    /// τ of the logarithmic latency code, which cancels out: the spike times are normalised to the sequence.
    pub tau: f64,
    /// Inputs, then the neurons of each layer.
    pub layers: Vec<usize>,
    /// T, timesteps in which a sample is shown.
    pub steps: usize,
    /// Silent timesteps before it.
    pub blank_before: usize,
    /// Silent timesteps behind it.
    pub blank_after: usize,
    /// Changes to the training images.
    pub augment: Augmentation,
    /// Times that the training set is shown; the learning rate falls to 0 over them.
    pub epochs: usize,
    /// Samples in a batch.
    pub batch: usize,
    /// Learning rate at the start; it falls along half a cosine.
    pub learning_rate: f64,
    /// Longest gradient; longer ones are scaled down to it.
    pub clip: f64,
    /// Widths that weights are rounded to in each batch (training with quantisation); not rounded if absent.
    pub bits: Option<Widths>,
    /// What is made smallest.
    pub loss: Loss,
    /// Factor on the weights of Xavier's initialisation; above 1 it lets spikes reach deep layers from the first batch on.
    /// Spiking cells only.
    pub init_gain: f64,
    /// Share of a label's probability that is spread over all classes.
    pub label_smoothing: f64,
    /// Share of each weight that is lost per step, times the learning rate (AdamW).
    pub weight_decay: f64,
    /// How much spiking is wanted.
    pub activity: ActivityGoal,
    /// Seed of the split, the weights, the order of samples and the rate code.
    pub seed: u64,
    /// Share of the training images that is kept for validation.
    pub validation: f64,
    /// Number of training images to use; all if absent.
    pub train_samples: Option<usize>,
    /// The gradient passes the ReLU as if it were not there (section 4.4).
    pub bypass: bool,
    /// No gradient flows through h[t-1] and h_s[t-1] (section 4.4).
    pub detach: bool,
    /// Kind and constants of the cells.
    pub cell: Cell,
    /// Constants of the readout.
    pub readout: ReadoutConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dataset: DatasetName::Digits,
            coding: Coding::Rate,
            gain: 0.25,
            tau: 10.0,
            layers: vec![784, 512, 100],
            steps: 200,
            blank_before: 0,
            blank_after: 0,
            augment: Augmentation::default(),
            epochs: 10,
            batch: 64,
            learning_rate: 0.005,
            clip: 1.0,
            bits: None,
            loss: Loss::CrossEntropy,
            init_gain: 1.0,
            label_smoothing: 0.0,
            weight_decay: 0.0,
            activity: ActivityGoal::default(),
            seed: 0,
            validation: 0.1,
            train_samples: None,
            bypass: true,
            detach: true,
            cell: Cell::default(),
            readout: ReadoutConfig::default(),
        }
    }
}

impl Config {
    /// Reads a config; settings that the file leaves out are the default's.
    ///
    /// # Errors
    /// One sentence if there is none, or if it is none.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read the config {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no valid config", path.display()))
    }

    /// The settings that a config file chooses; the others are the default's.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn keys(path: &Path) -> anyhow::Result<HashSet<String>> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read the config {}", path.display()))?;
        let settings: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&text).with_context(|| format!("{} is no valid config", path.display()))?;
        Ok(settings.into_iter().map(|(key, _)| key).collect())
    }

    /// The constants of a coding: latency-coded inputs are so few that the paper lets them leak slower.
    pub fn set_coding(&mut self, coding: Coding) {
        self.coding = coding;
        self.cell.set_leak(leak_for(coding));
    }

    /// Cells of a kind, with the paper's constants for the coding at hand. Cells that do not spike give the readout values
    /// at every timestep, so scores and gradients are far larger, and the learning rate that suits spikes is too high.
    pub fn set_cell(&mut self, name: CellName) {
        if matches!(name, CellName::Gru | CellName::Brc) {
            self.learning_rate = 0.001;
        }
        self.cell = Cell::named(name);
        self.cell.set_leak(leak_for(self.coding));
    }

    /// Timesteps of a whole sequence, blank ones included.
    pub const fn sequence(&self) -> usize {
        self.blank_before + self.steps + self.blank_after
    }

    /// Refuses what cannot be trained on `data`.
    ///
    /// # Errors
    /// One sentence about the first thing that is wrong.
    pub fn check(&self, data: &Dataset) -> anyhow::Result<()> {
        let inputs = data.train.inputs();
        ensure!(
            self.layers.first() == Some(&inputs),
            "--layers must begin with {inputs}, {} of {}",
            data.train.inputs_in_words(),
            data.name
        );
        self.check_coding(data)?;
        ensure!(
            (2..=MAX_LAYERS + 1).contains(&self.layers.len()),
            "--layers must name the inputs and 1 to {MAX_LAYERS} layers, like 784-512-100"
        );
        ensure!(
            self.layers.iter().all(|width| (1..=MAX_WIDTH).contains(width)),
            "--layers must be between 1 and {MAX_WIDTH} wide"
        );
        let last = self.layers.last().copied().unwrap_or(0);
        ensure!(
            last.is_multiple_of(data.classes),
            "the last of --layers must be a multiple of {}, the number of classes, but is {last}",
            data.classes
        );
        ensure!(self.steps >= 1, "--steps must be at least 1");
        ensure!(
            [self.steps, self.blank_before, self.blank_after].iter().all(|&steps| steps <= 65_535)
                && self.sequence() <= 65_535,
            "a sequence has at most 65535 timesteps: lower --steps, --blank-before or --blank-after"
        );
        ensure!((1..=65_535).contains(&self.epochs), "--epochs must be 1 to 65535");
        ensure!(self.batch >= 1, "--batch must be at least 1");
        let positive = |value: f64| value.is_finite() && value > 0.0;
        ensure!(positive(self.learning_rate), "--lr must be above 0");
        ensure!(positive(self.clip), "clip must be above 0");
        ensure!(self.gain > 0.0 && self.gain <= 1.0, "gain must be above 0 and at most 1");
        ensure!(
            self.validation > 0.0 && self.validation < 1.0,
            "validation must be a share between 0 and 1, like 0.1"
        );
        let samples = self.samples(data);
        ensure!(
            samples <= data.train.len(),
            "--train-samples must be at most {}, the number of training images",
            data.train.len()
        );
        let validation = self.validation_samples(samples);
        ensure!(
            validation >= 1 && validation < samples,
            "{samples} training images are too few to keep a share of {} for validation: raise --train-samples",
            self.validation
        );
        let unit = |value: f64| (0.0..=1.0).contains(&value);
        ensure!(
            unit(self.readout.alpha) && self.readout.alpha < 1.0,
            "alpha of the readout must be at least 0 and below 1"
        );
        let ReadoutConfig { excite, inhibit, .. } = self.readout;
        ensure!(
            excite.is_finite() && inhibit.is_finite(),
            "the constants of the readout must be finite numbers"
        );
        ensure!(positive(self.tau), "tau must be above 0");
        ensure!(positive(self.init_gain), "--init-gain must be above 0");
        ensure!(
            self.init_gain == 1.0 || recurrent::Kind::of(&self.cell).is_none(),
            "--init-gain is for cells that spike: leave it out, or choose --cell src or lif"
        );
        if let Some(bits) = &self.bits {
            bits.of_layers(self.layers.len() - 1)?;
            ensure!(
                self.cell.spikes(),
                "--bits is for cells that spike: leave it out, or choose --cell src or lif"
            );
        }
        ensure!(
            unit(self.label_smoothing) && self.label_smoothing < 1.0,
            "--label-smoothing must be at least 0 and below 1"
        );
        ensure!(
            self.weight_decay.is_finite() && self.weight_decay >= 0.0,
            "--weight-decay must be at least 0"
        );
        let ActivityGoal { penalty, target, strength } = self.activity;
        ensure!(
            [penalty, strength].iter().all(|value| value.is_finite() && *value >= 0.0),
            "penalty and strength of the activity goal must be at least 0"
        );
        ensure!(
            target.is_none_or(|target| target > 0.0 && target < 1.0),
            "--activity-target must be a share between 0 and 1, like 0.02"
        );
        let Augmentation { shift, rotation, scale, elastic, .. } = self.augment;
        ensure!(
            [shift, rotation, scale, elastic].iter().all(|value| value.is_finite() && *value >= 0.0)
                && scale < 1.0,
            "the changes to training images must be at least 0, and the scale below 1"
        );
        self.cell.check(self.bypass, self.detach)?;
        Ok(())
    }

    /// Refuses a coding that is none for the samples of `data`.
    fn check_coding(&self, data: &Dataset) -> anyhow::Result<()> {
        let events = self.coding == Coding::Events;
        for samples in [&data.train, &data.test] {
            match samples {
                Samples::Images(_) => ensure!(
                    !events,
                    "{} holds images, not events: choose --coding rate, latency or latency-log",
                    data.name
                ),
                Samples::Recordings(recordings) => {
                    ensure!(events, "{} holds recordings of events: choose --coding events", data.name);
                    ensure!(
                        recordings.shortest() as usize >= self.steps,
                        "the shortest recording of {} lasts {} µs, less than a microsecond for each of {} timesteps: lower \
                         --steps",
                        data.name,
                        recordings.shortest(),
                        self.steps
                    );
                    ensure!(
                        self.augment == Augmentation::default(),
                        "augmentation changes images, but {} holds recordings: leave it out",
                        data.name
                    );
                }
            }
        }
        Ok(())
    }

    /// Training and validation images together.
    pub fn samples(&self, data: &Dataset) -> usize {
        self.train_samples.unwrap_or(data.train.len())
    }

    /// How many of `samples` are kept for validation.
    pub fn validation_samples(&self, samples: usize) -> usize {
        (samples as f64 * self.validation).round() as usize
    }

    /// The encoder of the run's inputs; `None` for events, which are spikes already.
    pub fn encoder(&self) -> Option<Encoder> {
        match self.coding {
            Coding::Rate => Some(Encoder::Rate(RateCode::new(Gain::from_num(self.gain), self.seed))),
            Coding::Latency => Some(Encoder::Latency(LatencyCode::new(self.steps as u16))),
            Coding::LatencyLog => Some(Encoder::Latency(LatencyCode::logarithmic(self.steps as u16))),
            Coding::Events => None,
        }
    }

    /// How the run's samples become spike trains.
    pub fn encoding(&self) -> Encoding {
        Encoding {
            encoder: self.encoder(),
            steps: self.steps,
            blank_before: self.blank_before,
            blank_after: self.blank_after,
            augmenter: Augmenter::new(self.augment, self.seed),
        }
    }

    /// Shape and constants of the network.
    pub fn architecture(&self, classes: usize) -> Architecture {
        // Widths that fit no layers are refused before.
        let bits = self.bits.as_ref().and_then(|bits| bits.of_layers(self.layers.len() - 1).ok());
        let mut cell = self.cell.clone();
        if let Cell::Src(cell) = &mut cell {
            cell.rounded = bits.is_some();
        }
        Architecture {
            widths: self.layers.clone(),
            classes,
            cell,
            readout: self.readout,
            bits: bits.unwrap_or_default(),
        }
    }

    /// How training looks back through a layer.
    pub const fn training(&self) -> Training {
        Training { flow: Flow { bypass: self.bypass, detach: self.detach }, goal: self.activity }
    }

    /// Learning rate after `done` of all steps, 0 to 1: half a cosine.
    pub fn rate(&self, done: f64) -> f64 {
        0.5 * self.learning_rate * (1.0 + (std::f64::consts::PI * done).cos())
    }

    /// What the optimiser's step after `done` of all steps, 0 to 1, is made with.
    pub fn step_settings(&self, done: f64) -> Settings {
        Settings { rate: self.rate(done), clip: self.clip, decay: self.weight_decay }
    }

    /// Widths joined as on the command line.
    pub fn shape(&self) -> String {
        self.layers.iter().map(usize::to_string).collect::<Vec<_>>().join("-")
    }
}

/// Leak of integrators and membranes in the paper (appendix A): inputs that spike once at most are to last longer.
const fn leak_for(coding: Coding) -> f64 {
    match coding {
        Coding::Rate | Coding::Events => 0.9,
        Coding::Latency | Coding::LatencyLog => 0.99,
    }
}

/// Parses "784-512-100".
///
/// # Errors
/// A sentence for the command line.
pub fn parse_layers(text: &str) -> Result<Vec<usize>, String> {
    let widths = text.split('-').map(|width| width.trim().parse::<usize>());
    widths.collect::<Result<_, _>>().map_err(|_| "write widths joined by dashes, like 784-512-100".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::SrcCell;
    use crate::data::{self, Event, Images, Recording, Recordings, Sensor};
    use spikelet_runtime::Width;

    #[test]
    fn the_rate_falls_from_the_start_to_nothing() {
        let config = Config::default();
        assert_eq!(config.rate(0.0), 0.005);
        assert!((config.rate(0.5) - 0.0025).abs() < 1e-12);
        assert!(config.rate(1.0).abs() < 1e-12);
    }

    #[test]
    fn mistakes_have_a_sentence_each() {
        let images = Images { width: 28, height: 28, pixels: vec![0; 784 * 20], labels: vec![0; 20] };
        let name = DatasetName::Digits;
        let samples = Samples::Images(images);
        let class_names = (0..10).map(|class: u8| class.to_string()).collect();
        let data = data::Dataset { name, classes: 10, class_names, train: samples.clone(), test: samples };
        let good = Config::default();
        good.check(&data).unwrap();
        let cell = Cell::Src(SrcCell { alpha: 1.0, ..SrcCell::default() });
        let bits = Some("8,4,2".parse().unwrap());
        let bad: [(Config, &str); 15] = [
            (Config { layers: vec![100, 10], ..good.clone() }, "must begin with 784"),
            (Config { layers: vec![784], ..good.clone() }, "1 to 16 layers"),
            (Config { layers: vec![784, 0, 10], ..good.clone() }, "between 1 and 16384 wide"),
            (Config { layers: vec![784, 15], ..good.clone() }, "multiple of 10"),
            (Config { steps: 0, ..good.clone() }, "--steps"),
            (Config { epochs: 0, ..good.clone() }, "--epochs"),
            (Config { batch: 0, ..good.clone() }, "--batch"),
            (Config { learning_rate: -1.0, ..good.clone() }, "--lr"),
            (Config { gain: 1.5, ..good.clone() }, "gain"),
            (Config { bits, ..good.clone() }, "3 widths for 2 layers"),
            (
                Config { bits: Some(Widths::all(Width::Four)), cell: Cell::Gru, ..good.clone() },
                "cells that spike",
            ),
            (Config { train_samples: Some(21), ..good.clone() }, "at most 20"),
            (Config { train_samples: Some(3), ..good.clone() }, "too few"),
            (Config { cell, ..good.clone() }, "alpha"),
            (Config { coding: Coding::Events, ..good.clone() }, "holds images, not events"),
        ];
        for (config, sentence) in bad {
            let error = config.check(&data).unwrap_err().to_string();
            assert!(error.contains(sentence), "{error} should tell {sentence}");
        }
    }

    #[test]
    fn recordings_take_the_coding_of_events_and_enough_time() {
        let sensor = Sensor { width: 28, height: 14, polarities: 2 };
        let events = [0, 250].map(|t| Event { t, ..Event::default() });
        let recordings = Recordings {
            sensor,
            labels: vec![0; 20],
            recordings: vec![Recording::pack(&events, sensor).unwrap(); 20],
        };
        let samples = Samples::Recordings(recordings);
        let class_names = vec!["a".to_owned(); 10];
        let name = DatasetName::Nmnist;
        let data = data::Dataset { name, classes: 10, class_names, train: samples.clone(), test: samples };
        let mut good = Config::default();
        good.set_coding(Coding::Events);
        good.check(&data).unwrap();
        let augment = Augmentation { shift: 1.0, ..Augmentation::default() };
        let bad = [
            (Config { coding: Coding::Rate, ..good.clone() }, "choose --coding events"),
            (Config { steps: 251, ..good.clone() }, "lasts 250 µs"),
            (Config { augment, ..good.clone() }, "augmentation changes images"),
        ];
        for (config, sentence) in bad {
            let error = config.check(&data).unwrap_err().to_string();
            assert!(error.contains(sentence), "{error} should tell {sentence}");
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        let error = serde_json::from_str::<Config>(r#"{"step": 3}"#).unwrap_err().to_string();
        assert!(error.contains("unknown field `step`"), "{error}");
        assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::default());
    }

    #[test]
    fn layers_are_read_as_written() {
        assert_eq!(parse_layers("784-512-100"), Ok(vec![784, 512, 100]));
        assert!(parse_layers("784-x").is_err() && parse_layers("").is_err() && parse_layers("5--5").is_err());
    }
}
