//! Where a command finds the data sets.

use crate::data::{self, Counts, Dataset, DatasetName};
use std::path::{Path, PathBuf};

/// The folder with the data sets.
#[derive(Clone, Debug, clap::Args)]
pub struct DataFolder {
    /// Folder with the published data sets [default: $SPIKELET_DATA, else the cache folder].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl DataFolder {
    /// The folder, if one is named.
    pub fn path(&self) -> Option<&Path> {
        self.data.as_deref()
    }

    /// Loads a data set from it.
    pub fn load(&self, name: DatasetName) -> anyhow::Result<Dataset> {
        Ok(data::load(name, self.path())?)
    }

    /// Counts the samples of a data set in it without loading them.
    pub fn survey(&self, name: &DatasetName) -> anyhow::Result<Counts> {
        Ok(data::survey(name, self.path())?)
    }
}
