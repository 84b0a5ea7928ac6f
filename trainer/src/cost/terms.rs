//! What the runtime's code does for a model's timesteps: how often each piece of work is done, by the structure of the code.
//!
//! A piece is, say, adding four words of one row of 8-bit weights to their lanes. [`super::Table`] has its instructions. The names are
//! those of the functions and macros of the runtime: `arm/sums.rs`, `arm/rows.s`, `arm/sums_thumb2.s`, `arm/neurons_thumb2.s`,
//! `neurons/plain.rs`, `lif_layer.rs`, `readout.rs`, `network.rs` and `encode`.

use super::activity::{Activity, LayerActivity};
use spikelet_export::ModelFile;
use spikelet_runtime::encode::Encoder;
use spikelet_runtime::{GatedBy, Layer, Synapses, Width};
use std::collections::BTreeMap;

/// How often each piece of work is done, by its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms(BTreeMap<String, f64>);

/// The work of a model's timesteps, part by part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelTerms {
    /// Of each layer: summing the weights of its inputs' spikes, and advancing its neurons.
    pub layers: Vec<[Terms; 2]>,
    /// The readout.
    pub readout: Terms,
    /// What belongs to no part: calls, skipped layers, the question whether the network has decided.
    pub network: Terms,
    /// Making spikes of pixels, which is no part of the network.
    pub encoder: Terms,
}

/// What a layer's sums are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receives {
    /// Spikes of value 1: of the input.
    Ones,
    /// Spikes with values: of the layer below.
    Graded,
}

/// Rows of a list of the assembly at most.
const LIST: u32 = 32;
/// Neurons that a turn of the assembly advances.
const QUAD: usize = 4;

impl Terms {
    /// Counts `times` more of `what` in `stage`.
    pub fn add(&mut self, stage: &str, what: &str, times: f64) {
        if times != 0.0 {
            *self.0.entry(format!("{stage}: {what}")).or_default() += times;
        }
    }

    /// Counts all of `more`.
    pub fn plus(&mut self, more: &Self) {
        for (name, times) in &more.0 {
            *self.0.entry(name.clone()).or_default() += times;
        }
    }

    /// Names and counts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, &times)| (name.as_str(), times))
    }
}

impl ModelTerms {
    /// The work for an activity.
    pub fn new(file: &ModelFile<'_>, activity: &Activity) -> Self {
        let layers = file.model().layers().iter().zip(&activity.layers).enumerate().map(
            |(index, (layer, activity))| {
                layer_terms(
                    layer,
                    index,
                    if index == 0 { Receives::Ones } else { Receives::Graded },
                    activity,
                )
            },
        );
        let layers: Vec<_> = layers.collect();
        let mut network = Terms::default();
        network.add("network", "timestep", activity.steps);
        network.add("network", "layer", activity.steps * layers.len() as f64);
        network.add("network", "skipped layer", activity.layers.iter().map(|layer| layer.skipped).sum());
        let classes = f64::from(file.model().readout().classes());
        network.add("decision", "timestep", activity.decisions);
        network.add("decision", "class", activity.decisions * classes);
        let mut readout = Terms::default();
        readout.add("readout", "timestep", activity.readouts);
        readout.add("readout", "class", activity.readouts * classes);
        readout.add("readout", "spike", activity.layers.last().map_or(0.0, |layer| layer.spikes));
        Self { layers, readout, network, encoder: encoder_terms(file, activity) }
    }

    /// The work of the network, the encoder's left out.
    pub fn of_network(&self) -> Terms {
        let mut all = self.network.clone();
        all.plus(&self.readout);
        self.layers.iter().flatten().for_each(|terms| all.plus(terms));
        all
    }
}

/// The work of a layer, the one number `index` from below: of its sums, and of its neurons.
pub fn layer_terms(
    layer: &Layer<'_>,
    index: usize,
    receives: Receives,
    activity: &LayerActivity,
) -> [Terms; 2] {
    let (mut sums, mut neurons) = (Terms::default(), Terms::default());
    let received: f64 = activity.received.values().sum();
    let spikes = activity.received_spikes();
    let kept = if spikes > 0.0 { activity.rows / spikes } else { 1.0 };
    for (&spikes, &steps) in &activity.received {
        let mut once = Terms::default();
        match receives {
            Receives::Ones => sum(&mut once, layer.synapses(), spikes, kept),
            Receives::Graded => sum_graded(&mut once, layer.synapses(), spikes, kept),
        }
        once.0.into_iter().for_each(|(name, times)| *sums.0.entry(name).or_default() += times * steps);
    }
    // To find a layer's states, the layers below it are counted.
    sums.add("network", "layer below", received * index as f64);
    neurons.add("network", "layer below", (received + activity.silent) * index as f64);
    for (steps, silent) in [(received, false), (activity.silent, true)] {
        advance(&mut neurons, layer, silent, steps);
    }
    let cell = if matches!(layer, Layer::Src(_)) { "SRC" } else { "LIF" };
    neurons.add(cell, "spike", activity.spikes);
    [sums, neurons]
}

/// A plane of a layer's weights, as the assembly adds it up.
struct Plane {
    bits: u32,
    /// Rows that its lanes hold.
    chunk: u32,
    /// Words of a group.
    group: usize,
}

/// The planes of a width in the order in which they are added.
const fn planes(width: Width) -> &'static [Plane] {
    const ONE: Plane = Plane { bits: 1, chunk: 15, group: 1 };
    const FOUR: Plane = Plane { bits: 4, chunk: 16, group: 4 };
    match width {
        Width::Eight => &[Plane { bits: 8, chunk: LIST, group: 4 }],
        Width::Five => &[ONE, FOUR],
        Width::Four => &[FOUR],
        Width::Three => &[ONE, Plane { bits: 2, chunk: 5, group: 4 }],
        Width::Two => &[Plane { bits: 2, chunk: 7, group: 4 }],
    }
}

impl Plane {
    /// Words of a row whose columns all have room, and whether there is one more, which has less.
    fn words(&self, synapses: &Synapses<'_>) -> (usize, bool) {
        let words = synapses.shape().plane_words(self.bits);
        let full = words.min(room(synapses) * self.bits as usize / 32);
        (full, full < words)
    }
}

/// Columns that there is room for in the sums.
fn room(synapses: &Synapses<'_>) -> usize {
    columns(synapses).next_multiple_of(16)
}

/// `Synapses::sum` of so many spikes of value 1, of which the share `kept` has a row.
fn sum(terms: &mut Terms, synapses: &Synapses<'_>, spikes: u32, kept: f64) {
    terms.add("sums", "call", 1.0);
    let rows = kept * f64::from(spikes);
    let lists = spikes.div_ceil(LIST);
    let mut before = false;
    for plane in planes(synapses.width()) {
        let stage = &format!("sums of a plane of {} bits", plane.bits);
        terms.add(stage, "call", 1.0);
        terms.add(stage, "list", lists.into());
        terms.add("list of rows", "row", rows);
        terms.add("list of rows", "pruned row", f64::from(spikes) - rows);
        if synapses.shape().rows.is_some() {
            terms.add("list of rows", "look-up of a row", spikes.into());
        }
        let last = spikes - (lists - 1) * LIST;
        let chunks = (lists - 1) * LIST.div_ceil(plane.chunk) + last.div_ceil(plane.chunk);
        terms.add(stage, "chunk of the list", chunks.into());
        // Lanes of 2 bits are emptied once a list, others once a chunk; all but the first time sums are added to.
        let emptied = if plane.bits == 2 { lists } else { chunks };
        let (full, part) = plane.words(synapses);
        if part {
            terms.add(stage, "last word, call", 1.0);
            terms.add(stage, "last word, spike", spikes.into());
            terms.add(stage, "last word, row", rows);
        }
        for (unit, count) in [("group", full / plane.group), ("word", full % plane.group)] {
            let count = count as f64;
            let mut add = |what: &str, times: f64| terms.add(stage, &format!("{unit}, {what}"), times);
            add("list", f64::from(u8::from(count > 0.0)) * f64::from(lists));
            add("chunk", count * f64::from(chunks));
            add("row", count * rows);
            add("adding", count * f64::from(emptied - u32::from(!before)));
            if plane.chunk < LIST {
                add("turn", count * f64::from(lists));
            }
        }
        before = true;
    }
    spread(terms, synapses);
}

/// `Synapses::sum_graded` of so many spikes.
fn sum_graded(terms: &mut Terms, synapses: &Synapses<'_>, spikes: u32, kept: f64) {
    let rows = kept * f64::from(spikes);
    terms.add("graded sums", "call", 1.0);
    terms.add("graded sums", "column", room(synapses) as f64);
    for plane in planes(synapses.width()) {
        let stage = &format!("graded sums of a plane of {} bits", plane.bits);
        let (full, part) = plane.words(synapses);
        for (words, unit) in [(full, "words"), (usize::from(part), "last word")] {
            if words > 0 {
                terms.add(stage, &format!("{unit}, call"), 1.0);
                terms.add("graded sums", "spike", spikes.into());
                if synapses.shape().rows.is_some() {
                    terms.add("graded sums", "look-up of a row", spikes.into());
                }
                terms.add(stage, "row", rows);
                terms.add(stage, "word of a row", words as f64 * rows);
            }
        }
    }
    spread(terms, synapses);
}

/// Moving sums of kept columns to their neurons.
fn spread(terms: &mut Terms, synapses: &Synapses<'_>) {
    if let Some(columns) = synapses.shape().columns {
        terms.add("spreading", "neuron", f64::from(synapses.neurons()));
        terms.add("spreading", "column", columns.len() as f64);
    }
}

fn columns(synapses: &Synapses<'_>) -> usize {
    synapses.shape().columns.map_or(usize::from(synapses.neurons()), <[u16]>::len)
}

/// The neurons of a layer in `steps` timesteps, with or without input.
fn advance(terms: &mut Terms, layer: &Layer<'_>, silent: bool, steps: f64) {
    let neurons = layer.neurons();
    let when = if silent { "silent" } else { "received" };
    let proof = if layer.integrator().proved { "" } else { ", unproved" };
    let (cell, rest) = match layer {
        Layer::Lif(_) => ("LIF", neurons),
        Layer::Src(src) => {
            let constants = src.constants();
            if constants.z == 0 && constants.gated_by == GatedBy::Current {
                terms.add("SRC", &format!("{when}, quad"), (neurons / QUAD) as f64 * steps);
                if !silent && !layer.integrator().proved {
                    terms.add("SRC", "received, product", (neurons / QUAD * QUAD) as f64 * steps);
                }
                terms.add("SRC", &format!("{when}, call"), steps);
                terms.add("SRC", &format!("{when}, single{proof}"), (neurons % QUAD) as f64 * steps);
                return;
            }
            ("general SRC", neurons)
        }
    };
    terms.add(cell, &format!("{when}, call"), steps);
    terms.add(cell, &format!("{when}, neuron{proof}"), rest as f64 * steps);
}

fn encoder_terms(file: &ModelFile<'_>, activity: &Activity) -> Terms {
    let mut terms = Terms::default();
    let activity = activity.encoder;
    let eights = activity.shown * f64::from(file.model().inputs().div_ceil(8));
    match file.input().encoder {
        Some(Encoder::Rate(_)) => {
            terms.add("rate code", "timestep", activity.shown);
            terms.add("rate code", "eight", eights);
            terms.add("rate code", "lit eight", activity.lit[0]);
            terms.add("rate code", "lit four", activity.lit[1]);
            terms.add("rate code", "drawn pair", activity.drawn);
            terms.add("rate code", "spike", activity.spikes);
        }
        Some(Encoder::Latency(_)) => {
            terms.add("latency code", "timestep", activity.shown);
            terms.add("latency code", "eight", eights);
            terms.add("latency code", "lit eight", activity.lit[0]);
            terms.add("latency code", "lit four", activity.lit[1]);
            terms.add("latency code", "spike", activity.spikes);
        }
        None => return terms,
    }
    terms.add("encoder", "blank timestep", activity.blank);
    terms
}
