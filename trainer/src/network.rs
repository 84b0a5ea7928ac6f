//! A network in floating point: parameters, forward pass, evaluation.

use crate::kernel::backward::Flow;
use crate::kernel::{Events, Pool, Real};
use crate::readout::{ReadoutConfig, readout};
use crate::spike_train::SpikeBatch;
use crate::cell::Cell;
use crate::src_layer::{Spikes, src_layer};
use candle_core::{Device, Result, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// The shape and the constants of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// Inputs, then the neurons of each layer.
    pub widths: Vec<usize>,
    /// Number of classes.
    pub classes: usize,
    /// Constants of the cells.
    pub cell: Cell,
    /// Constants of the readout.
    pub readout: ReadoutConfig,
}

/// Learnt parameters of a layer.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// W, `[inputs, neurons]`: transposed to what checkpoints hold, so that a spike adds one row.
    pub weight: Var,
    /// b_h, `[neurons]`.
    pub bias: Var,
}

/// A network whose parameters are of type `R`.
#[derive(Clone, Debug)]
pub struct Network<R> {
    architecture: Architecture,
    layers: Vec<Parameters>,
    pool: Arc<Pool<R>>,
}

/// What a batch made of a network.
#[derive(Debug)]
pub struct Output<R> {
    /// `v[T]`, `[batch, classes]`.
    pub scores: Tensor,
    /// The spikes of each layer, per sample.
    pub spikes: Vec<Arc<Vec<Events<R>>>>,
}

impl<R: Real> Network<R> {
    /// A network at the start of training: Xavier-uniform weights, biases as the cell says.
    ///
    /// # Errors
    /// None but those of candle's allocations.
    pub fn new(architecture: Architecture, seed: u64) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let pairs = architecture.widths.windows(2);
        let layers = pairs.map(|pair| {
            let (inputs, neurons) = (pair[0], pair[1]);
            let bound = (6.0 / (inputs + neurons) as f64).sqrt();
            let draw = || R::of(bound * (f64::from(rng.next_u32()) / 2f64.powi(31) - 1.0));
            let weight: Vec<R> = std::iter::repeat_with(draw).take(inputs * neurons).collect();
            let bias = vec![R::of(architecture.cell.src().map_or(0.0, |cell| cell.bias_start)); neurons];
            Parameters::new(weight, inputs, bias)
        });
        let layers = layers.collect::<Result<_>>()?;
        Ok(Self { architecture, layers, pool: Arc::default() })
    }

    /// A network with given parameters, bottom to top.
    pub fn from_parameters(architecture: Architecture, layers: Vec<Parameters>) -> Self {
        Self { architecture, layers, pool: Arc::default() }
    }

    /// Shape and constants.
    pub const fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Learnt parameters, bottom to top.
    pub fn layers(&self) -> &[Parameters] {
        &self.layers
    }

    /// Every parameter under the name that checkpoints give it, in a fixed order.
    pub fn named(&self) -> Vec<(String, Var)> {
        let of_layer = |(index, layer): (usize, &Parameters)| {
            let name = |part| format!("layers.{index}.{part}");
            [(name("weight"), layer.weight.clone()), (name("bias"), layer.bias.clone())]
        };
        self.layers.iter().enumerate().flat_map(of_layer).collect()
    }

    /// Runs encoded samples through the network. With `flow: None` nothing is kept for a backward pass.
    ///
    /// # Errors
    /// If the samples have another number of inputs than the network.
    pub fn forward(&self, batch: SpikeBatch, flow: Option<Flow>) -> Result<Output<R>> {
        let events = batch.trains.into_iter().map(Events::binary).collect();
        self.forward_events(events, batch.inputs, flow)
    }

    /// As [`Network::forward`], from spikes that may be graded.
    ///
    /// # Errors
    /// If `inputs` is not the network's.
    pub fn forward_events(
        &self,
        events: Vec<Events<R>>,
        inputs: usize,
        flow: Option<Flow>,
    ) -> Result<Output<R>> {
        let mut spikes = Spikes { events: Arc::new(events), width: inputs, edge: None };
        let mut all = Vec::new();
        for layer in &self.layers {
            let (weight, bias) = (layer.weight.as_tensor(), layer.bias.as_tensor());
            let Cell::Src(cell) = &self.architecture.cell else { candle_core::bail!("not SRC") };
            spikes = match flow {
                Some(_) => src_layer(&spikes, weight, bias, cell, flow, &self.pool)?,
                None => src_layer(&spikes, &weight.detach(), &bias.detach(), cell, None, &self.pool)?,
            };
            all.push(spikes.events.clone());
        }
        let scores = readout(&spikes, self.architecture.classes, &self.architecture.readout)?;
        Ok(Output { scores, spikes: all })
    }
}

impl Network<f32> {
    /// A layer's weights as `[neurons, inputs]`, row-major, and its effective biases, for the quantiser.
    ///
    /// # Errors
    /// None but those of candle's copies.
    pub fn layer(&self, index: usize) -> Result<(Vec<f32>, Vec<f32>)> {
        let layer = &self.layers[index];
        let weight = layer.weight.t()?.contiguous()?.flatten_all()?.to_vec1()?;
        let bias = layer.bias.minimum(self.architecture.cell.src().map_or(0.0, |cell| cell.bias_most))?.to_vec1()?;
        Ok((weight, bias))
    }
}

impl Parameters {
    /// Parameters from `[inputs, neurons]` weights and as many biases as neurons.
    ///
    /// # Errors
    /// If the lengths do not fit.
    pub fn new<R: Real>(weight: Vec<R>, inputs: usize, bias: Vec<R>) -> Result<Self> {
        let neurons = bias.len();
        Ok(Self {
            weight: Var::from_vec(weight, (inputs, neurons), &Device::Cpu)?,
            bias: Var::from_vec(bias, neurons, &Device::Cpu)?,
        })
    }
}
