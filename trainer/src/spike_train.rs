//! Spike trains: the encoded input of a sample over all its timesteps.

use crate::augment::Augmenter;
use crate::data::Samples;
use crate::rate::Shown;
use crate::stage::{self, Stage};
use rayon::prelude::*;
use spikelet_export::{Input, ModelFile};
use spikelet_runtime::encode::{Encoder, evaluation_stream, training_stream};
use std::borrow::Cow;

/// The inputs that spike at each timestep of one sample, each spike of value 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpikeTrain {
    /// `offsets[t]..offsets[t + 1]` are timestep `t`'s entries in `inputs`; T + 1 entries.
    pub offsets: Vec<u32>,
    /// Indices of spiking inputs, ascending within a timestep; one that spikes twice is listed twice.
    pub inputs: Vec<u16>,
}

/// The spike trains of a batch.
#[derive(Clone, Debug)]
pub struct SpikeBatch {
    /// One per sample.
    pub trains: Vec<SpikeTrain>,
    /// Timesteps of the whole sequence.
    pub steps: usize,
    /// Number of inputs.
    pub inputs: usize,
}

/// What a sample is shown for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Validation, test or use: in its evaluation stream, as it is.
    Evaluation,
    /// Training in an epoch, counted from 0: in a stream of its own, images changed at random if the config says so.
    Training {
        /// The epoch.
        epoch: u32,
    },
}

impl Show {
    /// Names the random numbers that sample `index` is shown with.
    pub const fn stream(self, index: usize) -> u64 {
        match self {
            Self::Evaluation => evaluation_stream(index as u32),
            Self::Training { epoch } => training_stream(epoch, index as u32),
        }
    }
}

/// How samples become spike trains: all that a config or a model file says of it.
///
/// A sequence has `blank_before` silent timesteps, then `steps` in which the sample is shown, then `blank_after` silent
/// ones. The encoder counts its timesteps from the first shown one, so blanks change none of its spikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Encoding {
    /// For images; recordings need none.
    pub encoder: Option<Encoder>,
    /// Timesteps in which a sample is shown.
    pub steps: usize,
    /// Silent timesteps before it.
    pub blank_before: usize,
    /// Silent timesteps behind it.
    pub blank_after: usize,
    /// Changes to training images.
    pub augmenter: Option<Augmenter>,
}

impl Encoding {
    /// How the inputs of a model are made.
    pub fn of_model(file: &ModelFile<'_>) -> Self {
        let &Input { encoder, blank_before, steps, blank_after } = file.input();
        let [steps, blank_before, blank_after] = [steps, blank_before, blank_after].map(usize::from);
        Self { encoder, steps, blank_before, blank_after, augmenter: None }
    }

    /// Timesteps of the whole sequence.
    pub const fn sequence(&self) -> usize {
        self.blank_before + self.steps + self.blank_after
    }

    /// The spike train of a sample.
    ///
    /// # Panics
    /// If there is no such sample, or samples are images and there is no encoder: `Config::check` refuses that.
    pub fn train(&self, samples: &Samples, index: usize, show: Show) -> SpikeTrain {
        let _timer = stage::time(Stage::Encoding, 0);
        let mut train = SpikeTrain::silent(self.blank_before);
        train.offsets.reserve(self.sequence() - self.blank_before);
        match samples {
            Samples::Recordings(recordings) => recordings.recordings[index].bin(self.steps, &mut train),
            Samples::Images(images) => {
                let encoder = self.encoder.expect("images have an encoder");
                let stream = show.stream(index);
                let mut pixels = Cow::Borrowed(images.image(index));
                if let (Show::Training { .. }, Some(augmenter)) = (show, self.augmenter) {
                    pixels = augmenter.image(&pixels, images.width, stream).into();
                }
                if let Encoder::Rate(code) = encoder {
                    Shown::new(code, &pixels).spikes(stream, self.steps, &mut train);
                } else {
                    for t in 0..self.steps {
                        encoder.for_each_spike(stream, t as u16, &pixels, |input| train.inputs.push(input));
                        train.offsets.push(train.inputs.len() as u32);
                    }
                }
            }
        }
        let end = train.inputs.len() as u32;
        train.offsets.extend(std::iter::repeat_n(end, self.blank_after));
        train
    }

    /// The spike trains of the samples at `indices`, made on all threads.
    ///
    /// # Panics
    /// As [`train`](Self::train).
    pub fn batch(&self, samples: &Samples, indices: &[usize], show: Show) -> SpikeBatch {
        let trains = indices.par_iter().map(|&index| self.train(samples, index, show)).collect();
        SpikeBatch { trains, steps: self.sequence(), inputs: samples.inputs() }
    }
}

impl SpikeTrain {
    /// So many timesteps without a spike.
    pub fn silent(steps: usize) -> Self {
        Self { offsets: vec![0; steps + 1], inputs: Vec::new() }
    }

    /// Number of timesteps.
    pub const fn steps(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The inputs that spike at timestep `t`.
    pub fn at(&self, t: usize) -> &[u16] {
        &self.inputs[self.offsets[t] as usize..self.offsets[t + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Augmentation, Coding, Config};
    use crate::data::{Event, Images, Recording, Recordings, Sensor};

    fn images() -> Samples {
        let pixels = (0..2 * 784u32).map(|k| (k * 37 % 256) as u8).collect();
        Images { width: 28, height: 28, pixels, labels: vec![0, 1] }.into()
    }

    #[test]
    fn blanks_are_silent_and_change_nothing_else() {
        for coding in [Coding::Rate, Coding::Latency, Coding::LatencyLog] {
            let plain = Config { coding, steps: 30, ..Config::default() };
            let blank = Config { blank_before: 5, blank_after: 3, ..plain.clone() };
            let show = Show::Training { epoch: 2 };
            let (plain, blank) =
                (plain.encoding().train(&images(), 1, show), blank.encoding().train(&images(), 1, show));
            assert_eq!((plain.steps(), blank.steps()), (30, 38));
            assert!(!plain.inputs.is_empty());
            assert_eq!(blank.inputs, plain.inputs);
            assert!((0..30).all(|t| blank.at(t + 5) == plain.at(t)), "{coding:?}");
            assert!((0..5).chain(35..38).all(|t| blank.at(t).is_empty()));
        }
    }

    #[test]
    fn events_are_listed_as_often_as_they_come() {
        let sensor = Sensor { width: 2, height: 1, polarities: 2 };
        let event = |t, x, p| Event { x, y: 0, p, t };
        let events = [event(0, 1, 1), event(1, 0, 0), event(3, 1, 1), event(8, 0, 1)];
        let recording = Recording::pack(&events, sensor).unwrap();
        let samples = Recordings { sensor, labels: vec![0], recordings: vec![recording] }.into();
        let config = Config { steps: 2, blank_before: 1, coding: Coding::Events, ..Config::default() };
        let train = config.encoding().train(&samples, 0, Show::Evaluation);
        assert_eq!(train, SpikeTrain { offsets: vec![0, 0, 3, 3], inputs: vec![0, 3, 3] });
    }

    #[test]
    fn only_training_images_are_changed_and_in_each_epoch_anew() {
        let augment = Augmentation { shift: 3.0, ..Augmentation::default() };
        // A latency code has no random numbers of its own.
        let config = Config { coding: Coding::Latency, ..Config::default() };
        let changed = Config { augment, ..config.clone() };
        let train = |config: &Config, show| config.encoding().train(&images(), 1, show);
        let plain = train(&config, Show::Evaluation);
        assert_eq!(train(&changed, Show::Evaluation), plain);
        let epoch = |epoch| train(&changed, Show::Training { epoch });
        assert_eq!(epoch(0), epoch(0));
        assert!(epoch(0) != plain && epoch(0) != epoch(1));
    }
}
