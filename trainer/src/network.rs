//! A network in floating point: parameters, forward pass, evaluation.

use crate::cell::Cell;
use crate::kernel::{Events, Pool, Real, SpikingLayer};
use crate::layer::{Slot, Spikes, Training, spiking_layer};
use crate::readout::{ReadoutConfig, readout};
use crate::recurrent;
use crate::rounding::rounded;
use crate::spike_train::SpikeBatch;
use candle_core::backprop::GradStore;
use candle_core::{Device, Result, Tensor, Var, bail};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spikelet_runtime::Width;
use std::sync::Arc;

/// The shape and the constants of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// Inputs, then the neurons of each layer.
    pub widths: Vec<usize>,
    /// Number of classes.
    pub classes: usize,
    /// Kind and constants of the cells.
    pub cell: Cell,
    /// Constants of the readout.
    pub readout: ReadoutConfig,
    /// Width that each layer's weights are rounded to; those of layers behind the list's end are not.
    pub bits: Vec<Width>,
}

/// Learnt parameters of a layer.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// W, `[inputs, neurons]`: transposed to what checkpoints hold, so that a spike adds one row.
    pub weight: Var,
    /// Those of the cells, named and in the order of [`Cell::parameters`].
    pub cell: Vec<(&'static str, Var)>,
}

/// A network whose parameters are of type `R`.
#[derive(Clone, Debug)]
pub struct Network<R> {
    architecture: Architecture,
    layers: Layers,
    pool: Arc<Pool<R>>,
}

/// The layers' parameters, bottom to top.
#[derive(Clone, Debug)]
enum Layers {
    Spiking(Vec<Parameters>),
    /// GRU and BRC, which do not spike.
    Recurrent(recurrent::Kind, Vec<recurrent::Parameters>),
}

/// A parameter under the name that checkpoints give it.
#[derive(Clone, Debug)]
pub struct NamedParameter {
    /// Like `layers.0.weight`.
    pub name: String,
    /// Its value.
    pub value: Var,
    /// True if checkpoints hold the matrix the other way round: `[out, in]`, as PyTorch has it.
    pub transposed: bool,
}

impl NamedParameter {
    /// Its shape in checkpoints.
    pub fn shape(&self) -> Vec<usize> {
        let mut shape = self.value.dims().to_vec();
        if self.transposed {
            shape.reverse();
        }
        shape
    }
}

/// What a batch made of a network.
#[derive(Debug)]
pub struct Output<R> {
    /// `v[T]`, `[batch, classes]`.
    pub scores: Tensor,
    /// The spikes of each layer, per sample; none for cells that do not spike.
    pub spikes: Vec<Arc<Vec<Events<R>>>>,
    /// Per layer: timesteps with s > 0, summed over neurons and samples (Eq. 2).
    pub spiking: Vec<f64>,
    /// Per layer: timesteps × neurons × samples.
    pub slots: Vec<f64>,
    /// Weights of spiking layers, and where a backward pass leaves their gradients.
    weights: Vec<(Tensor, Arc<Slot<Tensor>>)>,
}

impl<R> Output<R> {
    /// Per layer, share of timesteps with a spike (Eq. 2).
    pub fn activity(&self) -> Vec<f64> {
        self.spiking.iter().zip(&self.slots).map(|(spiking, slots)| spiking / slots).collect()
    }

    /// The gradients of everything that `loss` was made of, this output among it. Those of weights are no part of candle's
    /// graph: `loss.backward()` would miss them.
    ///
    /// # Errors
    /// None but those of candle's operations, and if the output was not made in training.
    pub fn backward(&self, loss: &Tensor) -> Result<GradStore> {
        let mut gradients = loss.backward()?;
        for (weight, slot) in &self.weights {
            if let Some(gradient) = slot.take() {
                gradients.insert(weight, gradient);
            }
        }
        Ok(gradients)
    }
}

impl<R: Real> Network<R> {
    /// A network at the start of training: Xavier-uniform weights, all else as the cell says.
    ///
    /// # Errors
    /// None but those of candle's allocations.
    pub fn new(architecture: Architecture, seed: u64) -> Result<Self> {
        if let Some(kind) = recurrent::Kind::of(&architecture.cell) {
            let layers = recurrent::Parameters::stack::<R>(kind, &architecture.widths, seed)?;
            return Ok(Self { architecture, layers: Layers::Recurrent(kind, layers), pool: Arc::default() });
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let pairs = architecture.widths.windows(2);
        let layers = pairs.map(|pair| {
            let (inputs, neurons) = (pair[0], pair[1]);
            let bound = (6.0 / (inputs + neurons) as f64).sqrt();
            let draw = || R::of(bound * (f64::from(rng.next_u32()) / 2f64.powi(31) - 1.0));
            let weight: Vec<R> = std::iter::repeat_with(draw).take(inputs * neurons).collect();
            let start =
                |parameter: &crate::cell::CellParameter| vec![R::of(parameter.start); parameter.length];
            let cell = architecture.cell.parameters(neurons).iter().map(start).collect();
            Parameters::new(&architecture.cell, (inputs, neurons), weight, cell)
        });
        let layers = Layers::Spiking(layers.collect::<Result<_>>()?);
        Ok(Self { architecture, layers, pool: Arc::default() })
    }

    /// A network of spiking cells with given parameters, bottom to top.
    pub fn from_parameters(architecture: Architecture, layers: Vec<Parameters>) -> Self {
        Self { architecture, layers: Layers::Spiking(layers), pool: Arc::default() }
    }

    /// Shape and constants.
    pub const fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Learnt parameters, bottom to top; none for cells that do not spike.
    pub fn layers(&self) -> &[Parameters] {
        match &self.layers {
            Layers::Spiking(layers) => layers,
            Layers::Recurrent(..) => &[],
        }
    }

    /// Every parameter under the name that checkpoints give it, in a fixed order.
    pub fn named(&self) -> Vec<NamedParameter> {
        let mut all = Vec::new();
        let mut add = |name: String, value: &Var, transposed: bool| {
            all.push(NamedParameter { name, value: value.clone(), transposed });
        };
        match &self.layers {
            Layers::Spiking(layers) => {
                for (index, layer) in layers.iter().enumerate() {
                    add(format!("layers.{index}.weight"), &layer.weight, true);
                    for (part, value) in &layer.cell {
                        add(format!("layers.{index}.{part}"), value, false);
                    }
                }
            }
            Layers::Recurrent(_, layers) => {
                for (index, layer) in layers.iter().enumerate() {
                    for (name, value) in layer.named(index) {
                        let transposed = name.ends_with("input.weight");
                        add(name, &value, transposed);
                    }
                }
            }
        }
        all
    }

    /// Multiplies the weights of spiking layers by `gain`.
    ///
    /// # Errors
    /// None but those of candle's copies.
    pub fn scale_weights(&self, gain: f64) -> Result<()> {
        self.layers().iter().try_for_each(|layer| layer.weight.set(&(layer.weight.as_tensor() * gain)?))
    }

    /// Puts every parameter back within the bounds of its cell: beyond them there is no gradient to bring it back.
    ///
    /// # Errors
    /// None but those of candle's copies.
    pub fn bound(&self) -> Result<()> {
        for (layer, &neurons) in self.layers().iter().zip(&self.architecture.widths[1..]) {
            for (parameter, (_, value)) in self.architecture.cell.parameters(neurons).iter().zip(&layer.cell)
            {
                let (least, most) = parameter.bounds;
                value.set(&value.maximum(least)?.minimum(most)?)?;
            }
        }
        Ok(())
    }

    /// Runs encoded samples through the network. With `training: None` nothing is kept for a backward pass.
    ///
    /// # Errors
    /// If the samples have another number of inputs than the network.
    pub fn forward(&self, batch: SpikeBatch, training: Option<Training>) -> Result<Output<R>> {
        let events = batch.trains.into_iter().map(Events::binary).collect();
        self.forward_events(events, batch.inputs, training)
    }

    /// As [`Network::forward`], from spikes that may be graded.
    ///
    /// # Errors
    /// If `inputs` is not the network's.
    pub fn forward_events(
        &self,
        events: Vec<Events<R>>,
        inputs: usize,
        training: Option<Training>,
    ) -> Result<Output<R>> {
        let layers = match &self.layers {
            Layers::Spiking(layers) => layers,
            Layers::Recurrent(kind, layers) => {
                let input = recurrent::Input::Spikes { events: Arc::new(events), width: inputs };
                return self.forward_dense(*kind, layers, input, training.is_some());
            }
        };
        let mut spikes = Spikes { events: Arc::new(events), width: inputs, edge: None };
        let (mut all, mut spiking, mut slots) = (Vec::new(), Vec::new(), Vec::new());
        let mut weights = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            let (learnt, cell) = (layer.weight.as_tensor(), layer.flat()?);
            let weight = match self.architecture.bits.get(index) {
                Some(&width) => rounded::<R>(learnt, width)?,
                None => learnt.clone(),
            };
            let kind = &self.architecture.cell;
            spikes = match training {
                Some(_) => spiking_layer(&spikes, &weight, &cell, kind, training, &self.pool)?,
                None => spiking_layer(&spikes, &weight.detach(), &cell.detach(), kind, None, &self.pool)?,
            };
            let batch = &spikes.events;
            spiking.push(batch.iter().map(|events| events.count() as f64).sum());
            slots.push(batch.iter().map(|events| (events.steps() * spikes.width) as f64).sum());
            all.push(batch.clone());
            weights.extend(spikes.edge.iter().map(|edge| (learnt.clone(), edge.weight.clone())));
        }
        let scores = readout(&spikes, self.architecture.classes, &self.architecture.readout)?;
        Ok(Output { scores, spikes: all, spiking, slots, weights })
    }

    /// The way of a batch through layers that do not spike: their h goes where s would.
    fn forward_dense(
        &self,
        kind: recurrent::Kind,
        layers: &[recurrent::Parameters],
        mut input: recurrent::Input<R>,
        learning: bool,
    ) -> Result<Output<R>> {
        let (mut spiking, mut slots) = (Vec::new(), Vec::new());
        let mut h = None;
        for layer in layers {
            let output = recurrent::layer(kind, &input, layer, learning)?;
            let above = output.detach().gt(0.0)?.to_dtype(candle_core::DType::F32)?;
            spiking.push(f64::from(above.sum_all()?.to_scalar::<f32>()?));
            slots.push(output.elem_count() as f64);
            input = recurrent::Input::Dense(output.clone());
            h = Some(output);
        }
        let Some(h) = h else { bail!("a network needs at least one layer") };
        let scores = recurrent::readout(&h, self.architecture.classes, &self.architecture.readout)?;
        Ok(Output { scores, spikes: Vec::new(), spiking, slots, weights: Vec::new() })
    }

    /// h of every layer of cells that do not spike, `[batch, timesteps, neurons]`, bottom to top.
    ///
    /// # Errors
    /// If the cells spike, or `inputs` is not the network's.
    pub fn dense(&self, events: Vec<Events<R>>, inputs: usize) -> Result<Vec<Tensor>> {
        let Layers::Recurrent(kind, layers) = &self.layers else {
            bail!("{} cells spike", self.architecture.cell.name())
        };
        let mut input = recurrent::Input::Spikes { events: Arc::new(events), width: inputs };
        let mut all = Vec::new();
        for layer in layers {
            let h = recurrent::layer(*kind, &input, layer, false)?;
            input = recurrent::Input::Dense(h.clone());
            all.push(h);
        }
        Ok(all)
    }

    /// A spiking layer in the numbers of its kernel.
    ///
    /// # Errors
    /// If the cells do not spike.
    pub fn kernel(&self, index: usize) -> Result<SpikingLayer<R>> {
        let (cell, neurons) = (&self.architecture.cell, self.architecture.widths[index + 1]);
        let parameters: Vec<R> = match self.layers().get(index) {
            Some(layer) => layer.flat()?.to_vec1()?,
            None => Vec::new(),
        };
        match SpikingLayer::new(cell, neurons, &parameters) {
            Some(layer) => Ok(layer),
            None => bail!("{} cells do not spike", cell.name()),
        }
    }

    /// A layer's weights as `[neurons, inputs]`, row-major, as checkpoints and the quantiser take them.
    ///
    /// # Errors
    /// If there is no such layer of spiking cells.
    pub fn weight(&self, index: usize) -> Result<Vec<R>> {
        let Some(layer) = self.layers().get(index) else { bail!("there is no spiking layer {index}") };
        layer.weight.t()?.contiguous()?.flatten_all()?.to_vec1()
    }
}

impl Parameters {
    /// Parameters from `[inputs, neurons]` weights and the values of each of the cell's parameters, in their order.
    ///
    /// # Errors
    /// If a length does not fit.
    pub fn new<R: Real>(
        cell: &Cell,
        (inputs, neurons): (usize, usize),
        weight: Vec<R>,
        values: Vec<Vec<R>>,
    ) -> Result<Self> {
        let parameters = cell.parameters(neurons);
        if values.len() != parameters.len() {
            bail!("{} parameters of cells, expected {}", values.len(), parameters.len());
        }
        let vars = parameters.iter().zip(values).map(|(parameter, values)| {
            Ok((parameter.name, Var::from_vec(values, parameter.length, &Device::Cpu)?))
        });
        let cell = vars.collect::<Result<_>>()?;
        Ok(Self { weight: Var::from_vec(weight, (inputs, neurons), &Device::Cpu)?, cell })
    }

    /// The cells' parameters in one row, or a single 0 where there are none: a variable, by which candle's backward pass finds the
    /// layer even if only weights are learnt, and those rounded.
    fn flat(&self) -> Result<Tensor> {
        match &*self.cell {
            [] => Ok(Var::zeros(1, self.weight.dtype(), &Device::Cpu)?.into_inner()),
            [(_, only)] => Ok(only.as_tensor().clone()),
            all => Tensor::cat(&all.iter().map(|(_, value)| value.as_tensor()).collect::<Vec<_>>(), 0),
        }
    }
}
