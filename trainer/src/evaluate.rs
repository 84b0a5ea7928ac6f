//! Measures of a float network on a set of samples.

use crate::config::Config;
use crate::data::Samples;
use crate::network::Network;
use crate::spike_train::Show;
use anyhow::Result;
use candle_core::{D, Tensor};
use serde::{Deserialize, Serialize};

/// Samples shown at once.
const BATCH: usize = 128;

/// What a network makes of a set of samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of samples.
    pub samples: usize,
    /// Share of them that is classified correctly.
    pub accuracy: f64,
    /// Mean cross-entropy.
    pub cross_entropy: f64,
    /// Per layer: share of timesteps in which a neuron spikes (Eq. 2).
    pub activity: Vec<f64>,
    /// `confusion[label][class]`.
    pub confusion: Vec<Vec<u32>>,
    /// The class chosen for each sample.
    #[serde(skip)]
    pub chosen: Vec<u8>,
}

/// Shows the samples at `indices`, each encoded in its evaluation stream, and calls `done` with the number shown.
///
/// # Errors
/// If the samples do not fit the network.
pub fn evaluate(
    network: &Network<f32>,
    config: &Config,
    samples: &Samples,
    indices: &[usize],
    mut done: impl FnMut(usize),
) -> Result<Evaluation> {
    let encoding = config.encoding();
    let classes = network.architecture().classes;
    let mut total = Evaluation {
        samples: indices.len(),
        activity: vec![0.0; network.architecture().widths.len() - 1],
        confusion: vec![vec![0; classes]; classes],
        ..Evaluation::default()
    };
    for batch in indices.chunks(BATCH) {
        let output = network.forward(encoding.batch(samples, batch, Show::Evaluation), None)?;
        let labels: Vec<u32> = batch.iter().map(|&index| u32::from(samples.labels()[index])).collect();
        let labels = Tensor::new(labels, output.scores.device())?;
        let loss = candle_nn::loss::cross_entropy(&output.scores, &labels)?.to_scalar::<f32>()?;
        total.cross_entropy += f64::from(loss) * batch.len() as f64 / indices.len() as f64;
        let chosen: Vec<u32> = output.scores.argmax(D::Minus1)?.to_vec1()?;
        for (&index, class) in batch.iter().zip(chosen) {
            total.confusion[usize::from(samples.labels()[index])][class as usize] += 1;
            total.chosen.push(class as u8);
        }
        let share = batch.len() as f64 / indices.len() as f64;
        for (sum, activity) in total.activity.iter_mut().zip(output.activity()) {
            *sum += activity * share;
        }
        done(batch.len());
    }
    let right: u32 = (0..classes).map(|class| total.confusion[class][class]).sum();
    total.accuracy = f64::from(right) / indices.len() as f64;
    Ok(total)
}
