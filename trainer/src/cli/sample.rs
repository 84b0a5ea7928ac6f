//! A run and the samples that a command shows it.

use super::model::ImagesArgs;
use crate::data::{Dataset, Samples};
use crate::deploy::{self, Trained};
use anyhow::{bail, ensure};
use std::path::{Path, PathBuf};

/// Which samples of a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Split {
    /// Those for the test.
    #[default]
    Test,
    /// Those for training and validation.
    Train,
}

impl Split {
    /// The samples.
    pub const fn of(self, data: &Dataset) -> &Samples {
        match self {
            Self::Test => &data.test,
            Self::Train => &data.train,
        }
    }
}

/// Opens a run, or a checkpoint in one, with data that fit it.
pub fn open(path: &Path, images: &ImagesArgs) -> anyhow::Result<(Trained, Dataset)> {
    if path.extension().is_some_and(|extension| extension == "spk") {
        bail!("{} is a model, not a run: name the run's folder or a checkpoint in it", path.display());
    }
    let trained = deploy::open_run(path)?;
    let config = &trained.config;
    let data = images.load(&config.dataset.to_string())?;
    let (inputs, classes) = (config.layers[0], trained.network.architecture().classes);
    ensure!(
        data.test.inputs() == inputs && data.classes == classes,
        "the network takes {inputs} inputs and {classes} classes, but {} has {} inputs and {} classes: choose another \
         --dataset",
        data.name,
        data.test.inputs(),
        data.classes
    );
    ensure!(
        data.name.has_events() == config.encoder().is_none(),
        "the network was trained with the coding of {}, which is none for {}: choose another --dataset",
        config.dataset,
        data.name
    );
    Ok((trained, data))
}

/// A file in `folder`, which is made if it is not there.
pub fn in_folder(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    use anyhow::Context;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    Ok(folder.join(name))
}
