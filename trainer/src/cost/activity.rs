//! What happens in the timesteps of a model's sequences: who receives how many spikes, who rests.

use crate::data::Samples;
use crate::simulate::{HostMemory, Stop};
use crate::spike_train::{Encoding, Show, SpikeTrain};
use anyhow::ensure;
use rayon::prelude::*;
use spikelet_export::ModelFile;
use spikelet_runtime::encode::Encoder;
use spikelet_runtime::{Network, Shape};
use std::collections::BTreeMap;

/// Totals over some sequences of a model. Counts of timesteps and spikes are whole numbers where they were simulated, and expected
/// ones where they follow from shares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Activity {
    /// Sequences.
    pub sequences: f64,
    /// Timesteps of all of them.
    pub steps: f64,
    /// Their input spikes.
    pub input_spikes: f64,
    /// Bottom to top.
    pub layers: Vec<LayerActivity>,
    /// Timesteps in which the readout has something to do.
    pub readouts: f64,
    /// Timesteps after which the network is asked whether it has decided.
    pub decisions: f64,
    /// What the encoder does where pixels are sent to the board.
    pub encoder: EncoderActivity,
}

/// A layer's part of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerActivity {
    /// Timesteps in which it receives spikes, by their number.
    pub received: BTreeMap<u32, f64>,
    /// Received spikes that have a row of weights: all but those of pruned inputs.
    pub rows: f64,
    /// Timesteps in which its neurons are advanced without input.
    pub silent: f64,
    /// Timesteps that are skipped, since it rests.
    pub skipped: f64,
    /// Its own spikes.
    pub spikes: f64,
}

/// What an encoder does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EncoderActivity {
    /// Timesteps in which it goes through the pixels.
    pub shown: f64,
    /// Timesteps in which it does not.
    pub blank: f64,
    /// Eights and fours of pixels that are not all black, over all timesteps.
    pub lit: [f64; 2],
    /// Of the rate code: pairs of pixels that are not both black, over all timesteps.
    pub drawn: f64,
    /// Spikes that it makes.
    pub spikes: f64,
}

impl LayerActivity {
    /// Spikes received.
    pub fn received_spikes(&self) -> f64 {
        self.received.iter().map(|(&spikes, steps)| f64::from(spikes) * steps).sum()
    }

    fn plus(&mut self, more: &Self) {
        more.received.iter().for_each(|(&spikes, steps)| *self.received.entry(spikes).or_default() += steps);
        self.rows += more.rows;
        self.silent += more.silent;
        self.skipped += more.skipped;
        self.spikes += more.spikes;
    }
}

impl Activity {
    /// Simulates samples, each in its evaluation stream and until `stop`.
    ///
    /// # Panics
    /// As [`crate::simulate::simulate`].
    pub fn of_samples(file: &ModelFile<'_>, samples: &Samples, stop: Stop) -> Self {
        let encoding = Encoding::of_model(file);
        let piece = samples.len().div_ceil(4 * rayon::current_num_threads()).max(1);
        let pieces: Vec<Self> = (0..samples.len())
            .into_par_iter()
            .chunks(piece)
            .map(|indices| {
                let mut memory = HostMemory::new(file.model().need());
                let mut counter = Counter::new(file, &mut memory);
                for index in indices {
                    let steps = counter.show(&encoding.train(samples, index, Show::Evaluation), stop);
                    if let Samples::Images(images) = samples {
                        counter.encode(file, images.image(index), steps);
                    }
                }
                counter.total
            })
            .collect();
        pieces.into_iter().fold(Self::silent(file), Self::plus)
    }

    /// Simulates trains of spikes.
    pub fn of_trains(file: &ModelFile<'_>, trains: &[SpikeTrain]) -> Self {
        let mut memory = HostMemory::new(file.model().need());
        let mut counter = Counter::new(file, &mut memory);
        for train in trains {
            counter.show(train, Stop::AtTheEnd);
        }
        counter.total
    }

    /// One sequence, to its end, in which inputs and neurons spike independently of each other with the given shares of timesteps:
    /// `shares` are those of the inputs, while they are shown, and of each layer's neurons. No layer rests, and of an image no pixel
    /// is black.
    ///
    /// # Errors
    /// If there is not one share for the inputs and each layer, or one is not within 0 to 1.
    pub fn of_shares(file: &ModelFile<'_>, shares: &[f64]) -> anyhow::Result<Self> {
        let layers = file.model().layers();
        ensure!(
            shares.len() == layers.len() + 1,
            "--activity needs {} shares, of the inputs and of each layer's neurons, and got {}",
            layers.len() + 1,
            shares.len()
        );
        ensure!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "shares of --activity are 0 to 1");
        let steps = f64::from(file.model().steps());
        let shown = f64::from(file.input().steps);
        let input_spikes = shares[0] * f64::from(file.model().inputs()) * shown;
        let (mut most, mut share, mut with_input) = (u32::from(file.model().inputs()), shares[0], shown);
        let mut of_layers = Vec::new();
        for (layer, &own) in layers.iter().zip(&shares[1..]) {
            let received: BTreeMap<u32, f64> = binomial(most, share)
                .into_iter()
                .enumerate()
                .skip(1)
                .map(|(spikes, chance)| (spikes as u32, chance * with_input))
                .filter(|(_, steps)| *steps > 1e-9)
                .collect();
            let mut activity = LayerActivity { received, ..LayerActivity::default() };
            activity.rows = activity.received_spikes();
            activity.silent = steps - activity.received.values().sum::<f64>();
            activity.spikes = own * layer.neurons() as f64 * steps;
            of_layers.push(activity);
            (most, share, with_input) = (layer.neurons() as u32, own, steps);
        }
        Ok(Self {
            sequences: 1.0,
            steps,
            input_spikes,
            layers: of_layers,
            readouts: steps,
            decisions: 0.0,
            encoder: EncoderActivity {
                shown,
                blank: steps - shown,
                lit: [8, 4].map(|size| shown * f64::from(file.model().inputs().div_ceil(size))),
                drawn: shown * f64::from(file.model().inputs().div_ceil(2)),
                spikes: input_spikes,
            },
        })
    }

    /// No sequence.
    fn silent(file: &ModelFile<'_>) -> Self {
        Self { layers: vec![LayerActivity::default(); file.model().layers().len()], ..Self::default() }
    }

    fn plus(mut self, more: Self) -> Self {
        self.sequences += more.sequences;
        self.steps += more.steps;
        self.input_spikes += more.input_spikes;
        self.layers.iter_mut().zip(&more.layers).for_each(|(layer, more)| layer.plus(more));
        self.readouts += more.readouts;
        self.decisions += more.decisions;
        self.encoder.shown += more.encoder.shown;
        self.encoder.blank += more.encoder.blank;
        self.encoder.lit.iter_mut().zip(more.encoder.lit).for_each(|(lit, more)| *lit += more);
        self.encoder.drawn += more.encoder.drawn;
        self.encoder.spikes += more.encoder.spikes;
        self
    }
}

/// Chance of each number of spikes of `most` that spike independently with a chance of `share`.
fn binomial(most: u32, share: f64) -> Vec<f64> {
    if share >= 1.0 {
        return (0..=most).map(|spikes| f64::from(u8::from(spikes == most))).collect();
    }
    // In logarithms: (1 - share)^most alone may be too small for a float.
    let mut chance = f64::from(most) * (1.0 - share).ln();
    let mut chances = vec![chance.exp()];
    for spikes in 1..=most {
        chance += (f64::from(most - spikes + 1) / f64::from(spikes)).ln() + (share / (1.0 - share)).ln();
        chances.push(chance.exp());
    }
    chances
}

/// A network that counts.
struct Counter<'m, 'a> {
    network: Network<'m, 'a>,
    total: Activity,
}

impl<'m, 'a> Counter<'m, 'a> {
    fn new(file: &'m ModelFile<'m>, memory: &'a mut HostMemory) -> Self {
        let network = Network::new(file.model(), memory.view());
        let network = network.expect("host memory is as large as the model needs");
        Self { network, total: Activity::silent(file) }
    }

    /// Shows a train, and says after how many timesteps it ended.
    fn show(&mut self, train: &SpikeTrain, stop: Stop) -> usize {
        let Self { network, total } = self;
        network.reset();
        let layers = network.model().layers();
        // As the network's own: no score has anything left.
        let mut level = true;
        let mut steps = 0;
        for t in 0..train.steps() {
            let resting = network.resting();
            let inputs = train.at(t);
            total.input_spikes += inputs.len() as f64;
            let rows = layers.first().and_then(|layer| layer.synapses().shape().rows);
            let mut received = inputs.len();
            let mut with_row = rows_of(rows, inputs.iter().copied());
            network.step_observed(inputs, |index, spikes| {
                let layer = &mut total.layers[index];
                if received > 0 {
                    *layer.received.entry(received as u32).or_default() += 1.0;
                    layer.rows += with_row as f64;
                } else if resting & 1 << index == 0 {
                    layer.silent += 1.0;
                } else {
                    layer.skipped += 1.0;
                }
                layer.spikes += spikes.len() as f64;
                received = spikes.len();
                let rows = layers.get(index + 1).and_then(|layer| layer.synapses().shape().rows);
                with_row = rows_of(rows, spikes.iter().map(|spike| spike.neuron));
            });
            if received > 0 || !level {
                total.readouts += 1.0;
                level = received == 0 && network.scores().iter().all(|&score| score == 0);
            }
            steps = t + 1;
            if stop == Stop::WhenDecided {
                total.decisions += 1.0;
                if network.has_decided() {
                    break;
                }
            }
        }
        total.sequences += 1.0;
        total.steps += steps as f64;
        steps
    }

    /// Counts what an encoder on the board does in the first `steps` timesteps of an image.
    fn encode(&mut self, file: &ModelFile<'_>, pixels: &[u8], steps: usize) {
        let input = file.input();
        let Some(encoder) = input.encoder else { return };
        let first = usize::from(input.blank_before);
        let not_black =
            |size| pixels.chunks(size).filter(|some| some.iter().any(|&pixel| pixel != 0)).count() as f64;
        let ([eights, fours], drawn) = ([8, 4].map(not_black), not_black(2));
        let total = &mut self.total.encoder;
        for t in 0..steps {
            let shown = t.checked_sub(first).filter(|&t| t < usize::from(input.steps));
            // The latency code looks at no pixel in timesteps in which no value spikes.
            let looks = shown.is_some_and(|t| match encoder {
                Encoder::Rate(_) => true,
                Encoder::Latency(code) => {
                    let mut any = false;
                    code.for_each_spike(t as u16, &ALL_VALUES, |_| any = true);
                    any
                }
            });
            if looks {
                total.shown += 1.0;
                total.lit[0] += eights;
                total.lit[1] += fours;
                total.drawn += drawn;
            } else {
                total.blank += 1.0;
            }
        }
        total.spikes = self.total.input_spikes;
    }
}

const ALL_VALUES: [u8; 256] = {
    let mut values = [0; 256];
    let mut value = 0;
    while value < 256 {
        values[value] = value as u8;
        value += 1;
    }
    values
};

/// How many of some inputs have a row.
fn rows_of(rows: Option<&[u16]>, inputs: impl ExactSizeIterator<Item = u16>) -> usize {
    match rows {
        None => inputs.len(),
        Some(rows) => inputs.filter(|&input| rows[usize::from(input)] != Shape::PRUNED).count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_add_up_and_have_their_mean() {
        for (most, share) in [(1, 0.3), (784, 0.03), (784, 0.9), (16_384, 0.5), (10, 0.0), (10, 1.0)] {
            let chances = binomial(most, share);
            let sum: f64 = chances.iter().sum();
            let mean: f64 = chances.iter().enumerate().map(|(k, chance)| k as f64 * chance).sum();
            assert!((sum - 1.0).abs() < 1e-6, "{most}, {share}: {sum}");
            assert!(
                (mean - f64::from(most) * share).abs() < 1e-5 * f64::from(most),
                "{most}, {share}: {mean}"
            );
        }
    }
}
