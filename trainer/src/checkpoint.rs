//! Checkpoints: safetensors files that PyTorch reads as they are.
//!
//! | tensor | shape | what |
//! |---|---|---|
//! | `layers.L.weight` | `[neurons, inputs]` | W of layer L, counted from 0 at the bottom |
//! | `layers.L.bias` | `[neurons]` | SRC: b_h before its upper bound is applied |
//! | `layers.L.alpha`, `.rho`, `.z`, `.r`, `.r_s`, `.z_s_hyp`, `.z_s_dep` | `[1]` | SRC: where they are learnt |
//! | `layers.L.h0`, `.h_s0` | `[neurons]` | SRC: initial states, where they are learnt |
//! | `layers.L.input.weight`, `.recurrent.weight`, `.bias` | | GRU and BRC: see [`crate::recurrent`] |
//! | `layers.L.leak`, `.threshold` | `[1]` | LIF: α_V and V_thresh, where they are learnt |
//! | `adam.mean.…`, `adam.square.…` | as the parameter, but weights `[inputs, neurons]` | in `last.safetensors` only |
//!
//! The file's metadata has one entry, `spikelet`: JSON with the run's `config`, the number of `classes`, and in `last.safetensors` its `progress`,
//! where the training stands. (One entry, since the format writes several in no fixed order.) One file holds all that a
//! training needs to go on, and it is replaced in one step, so it can never be half of one epoch and half of the next.

use crate::config::Config;
use crate::network::{NamedParameter, Network};
use crate::optimiser::Adam;
use anyhow::{Context, anyhow, ensure};
use candle_core::Tensor;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// Where a training stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs done.
    pub epochs: usize,
    /// Optimiser steps done.
    pub steps: u64,
    /// Epoch with the best validation accuracy, counted from 1.
    pub best_epoch: usize,
    /// That accuracy, 0 to 1.
    pub best_accuracy: f64,
    /// Its cross-entropy, which decides between equal accuracies.
    pub best_loss: f64,
}

/// The metadata entry, as JSON.
const METADATA: &str = "spikelet";

/// What is in it.
#[derive(Serialize, Deserialize)]
struct Metadata<C> {
    config: C,
    classes: usize,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    progress: Option<Progress>,
}

/// Numbers under a name, with a shape.
struct Named {
    name: String,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Named {
    fn new(name: String, shape: Vec<usize>, numbers: &[f32]) -> Self {
        Self { name, shape, bytes: numbers.iter().flat_map(|x| x.to_le_bytes()).collect() }
    }
}

/// Writes a network, and with `training` the optimiser and where the training stands; whole or not at all.
///
/// # Errors
/// If the file cannot be written.
pub fn save(
    path: &Path,
    config: &Config,
    network: &Network<f32>,
    training: Option<(&Adam, &Progress)>,
) -> anyhow::Result<()> {
    let mut tensors = Vec::new();
    for parameter in network.named() {
        let value = parameter.value.as_tensor();
        let value = if parameter.transposed { value.t()?.contiguous()? } else { value.clone() };
        let shape = parameter.shape();
        tensors.push(Named::new(parameter.name, shape, &value.flatten_all()?.to_vec1()?));
    }
    let classes = network.architecture().classes;
    let metadata = Metadata { config, classes, progress: training.map(|(_, progress)| progress.clone()) };
    let metadata = HashMap::from([(METADATA.to_owned(), serde_json::to_string(&metadata)?)]);
    if let Some((adam, _)) = training {
        for parameter in adam.parameters() {
            let shape = parameter.value.dims().to_vec();
            let (mean, square) = (&parameter.mean, &parameter.square);
            tensors.push(Named::new(format!("adam.mean.{}", parameter.name), shape.clone(), mean));
            tensors.push(Named::new(format!("adam.square.{}", parameter.name), shape, square));
        }
    }
    let views = tensors
        .iter()
        .map(|t| Ok((t.name.as_str(), TensorView::new(Dtype::F32, t.shape.clone(), &t.bytes)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    write_atomically(path, &serialize(views, Some(metadata))?)
}

/// Writes a file whole or not at all; whatever stood there before is kept until then.
///
/// # Errors
/// If the file cannot be written.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut builder = tempfile::Builder::new();
        // Readable as any new file is; temporary ones are private by default.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// A parameter's two moments in Adam: mean and square.
pub type Moments = (Vec<f32>, Vec<f32>);

/// A checkpoint as it was read.
#[derive(Debug)]
pub struct Checkpoint {
    /// The run that it belongs to.
    pub config: Config,
    /// The network.
    pub network: Network<f32>,
    /// The optimiser's steps and moments and where the training stands; only in `last.safetensors`.
    pub training: Option<(Progress, Vec<Moments>)>,
}

/// Reads a checkpoint.
///
/// # Errors
/// A sentence that names the file and the tensor that is missing or misshapen.
pub fn load(path: &Path) -> anyhow::Result<Checkpoint> {
    let bytes =
        std::fs::read(path).with_context(|| format!("cannot read the checkpoint {}", path.display()))?;
    read(&bytes).with_context(|| format!("{} is no usable checkpoint", path.display()))
}

fn read(bytes: &[u8]) -> anyhow::Result<Checkpoint> {
    let (_, metadata) = SafeTensors::read_metadata(bytes)?;
    let text = metadata.metadata().as_ref().and_then(|metadata| metadata.get(METADATA));
    let text = text.ok_or_else(|| anyhow!("it holds no config"))?;
    let Metadata { config, classes, progress } = serde_json::from_str::<Metadata<Config>>(text)?;
    let tensors = SafeTensors::deserialize(bytes)?;
    let numbers = |name: &str, shape: &[usize]| -> anyhow::Result<Vec<f32>> {
        let tensor = tensors.tensor(name).map_err(|_| anyhow!("tensor {name} is missing"))?;
        ensure!(
            tensor.dtype() == Dtype::F32 && tensor.shape() == shape,
            "tensor {name} is {:?} {:?}, expected F32 {shape:?}",
            tensor.dtype(),
            tensor.shape()
        );
        let words = tensor.data().as_chunks::<4>().0;
        Ok(words.iter().map(|&word| f32::from_le_bytes(word)).collect())
    };
    // A network of the right shape, and then its numbers.
    let network = Network::new(config.architecture(classes), config.seed)?;
    for parameter in network.named() {
        let shape = parameter.shape();
        let value = Tensor::from_vec(numbers(&parameter.name, &shape)?, shape, &candle_core::Device::Cpu)?;
        parameter.value.set(&if parameter.transposed { value.t()?.contiguous()? } else { value })?;
    }
    let training = match progress {
        None => None,
        Some(progress) => {
            let moments = network.named().into_iter().map(|NamedParameter { name, value, .. }| {
                let shape = value.dims();
                Ok((
                    numbers(&format!("adam.mean.{name}"), shape)?,
                    numbers(&format!("adam.square.{name}"), shape)?,
                ))
            });
            Some((progress, moments.collect::<anyhow::Result<_>>()?))
        }
    };
    Ok(Checkpoint { config, network, training })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded_and_damage_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        let config = Config { layers: vec![4, 3, 2], ..Config::default() };
        let network = Network::new(config.architecture(2), 5).unwrap();
        let mut adam = Adam::new(network.named());
        let moment = |length: usize, by: f32| (0..length).map(|k| k as f32 * by).collect::<Vec<f32>>();
        let moments: Vec<_> = [12, 3, 6, 2].map(|length| (moment(length, 0.5), moment(length, 2.0))).into();
        adam.restore(7, moments.clone());
        let progress = Progress { epochs: 3, steps: 7, best_epoch: 2, best_accuracy: 0.5, best_loss: 1.5 };
        save(&path, &config, &network, Some((&adam, &progress))).unwrap();

        let loaded = load(&path).unwrap();
        assert_eq!(loaded.config, config);
        assert_eq!(loaded.training, Some((progress, moments)));
        for index in 0..2 {
            assert_eq!(loaded.network.weight(index).unwrap(), network.weight(index).unwrap());
        }

        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        let error = format!("{:#}", load(&path).unwrap_err());
        assert!(error.contains("last.safetensors is no usable checkpoint"), "{error}");
        let other = Config { layers: vec![4, 5, 2], ..config };
        save(&path, &other, &network, None).unwrap();
        let error = format!("{:#}", load(&path).unwrap_err());
        assert!(error.contains("layers.0.weight is F32 [3, 4], expected F32 [5, 4]"), "{error}");
    }
}
