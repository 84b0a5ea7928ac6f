//! A layer of spiking cells as an operation of candle's graph.
//!
//! candle's backward pass adds each gradient to a block of zeros of the same shape. For blocks of batch × timesteps ×
//! neurons that would cost more than the cells themselves, so such blocks stay out of the graph: spikes travel as sparse
//! [`Events`], their gradients through a [`Slot`] beside it, and the edge between two layers is a tensor of a single
//! number that only carries the order. The gradient of a layer's weights waits in a slot, too. Parameters and scores are
//! ordinary tensors.
//!
//! Forward, a thread takes a sample through all neurons; backward, a panel of neurons through some samples: it owns their
//! ∂L/∂W, and all that it works on stays in its cache.

use crate::cell::Cell;
use crate::config::ActivityGoal;
use crate::kernel::panel::{Panels, panels};
use crate::kernel::product::Turned;
use crate::kernel::synapses::ByInput;
use crate::kernel::{Backward, Block, Events, Flow, Pool, Push, Real, SpikeGradient, SpikingLayer, zeros};
use crate::stage::{self, Stage};
use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, WithDType, bail};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

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
    pub slot: Arc<Slot<BatchGradient<R>>>,
    /// Where the layer leaves ∂L/∂W, `[inputs, neurons]`.
    pub weight: Arc<Slot<Tensor>>,
    /// The layer it comes from, counted from 0.
    pub layer: usize,
}

/// Where a gradient waits for who needs it.
#[derive(Debug)]
pub struct Slot<G>(Mutex<Option<G>>);

/// ∂L/∂s of a batch.
#[derive(Debug)]
pub enum BatchGradient<R> {
    /// From the layer above: ∂L/∂s = g_i Wᵀ, left to be multiplied out sample by sample where it is used.
    Above {
        /// Its ∂L/∂i, `[batch, timesteps, neurons]` for each of its panels.
        g_i: Block<R>,
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

impl<G> Default for Slot<G> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<G> Slot<G> {
    /// Leaves a gradient.
    pub fn put(&self, gradient: G) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(gradient);
    }

    /// The gradient, if there is one.
    pub fn take(&self) -> Option<G> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
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
    let slot = Arc::<Slot<BatchGradient<R>>>::default();
    let weight_slot = Arc::<Slot<Tensor>>::default();
    let output = Arc::new(OnceLock::new());
    let op = SpikingLayerOp {
        cell: cell.clone(),
        neurons,
        training,
        input: input.events.clone(),
        below: input.edge.as_ref().map(|edge| edge.slot.clone()),
        slot: slot.clone(),
        weight: weight_slot.clone(),
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
    Ok(Spikes {
        events,
        width: neurons,
        edge: Some(Edge { tensor, slot, weight: weight_slot, layer: index }),
    })
}

/// One layer's place in the graph of one batch.
struct SpikingLayerOp<R: Real> {
    cell: Cell,
    neurons: usize,
    training: Option<Training>,
    input: Arc<Vec<Events<R>>>,
    below: Option<Arc<Slot<BatchGradient<R>>>>,
    slot: Arc<Slot<BatchGradient<R>>>,
    weight: Arc<Slot<Tensor>>,
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
    blocks: Block<R>,
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
                .with_max_len(1)
                .map(|(events, kept)| {
                    let _timer = stage::time(Stage::Forward, self.index);
                    layer.forward(&weights, events, kept)
                })
                .collect();
            let _ = self.kept.set(Kept { layer, blocks });
            output
        } else {
            let scratch = || zeros(block);
            let run = |kept: &mut Block<R>, events| layer.forward(&weights, events, kept);
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
        let inputs = weight.dims2()?.0;
        let Gradients { g_i, g_w, g_p } = match &gradient {
            BatchGradient::Above { weight, .. } => {
                let above = weight.dims2()?.1;
                with_numbers(weight, |weight| {
                    Ok(self.back(training, kept, &gradient, Some((weight, above)), inputs))
                })?
            }
            BatchGradient::Readout { .. } => self.back(training, kept, &gradient, None, inputs),
        };
        if let BatchGradient::Above { g_i, .. } = gradient {
            self.pool.give(g_i);
        }
        self.weight.put(Tensor::from_vec(g_w, (inputs, self.neurons), &Device::Cpu)?);
        let g_p = Tensor::from_vec(g_p, parameters.elem_count(), &Device::Cpu)?;
        let g_edge = match &self.below {
            None => None,
            Some(below) => {
                below.put(BatchGradient::Above { g_i, weight: weight.clone() });
                Some(edge.zeros_like()?)
            }
        };
        Ok((g_edge, None, Some(g_p)))
    }
}

/// What a backward pass finds for a batch.
struct Gradients<R> {
    /// ∂L/∂i, `[batch, timesteps, neurons]` for each panel; empty if there is no layer below.
    g_i: Block<R>,
    /// ∂L/∂W, `[inputs, neurons]`.
    g_w: Vec<R>,
    /// Of the cells' flat parameters.
    g_p: Vec<R>,
}

/// A panel of neurons and the samples that a thread takes through it.
struct Job<'a, R> {
    panel: Range<usize>,
    samples: Range<usize>,
    /// `[samples, timesteps, neurons]`, if there is a layer below.
    g_i: Option<&'a mut [R]>,
}

/// Parts that a batch is cut into, so that there are more jobs than panels: each has sums of its own, which cost memory
/// and are added in the parts' order. A fixed number: the sums do not depend on the number of threads.
const PARTS: usize = 2;

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

    /// The way back through the layer: each job fills its part of ∂L/∂i and sums up its part of the other gradients.
    /// `above` are the `[neurons, neurons above]` weights of a layer above, if there is one, and their width.
    fn back(
        &self,
        training: Training,
        kept: &Kept<R>,
        gradient: &BatchGradient<R>,
        above: Option<(&[R], usize)>,
        inputs: usize,
    ) -> Gradients<R> {
        let batch = self.input.len();
        let block = if self.below.is_some() { batch * self.steps() * self.neurons } else { 0 };
        let mut g_i = self.pool.take(block);
        let spikes: Vec<_> = self
            .input
            .par_iter()
            .map(|events| {
                let _timer = stage::time(Stage::WeightGradient, self.index);
                ByInput::new(events, inputs)
            })
            .collect();
        let push = self.push(&training.goal);
        let parts: Vec<(Block<R>, Vec<R>)> = self
            .jobs(&mut g_i)
            .into_par_iter()
            .with_max_len(1)
            .map(|mut job| {
                let (panel, width) = (job.panel.clone(), job.panel.len());
                let size = self.steps() * width;
                let mut g_w = self.pool.take(inputs * width);
                g_w.fill(R::ZERO);
                let of_cell: usize = self.cell.parameters(width).iter().map(|p| p.length).sum();
                let mut g_p = vec![R::ZERO; of_cell.max(1)];
                let above = above.map(|(weights, width)| {
                    let _timer = stage::time(Stage::Product, self.index);
                    (Turned::new(&weights[panel.start * width..panel.end * width], width), width)
                });
                let (mut g_s, mut own) = (self.pool.take(size), self.pool.take(size));
                for (place, index) in job.samples.clone().enumerate() {
                    let gradient = match (gradient, &above) {
                        (BatchGradient::Readout { neuron, decay }, _) => {
                            let neuron = &neuron[index * self.neurons..][panel.clone()];
                            SpikeGradient::Readout { neuron, decay }
                        }
                        (BatchGradient::Above { g_i, .. }, Some((turned, width))) => {
                            let _timer = stage::time(Stage::Product, self.index);
                            turned.spike_gradient(&sample(g_i, *width, batch, index), &mut g_s);
                            SpikeGradient::Dense(&g_s)
                        }
                        (BatchGradient::Above { .. }, None) => unreachable!("its weights come with it"),
                    };
                    let length = kept.blocks.len() / batch;
                    let given = Backward {
                        flow: training.flow,
                        panel: panel.clone(),
                        kept: &kept.blocks[index * length..][..length],
                        gradient,
                        push,
                    };
                    let g_i = match &mut job.g_i {
                        Some(g_i) => &mut g_i[place * size..][..size],
                        None => &mut own,
                    };
                    {
                        let _timer = stage::time(Stage::Scan, self.index);
                        kept.layer.backward(given, g_i, &mut g_p);
                    }
                    let _timer = stage::time(Stage::WeightGradient, self.index);
                    spikes[index].add_weight_gradient(width, g_i, &mut g_w);
                }
                self.pool.give(g_s);
                self.pool.give(own);
                (g_w, g_p)
            })
            .collect();
        let whole =
            Gradients { g_w: self.whole_weights(&parts, inputs), g_p: self.whole_parameters(&parts), g_i };
        parts.into_iter().for_each(|(g_w, _)| self.pool.give(g_w));
        whole
    }

    /// Each panel's jobs, one for each part of the batch; `g_i` is that of the batch, or empty.
    fn jobs<'a>(&self, mut g_i: &'a mut [R]) -> Vec<Job<'a, R>> {
        let batch = self.input.len();
        let size = batch.div_ceil(PARTS);
        let mut jobs = Vec::new();
        for panel in panels(self.neurons) {
            for part in 0..PARTS {
                let samples = (part * size).min(batch)..((part + 1) * size).min(batch);
                let length = samples.len() * self.steps() * panel.len();
                let own = if g_i.is_empty() {
                    None
                } else {
                    let (own, behind) = std::mem::take(&mut g_i).split_at_mut(length);
                    g_i = behind;
                    Some(own)
                };
                jobs.push(Job { panel: panel.clone(), samples, g_i: own });
            }
        }
        jobs
    }

    /// ∂L/∂W, `[inputs, neurons]`, of the jobs' parts.
    fn whole_weights(&self, parts: &[(Block<R>, Vec<R>)], inputs: usize) -> Vec<R> {
        let mut g_w = vec![R::ZERO; inputs * self.neurons];
        g_w.par_chunks_mut(self.neurons).enumerate().for_each(|(input, row)| {
            let _timer = stage::time(Stage::WeightGradient, self.index);
            for (panel, parts) in panels(self.neurons).zip(parts.chunks_exact(PARTS)) {
                let width = panel.len();
                let to = &mut row[panel];
                for (part, _) in parts {
                    add(to, &part[input * width..][..width]);
                }
            }
        });
        g_w
    }

    /// The gradients of the cells' flat parameters: those of each neuron stand side by side, those that all share are
    /// added.
    fn whole_parameters(&self, parts: &[(Block<R>, Vec<R>)]) -> Vec<R> {
        let parameters = self.cell.parameters(self.neurons);
        let length: usize = parameters.iter().map(|p| p.length).sum();
        let mut whole = vec![R::ZERO; length.max(1)];
        let shared: Vec<bool> = self.cell.parameters(2).iter().map(|p| p.length == 1).collect();
        for (panel, parts) in panels(self.neurons).zip(parts.chunks_exact(PARTS)) {
            for (_, part) in parts {
                let (mut from, mut to) = (0, 0);
                for (parameter, shared) in parameters.iter().zip(&shared) {
                    let (start, width) = if *shared { (0, 1) } else { (panel.start, panel.len()) };
                    add(&mut whole[to + start..][..width], &part[from..][..width]);
                    (from, to) = (from + width, to + parameter.length);
                }
            }
        }
        whole
    }
}

/// A sample's part of each panel of a batch's ∂L/∂i, `[batch, timesteps, neurons]` each.
fn sample<R>(g_i: &[R], neurons: usize, batch: usize, index: usize) -> Vec<&[R]> {
    let of_neuron = g_i.len() / neurons;
    let part = |panel: Range<usize>| {
        let length = of_neuron / batch * panel.len();
        &g_i[of_neuron * panel.start + index * length..][..length]
    };
    panels(neurons).map(part).collect()
}

fn add<R: Real>(sums: &mut [R], terms: &[R]) {
    sums.iter_mut().zip(terms).for_each(|(sum, &term)| *sum += term);
}
