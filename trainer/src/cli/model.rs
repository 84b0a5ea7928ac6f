//! Model files as commands take them.

use super::folder::DataFolder;
pub use crate::checkpoint::write_atomically;
use crate::data::{Dataset, DatasetName, Samples};
use crate::simulate::Stop;
use anyhow::{Context, anyhow, bail};
use spikelet_export::{AlignedBytes, EncoderHeader, ModelFile};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where the models lie that come with Spikelet.
fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

/// The models that come with Spikelet, in the order of their names.
pub fn shipped_models() -> Vec<PathBuf> {
    let mut models: Vec<PathBuf> = std::fs::read_dir(shipped())
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "spk"))
        .collect();
    models.sort();
    models
}

/// A model as people name it: a file, or one of those that come with Spikelet, like `mnist-small`.
///
/// # Errors
/// One sentence that says which models come with Spikelet, if it is neither.
pub fn named(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_name = path.components().count() == 1 && path.extension().is_none();
    if path.exists() || !is_name {
        return Ok(path);
    }
    let model = shipped().join(text).with_extension("spk");
    if model.is_file() {
        return Ok(model);
    }
    let names: Vec<String> = shipped_models()
        .iter()
        .filter_map(|path| path.file_stem().map(|name| name.to_string_lossy().into_owned()))
        .collect();
    Err(format!(
        "there is no file {text}, and no model of this name comes with Spikelet: those are {}",
        names.join(", ")
    ))
}

/// Reads a model file; [`open`] checks it.
pub fn read(path: &Path) -> anyhow::Result<AlignedBytes> {
    if path.is_dir() {
        bail!("{} is a folder, not a model: make one with `spikelet export {0}`", path.display());
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read the model {}", path.display()))?;
    Ok(AlignedBytes::from_slice(&bytes))
}

/// Opens a model that was read from `path`.
pub fn open<'m>(bytes: &'m AlignedBytes, path: &Path) -> anyhow::Result<ModelFile<'m>> {
    ModelFile::open(bytes).with_context(|| format!("{} cannot be used", path.display()))
}

/// Which images a command shows to a model.
#[derive(Clone, Debug, clap::Args)]
pub struct ImagesArgs {
    /// Data set; by default the one the model was trained on.
    #[arg(long, value_name = "SET")]
    dataset: Option<DatasetName>,
    #[command(flatten)]
    folder: DataFolder,
}

impl ImagesArgs {
    /// Of a data set, if one is named, in a folder.
    pub const fn new(dataset: Option<DatasetName>, folder: DataFolder) -> Self {
        Self { dataset, folder }
    }

    /// True if a data set is named.
    pub const fn is_named(&self) -> bool {
        self.dataset.is_some()
    }

    /// The data set for a model trained on the set called `trained_on`.
    pub fn load(&self, trained_on: &str) -> anyhow::Result<Dataset> {
        let name = match &self.dataset {
            Some(name) => name.clone(),
            None => trained_on.parse().map_err(|_| {
                anyhow!("the model's data set \"{trained_on}\" is unknown: name one with --dataset")
            })?,
        };
        self.folder.load(name)
    }
}

/// Whether a model may decide early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum EarlyExit {
    /// If it has a margin for that.
    #[default]
    On,
    /// At the end of a sequence only.
    Off,
}

impl EarlyExit {
    /// When a sample's timesteps end.
    pub const fn stop(self, file: &ModelFile<'_>) -> Stop {
        if matches!(self, Self::On) && file.model().margin().is_some() {
            Stop::WhenDecided
        } else {
            Stop::AtTheEnd
        }
    }
}

/// Refuses samples that a model cannot take.
pub fn check_fit(file: &ModelFile<'_>, data: &Dataset) -> anyhow::Result<()> {
    let need = file.model().need();
    if data.test.inputs() != need.inputs || data.classes != need.classes {
        bail!(
            "the model takes {} inputs and {} classes, but {} has {} {} and {} classes: choose another --dataset",
            need.inputs,
            need.classes,
            data.name,
            data.test.inputs(),
            if data.name.has_events() { "inputs" } else { "pixels" },
            data.classes
        );
    }
    let outline = file.header()?.outline;
    let takes_events = outline.encoder == EncoderHeader::Events {};
    match &data.test {
        Samples::Images(_) if takes_events => {
            bail!(
                "the model takes recordings of events, but {} holds images: choose another --dataset",
                data.name
            )
        }
        Samples::Recordings(_) if !takes_events => {
            bail!(
                "the model takes images, but {} holds recordings of events: choose another --dataset",
                data.name
            )
        }
        Samples::Recordings(recordings) if recordings.shortest() < u32::from(outline.steps) => {
            bail!(
                "the shortest recording of {} lasts {} µs, less than a microsecond for each of the model's {} timesteps: \
                 choose another --dataset",
                data.name,
                recordings.shortest(),
                outline.steps
            )
        }
        _ => Ok(()),
    }
}

/// The first `samples` test images, or all of them; refuses more than there are.
pub fn first(images: &Samples, samples: Option<usize>) -> anyhow::Result<Samples> {
    let samples = samples.unwrap_or(images.len());
    if samples == 0 || samples > images.len() {
        bail!("--samples must be 1 to {}, the number of test images", images.len());
    }
    Ok(images.take(samples))
}

/// How many samples a command shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// All that there are.
    All,
    /// The first so many.
    First(usize),
}

impl Count {
    /// The samples; those that are left out are given back to memory. Refuses more than there are.
    pub fn of(self, mut samples: Samples) -> anyhow::Result<Samples> {
        if let Self::First(count) = self {
            if count == 0 || count > samples.len() {
                bail!("--samples must be all, or 1 to {}, the number of test images", samples.len());
            }
            samples.truncate(count);
        }
        Ok(samples)
    }
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            _ => {
                text.parse().map(Self::First).map_err(|_| "it must be all, or a number of samples".to_owned())
            }
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::First(count) => count.fmt(f),
        }
    }
}

/// `matrix[label][class]`: how often the class was chosen for the label.
pub fn confusion(classes: usize, labels: &[u8], chosen: &[u8]) -> Vec<Vec<u32>> {
    let mut matrix = vec![vec![0; classes]; classes];
    for (&label, &class) in labels.iter().zip(chosen) {
        matrix[usize::from(label)][usize::from(class)] += 1;
    }
    matrix
}

/// Of each row of a confusion matrix, the share that is right; `None` of a class without samples.
pub fn class_accuracy(matrix: &[Vec<u32>]) -> Vec<Option<f64>> {
    let of = |(class, row): (usize, &Vec<u32>)| {
        let all: u32 = row.iter().sum();
        (all > 0).then(|| f64::from(row[class]) / f64::from(all))
    };
    matrix.iter().enumerate().map(of).collect()
}

/// How many of the chosen classes are right.
pub fn correct(labels: &[u8], chosen: &[u8]) -> usize {
    labels.iter().zip(chosen).filter(|(label, class)| label == class).count()
}
