//! A layer of Spiking Recurrent Cells as an operation of candle's graph.
//!
//! candle's backward pass adds each gradient to a block of zeros of the same shape. For blocks of batch × timesteps ×
//! neurons that would cost more than the cells themselves, so such blocks stay out of the graph: spikes travel as sparse
//! [`Events`], their gradients through a [`Slot`] beside it, and the edge between two layers is a tensor of a single
//! number that only carries the order. Parameters and scores are ordinary tensors.

use crate::cell::SrcCell;
use crate::kernel::backward::{self, Flow, Sample, SpikeGradient};
use crate::kernel::forward::{Constants, Kept, forward};
use crate::kernel::{Events, Pool, Real};
use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, WithDType, bail};
use rayon::prelude::*;
use std::sync::{Arc, Mutex, OnceLock};

impl SrcCell {
    /// The constants in the numbers of the kernels.
    pub fn constants<R: Real>(&self) -> Constants<R> {
        Constants {
            alpha: R::of(self.alpha),
            rho: R::of(self.rho),
            rho_inverse: R::of(1.0 / self.rho),
            r: R::of(self.r),
            r_s: R::of(self.r_s),
            z_s_hyp: R::of(self.z_s_hyp),
            z_s_dep: R::of(self.z_s_dep),
        }
    }
}

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

/// Runs a batch through a layer.
///
/// `weight` is `[inputs, neurons]`, `bias` is `[neurons]`; biases above the cell's bound count as the bound and get no
/// gradient, as PyTorch's `clamp` has it. With `flow: None` nothing is kept for a backward pass.
///
/// # Errors
/// If the shapes do not fit, or a tensor is not of `R`'s kind.
pub fn src_layer<R: Real>(
    input: &Spikes<R>,
    weight: &Tensor,
    bias: &Tensor,
    cell: &SrcCell,
    flow: Option<Flow>,
    pool: &Arc<Pool<R>>,
) -> Result<Spikes<R>> {
    let neurons = bias.dims1()?;
    if weight.dims2()? != (input.width, neurons) {
        bail!("weights are {:?}, expected [{}, {neurons}]", weight.dims(), input.width);
    }
    let slot = Arc::new(Slot(Mutex::new(None)));
    let output = Arc::new(OnceLock::new());
    let op = SrcLayerOp {
        cell: cell.clone(),
        flow,
        input: input.events.clone(),
        below: input.edge.as_ref().map(|edge| edge.slot.clone()),
        slot: slot.clone(),
        output: output.clone(),
        kept: OnceLock::new(),
        pool: pool.clone(),
    };
    let edge = match &input.edge {
        Some(edge) => edge.tensor.clone(),
        None => Tensor::zeros(1, R::DTYPE, &Device::Cpu)?,
    };
    let tensor = edge.apply_op3(weight, bias, op)?;
    let events = output.get().cloned().unwrap_or_default();
    Ok(Spikes { events, width: neurons, edge: Some(Edge { tensor, slot }) })
}

/// One layer's place in the graph of one batch.
struct SrcLayerOp<R: Real> {
    cell: SrcCell,
    flow: Option<Flow>,
    input: Arc<Vec<Events<R>>>,
    below: Option<Arc<Slot<R>>>,
    slot: Arc<Slot<R>>,
    output: Arc<OnceLock<Arc<Vec<Events<R>>>>>,
    kept: OnceLock<KeptBatch<R>>,
    pool: Arc<Pool<R>>,
}

impl<R: Real> Drop for SrcLayerOp<R> {
    fn drop(&mut self) {
        if let Some(KeptBatch { h, y }) = self.kept.take() {
            self.pool.give(h);
            self.pool.give(y);
        }
    }
}

/// `[batch, timesteps, neurons]` blocks for the backward pass.
struct KeptBatch<R> {
    h: Vec<R>,
    y: Vec<R>,
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

impl<R: Real> CustomOp3 for SrcLayerOp<R> {
    fn name(&self) -> &'static str {
        "src-layer"
    }

    fn cpu_fwd(
        &self,
        _edge: &CpuStorage,
        _: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (weight, bias) = (numbers::<R>(weight, weight_layout)?, numbers::<R>(bias, bias_layout)?);
        let most = R::of(self.cell.bias_most);
        let bias: Vec<R> = bias.iter().map(|&b| if b > most { most } else { b }).collect();
        let constants = self.cell.constants();
        let one = |events: &Events<R>, kept: Option<Kept<'_, R>>| {
            pulp::Arch::new().dispatch(
                #[inline(always)]
                || forward(&constants, weight, &bias, events, kept),
            )
        };
        let output: Vec<Events<R>> = if self.flow.is_some() {
            let block = self.steps() * bias.len();
            let take = || self.pool.take(block * self.input.len());
            let mut kept = KeptBatch { h: take(), y: take() };
            let blocks = kept.h.par_chunks_mut(block).zip(kept.y.par_chunks_mut(block));
            let output =
                self.input.par_iter().zip(blocks).map(|(events, (h, y))| one(events, Some(Kept { h, y })));
            let output = output.collect();
            let _ = self.kept.set(kept);
            output
        } else {
            self.input.par_iter().map(|events| one(events, None)).collect()
        };
        let _ = self.output.set(Arc::new(output));
        Ok((R::to_cpu_storage_owned(vec![R::ZERO]), Shape::from(1)))
    }

    fn bwd(
        &self,
        edge: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _result: &Tensor,
        _gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (inputs, neurons) = weight.dims2()?;
        let (Some(flow), Some(kept), Some(gradient)) = (self.flow, self.kept.get(), self.slot.take()) else {
            bail!("the forward pass kept nothing to go back from")
        };
        let (g_i, g_b) = self.scan(flow, kept, &gradient, neurons)?;
        if let BatchGradient::Above { g_i, .. } = gradient {
            self.pool.give(g_i);
        }
        let g_w = Tensor::from_vec(self.weights(&g_i, inputs, neurons), (inputs, neurons), &Device::Cpu)?;
        let g_b = self.biases(&g_b, bias)?;
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
        Ok((g_edge, Some(g_w), Some(g_b)))
    }
}

impl<R: Real> SrcLayerOp<R> {
    fn steps(&self) -> usize {
        self.input.first().map_or(0, Events::steps)
    }

    /// ∂L/∂i, `[batch, timesteps, neurons]`, and ∂L/∂b of each sample, `[batch, neurons]`.
    fn scan(
        &self,
        flow: Flow,
        kept: &KeptBatch<R>,
        gradient: &BatchGradient<R>,
        neurons: usize,
    ) -> Result<(Vec<R>, Vec<R>)> {
        let constants = self.cell.constants();
        let (steps, block) = (self.steps(), self.steps() * neurons);
        let mut g_i = self.pool.take(kept.h.len());
        let mut g_b = vec![R::ZERO; self.input.len() * neurons];
        let samples = kept.h.par_chunks(block).zip(kept.y.par_chunks(block)).enumerate();
        let outputs = g_i.par_chunks_mut(block).zip(g_b.par_chunks_mut(neurons));
        samples.zip(outputs).try_for_each(|((index, (h, y)), (g_i, g_b))| {
            let mut scan = |gradient: SpikeGradient<'_, R>| {
                let sample = Sample { h, y, gradient };
                pulp::Arch::new().dispatch(
                    #[inline(always)]
                    || backward::scan(&constants, flow, sample, g_i, g_b),
                );
                Ok(())
            };
            match gradient {
                BatchGradient::Readout { neuron, decay } => {
                    scan(SpikeGradient::Readout { neuron: &neuron[index * neurons..][..neurons], decay })
                }
                BatchGradient::Above { g_i: above, weight } => {
                    let width = weight.dims2()?.1;
                    let above = &above[index * steps * width..][..steps * width];
                    let above = Tensor::from_slice(above, (steps, width), &Device::Cpu)?;
                    with_numbers(&above.matmul(&weight.t()?)?, |g_s| scan(SpikeGradient::Dense(g_s)))
                }
            }
        })?;
        Ok((g_i, g_b))
    }

    /// ∂L/∂W, `[inputs, neurons]`, each thread owning some of its columns.
    fn weights(&self, g_i: &[R], inputs: usize, neurons: usize) -> Vec<R> {
        let block = self.steps() * neurons;
        // Whole cache lines of either kind of number, and a block of weights that stays in a core's cache.
        let width = neurons.div_ceil(rayon::current_num_threads()).next_multiple_of(16).min(128);
        let starts: Vec<usize> = (0..neurons).step_by(width).collect();
        let parts: Vec<Vec<R>> = starts
            .par_iter()
            .map(|&start| {
                let columns = start..(start + width).min(neurons);
                pulp::Arch::new().dispatch(
                    #[inline(always)]
                    || {
                        let samples = self.input.iter().zip(g_i.chunks_exact(block));
                        backward::weights(inputs, neurons, columns, samples)
                    },
                )
            })
            .collect();
        let mut g_w = vec![R::ZERO; inputs * neurons];
        g_w.par_chunks_mut(neurons).enumerate().for_each(|(input, row)| {
            for (part, columns) in parts.iter().zip(row.chunks_mut(width)) {
                let width = columns.len();
                columns.copy_from_slice(&part[input * width..][..width]);
            }
        });
        g_w
    }

    /// ∂L/∂b of the batch, 0 for biases above their bound.
    fn biases(&self, samples: &[R], bias: &Tensor) -> Result<Tensor> {
        let most = R::of(self.cell.bias_most);
        let sums = with_numbers::<R, _>(bias, |bias| {
            let mut sums = vec![R::ZERO; bias.len()];
            for sample in samples.chunks_exact(bias.len()) {
                sums.iter_mut().zip(sample).for_each(|(sum, &g)| *sum += g);
            }
            sums.iter_mut().zip(bias).filter(|&(_, &b)| b > most).for_each(|(sum, _)| *sum = R::ZERO);
            Ok(sums)
        })?;
        Tensor::from_vec(sums, bias.dims1()?, &Device::Cpu)
    }
}
