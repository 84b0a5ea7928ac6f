//! A layer of spiking cells as an operation of candle's graph.
//!
//! candle's backward pass adds each gradient to a block of zeros of the same shape. For blocks of batch × timesteps ×
//! neurons that would cost more than the cells themselves, so such blocks stay out of the graph: spikes travel as sparse
//! [`Events`], their gradients through a [`Slot`] beside it, and the edge between two layers is a tensor of a single
//! number that only carries the order. Parameters and scores are ordinary tensors.

use crate::cell::Cell;
use crate::config::ActivityGoal;
use crate::kernel::product::Turned;
use crate::kernel::synapses::{ByInput, Panels, weight_gradient};
use crate::kernel::{Backward, Events, Flow, Pool, Push, Real, SpikeGradient, SpikingLayer};
use crate::stage::{self, Stage};
use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, WithDType, bail};
use rayon::prelude::*;
use std::sync::{Arc, Mutex, OnceLock};

/// The spikes of a batch between two layers.
#[derive(Debug)]
pub struct Spikes<R> {
    /// One per sample.
    pub events: Arc<Vec<Events<R>>>,
    /// Number of neurons (or inputs) that could spike.
    pub width: usize,
    /// What ties them to the graph; `None` for the network's input.
    pub edge: Option<Edge<R>>,
}

/// The graph's edge from a layer to whatever takes its spikes.
#[derive(Clone, Debug)]
pub struct Edge<R> {
    /// One number, always 0; its only purpose is the order of the backward pass.
    pub tensor: Tensor,
    /// Where the taker leaves ∂L/∂s.
    pub slot: Arc<Slot<R>>,
    /// The layer it comes from, counted from 0.
    pub layer: usize,
}

/// Where the gradient of a layer's spikes waits for that layer's backward pass.
#[derive(Debug, Default)]
pub struct Slot<R>(Mutex<Option<BatchGradient<R>>>);

/// ∂L/∂s of a batch.
#[derive(Debug)]
pub enum BatchGradient<R> {
    /// From the layer above: ∂L/∂s = g_i Wᵀ, left to be multiplied out sample by sample where it is used.
    Above {
        /// Its ∂L/∂i, `[batch, timesteps, neurons above]`.
        g_i: Vec<R>,
        /// Its weights, `[neurons, neurons above]`.
        weight: Tensor,
    },
    /// From the readout, where it is a product of two vectors: see [`SpikeGradient::Readout`].
    Readout {
        /// `[batch, neurons]`.
        neuron: Vec<R>,
        /// `[timesteps]`.
        decay: Vec<R>,
    },
}

impl<R> Slot<R> {
    /// Leaves a gradient.
    pub fn put(&self, gradient: BatchGradient<R>) {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(gradient);
    }

    fn take(&self) -> Option<BatchGradient<R>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }
}

/// How a training looks back through a layer.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    /// Which gradients flow.
    pub flow: Flow,
    /// How much spiking is wanted.
    pub goal: ActivityGoal,
}

/// Runs a batch through a layer.
///
/// `weight` is `[inputs, neurons]`; `parameters` are the flat learnt parameters of the cells, in the order of
/// [`Cell::parameters`]. With `training: None` nothing is kept for a backward pass.
///
/// # Errors
/// If the shapes do not fit, a tensor is not of `R`'s kind, or the cells do not spike.
pub fn spiking_layer<R: Real>(
    input: &Spikes<R>,
    weight: &Tensor,
    parameters: &Tensor,
    cell: &Cell,
    training: Option<Training>,
    pool: &Arc<Pool<R>>,
) -> Result<Spikes<R>> {
    let (inputs, neurons) = weight.dims2()?;
    if inputs != input.width {
        bail!("weights are {:?}, expected [{}, {neurons}]", weight.dims(), input.width);
    }
    let index = input.edge.as_ref().map_or(0, |edge| edge.layer + 1);
    let slot = Arc::new(Slot(Mutex::new(None)));
    let output = Arc::new(OnceLock::new());
    let op = SpikingLayerOp {
        cell: cell.clone(),
        neurons,
        training,
        input: input.events.clone(),
        below: input.edge.as_ref().map(|edge| edge.slot.clone()),
        slot: slot.clone(),
        output: output.clone(),
        kept: OnceLock::new(),
        pool: pool.clone(),
        index,
    };
    let edge = match &input.edge {
        Some(edge) => edge.tensor.clone(),
        None => Tensor::zeros(1, R::DTYPE, &Device::Cpu)?,
    };
    let tensor = edge.apply_op3(weight, parameters, op)?;
    let events = output.get().cloned().unwrap_or_default();
    Ok(Spikes { events, width: neurons, edge: Some(Edge { tensor, slot, layer: index }) })
}

/// One layer's place in the graph of one batch.
struct SpikingLayerOp<R: Real> {
    cell: Cell,
    neurons: usize,
    training: Option<Training>,
    input: Arc<Vec<Events<R>>>,
    below: Option<Arc<Slot<R>>>,
    slot: Arc<Slot<R>>,
    output: Arc<OnceLock<Arc<Vec<Events<R>>>>>,
    kept: OnceLock<Kept<R>>,
    pool: Arc<Pool<R>>,
    /// The layer, counted from 0.
    index: usize,
}

/// What a batch's forward pass keeps for the backward pass.
struct Kept<R> {
    layer: SpikingLayer<R>,
    /// [`SpikingLayer::kept`] blocks per sample.
    blocks: Vec<R>,
}

impl<R: Real> Drop for SpikingLayerOp<R> {
    fn drop(&mut self) {
        if let Some(Kept { blocks, .. }) = self.kept.take() {
            self.pool.give(blocks);
        }
    }
}

/// A contiguous tensor's numbers.
fn numbers<'a, R: WithDType>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [R]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<R>()?[start..end]),
        None => bail!("a parameter must be contiguous"),
    }
}

/// Calls `read` with a contiguous CPU tensor's numbers.
pub(crate) fn with_numbers<R: WithDType, T>(
    tensor: &Tensor,
    read: impl FnOnce(&[R]) -> Result<T>,
) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        candle_core::Storage::Cpu(storage) => read(numbers(storage, layout)?),
        _ => bail!("training runs on the CPU"),
    }
}

impl<R: Real> CustomOp3 for SpikingLayerOp<R> {
    fn name(&self) -> &'static str {
        "spiking-layer"
    }

    fn cpu_fwd(
        &self,
        _edge: &CpuStorage,
        _: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        parameters: &CpuStorage,
        parameters_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let weight = numbers::<R>(weight, weight_layout)?;
        let parameters = numbers::<R>(parameters, parameters_layout)?;
        let Some(layer) = SpikingLayer::new(&self.cell, self.neurons, parameters) else {
            bail!("{} cells do not spike", self.cell.name())
        };
        let weights = Panels::new(weight, self.neurons);
        let block = self.steps() * self.neurons;
        let output: Vec<Events<R>> = if self.training.is_some() {
            let length = layer.kept() * block;
            let mut blocks = self.pool.take(length * self.input.len());
            let samples = self.input.par_iter().zip(blocks.par_chunks_mut(length));
            let output = samples
                .map(|(events, kept)| {
                    let _timer = stage::time(Stage::Forward, self.index);
                    layer.forward(&weights, events, kept)
                })
                .collect();
            let _ = self.kept.set(Kept { layer, blocks });
            output
        } else {
            let scratch = || vec![R::ZERO; block];
            let run = |kept: &mut Vec<R>, events| layer.forward(&weights, events, kept);
            self.input.par_iter().map_init(scratch, run).collect()
        };
        let _ = self.output.set(Arc::new(output));
        Ok((R::to_cpu_storage_owned(vec![R::ZERO]), Shape::from(1)))
    }

    fn bwd(
        &self,
        edge: &Tensor,
        weight: &Tensor,
        parameters: &Tensor,
        _result: &Tensor,
        _gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (Some(training), Some(kept), Some(gradient)) = (self.training, self.kept.get(), self.slot.take())
        else {
            bail!("the forward pass kept nothing to go back from")
        };
        let length = parameters.elem_count();
        let (g_i, g_p) = self.back(training, kept, &gradient, length)?;
        if let BatchGradient::Above { g_i, .. } = gradient {
            self.pool.give(g_i);
        }
        let inputs = weight.dims2()?.0;
        let g_w = Tensor::from_vec(self.weights(&g_i, inputs), (inputs, self.neurons), &Device::Cpu)?;
        let g_p = Tensor::from_vec(sum_of_samples(&g_p, length), length, &Device::Cpu)?;
        let g_edge = match &self.below {
            None => {
                self.pool.give(g_i);
                None
            }
            Some(below) => {
                below.put(BatchGradient::Above { g_i, weight: weight.clone() });
                Some(edge.zeros_like()?)
            }
        };
        Ok((g_edge, Some(g_w), Some(g_p)))
    }
}

impl<R: Real> SpikingLayerOp<R> {
    fn steps(&self) -> usize {
        self.input.first().map_or(0, Events::steps)
    }

    /// What the wish for more or less activity adds to the gradient at this layer's spikes.
    fn push(&self, goal: &ActivityGoal) -> Push<R> {
        let output = self.output.get();
        let spiking: usize = output.iter().flat_map(|batch| batch.iter()).map(Events::count).sum();
        let samples = self.input.len() as f64;
        goal.push(spiking as f64, samples, samples * (self.steps() * self.neurons) as f64)
    }

    /// ∂L/∂i, `[batch, timesteps, neurons]`, and the gradients of each sample's parameters, `[batch, parameters]`.
    fn back(
        &self,
        training: Training,
        kept: &Kept<R>,
        gradient: &BatchGradient<R>,
        parameters: usize,
    ) -> Result<(Vec<R>, Vec<R>)> {
        let (steps, block) = (self.steps(), self.steps() * self.neurons);
        let push = self.push(&training.goal);
        let mut g_i = self.pool.take(block * self.input.len());
        let mut g_p = vec![R::ZERO; self.input.len() * parameters];
        let turned = match gradient {
            BatchGradient::Above { weight, .. } => {
                let above = weight.dims2()?.1;
                Some((with_numbers(weight, |weight: &[R]| Ok(Turned::new(weight, above)))?, above))
            }
            BatchGradient::Readout { .. } => None,
        };
        let samples = kept.blocks.par_chunks(kept.layer.kept() * block).enumerate();
        let outputs = g_i.par_chunks_mut(block).zip(g_p.par_chunks_mut(parameters));
        samples.zip(outputs).for_each_init(Vec::new, |g_s, ((index, blocks), (g_i, g_p))| {
            let gradient = match (gradient, &turned) {
                (BatchGradient::Above { g_i: above, .. }, Some((turned, width))) => {
                    g_s.resize(block, R::ZERO);
                    let _timer = stage::time(Stage::Product, self.index);
                    turned.spike_gradient(&above[index * steps * width..][..steps * width], g_s);
                    SpikeGradient::Dense(g_s)
                }
                (BatchGradient::Above { .. }, None) => unreachable!("weights above are turned"),
                (BatchGradient::Readout { neuron, decay }, _) => {
                    SpikeGradient::Readout { neuron: &neuron[index * self.neurons..][..self.neurons], decay }
                }
            };
            let given = Backward { flow: training.flow, kept: blocks, gradient, push };
            let _timer = stage::time(Stage::Scan, self.index);
            kept.layer.backward(given, g_i, g_p);
        });
        Ok((g_i, g_p))
    }

    /// ∂L/∂W, `[inputs, neurons]`, each thread owning some of its columns.
    fn weights(&self, g_i: &[R], inputs: usize) -> Vec<R> {
        let neurons = self.neurons;
        let block = self.steps() * neurons;
        // Whole cache lines of either kind of number, and a block of weights that stays in a core's cache.
        let width = neurons.div_ceil(rayon::current_num_threads()).next_multiple_of(16).min(128);
        let spikes: Vec<_> = self
            .input
            .par_iter()
            .map(|events| {
                let _timer = stage::time(Stage::WeightGradient, self.index);
                ByInput::new(events, inputs)
            })
            .collect();
        let starts: Vec<usize> = (0..neurons).step_by(width).collect();
        let parts: Vec<Vec<R>> = starts
            .par_iter()
            .map(|&start| {
                let _timer = stage::time(Stage::WeightGradient, self.index);
                let columns = start..(start + width).min(neurons);
                weight_gradient(inputs, neurons, columns, spikes.iter().zip(g_i.chunks_exact(block)))
            })
            .collect();
        let mut g_w = vec![R::ZERO; inputs * neurons];
        g_w.par_chunks_mut(neurons).enumerate().for_each(|(input, row)| {
            let _timer = stage::time(Stage::WeightGradient, self.index);
            for (part, columns) in parts.iter().zip(row.chunks_mut(width)) {
                let width = columns.len();
                columns.copy_from_slice(&part[input * width..][..width]);
            }
        });
        g_w
    }
}

/// The samples' parameter gradients, `[batch, length]`, summed in the samples' order.
fn sum_of_samples<R: Real>(samples: &[R], length: usize) -> Vec<R> {
    let mut sums = vec![R::ZERO; length];
    for sample in samples.chunks_exact(length) {
        sums.iter_mut().zip(sample).for_each(|(sum, &g)| *sum += g);
    }
    sums
}
