//! Data sets: images with labels, built in or from files.

mod digits;
mod idx;
mod images;
mod linear;
mod sheet;

pub use images::Images;
pub use linear::linear_accuracy;
pub use sheet::contact_sheet;

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// A data set that Spikelet knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetName {
    /// Built in: drawn digits, nothing to fetch.
    Digits,
    /// MNIST, from its four IDX files.
    Mnist,
    /// Fashion-MNIST, from its four IDX files.
    FashionMnist,
}

impl DatasetName {
    /// Every data set.
    pub const ALL: [Self; 3] = [Self::Digits, Self::Mnist, Self::FashionMnist];

    /// Where its files come from; `None` if it is built in.
    pub const fn source(self) -> Option<&'static str> {
        match self {
            Self::Digits => None,
            Self::Mnist => Some("https://ossci-datasets.s3.amazonaws.com/mnist/"),
            Self::FashionMnist => Some("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
        }
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digits => "digits",
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
        })
    }
}

/// A data set in memory.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Which it is.
    pub name: DatasetName,
    /// Number of classes; labels are below it.
    pub classes: usize,
    /// For training and validation.
    pub train: Images,
    /// For the final test only.
    pub test: Images,
}

/// Why a data set cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file is not there.
    #[error(
        "{path} is missing: put the four files from {place} there, or name the folder above with --data or SPIKELET_DATA"
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// Where it can be had.
        place: &'static str,
    },
    /// A file cannot be read.
    #[error("{path} cannot be read: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path} {problem}: fetch it again")]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// Loads a data set; files are looked for in `folder`, by default the one of [`default_folder`].
///
/// # Errors
/// [`DataError`] names the file, what is wrong with it, and what to do.
pub fn load(name: DatasetName, folder: Option<&Path>) -> Result<Dataset, DataError> {
    match name.source() {
        None => Ok(digits::generate()),
        Some(place) => {
            let folder = folder.map_or_else(default_folder, Path::to_path_buf).join(name.to_string());
            let (train, test) = (idx::load(&folder, "train", place)?, idx::load(&folder, "t10k", place)?);
            Ok(Dataset { name, classes: idx::CLASSES, train, test })
        }
    }
}

/// The folder that holds a folder for each data set: `SPIKELET_DATA`, else `spikelet` in the user's cache folder.
pub fn default_folder() -> PathBuf {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("SPIKELET_DATA").unwrap_or_else(|| {
        let cache = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")));
        cache.unwrap_or_else(|| PathBuf::from(".")).join("spikelet")
    })
}
