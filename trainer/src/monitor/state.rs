//! What a monitor knows.

use super::{Pace, Raster};
use spikelet_export::ModelFile;
use spikelet_runtime::formats::Score;
use std::time::Duration;

/// Something that has happened on a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// A sample begins. If the one before it has not ended, it was left.
    Begin {
        /// Counted from 0.
        index: usize,
        /// Its class.
        label: u8,
    },
    /// A timestep is done.
    Step {
        /// Its spiking inputs.
        input: Vec<u16>,
        /// The spiking neurons of each layer; `None` where the board had no room to tell.
        layers: Vec<Option<Vec<u16>>>,
        /// Bits of each class's [`Score`]; none of more classes than a reply has room for.
        scores: Vec<i32>,
        /// The class with the highest score.
        class: u16,
        /// The network has decided.
        decided: bool,
    },
    /// The sample's last timestep is done.
    End,
}

/// What does not change while samples are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Name of the board.
    pub board: String,
    /// The model's identity.
    pub model: u32,
    /// Name of the data set.
    pub dataset: String,
    /// Samples to be shown.
    pub samples: usize,
    /// Inputs, and neurons of each layer.
    pub widths: Vec<usize>,
    /// Timesteps of a sample.
    pub steps: usize,
}

impl Run {
    /// Samples of a data set with a model on a board.
    pub fn of(file: &ModelFile<'_>, board: String, dataset: String, samples: usize) -> Self {
        let layers = file.model().layers();
        let widths = layers.iter().map(|layer| layer.synapses().neurons().into());
        Self {
            board,
            model: file.id(),
            dataset,
            samples,
            widths: std::iter::once(file.model().need().inputs).chain(widths).collect(),
            steps: file.input().sequence().into(),
        }
    }
}

/// A sample as far as it was shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Counted from 0.
    pub index: usize,
    /// Its class.
    pub label: u8,
    /// The spikes of the input and of each layer.
    pub rasters: Vec<Raster>,
    /// The score of each class after each timestep.
    pub scores: Vec<Vec<f64>>,
    /// The class with the highest score; `None` before the first timestep.
    pub class: Option<u16>,
    /// Timesteps after which the network had decided for the first time.
    pub decided: Option<usize>,
}

impl Sample {
    /// Timesteps shown.
    pub const fn steps(&self) -> usize {
        self.scores.len()
    }

    /// True if the class is the label.
    pub fn is_right(&self) -> bool {
        self.class == Some(self.label.into())
    }

    /// Per layer, spikes so far.
    pub fn spike_counts(&self) -> Vec<usize> {
        self.rasters.iter().skip(1).map(Raster::spikes).collect()
    }
}

/// What a monitor shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// What does not change.
    pub run: Run,
    /// The sample at hand, or the last one.
    pub sample: Option<Sample>,
    /// Samples shown to their end.
    pub shown: usize,
    /// Those of them that were classified correctly.
    pub right: usize,
    /// Timesteps per second of the last while; `None` before that.
    pub rate: Option<f64>,
    /// The pace that is wanted.
    pub pace: Pace,
    /// Paused.
    pub paused: bool,
    meter: Meter,
}

/// Counts timesteps for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Meter {
    since: Duration,
    steps: u32,
}

/// A while.
const WHILE: Duration = Duration::from_millis(500);

impl State {
    /// Nothing shown yet.
    pub fn new(run: Run) -> Self {
        Self { run, ..Self::default() }
    }

    /// Takes in what has happened.
    pub fn update(&mut self, update: Update) {
        match update {
            Update::Begin { index, label } => {
                let rasters = self.run.widths.iter().copied().map(Raster::new).collect();
                self.sample = Some(Sample { index, label, rasters, ..Sample::default() });
            }
            Update::Step { input, layers, scores, class, decided } => {
                let Some(sample) = &mut self.sample else { return };
                let spiking = std::iter::once(Some(input)).chain(layers);
                for (raster, spiking) in sample.rasters.iter_mut().zip(spiking) {
                    raster.steps.push(spiking);
                }
                let scores = scores.into_iter().map(|bits| Score::from_bits(bits).to_num());
                sample.scores.push(scores.collect());
                sample.class = Some(class);
                if decided && sample.decided.is_none() {
                    sample.decided = Some(sample.steps());
                }
                self.meter.steps += 1;
            }
            Update::End => {
                self.shown += 1;
                self.right += usize::from(self.sample.as_ref().is_some_and(Sample::is_right));
            }
        }
    }

    /// So much time has passed since the beginning.
    pub fn pass(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.meter.since);
        if passed >= WHILE {
            self.rate = Some(f64::from(self.meter.steps) / passed.as_secs_f64());
            self.meter = Meter { since: now, steps: 0 };
        }
    }

    /// Share of the samples shown to their end that were classified correctly; `None` before the first.
    pub fn accuracy(&self) -> Option<f64> {
        (self.shown > 0).then(|| self.right as f64 / self.shown as f64)
    }
}
