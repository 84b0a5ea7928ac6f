//! Measures the runtime's pieces of work on the emulated board and fits the table that predicts instructions:
//! `trainer/src/cost/mps2-an386.json`.

use spikelet::cost::table::{FirmwareSize, Fit, Table, growing_ram, widths_of};
use spikelet::cost::terms::{ModelTerms, Receives, Terms, layer_terms};
use spikelet::cost::{Activity, LayerActivity};
use spikelet::data::{Images, Samples};
use spikelet::simulate::{HostMemory, Stop};
use spikelet::spike_train::{Show, SpikeTrain};
use spikelet_export::{AlignedBytes, EncoderHeader, ModelFile};
use spikelet_runtime::formats::Score;
use spikelet_runtime::{Network, Shape, Width};
use spikelet_tests::variants::{pruned, with_header};
use spikelet_tests::{BOARD, Booted, GENERAL, LIF, Noise, PAPER, boot, random_model_in, rate, root};
use std::collections::{BTreeMap, BTreeSet};

/// Spikes that sums are measured with: about the ends of chunks and lists.
const SPIKES: [u16; 20] = [1, 2, 3, 5, 7, 8, 14, 15, 16, 17, 25, 32, 33, 48, 56, 57, 80, 113, 170, 300];

/// What was measured, and the work that it took.
struct Row {
    terms: Terms,
    instructions: f64,
}

/// The measurements of all networks.
#[derive(Default)]
struct Measurements {
    rows: Vec<Row>,
    /// Per network: its widths, bytes of flash beside its file.
    flash: Vec<(BTreeSet<String>, u64)>,
    ram: BTreeSet<u64>,
    stack: u64,
}

fn main() -> std::io::Result<()> {
    let mut measurements = Measurements::default();
    for (number, model) in networks().iter().enumerate() {
        eprintln!("network {number}: {} B", model.len());
        measurements.network(model, number as u64);
    }
    let table = measurements.table();
    let path = root().join("trainer/src/cost/mps2-an386.json");
    std::fs::write(&path, serde_json::to_string_pretty(&table)? + "\n")?;
    println!(
        "{} measurements, mean error {:.2} %, worst {:.2} %: {}",
        table.fit.measurements,
        100.0 * table.fit.mean_error,
        100.0 * table.fit.worst_error,
        path.display()
    );
    Ok(())
}

/// Networks that between them use every piece of work, with sides that are no multiples of anything: in each the second layer is not
/// proved, and those behind it are pruned. Tests predict others.
fn networks() -> Vec<AlignedBytes> {
    let latency = EncoderHeader::Latency {};
    let small = &[196, 150, 63, 33, 20];
    let mut networks: Vec<AlignedBytes> = (1..)
        .zip(Width::ALL)
        .map(|(seed, width)| {
            let encoder = if seed % 2 == 0 { latency } else { rate() };
            random_model_in(&[width], PAPER, &[784, 203, 97, 43, 30], [3, 40, 2], encoder, seed)
        })
        .collect();
    networks.push(random_model_in(&[Width::Eight], LIF, small, [4, 40, 30], latency, 6));
    networks.push(random_model_in(&[Width::Eight], GENERAL, small, [4, 40, 30], rate(), 7));
    networks.push(random_model_in(&Width::ALL, PAPER, &[144, 83, 45, 52, 29, 60], [0, 50, 0], rate(), 8));
    let varied = |model: &AlignedBytes| {
        let model = pruned(model, 2);
        with_header(&model, |header| {
            header.layers[1].proved = false;
            header.outline.margin = Some(Score::from_num(3).to_bits());
        })
    };
    networks.iter().map(varied).collect()
}

impl Measurements {
    fn network(&mut self, model: &AlignedBytes, seed: u64) {
        let file = ModelFile::open(model).unwrap();
        let mut board = boot(model);
        let mut noise = Noise(seed);
        self.flash.push((widths_of(&file), board.firmware.flash - file.len() as u64));
        self.ram.insert(board.firmware.ram - growing_ram(file.model().need()));
        self.stages(&file, &mut board);
        self.trains(&file, &mut board, &mut noise);
        if file.input().encoder.is_some() {
            self.images(&file, &mut board, &mut noise);
        }
        self.stack = self.stack.max(board.client.memory().unwrap().stack_used.into());
    }

    fn row(&mut self, terms: Terms, ticks: u32) {
        self.rows.push(Row { terms, instructions: f64::from(ticks) / BOARD.ticks_per_instruction() });
    }

    /// The sums of each layer with its first inputs spiking, and its neurons after those.
    fn stages(&mut self, file: &ModelFile<'_>, board: &mut Booted) {
        let mut memory = HostMemory::new(file.model().need());
        let mut network = Network::new(file.model(), memory.view()).unwrap();
        for (index, layer) in file.model().layers().iter().enumerate() {
            let synapses = layer.synapses();
            for &spikes in SPIKES.iter().filter(|&&spikes| spikes <= synapses.inputs()) {
                let measured = board.client.measure(index as u8, spikes).unwrap();
                let spiking: Vec<u16> = (0..spikes).collect();
                network.reset();
                network.receive(index, &spiking);
                network.update_neurons(index, true);
                let rows = synapses.shape().rows;
                let has_row =
                    |input: &&u16| rows.is_none_or(|rows| rows[usize::from(**input)] != Shape::PRUNED);
                let activity = LayerActivity {
                    received: BTreeMap::from([(spikes.into(), 1.0)]),
                    rows: spiking.iter().filter(has_row).count() as f64,
                    spikes: f64::from(network.spike_counts()[index]),
                    ..LayerActivity::default()
                };
                if activity.rows > 0.0 {
                    let [sums, neurons] = layer_terms(layer, index, Receives::Ones, &activity);
                    self.row(sums, measured.synapses - measured.empty);
                    self.row(neurons, measured.neurons - measured.empty);
                }
            }
        }
    }

    /// Whole timesteps: few and many spikes, none for some time, none until all is at rest.
    fn trains(&mut self, file: &ModelFile<'_>, board: &mut Booted, noise: &mut Noise) {
        let inputs = usize::from(file.model().inputs());
        for number in 0..40 {
            let steps = 1 + noise.below(12);
            let mut train = SpikeTrain::silent(if number % 8 == 7 { 200 } else { number % 3 });
            for _ in 0..steps {
                let share = [0.01, 0.03, 0.1, 0.3][noise.below(4)];
                let spiking = (0..inputs).filter(|_| noise.within(0.0, 1.0) < share);
                train.inputs.extend(spiking.map(|input| input as u16));
                train.offsets.push(train.inputs.len() as u32);
            }
            let end = train.inputs.len() as u32;
            train.offsets.extend(std::iter::repeat_n(end, number % 5));
            let inferred =
                board.client.infer_spikes((0..train.steps()).map(|t| train.at(t)), Stop::AtTheEnd).unwrap();
            let terms = ModelTerms::new(file, &Activity::of_trains(file, &[train]));
            self.row(terms.of_network(), inferred.ticks);
        }
    }

    /// Images of more and less black, which is scattered, or in one piece as in most images.
    fn images(&mut self, file: &ModelFile<'_>, board: &mut Booted, noise: &mut Noise) {
        let side = usize::from(file.model().inputs().isqrt());
        let stops = if file.model().margin().is_some() {
            &[Stop::AtTheEnd, Stop::WhenDecided][..]
        } else {
            &[Stop::AtTheEnd]
        };
        for (black, piece) in
            [(0.0, 0.0), (0.2, 0.0), (0.5, 0.0), (0.8, 0.0), (0.95, 0.0), (0.1, 0.5), (0.3, 0.8)]
        {
            let first = (piece * (side * side) as f64) as usize;
            let pixel = |index| {
                let is_black = index < first || noise.within(0.0, 1.0) < black;
                if is_black { 0 } else { noise.below(256) as u8 }
            };
            let pixels: Vec<u8> = (0..side * side).map(pixel).collect();
            let images = Images { width: side, height: side, pixels, labels: vec![0] };
            for &stop in stops {
                let inferred =
                    board.client.infer_pixels(Show::Evaluation.stream(0), images.image(0), stop).unwrap();
                let samples = Samples::from(images.clone());
                let terms = ModelTerms::new(file, &Activity::of_samples(file, &samples, stop));
                self.row(terms.of_network(), inferred.ticks);
                self.row(terms.encoder, inferred.ticks_encoding);
            }
        }
    }

    fn table(&self) -> Table {
        let rows: Vec<(Vec<(&str, f64)>, f64)> =
            self.rows.iter().map(|row| (row.terms.iter().collect(), row.instructions)).collect();
        let instructions = least_squares(&rows);
        let errors = rows.iter().map(|(terms, measured)| {
            (terms.iter().map(|(name, times)| instructions[*name] * times).sum::<f64>() / measured - 1.0)
                .abs()
        });
        let errors: Vec<f64> = errors.collect();
        let sizes = self.flash.iter().map(|(widths, flash)| {
            let parts = widths.iter().map(|bits| (bits.as_str(), 1.0)).chain([("", 1.0)]);
            (parts.collect(), *flash as f64)
        });
        let mut widths = least_squares(&sizes.collect::<Vec<_>>());
        eprintln!("flash {:?}: {widths:?}; ram {:?}", self.flash, self.ram);
        Table {
            core: "Cortex-M4".to_owned(),
            board: BOARD.to_string(),
            fit: Fit {
                measurements: errors.len(),
                mean_error: errors.iter().sum::<f64>() / errors.len() as f64,
                worst_error: errors.iter().copied().fold(0.0, f64::max),
            },
            firmware: FirmwareSize {
                flash: widths.remove("").unwrap_or_default(),
                widths,
                ram: self.ram.last().copied().unwrap_or_default(),
                // Networks that were not measured may take a little more.
                stack: (self.stack + 1).next_multiple_of(128),
            },
            instructions,
        }
    }
}

/// The numbers, none below 0, whose sums over the parts of each row come nearest to its value, errors taken relative to it.
///
/// One number after the other is made the best one beside the others, until none moves.
fn least_squares(rows: &[(Vec<(&str, f64)>, f64)]) -> BTreeMap<String, f64> {
    let names: BTreeSet<&str> =
        rows.iter().flat_map(|(parts, _)| parts.iter().map(|(name, _)| *name)).collect();
    let place: BTreeMap<&str, usize> = names.iter().enumerate().map(|(place, &name)| (name, place)).collect();
    let count = names.len();
    let (mut normal, mut right) = (vec![vec![0.0; count]; count], vec![0.0; count]);
    for (parts, value) in rows {
        for (a, times) in parts {
            right[place[a]] += times / value;
            for (b, more) in parts {
                normal[place[a]][place[b]] += times * more / (value * value);
            }
        }
    }
    let mut numbers = vec![0.0; count];
    for _ in 0..200_000 {
        let mut moved: f64 = 0.0;
        for at in 0..count {
            let rest: f64 = normal[at].iter().zip(&numbers).map(|(share, number)| share * number).sum();
            let next = f64::max(0.0, numbers[at] + (right[at] - rest) / normal[at][at]);
            moved = moved.max((next - numbers[at]).abs());
            numbers[at] = next;
        }
        if moved < 1e-7 {
            break;
        }
    }
    let rounded = |number: f64| (number * 1000.0).round() / 1000.0;
    names.iter().zip(numbers).map(|(name, number)| ((*name).to_owned(), rounded(number))).collect()
}
