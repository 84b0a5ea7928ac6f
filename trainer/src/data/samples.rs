//! The samples of a data set: images or recordings of events.

use super::{Images, Recordings};

/// Samples with labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Samples {
    /// Grey images, to be coded as spikes.
    Images(Images),
    /// Recordings of an event camera, to be binned into timesteps.
    Recordings(Recordings),
}

impl Samples {
    /// Number of samples.
    pub const fn len(&self) -> usize {
        self.labels().len()
    }

    /// True if there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One class per sample.
    pub const fn labels(&self) -> &[u8] {
        match self {
            Self::Images(images) => images.labels.as_slice(),
            Self::Recordings(recordings) => recordings.labels.as_slice(),
        }
    }

    /// Columns of a sample.
    pub const fn width(&self) -> usize {
        match self {
            Self::Images(images) => images.width,
            Self::Recordings(recordings) => recordings.sensor.width,
        }
    }

    /// Rows of a sample.
    pub const fn height(&self) -> usize {
        match self {
            Self::Images(images) => images.height,
            Self::Recordings(recordings) => recordings.sensor.height,
        }
    }

    /// Inputs per pixel: 1 of an image, the polarities of a recording.
    pub const fn channels(&self) -> usize {
        match self {
            Self::Images(_) => 1,
            Self::Recordings(recordings) => recordings.sensor.polarities,
        }
    }

    /// Inputs of a network: width × height × channels; input `(c height + y) width + x`.
    pub const fn inputs(&self) -> usize {
        self.width() * self.height() * self.channels()
    }

    /// What its inputs are called, for a sentence: "pixels of an image".
    pub const fn inputs_in_words(&self) -> &'static str {
        match self {
            Self::Images(_) => "the pixels of an image",
            Self::Recordings(_) => "the pixels of a recording times its polarities",
        }
    }

    /// The images, if they are such.
    pub const fn images(&self) -> Option<&Images> {
        match self {
            Self::Images(images) => Some(images),
            Self::Recordings(_) => None,
        }
    }

    /// The first `count` samples, or all of them if there are fewer.
    pub fn take(&self, count: usize) -> Self {
        match self {
            Self::Images(images) => Self::Images(images.take(count)),
            Self::Recordings(recordings) => Self::Recordings(recordings.take(count)),
        }
    }

    /// Leaves the first `count` samples, or all of them if there are fewer.
    pub fn truncate(&mut self, count: usize) {
        match self {
            Self::Images(images) => {
                images.pixels.truncate(count.saturating_mul(images.inputs()));
                images.labels.truncate(count);
            }
            Self::Recordings(recordings) => {
                recordings.recordings.truncate(count);
                recordings.labels.truncate(count);
            }
        }
    }

    /// How many samples each class has.
    pub fn class_counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        self.labels().iter().for_each(|&label| counts[usize::from(label)] += 1);
        counts
    }

    /// A sample to look at, row after row: the image itself, or the recording's events per pixel, the most being 255.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn picture(&self, index: usize) -> Vec<u8> {
        match self {
            Self::Images(images) => images.image(index).to_vec(),
            Self::Recordings(recordings) => recordings.picture(index),
        }
    }
}

impl From<Images> for Samples {
    fn from(images: Images) -> Self {
        Self::Images(images)
    }
}

impl From<Recordings> for Samples {
    fn from(recordings: Recordings) -> Self {
        Self::Recordings(recordings)
    }
}
