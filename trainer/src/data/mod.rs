//! Data sets: images or recordings of events, with labels; built in or from files.

mod classes;
mod digits;
mod error;
pub mod fetch;
mod idx;
mod images;
mod linear;
mod name;
mod nmnist;
mod own_events;
mod own_images;
mod recordings;
mod samples;
mod sheet;

pub use error::DataError;
pub use images::Images;
pub use linear::linear_accuracy;
pub use name::DatasetName;
pub use recordings::{Event, Recording, Recordings, Sensor};
pub use samples::Samples;
pub use sheet::contact_sheet;

use std::path::{Path, PathBuf};

/// A data set in memory.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Which it is.
    pub name: DatasetName,
    /// Number of classes, 1 to 256; labels are below it.
    pub classes: usize,
    /// A name for each.
    pub class_names: Vec<String>,
    /// For training and validation.
    pub train: Samples,
    /// For the final test only.
    pub test: Samples,
}

impl Dataset {
    /// A sentence if this is only a part of a published set.
    pub fn subset(&self) -> Option<String> {
        Counts { train: self.train.len(), test: self.test.len() }.subset(&self.name)
    }
}

/// Numbers of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// For training and validation.
    pub train: usize,
    /// For the test.
    pub test: usize,
}

impl Counts {
    /// A sentence if these are fewer than the published set `name` has.
    pub fn subset(&self, name: &DatasetName) -> Option<String> {
        let whole = Self { train: nmnist::TRAIN, test: nmnist::TEST };
        (*name == DatasetName::Nmnist && (self.train < whole.train || self.test < whole.test)).then(|| {
            format!(
                "a subset: {} of {} training and {} of {} test recordings",
                self.train, whole.train, self.test, whole.test
            )
        })
    }
}

/// Loads a data set; published ones are looked for in `folder`, by default the one of [`default_folder`].
///
/// # Errors
/// [`DataError`] names the file, what is wrong with it, and what to do.
pub fn load(name: DatasetName, folder: Option<&Path>) -> Result<Dataset, DataError> {
    let folder = folder_of(&name, folder);
    let place = name.source().unwrap_or_default();
    let (train, test) = match &name {
        DatasetName::Digits => return Ok(digits::generate()),
        DatasetName::Images(folder) => return own_images::load(folder),
        DatasetName::Events(folder) => return own_events::load(folder),
        DatasetName::Mnist | DatasetName::FashionMnist => {
            let load = |part| idx::load(&folder, part, &name.to_string());
            (load("train")?.into(), load("t10k")?.into())
        }
        DatasetName::Nmnist => {
            let load = |part| nmnist::load(&folder, part, place);
            (load("Train")?.into(), load("Test")?.into())
        }
    };
    Ok(Dataset { classes: idx::CLASSES, class_names: idx::class_names(), name, train, test })
}

/// Counts the samples of a data set from the beginnings of its files and from names, without reading the rest.
///
/// # Errors
/// As [`load`], as far as that can be seen without reading everything.
pub fn survey(name: &DatasetName, folder: Option<&Path>) -> Result<Counts, DataError> {
    let folder = folder_of(name, folder);
    let place = name.source().unwrap_or_default();
    let of_files = |files: classes::ClassFiles| Counts { train: files.train.len(), test: files.test.len() };
    Ok(match name {
        DatasetName::Digits => Counts { train: digits::TRAIN, test: digits::TEST },
        DatasetName::Images(folder) => of_files(classes::find(folder, own_images::EXTENSIONS)?),
        DatasetName::Events(folder) => of_files(classes::find(folder, own_events::EXTENSIONS)?),
        DatasetName::Mnist | DatasetName::FashionMnist => {
            let count = |part| idx::count(&folder, part, &name.to_string());
            Counts { train: count("train")?, test: count("t10k")? }
        }
        DatasetName::Nmnist => {
            let count = |part| nmnist::count(&folder, part, place);
            Counts { train: count("Train")?, test: count("Test")? }
        }
    })
}

/// The folder with the files of a published data set.
fn folder_of(name: &DatasetName, folder: Option<&Path>) -> PathBuf {
    folder.map_or_else(default_folder, Path::to_path_buf).join(name.slug())
}

/// The folder that holds a folder for each data set: `SPIKELET_DATA`, else `spikelet` in the user's cache folder.
pub fn default_folder() -> PathBuf {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("SPIKELET_DATA").unwrap_or_else(|| {
        let cache = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")));
        cache.unwrap_or_else(|| PathBuf::from(".")).join("spikelet")
    })
}
