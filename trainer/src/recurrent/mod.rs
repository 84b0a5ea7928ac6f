//! Layers of GRU and of BRC, the cells that SRC comes from (paper, section 3.1), as baselines.
//!
//! They do not spike. The first layer takes the network's sparse spikes, every other one the dense h of the layer below,
//! and the readout integrates the last layer's h, which has a sign, as if it were s. So h travels through candle's graph as
//! an ordinary `[batch, timesteps, neurons]` tensor, and a layer is one operation of the graph, differentiated by hand:
//! full backpropagation through time, nothing detached.
//!
//! The three parts of a layer's synapses and biases stand side by side in the order z, r, h.

mod brc;
mod drive;
mod gru;
mod parameters;
mod readout;

pub use parameters::Parameters;
pub use readout::readout;

use crate::cell::Cell;
use crate::kernel::{Events, Real};
use crate::layer::with_numbers;
use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, WithDType, bail};
use drive::Drive;
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// The kinds of dense recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Gated Recurrent Units: every neuron sees all others.
    Gru,
    /// Bistable Recurrent Cells: every neuron sees itself alone, and r is between 0 and 2.
    Brc,
}

impl Kind {
    /// The kind of a cell; `None` for those that spike.
    pub const fn of(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Gru => Some(Self::Gru),
            Cell::Brc => Some(Self::Brc),
            Cell::Src(_) | Cell::Lif(_) => None,
        }
    }

    /// Shape of the recurrent weights: `[3 neurons, neurons]` for GRU (z, r, h), `[2, neurons]` for BRC (z, r).
    pub const fn recurrent_shape(self, neurons: usize) -> (usize, usize) {
        match self {
            Self::Gru => (3 * neurons, neurons),
            Self::Brc => (2, neurons),
        }
    }

    /// Numbers that the backward pass needs of a sample's timestep, in multiples of the neurons: z, r and ĥ, and for GRU
    /// before them W_h h[t-1].
    pub(crate) const fn kept(self) -> usize {
        match self {
            Self::Gru => 4,
            Self::Brc => 3,
        }
    }

    /// Samples that go through time together. Never a matter of the number of threads, so that results are not either.
    const fn chunk(self) -> usize {
        match self {
            // Enough that a product is worth the way of the weights out of memory, few enough that a batch reaches every
            // core: 32 are about 5 % faster on two cores, 64 leave one of them idle.
            Self::Gru => 16,
            Self::Brc => 4,
        }
    }
}

/// What goes into a layer.
#[derive(Clone, Debug)]
pub enum Input<R> {
    /// Spikes, which get no gradient.
    Spikes {
        /// One per sample, all of as many timesteps.
        events: Arc<Vec<Events<R>>>,
        /// Number of inputs that could spike.
        width: usize,
    },
    /// Reals, `[batch, timesteps, inputs]`.
    Dense(Tensor),
}

/// Extent of a batch in a layer.
#[derive(Clone, Copy, Debug)]
struct Extent {
    batch: usize,
    steps: usize,
    inputs: usize,
    neurons: usize,
}

impl<R: Real> Input<R> {
    /// Batch, timesteps, inputs.
    fn extent(&self) -> Result<(usize, usize, usize)> {
        let (batch, steps, inputs) = match self {
            Self::Dense(x) => x.dims3()?,
            Self::Spikes { events, width } => {
                let steps = events.first().map_or(0, Events::steps);
                if events.iter().any(|events| events.steps() != steps) {
                    bail!("the samples of a batch must have the same number of timesteps");
                }
                let most = events.iter().flat_map(|events| &events.train.inputs).max();
                if let Some(&most) = most.filter(|&&most| usize::from(most) >= *width) {
                    bail!("input {most} spikes, but there are only {width} inputs");
                }
                (events.len(), steps, *width)
            }
        };
        if batch == 0 || steps == 0 || inputs == 0 {
            bail!("a recurrent layer needs at least one sample, one timestep and one input");
        }
        Ok((batch, steps, inputs))
    }
}

/// Runs a batch through a layer from h\[0\] = 0 and returns h of every timestep, `[batch, timesteps, neurons]`.
///
/// Parameters and a dense input get their gradients from the graph. With `learning: false` nothing is kept for a
/// backward pass and the output stands outside the graph.
///
/// # Errors
/// If the input has no sample or timestep, its shape does not fit the parameters, or a tensor is not of `R`'s kind.
pub fn layer<R: Real>(
    kind: Kind,
    input: &Input<R>,
    parameters: &Parameters,
    learning: bool,
) -> Result<Tensor> {
    let (batch, steps, inputs) = input.extent()?;
    let (expected, neurons) = parameters.widths(kind)?;
    if inputs != expected {
        bail!("the layer has {expected} inputs, but {inputs} come in");
    }
    let (x, events) = match input {
        Input::Dense(x) => (x.contiguous()?, None),
        // Spikes stay out of the graph; the operation wants some tensor in their place.
        Input::Spikes { events, .. } => (Tensor::zeros(1, R::DTYPE, &Device::Cpu)?, Some(events.clone())),
    };
    // Operations take three tensors at most, so the biases ride below the synapses, as those of an input that is always 1.
    let bias = parameters.bias.reshape((1, 3 * neurons))?;
    let synapses = Tensor::cat(&[parameters.input.as_tensor(), &bias], 0)?;
    let recurrent = parameters.recurrent.as_tensor();
    let op = LayerOp {
        kind,
        extent: Extent { batch, steps, inputs, neurons },
        events,
        learning,
        kept: OnceLock::new(),
    };
    if learning {
        x.apply_op3(&synapses, recurrent, op)
    } else {
        x.detach().apply_op3(&synapses.detach(), &recurrent.detach(), op)
    }
}

/// One layer's place in the graph of one batch.
struct LayerOp<R> {
    kind: Kind,
    extent: Extent,
    /// The input, if it is sparse.
    events: Option<Arc<Vec<Events<R>>>>,
    learning: bool,
    /// `[batch, timesteps, kept · neurons]`.
    kept: OnceLock<Vec<R>>,
}

/// A contiguous tensor's numbers.
fn numbers<'a, R: WithDType>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [R]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<R>()?[start..end]),
        None => bail!("a parameter must be contiguous"),
    }
}

impl<R: Real> CustomOp3 for LayerOp<R> {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Gru => "gru-layer",
            Kind::Brc => "brc-layer",
        }
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        synapses: &CpuStorage,
        synapses_layout: &Layout,
        recurrent: &CpuStorage,
        recurrent_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Extent { batch, steps, inputs, neurons } = self.extent;
        let x = numbers::<R>(x, x_layout)?;
        let (weight, bias) = numbers::<R>(synapses, synapses_layout)?.split_at(inputs * 3 * neurons);
        let recurrent = numbers::<R>(recurrent, recurrent_layout)?;
        let matrices = match self.kind {
            Kind::Gru => Some(gru::forward_weights(recurrent, neurons)?),
            Kind::Brc => None,
        };
        let row = self.kind.kept() * neurons;
        // Without a backward pass each timestep takes the place of the one before.
        let kept_steps = if self.learning { steps } else { 1 };
        let mut kept = vec![R::ZERO; batch * kept_steps * row];
        let mut h = vec![R::ZERO; batch * steps * neurons];
        let chunk = self.kind.chunk();
        let blocks = kept.par_chunks_mut(chunk * kept_steps * row);
        let blocks = blocks.zip(h.par_chunks_mut(chunk * steps * neurons)).enumerate();
        blocks.try_for_each(|(index, (kept, h))| {
            let first = index * chunk;
            let samples = h.len() / (steps * neurons);
            let extent = Extent { batch: samples, ..self.extent };
            let run = |drive: &Drive<'_, R>, kept: &mut [R], h: &mut [R]| match &matrices {
                Some(weights) => gru::forward(extent, weights, drive, kept, h),
                None => {
                    brc::forward(extent, recurrent, drive, kept, h);
                    Ok(())
                }
            };
            match &self.events {
                Some(events) => {
                    let events = &events[first..][..samples];
                    run(&Drive::Spikes { events, weight, bias }, kept, h)
                }
                None => {
                    let x = &x[first * steps * inputs..][..samples * steps * inputs];
                    let x = Tensor::from_slice(x, (samples * steps, inputs), &Device::Cpu)?;
                    let weight = Tensor::from_slice(weight, (inputs, 3 * neurons), &Device::Cpu)?;
                    let product = x.matmul(&weight)?;
                    with_numbers(&product, |product| run(&Drive::Dense { product, steps, bias }, kept, h))
                }
            }
        })?;
        if self.learning {
            let _ = self.kept.set(kept);
        }
        Ok((R::to_cpu_storage_owned(h), Shape::from((batch, steps, neurons))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        synapses: &Tensor,
        recurrent: &Tensor,
        h: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Extent { batch, steps, inputs, neurons } = self.extent;
        let Some(kept) = self.kept.get() else { bail!("the forward pass kept nothing to go back from") };
        let (g_kept, g_recurrent) = with_numbers(h, |h| {
            with_numbers(&gradient.contiguous()?, |g_h| {
                with_numbers(recurrent, |recurrent| self.through_time(kept, h, g_h, recurrent))
            })
        })?;
        let row = self.kind.kept() * neurons;
        let g_kept = Tensor::from_vec(g_kept, (batch * steps, row), &Device::Cpu)?;
        let g_recurrent = match g_recurrent {
            Some(g_w) => Tensor::from_vec(g_w, recurrent.shape(), &Device::Cpu)?,
            None => gru::weight_gradient(&g_kept, h, self.extent)?,
        };
        // ∂L/∂a of the arguments of z, r and ĥ, which the input's synapses feed, ends each row.
        let g_drive = g_kept.narrow(1, row - 3 * neurons, 3 * neurons)?;
        let g_bias = with_numbers(&g_kept, |g| Ok(drive::bias_gradient::<R>(g, row, self.extent)))?;
        let g_bias = Tensor::from_vec(g_bias, (1, 3 * neurons), &Device::Cpu)?;
        let g_weight = match &self.events {
            Some(events) => {
                let sums =
                    with_numbers(&g_kept, |g| Ok(drive::weight_gradient(events, g, row, self.extent)))?;
                Tensor::from_vec(sums, (inputs, 3 * neurons), &Device::Cpu)?
            }
            None => x.reshape((batch * steps, inputs))?.t()?.matmul(&g_drive)?,
        };
        let g_x = if self.events.is_none() && x.track_op() {
            let weight = synapses.narrow(0, 0, inputs)?;
            Some(g_drive.matmul(&weight.t()?)?.reshape((batch, steps, inputs))?)
        } else {
            None
        };
        Ok((g_x, Some(Tensor::cat(&[&g_weight, &g_bias], 0)?), Some(g_recurrent)))
    }
}

impl<R: Real> LayerOp<R> {
    /// The gradients of what was kept, `[batch, timesteps, kept · neurons]`, and for BRC those of its recurrent weights.
    fn through_time(
        &self,
        kept: &[R],
        h: &[R],
        g_h: &[R],
        recurrent: &[R],
    ) -> Result<(Vec<R>, Option<Vec<R>>)> {
        let Extent { batch, steps, neurons, .. } = self.extent;
        let (chunk, row) = (self.kind.chunk(), self.kind.kept() * neurons);
        let mut g_kept = vec![R::ZERO; kept.len()];
        let (wide, narrow) = (chunk * steps * row, chunk * steps * neurons);
        let blocks = kept.par_chunks(wide).zip(h.par_chunks(narrow)).zip(g_h.par_chunks(narrow));
        let blocks = blocks.zip(g_kept.par_chunks_mut(wide));
        let extent = |h: &[R]| Extent { batch: h.len() / (steps * neurons), ..self.extent };
        match self.kind {
            Kind::Gru => {
                let weights = gru::backward_weights(recurrent, neurons)?;
                blocks.try_for_each(|(((kept, h), g_h), g_kept)| {
                    gru::backward(extent(h), &weights, kept, h, g_h, g_kept)
                })?;
                Ok((g_kept, None))
            }
            Kind::Brc => {
                let mut per_sample = vec![R::ZERO; batch * 2 * neurons];
                let blocks = blocks.zip(per_sample.par_chunks_mut(chunk * 2 * neurons));
                blocks.for_each(|((((kept, h), g_h), g_kept), g_w)| {
                    brc::backward(extent(h), recurrent, kept, h, g_h, g_kept, g_w);
                });
                Ok((g_kept, Some(drive::sum_rows(&per_sample, 2 * neurons))))
            }
        }
    }
}
