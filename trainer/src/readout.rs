//! Readout: frozen leaky integrators, one per class (paper, section 4.2), as an operation of candle's graph.
//!
//! `v_c[t] = α v_c[t-1] + Σ w_cn s_n[t]`, `w_cn` being `excite` for the class's own neurons and `inhibit` for all others.
//! Only `v[T]` matters, so it is one sum over the spikes, each weighted with α^(T-1-t).

use crate::kernel::{Events, Real};
use crate::layer::{BatchGradient, Slot, Spikes, with_numbers};
use crate::stage::{self, Stage};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The readout's constants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadoutConfig {
    /// α of the integrators.
    pub alpha: f64,
    /// Weight of a class's own neurons.
    pub excite: f64,
    /// Weight of the other classes' neurons.
    pub inhibit: f64,
}

impl Default for ReadoutConfig {
    fn default() -> Self {
        Self { alpha: 0.99, excite: 1.0, inhibit: -0.1 }
    }
}

/// Scores `v[T]` of a batch, `[batch, classes]`.
///
/// # Errors
/// If the neurons do not divide evenly between the classes, or `spikes` are the network's input.
pub fn readout<R: Real>(spikes: &Spikes<R>, classes: usize, config: &ReadoutConfig) -> Result<Tensor> {
    let Some(edge) = &spikes.edge else { bail!("a readout needs a layer below it") };
    if classes == 0 || !spikes.width.is_multiple_of(classes) {
        bail!("{} neurons do not divide evenly between {classes} classes", spikes.width);
    }
    edge.tensor.apply_op1(ReadoutOp {
        config: *config,
        classes,
        neurons: spikes.width,
        events: spikes.events.clone(),
        slot: edge.slot.clone(),
    })
}

struct ReadoutOp<R> {
    config: ReadoutConfig,
    classes: usize,
    neurons: usize,
    events: Arc<Vec<Events<R>>>,
    slot: Arc<Slot<BatchGradient<R>>>,
}

impl<R: Real> ReadoutOp<R> {
    /// α^(T-1-t).
    fn decay(&self) -> Vec<R> {
        let steps = self.events.first().map_or(0, Events::steps) as i32;
        (0..steps).map(|t| R::of(self.config.alpha.powi(steps - 1 - t))).collect()
    }

    fn scores(&self, events: &Events<R>, decay: &[R]) -> impl Iterator<Item = R> {
        let group = self.neurons / self.classes;
        let mut sums = vec![R::ZERO; self.classes];
        for (t, &weight) in decay.iter().enumerate() {
            let (inputs, values) = events.at(t);
            for (k, &input) in inputs.iter().enumerate() {
                let value = values.get(k).copied().unwrap_or(R::ONE);
                sums[usize::from(input) / group] += weight * value;
            }
        }
        let all = sums.iter().fold(R::ZERO, |all, &sum| all + sum);
        let (excite, inhibit) = (R::of(self.config.excite), R::of(self.config.inhibit));
        sums.into_iter().map(move |own| excite * own + inhibit * (all - own))
    }
}

impl<R: Real> CustomOp1 for ReadoutOp<R> {
    fn name(&self) -> &'static str {
        "readout"
    }

    fn cpu_fwd(&self, _edge: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let _timer = stage::time(Stage::Loss, 0);
        let decay = self.decay();
        let scores = self.events.iter().flat_map(|events| self.scores(events, &decay)).collect();
        Ok((R::to_cpu_storage_owned(scores), Shape::from((self.events.len(), self.classes))))
    }

    fn bwd(&self, edge: &Tensor, _result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let _timer = stage::time(Stage::Loss, 0);
        let group = self.neurons / self.classes;
        let (excite, inhibit) = (R::of(self.config.excite), R::of(self.config.inhibit));
        let neuron = with_numbers::<R, _>(&gradient.contiguous()?, |gradient| {
            let sample = |g: &[R]| -> Vec<R> {
                let all = g.iter().fold(R::ZERO, |all, &g| all + g);
                let of_class = |&own: &R| std::iter::repeat_n(excite * own + inhibit * (all - own), group);
                g.iter().flat_map(of_class).collect()
            };
            Ok(gradient.chunks_exact(self.classes).flat_map(sample).collect())
        })?;
        self.slot.put(BatchGradient::Readout { neuron, decay: self.decay() });
        Ok(Some(edge.zeros_like()?))
    }
}
