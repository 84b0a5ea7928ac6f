//! Where a command finds the data sets.

use crate::data::{self, Dataset, DatasetName};
use std::path::PathBuf;

/// The folder with the data sets.
#[derive(Clone, Debug, clap::Args)]
pub struct DataFolder {
    /// Folder with the data sets [default: $SPIKELET_DATA, else the cache folder].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl DataFolder {
    /// Loads a data set from it.
    pub fn load(&self, name: DatasetName) -> anyhow::Result<Dataset> {
        Ok(data::load(name, self.data.as_deref())?)
    }
}
