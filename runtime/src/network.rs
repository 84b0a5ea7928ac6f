//! A running network: one timestep, from input spikes to scores, in reading order.

use crate::MAX_LAYERS;
use crate::formats::{Current, Score};
use crate::layer::{Layer, LayerStates};
use crate::model::Model;
use crate::spikes::{LayerSpikes, Spike};
use crate::src_layer::Potentials;
use core::mem::MaybeUninit;

/// Memory for a network of up to `NEURONS` neurons in all layers together, `POTENTIALS` of them SRC, `WIDEST` in its widest layer (a multiple of
/// 16), and `CLASSES` classes; [`Model::need`] tells these sizes. Meant for a `static`.
#[derive(Debug)]
pub struct Memory<const NEURONS: usize, const POTENTIALS: usize, const WIDEST: usize, const CLASSES: usize> {
    currents: [Current; NEURONS],
    potentials: [Potentials; POTENTIALS],
    sums: [i32; WIDEST],
    spikes: heapless::Vec<Spike, WIDEST>,
    scores: [Score; CLASSES],
    votes: [u32; CLASSES],
}

/// A network's memory, whatever its size.
#[derive(Debug)]
pub struct MemoryView<'a> {
    /// i of SRC or V of LIF per neuron, layer after layer.
    pub currents: &'a mut [Current],
    /// h and h_s per neuron of SRC, layer after layer.
    pub potentials: &'a mut [Potentials],
    /// Sums of the weights of spiking inputs, per neuron of the layer at hand.
    pub sums: &'a mut [i32],
    /// Spikes of the layer at hand.
    pub spikes: &'a mut LayerSpikes,
    /// v per class.
    pub scores: &'a mut [Score],
    /// Working memory of the readout, per class.
    pub votes: &'a mut [u32],
}

/// The memory is too small for the model: it needs at least the numbers of [`Model::need`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MemoryError;

/// A model at work.
#[derive(Debug)]
pub struct Network<'m, 'a> {
    model: &'m Model<'m>,
    memory: MemoryView<'a>,
    /// A bit for each layer that rests.
    resting: u16,
    /// The readout's scores are all 0.
    level: bool,
    spike_counts: [u32; MAX_LAYERS],
    saturations: [u32; MAX_LAYERS],
}

const _: () = assert!(MAX_LAYERS <= u16::BITS as usize, "each layer needs a bit");

impl<const NEURONS: usize, const POTENTIALS: usize, const WIDEST: usize, const CLASSES: usize>
    Memory<NEURONS, POTENTIALS, WIDEST, CLASSES>
{
    /// Memory of a network at rest.
    pub const fn new() -> Self {
        Self {
            currents: [Current::ZERO; NEURONS],
            potentials: [Potentials::REST; POTENTIALS],
            sums: [0; WIDEST],
            spikes: heapless::Vec::new(),
            scores: [Score::ZERO; CLASSES],
            votes: [0; CLASSES],
        }
    }

    /// The same memory, its size erased.
    pub fn view(&mut self) -> MemoryView<'_> {
        MemoryView {
            currents: &mut self.currents,
            potentials: &mut self.potentials,
            sums: &mut self.sums,
            spikes: &mut self.spikes,
            scores: &mut self.scores,
            votes: &mut self.votes,
        }
    }
}

impl<const NEURONS: usize, const POTENTIALS: usize, const WIDEST: usize, const CLASSES: usize> Default
    for Memory<NEURONS, POTENTIALS, WIDEST, CLASSES>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> MemoryView<'a> {
    /// As much of the memory as the model needs.
    fn of_need(self, model: &Model<'_>) -> Result<Self, MemoryError> {
        let need = model.need();
        let MemoryView { currents, potentials, sums, spikes, scores, votes } = self;
        if spikes.capacity() < need.widest {
            return Err(MemoryError);
        }
        Ok(MemoryView {
            currents: currents.get_mut(..need.neurons).ok_or(MemoryError)?,
            potentials: potentials.get_mut(..need.potentials).ok_or(MemoryError)?,
            sums: sums.get_mut(..need.widest).ok_or(MemoryError)?,
            spikes,
            scores: scores.get_mut(..need.classes).ok_or(MemoryError)?,
            votes: votes.get_mut(..need.classes).ok_or(MemoryError)?,
        })
    }
}

impl<'m, 'a> Network<'m, 'a> {
    /// A network at rest. Memory beyond the model's need stays untouched.
    ///
    /// # Errors
    /// [`MemoryError`] if the memory is too small for the model.
    pub fn new(model: &'m Model<'m>, memory: MemoryView<'a>) -> Result<Self, MemoryError> {
        let mut network = Self::at_work(model, memory.of_need(model)?);
        network.reset();
        Ok(network)
    }

    /// The same, made where it is to stay: a network has some 200 bytes, which do not pass over the stack.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn new_in<'p>(
        place: &'p mut MaybeUninit<Self>,
        model: &'m Model<'m>,
        memory: MemoryView<'a>,
    ) -> Result<&'p mut Self, MemoryError> {
        let network = place.write(Self::at_work(model, memory.of_need(model)?));
        network.reset();
        Ok(network)
    }

    /// Of whatever states the memory has.
    #[inline]
    const fn at_work(model: &'m Model<'m>, memory: MemoryView<'a>) -> Self {
        Self {
            model,
            memory,
            resting: 0,
            level: true,
            spike_counts: [0; MAX_LAYERS],
            saturations: [0; MAX_LAYERS],
        }
    }

    /// The model at work.
    pub const fn model(&self) -> &'m Model<'m> {
        self.model
    }

    /// Puts every state back to its initial value, and scores and counts to 0, as before the first timestep.
    pub fn reset(&mut self) {
        for index in 0..self.model.layers().len() {
            if let Some((layer, mut parts)) = self.layer(index) {
                layer.reset(&mut parts.states);
            }
        }
        self.memory.scores.fill(Score::ZERO);
        self.memory.spikes.clear();
        self.resting = 0;
        self.level = true;
        self.spike_counts = [0; MAX_LAYERS];
        self.saturations = [0; MAX_LAYERS];
    }

    /// Advances the network by one timestep in which the inputs in `spiking` spike.
    ///
    /// Each index should be below [`Model::inputs`] and stand there once; others add nothing. What is behind the first
    /// [`crate::MAX_WIDTH`] of the list is ignored. A list that names an input more than once may drive sums beyond what was
    /// proved of the model: then they wrap, and the result means nothing.
    ///
    /// A layer that rests and receives no spike is skipped, which changes no bit: see [`crate::Update::rests`].
    #[inline]
    pub fn step(&mut self, spiking: &[u16]) {
        self.step_observed(spiking, |_, _| {});
    }

    /// As [`Network::step`], and shows `observe` the number and the spikes of each layer as they arise.
    #[inline]
    pub fn step_observed(&mut self, spiking: &[u16], mut observe: impl FnMut(usize, &[Spike])) {
        let mut receives = !spiking.is_empty();
        for layer in 0..self.model.layers().len() {
            if receives || self.resting & 1 << layer == 0 {
                if receives && layer == 0 {
                    self.receive(layer, spiking);
                } else if receives {
                    self.receive_graded(layer);
                }
                self.update_neurons(layer, receives);
            } else {
                self.memory.spikes.clear();
            }
            observe(layer, self.memory.spikes);
            receives = !self.memory.spikes.is_empty();
        }
        if receives || !self.level {
            self.update_scores();
        }
    }

    // On devices the stages are no part of `step`, which would keep the stack of both at once.

    /// First stage of a layer's timestep: sums the weights of its spiking inputs, each spike counting as 1.
    #[cfg_attr(not(target_os = "none"), inline)]
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn receive(&mut self, layer: usize, spiking: &[u16]) {
        if let Some((layer, parts)) = self.layer(layer) {
            layer.synapses().sum(spiking, parts.sums);
        }
    }

    /// The same from the spikes of the layer below, with their values; it must have been updated last.
    #[cfg_attr(not(target_os = "none"), inline)]
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn receive_graded(&mut self, layer: usize) {
        if let Some((layer, parts)) = self.layer(layer) {
            layer.synapses().sum_graded(parts.spikes, layer.integrator().shift, parts.sums);
        }
    }

    /// Second stage of a layer's timestep: advances its neurons and lists their spikes. `received` says whether the first
    /// stage has been; without it, no input spikes.
    #[cfg_attr(not(target_os = "none"), inline)]
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn update_neurons(&mut self, layer: usize, received: bool) {
        let Some((cells, Parts { mut states, sums, spikes })) = self.layer(layer) else {
            return;
        };
        let update = cells.update(received, sums, &mut states, spikes);
        // A list holds at most 2^14 spikes; the count wraps after 2^18 timesteps of nothing but spikes at the earliest.
        let count = spikes.len() as u32;
        if let Some(total) = self.spike_counts.get_mut(layer) {
            *total = total.wrapping_add(count);
        }
        if update.saturated
            && let Some(total) = self.saturations.get_mut(layer)
        {
            *total = total.wrapping_add(1);
        }
        self.resting = self.resting & !(1 << layer) | u16::from(update.rests) << layer;
    }

    /// Last stage of a timestep: the spikes of the last layer vote for their classes.
    #[cfg_attr(not(target_os = "none"), inline)]
    #[cfg_attr(target_os = "none", inline(never))]
    fn update_scores(&mut self) {
        let MemoryView { spikes, votes, scores, .. } = &mut self.memory;
        self.level = self.model.readout().update(spikes, votes, scores);
    }

    /// A bit for each layer, the lowest for the first, that rests: without a spike its timesteps are skipped.
    pub const fn resting(&self) -> u16 {
        self.resting
    }

    /// The class with the highest score; of equal ones the first.
    pub fn class(&self) -> u16 {
        let mut best = (0, Score::MIN);
        for (class, &score) in (0u16..).zip(self.scores()) {
            if score > best.1 {
                best = (class, score);
            }
        }
        best.0
    }

    /// By how much the best score leads the second best; 0 if two are equal or there is one class only.
    pub fn lead(&self) -> Score {
        let (mut best, mut second) = (Score::MIN, Score::MIN);
        for &score in self.scores() {
            second = second.max(score.min(best));
            best = best.max(score);
        }
        if self.scores().len() < 2 { Score::ZERO } else { best.saturating_sub(second) }
    }

    /// True if the lead has reached the model's margin: further timesteps are not expected to change the class, and whoever runs the
    /// network may stop. Never true of a model without a margin.
    pub fn has_decided(&self) -> bool {
        self.model.margin().is_some_and(|margin| self.lead() >= margin)
    }

    /// The value of each class's integrator.
    pub fn scores(&self) -> &[Score] {
        self.memory.scores
    }

    /// Probability of a class by softmax over the scores, which is what the cross-entropy loss of the training
    /// made of them (paper, section 4.3). 0 for a class that does not exist.
    ///
    /// In f32 with micromath's exponential: good to about 1 %; for display, not for decisions. Costs nothing
    /// where it is not called.
    pub fn probability(&self, class: u16) -> f32 {
        let top = self.scores().iter().max().map_or(0.0, |s| s.to_num::<f32>());
        let weight = |s: &Score| micromath::F32(s.to_num::<f32>() - top).exp().0;
        let all: f32 = self.scores().iter().map(weight).sum();
        self.scores().get(usize::from(class)).map_or(0.0, |s| weight(s) / all)
    }

    /// Per layer: spiking timesteps since the last reset, summed over its neurons. Divided by neurons and
    /// timesteps it is the activity of Eq. 2.
    pub fn spike_counts(&self) -> &[u32] {
        self.spike_counts.get(..self.model.layers().len()).unwrap_or(&[])
    }

    /// Per layer: timesteps since the last reset in which a current was kept within its range.
    pub fn saturations(&self) -> &[u32] {
        self.saturations.get(..self.model.layers().len()).unwrap_or(&[])
    }

    /// A layer and what it works on.
    #[inline]
    fn layer(&mut self, index: usize) -> Option<(&'m Layer<'m>, Parts<'_>)> {
        let layers = self.model.layers();
        let (layer, below) = (layers.get(index)?, layers.get(..index)?);
        let first: usize = below.iter().map(Layer::neurons).sum();
        let potential: usize = below.iter().map(Layer::potentials).sum();
        let states = LayerStates {
            currents: self.memory.currents.get_mut(first..)?.get_mut(..layer.neurons())?,
            potentials: self.memory.potentials.get_mut(potential..)?.get_mut(..layer.potentials())?,
        };
        let sums = self.memory.sums.get_mut(..layer.neurons().next_multiple_of(16))?;
        Some((layer, Parts { states, sums, spikes: self.memory.spikes }))
    }
}

/// What a layer works on.
struct Parts<'p> {
    states: LayerStates<'p>,
    sums: &'p mut [i32],
    spikes: &'p mut LayerSpikes,
}
