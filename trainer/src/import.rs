//! Networks that were trained elsewhere: a safetensors file becomes a run.
//!
//! Names and shapes are those of [`crate::checkpoint`]. Numbers may be f64, f32, f16 or bf16. A weight of each layer is
//! needed, for SRC a bias too, and for GRU and BRC all three tensors; any other parameter that a layer lacks has the value
//! that it has at the start of training. Tensors called `adam.…`, the rest of a training, are passed over.

use crate::cell::{Cell, Learnable};
use crate::checkpoint::{self, Progress, write_atomically};
use crate::config::Config;
use crate::kernel::Real;
use crate::network::Network;
use crate::optimiser::Adam;
use anyhow::{Context, Result, bail, ensure};
use candle_core::{DType, Device, Tensor};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

/// The tensors of a file, by name.
#[derive(Debug)]
pub struct Tensors(BTreeMap<String, Tensor>);

/// All that keeps a file from being a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for Problems {}

/// What was read.
#[derive(Debug)]
pub struct Imported<R> {
    /// The network.
    pub network: Network<R>,
    /// Parameters that the file lacks, which have the values of the start of training.
    pub defaults: Vec<String>,
}

/// A cell's parameters by the names of their tensors, behind `layers.L.`.
const LEARNABLE: [(&str, Learnable); 11] = [
    ("alpha", Learnable::Alpha),
    ("rho", Learnable::Rho),
    ("z", Learnable::Z),
    ("r", Learnable::R),
    ("r_s", Learnable::RS),
    ("z_s_hyp", Learnable::ZS),
    ("z_s_dep", Learnable::ZS),
    ("h0", Learnable::H0),
    ("h_s0", Learnable::HS0),
    ("leak", Learnable::Leak),
    ("threshold", Learnable::Threshold),
];

impl Tensors {
    /// Reads a safetensors file.
    ///
    /// # Errors
    /// A sentence that names the file, if it cannot be read or is none.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).with_context(|| {
            format!(
                "{} is no usable safetensors file: write it with safetensors.torch.save_file",
                path.display()
            )
        })?;
        let tensors = tensors.into_iter().filter(|(name, _)| !name.starts_with("adam."));
        Ok(Self(tensors.collect()))
    }

    /// Inputs, then the neurons of each layer, as the shapes of the weights say; `None` if they say nothing.
    pub fn layers(&self) -> Option<Vec<usize>> {
        let mut widths = Vec::new();
        for index in 0.. {
            let spiking = self.0.get(&format!("layers.{index}.weight")).map(|weight| (weight, 1));
            // U of GRU and BRC has three rows per neuron.
            let dense = || self.0.get(&format!("layers.{index}.input.weight")).map(|weight| (weight, 3));
            let Some((weight, rows)) = spiking.or_else(dense) else { break };
            let (out, inputs) = weight.dims2().ok()?;
            if index == 0 {
                widths.push(inputs);
            }
            widths.push(out / rows);
        }
        (!widths.is_empty()).then_some(widths)
    }

    /// What the file holds beside weights and biases that cells of this kind can learn: the run then learns it too.
    pub fn learnt(&self, cell: &Cell) -> BTreeSet<Learnable> {
        let holds =
            |part: &str| self.0.keys().any(|name| part_of(name).is_some_and(|(_, named)| named == part));
        let fits = |learnable: Learnable| {
            matches!(learnable, Learnable::Leak | Learnable::Threshold) == matches!(cell, Cell::Lif(_))
        };
        LEARNABLE
            .into_iter()
            .filter(|&(part, which)| holds(part) && fits(which))
            .map(|(_, which)| which)
            .collect()
    }

    /// Puts the numbers into a network of the shape that `config` says.
    ///
    /// # Errors
    /// [`Problems`]: every tensor that is missing, superfluous, misshapen or of numbers that cannot be.
    pub fn network<R: Real>(&self, config: &Config, classes: usize) -> Result<Imported<R>> {
        let network = Network::<R>::new(config.architecture(classes), config.seed)?;
        let (mut problems, mut defaults) = (Vec::new(), Vec::new());
        let parameters = network.named();
        for parameter in &parameters {
            let name = &parameter.name;
            let shape = parameter.shape();
            let Some(tensor) = self.0.get(name) else {
                if needed(name) {
                    problems.push(format!("{name} is missing, expected {shape:?}"));
                } else {
                    defaults.push(name.clone());
                }
                continue;
            };
            match numbers::<R>(tensor, &shape, bounds(config, name)) {
                Ok(value) => {
                    let value = if parameter.transposed { value.t()?.contiguous()? } else { value };
                    parameter.value.set(&value)?;
                }
                Err(problem) => problems.push(format!("{name} {problem}")),
            }
        }
        for (name, tensor) in &self.0 {
            if !parameters.iter().any(|parameter| parameter.name == *name) {
                problems.push(superfluous(name, tensor, config));
            }
        }
        if !problems.is_empty() {
            bail!(Problems(problems));
        }
        Ok(Imported { network, defaults })
    }
}

/// `layers.3.h_s0` is layer 3 and `h_s0`.
fn part_of(name: &str) -> Option<(usize, &str)> {
    let (layer, part) = name.strip_prefix("layers.")?.split_once('.')?;
    Some((layer.parse().ok()?, part))
}

/// True if no network is without it.
fn needed(name: &str) -> bool {
    name.ends_with("weight") || name.ends_with("bias")
}

/// Values that a parameter may have; b_h is held to its bound where it is used.
fn bounds(config: &Config, name: &str) -> (f64, f64) {
    let free = (f64::NEG_INFINITY, f64::INFINITY);
    let Some((layer, part)) = part_of(name).filter(|(_, part)| *part != "bias") else { return free };
    let Some(&neurons) = config.layers.get(layer + 1) else { return free };
    let parameters = config.cell.parameters(neurons);
    parameters.iter().find(|parameter| parameter.name == part).map_or(free, |parameter| parameter.bounds)
}

/// A tensor's numbers in the shape that is wanted, or what is wrong with it, as the end of a sentence.
fn numbers<R: Real>(tensor: &Tensor, shape: &[usize], (least, most): (f64, f64)) -> Result<Tensor, String> {
    let found = tensor.dims();
    // PyTorch holds a single number without dimensions.
    if found != shape && !(shape == [1] && found.is_empty()) {
        let turned = found.len() == 2 && found[0] == shape[shape.len() - 1] && [found[1]] == shape[..1];
        let advice = if turned { ": transpose it, weights are [out, in]" } else { "" };
        return Err(format!("is {found:?}, expected {shape:?}{advice}"));
    }
    if !matches!(tensor.dtype(), DType::F64 | DType::F32 | DType::F16 | DType::BF16) {
        return Err(format!(
            "holds numbers of kind {}: save it as f64, f32, f16 or bf16",
            tensor.dtype().as_str()
        ));
    }
    let exact: Vec<f64> = tensor
        .to_dtype(DType::F64)
        .and_then(|tensor| tensor.flatten_all()?.to_vec1())
        .map_err(|error| format!("cannot be read: {error}"))?;
    if let Some(index) =
        exact.iter().position(|&value| !value.is_finite() || !R::of(value).to_f64().is_finite())
    {
        return Err(format!("holds {} at index {index}: every number must be finite", exact[index]));
    }
    if let Some(&value) = exact.iter().find(|value| !(least..=most).contains(*value)) {
        let range = if most.is_finite() { format!("{least} to {most}") } else { format!("at least {least}") };
        return Err(format!("holds {value}, but it must be {range}"));
    }
    let values: Vec<R> = exact.into_iter().map(R::of).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).map_err(|error| format!("cannot be read: {error}"))
}

/// A sentence about a tensor that has no place.
fn superfluous(name: &str, tensor: &Tensor, config: &Config) -> String {
    let (layers, cell) = (config.layers.len() - 1, config.cell.name());
    let why = match part_of(name) {
        Some((layer, _)) if layer >= layers => format!("there are {layers} layers, counted from 0"),
        Some((_, part)) if LEARNABLE.iter().any(|(named, _)| *named == part) => {
            format!("{cell} cells of this config do not learn it")
        }
        _ => format!("{cell} cells have no such parameter"),
    };
    format!("{name} {:?} is superfluous: {why}", tensor.dims())
}

/// Writes a run that holds a network: `config.json`, `best.safetensors`, and a `last.safetensors` of no epochs from which
/// `train --resume` goes on. The folder is there whole or not at all.
///
/// # Errors
/// If `out` is not empty, or a file cannot be written.
pub fn write_run(out: &Path, config: &Config, network: &Network<f32>) -> Result<()> {
    let used = out.exists() && !out.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    ensure!(!used, "{} is not empty: choose another folder with --out", out.display());
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> Result<()> {
        fs::create_dir_all(parent)?;
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let folder = builder.tempdir_in(parent)?;
        let file = |name: &str| folder.path().join(name);
        write_atomically(&file("config.json"), serde_json::to_string_pretty(config)?.as_bytes())?;
        write_atomically(&file("metrics.jsonl"), b"")?;
        checkpoint::save(&file("best.safetensors"), config, network, None)?;
        let adam = Adam::new(network.named());
        let training = Some((&adam, &Progress::default()));
        checkpoint::save(&file("last.safetensors"), config, network, training)?;
        fs::rename(folder.path(), out)?;
        // Renamed, it is no temporary folder any more.
        let _ = folder.keep();
        Ok(())
    };
    write().with_context(|| format!("cannot make the run {}", out.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(tensors: &[(&str, &[usize], f64)]) -> Tensors {
        let tensor = |(name, shape, value): &(&str, &[usize], f64)| {
            ((*name).to_owned(), Tensor::full(*value, *shape, &Device::Cpu).unwrap())
        };
        Tensors(tensors.iter().map(tensor).collect())
    }

    fn problems(tensors: &Tensors, config: &Config) -> String {
        tensors.network::<f32>(config, 2).unwrap_err().to_string()
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let config = Config { layers: vec![4, 3, 2], ..Config::default() };
        let good = [
            ("layers.0.weight", &[3, 4][..], 0.5),
            ("layers.0.bias", &[3], -6.0),
            ("layers.1.weight", &[2, 3], 0.5),
            ("layers.1.bias", &[2], 7.0),
        ];
        let imported = file(&good).network::<f32>(&config, 2).unwrap();
        assert!(imported.defaults.is_empty());
        assert_eq!(imported.network.weight(0).unwrap(), [0.5; 12]);
        assert_eq!(file(&good).layers(), Some(vec![4, 3, 2]));

        let bad = file(&[
            ("layers.0.weight", &[4, 3], 0.5),
            ("layers.0.bias", &[1, 3], -6.0),
            ("layers.1.weight", &[2, 3], f64::NAN),
            ("layers.1.alpha", &[1], 0.9),
            ("layers.2.weight", &[2, 2], 0.0),
            ("fc.weight", &[2, 2], 0.0),
            ("adam.step", &[1], 0.0),
        ]);
        let text = problems(&bad, &config);
        for sentence in [
            "layers.0.weight is [4, 3], expected [3, 4]: transpose it",
            "layers.0.bias is [1, 3], expected [3]",
            "layers.1.weight holds NaN at index 0",
            "layers.1.bias is missing, expected [2]",
            "layers.1.alpha [1] is superfluous: src cells of this config do not learn it",
            "layers.2.weight [2, 2] is superfluous: there are 2 layers",
            "fc.weight [2, 2] is superfluous: src cells have no such parameter",
            "adam.step",
        ] {
            assert!(text.contains(sentence), "\"{sentence}\" is not in: {text}");
        }
        let huge = file(&[("layers.0.weight", &[2, 4], 1e300), good[3]]);
        let text = problems(&huge, &Config { layers: vec![4, 2], ..config });
        assert!(text.contains("every number must be finite"), "{text}");
    }

    #[test]
    fn what_a_file_holds_is_learnt_and_what_it_lacks_has_its_default() {
        let lif = Cell::named(crate::cell::CellName::Lif);
        let mut config = Config { layers: vec![4, 3, 2], cell: lif, ..Config::default() };
        let mut tensors = vec![
            ("layers.0.weight", &[3, 4][..], 0.5),
            ("layers.1.weight", &[2, 3], 0.5),
            ("layers.1.leak", &[], 0.7),
            ("layers.1.rho", &[1], 3.0),
        ];
        assert_eq!(file(&tensors).learnt(&config.cell), [Learnable::Leak].into());
        tensors.pop();
        *config.cell.learn_mut().unwrap() = [Learnable::Leak].into();
        let imported = file(&tensors).network::<f64>(&config, 2).unwrap();
        assert_eq!(imported.defaults, ["layers.0.leak"]);
        let leaks =
            imported.network.layers().iter().map(|layer| layer.cell[0].1.to_vec1::<f64>().unwrap()[0]);
        assert_eq!(leaks.collect::<Vec<_>>(), [0.9, 0.7]);
        tensors[2].2 = 1.5;
        let text = problems(&file(&tensors), &config);
        assert!(text.contains("layers.1.leak holds 1.5, but it must be 0 to 0.9999"), "{text}");
    }
}
