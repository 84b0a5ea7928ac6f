//! The settings of a run as options: whatever a config file can say and a person would try.

use crate::cell::{Cell, CellName, Gate, Learnable, SpikeKind};
use crate::config::{Coding, Config, Loss, parse_layers};
use crate::data::{Dataset, DatasetName};
use crate::widths::Widths;
use anyhow::{Context, bail};
use clap::{Args, FromArgMatches};
use std::path::PathBuf;

/// Settings; what is not named keeps the default of the paper.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct Settings {
    /// Data set: digits, mnist, fashion-mnist, nmnist, images:FOLDER or events:FOLDER [default: digits, the built-in one].
    #[arg(long, value_name = "SET")]
    pub dataset: Option<DatasetName>,
    /// How samples become spikes [default: rate, or events for recordings].
    #[arg(long)]
    coding: Option<Coding>,
    /// Spike probability of a white pixel per timestep, for the rate code [default: 0.25].
    #[arg(long)]
    gain: Option<f64>,
    /// Cells of the layers [default: src].
    #[arg(long)]
    cell: Option<CellName>,
    /// Inputs and neurons per layer [default: 784-512-100, or what the data set takes in their place].
    #[arg(long, value_name = "784-512-100")]
    layers: Option<String>,
    /// Timesteps in which a sample is shown [default: 200].
    #[arg(long)]
    steps: Option<usize>,
    /// Silent timesteps before it [default: 0].
    #[arg(long, value_name = "STEPS")]
    blank_before: Option<usize>,
    /// Silent timesteps behind it [default: 0].
    #[arg(long, value_name = "STEPS")]
    blank_after: Option<usize>,
    /// Times that the training set is shown [default: 10].
    #[arg(long)]
    epochs: Option<usize>,
    /// Samples in a batch [default: 64].
    #[arg(long)]
    batch: Option<usize>,
    /// Learning rate at the start [default: 0.005, and 0.001 for GRU and BRC].
    #[arg(long, allow_negative_numbers = true)]
    lr: Option<f64>,
    /// Seed of everything random [default: 0].
    #[arg(long)]
    seed: Option<u64>,
    /// Use only so many training samples.
    #[arg(long)]
    train_samples: Option<usize>,
    /// Round weights to 8, 5, 4, 3 or 2 bits in each batch, as the device will have them: one width for all layers, or one for
    /// each, separated by commas.
    #[arg(long, value_name = "BITS")]
    bits: Option<Widths>,
    /// What is made smallest [default: cross-entropy].
    #[arg(long)]
    loss: Option<Loss>,
    /// Factor on the initial weights of spiking cells [default: 1].
    #[arg(long, value_name = "GAIN")]
    init_gain: Option<f64>,
    /// Share of a label's probability that is spread over all classes [default: 0].
    #[arg(long, value_name = "SHARE")]
    label_smoothing: Option<f64>,
    /// Share of each weight lost per step, times the learning rate [default: 0].
    #[arg(long, value_name = "SHARE")]
    weight_decay: Option<f64>,
    /// Let the gradient stop at the ReLU where no spike is (section 4.4).
    #[arg(long)]
    no_bypass: bool,
    /// Let gradients flow back in time through h and h_s too (section 4.4).
    #[arg(long)]
    no_detach: bool,
    /// Added to the loss for each spiking timestep of a sample.
    #[arg(long, value_name = "LOSS")]
    activity_penalty: Option<f64>,
    /// Activity that each layer is drawn to, as a share like 0.02.
    #[arg(long, value_name = "SHARE")]
    activity_target: Option<f64>,
    /// Strength of --activity-target [default: 1].
    #[arg(long, value_name = "LOSS", requires = "activity_target")]
    activity_strength: Option<f64>,
    /// Most pixels by which training images are shifted at random [default: 0].
    #[arg(long, value_name = "PIXELS")]
    shift: Option<f64>,
    /// Shift them by whole pixels, which changes no grey value: for the latency codes.
    #[arg(long)]
    whole_pixels: bool,
    /// Most degrees by which they are turned [default: 0].
    #[arg(long, value_name = "DEGREES")]
    rotation: Option<f64>,
    /// Most by which they grow or shrink; 0.1 is 10 % [default: 0].
    #[arg(long, value_name = "SHARE")]
    scale: Option<f64>,
    /// Standard deviation of their elastic distortion [default: 0].
    #[arg(long, value_name = "PIXELS")]
    elastic: Option<f64>,
    /// Mirror half of them, left for right: for clothes, not for digits.
    #[arg(long)]
    mirror: bool,
    #[command(flatten)]
    src: SrcSettings,
    /// What is learnt besides weights and b_h, joined by commas, or "none"
    /// [default: nothing for SRC, leak,threshold for LIF].
    #[arg(long, value_name = "alpha,rho,…")]
    learn: Option<String>,
    /// JSON file with any of a run's settings, as in a run's config.json; other options override it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Settings that a file of tensors could say as well.
#[derive(Clone, Copy, Debug)]
pub struct Chosen {
    /// The layers are named.
    pub layers: bool,
    /// What is learnt is named.
    pub learn: bool,
}

/// Settings of SRC cells alone.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
struct SrcSettings {
    /// SRC: which h decides about z_s in Eq. 3c [default: current].
    #[arg(long)]
    gate: Option<Gate>,
    /// SRC: what a spike says [default: graded].
    #[arg(long)]
    spikes: Option<SpikeKind>,
    /// SRC: α, leak of the integrator [default: 0.9, and 0.99 for latency].
    #[arg(long)]
    alpha: Option<f64>,
    /// SRC: z of Eq. 1b [default: 0].
    #[arg(long)]
    z: Option<f64>,
    /// SRC: upper bound of b_h [default: -4].
    #[arg(long, allow_negative_numbers = true)]
    bias_most: Option<f64>,
}

impl Settings {
    /// True if nothing is named.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These settings with some others, named as options without dashes and with their values as on the command line;
    /// `true` sets an option without a value, `false` leaves it as it is.
    pub fn with(&self, others: &[(String, String)]) -> anyhow::Result<Self> {
        let mut settings = self.clone();
        for (name, value) in others {
            let options = match value.as_str() {
                "true" => vec![format!("--{name}")],
                "false" => Vec::new(),
                value => vec![format!("--{name}={value}")],
            };
            let command = Self::augment_args(clap::Command::new("settings").no_binary_name(true));
            if !command.get_arguments().any(|argument| argument.get_long() == Some(name)) {
                bail!("{name} is no setting: `spikelet train --help` lists them");
            }
            let mut matches = command.try_get_matches_from(options).map_err(|error| {
                // The first line says all: what follows is about usage.
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default();
                anyhow::anyhow!("{name}={value}: {}", first.trim_start_matches("error: "))
            })?;
            let before = settings.clone();
            settings.update_from_arg_matches_mut(&mut matches)?;
            // An update takes what is not named for false.
            settings.no_bypass |= before.no_bypass;
            settings.whole_pixels |= before.whole_pixels;
            settings.mirror |= before.mirror;
            settings.no_detach |= before.no_detach;
        }
        Ok(settings)
    }

    /// True if nothing but the data set may be named.
    pub fn is_but_data(&self) -> bool {
        Self { dataset: None, ..self.clone() }.is_empty()
    }

    /// The config that they make.
    pub fn config(&self) -> anyhow::Result<Config> {
        let mut config = match &self.config {
            None => Config::default(),
            Some(path) => Config::read(path)?,
        };
        fn set<T: Clone>(setting: &mut T, option: &Option<T>) {
            if let Some(value) = option {
                *setting = value.clone();
            }
        }
        set(&mut config.dataset, &self.dataset);
        if let Some(coding) = self.coding {
            config.set_coding(coding);
        }
        if let Some(cell) = self.cell {
            config.set_cell(cell);
        }
        if let Some(layers) = &self.layers {
            config.layers =
                parse_layers(layers).map_err(|error| anyhow::anyhow!("--layers {layers}: {error}"))?;
        }
        set(&mut config.gain, &self.gain);
        set(&mut config.steps, &self.steps);
        set(&mut config.blank_before, &self.blank_before);
        set(&mut config.blank_after, &self.blank_after);
        set(&mut config.epochs, &self.epochs);
        set(&mut config.batch, &self.batch);
        set(&mut config.learning_rate, &self.lr);
        set(&mut config.seed, &self.seed);
        if self.train_samples.is_some() {
            config.train_samples = self.train_samples;
        }
        if self.bits.is_some() {
            config.bits = self.bits.clone();
        }
        set(&mut config.loss, &self.loss);
        set(&mut config.init_gain, &self.init_gain);
        set(&mut config.label_smoothing, &self.label_smoothing);
        set(&mut config.weight_decay, &self.weight_decay);
        config.bypass &= !self.no_bypass;
        config.detach &= !self.no_detach;
        set(&mut config.activity.penalty, &self.activity_penalty);
        if self.activity_target.is_some() {
            config.activity.target = self.activity_target;
            config.activity.strength = self.activity_strength.unwrap_or(1.0);
        }
        set(&mut config.augment.shift, &self.shift);
        config.augment.whole_pixels |= self.whole_pixels;
        set(&mut config.augment.rotation, &self.rotation);
        set(&mut config.augment.scale, &self.scale);
        set(&mut config.augment.elastic, &self.elastic);
        config.augment.mirror |= self.mirror;
        self.set_src(&mut config)?;
        if let Some(learn) = &self.learn {
            let names = learn.split(',').filter(|name| *name != "none");
            let learnt = names.map(|name| {
                <Learnable as clap::ValueEnum>::from_str(name.trim(), true).ok().with_context(|| {
                    format!("--learn {name}: choose among alpha, rho, z, r, r-s, z-s, h0, h-s0, leak, threshold, none")
                })
            });
            let learnt = learnt.collect::<anyhow::Result<_>>()?;
            match config.cell.learn_mut() {
                Some(learn) => *learn = learnt,
                None => bail!("--learn is for SRC and LIF: GRU and BRC learn all they have"),
            }
        }
        Ok(config)
    }

    /// What is named, by an option or in the config file.
    pub fn chosen(&self) -> anyhow::Result<Chosen> {
        let keys = match &self.config {
            None => Default::default(),
            Some(path) => Config::keys(path)?,
        };
        Ok(Chosen {
            layers: self.layers.is_some() || keys.contains("layers"),
            learn: self.learn.is_some() || keys.contains("cell"),
        })
    }

    /// Sets what nobody has chosen to what the data take: their coding, their inputs, ten neurons per class.
    pub fn fit(&self, config: &mut Config, data: &Dataset) -> anyhow::Result<()> {
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

    fn set_src(&self, config: &mut Config) -> anyhow::Result<()> {
        if self.src == SrcSettings::default() {
            return Ok(());
        }
        let Cell::Src(cell) = &mut config.cell else {
            bail!("--gate, --spikes, --alpha, --z and --bias-most are for --cell src");
        };
        let SrcSettings { gate, spikes, alpha, z, bias_most } = self.src;
        cell.gate = gate.unwrap_or(cell.gate);
        cell.spikes = spikes.unwrap_or(cell.spikes);
        cell.alpha = alpha.unwrap_or(cell.alpha);
        cell.z = z.unwrap_or(cell.z);
        cell.bias_most = bias_most.unwrap_or(cell.bias_most);
        cell.bias_start = cell.bias_start.min(cell.bias_most);
        Ok(())
    }
}
