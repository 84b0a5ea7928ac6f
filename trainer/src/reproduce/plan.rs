//! Which networks each table and figure needs, and what the paper got from them.

use crate::cell::{CellName, Learnable};
use crate::config::{Augmentation, Coding, Config};
use crate::data::DatasetName;
use crate::widths::Widths;
use spikelet_runtime::Width;

/// A table or figure of the paper, or one that goes on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Item {
    /// Test accuracies of shallow networks.
    Table1,
    /// One neuron for an input and two biases.
    Fig1,
    /// Learning with and without the ReLU bypass.
    Fig2,
    /// Overfitting on Fashion-MNIST with the latency code.
    Fig3,
    /// Activity on MNIST.
    Fig4,
    /// Deep networks.
    Fig5,
    /// One neuron's feedbacks.
    Fig6,
    /// The authors' later table, of an FPGA: 784-100 in few timesteps and few bits, run on an emulated board.
    Fpga,
    /// The models that come with Spikelet on every emulated board.
    Devices,
    /// RESULTS.md of all results in the folder.
    Results,
}

/// One network to train, for each seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Like `mnist/rate/src/2`: data set, coding, cell, layers; `/relu` behind it without the bypass.
    pub name: String,
    /// Its settings, with the paper's schedule.
    pub config: Config,
    /// Mean test accuracy in the paper's Table 1, or of the FPGA, in per cent.
    pub paper: Option<f64>,
}

/// Table 1 of the paper: layers, then the accuracies of SRC and of LIF in per cent, each for MNIST with the rate and the
/// latency code, for Fashion-MNIST with both, and for N-MNIST.
const TABLE_1: [(usize, [f64; 5], [f64; 5]); 4] = [
    (1, [97.27, 96.54, 86.24, 86.28, 97.42], [97.18, 96.98, 86.02, 84.72, 98.18]),
    (2, [98.32, 98.30, 87.80, 87.06, 98.25], [98.06, 96.92, 79.32, 87.27, 97.34]),
    (3, [98.44, 98.21, 88.35, 84.86, 98.34], [98.18, 94.73, 80.64, 78.09, 97.36]),
    (5, [98.39, 97.52, 88.54, 82.09, 98.11], [98.08, 97.61, 84.22, 85.88, 98.05]),
];

/// Data sets and codings of [`TABLE_1`]'s columns, and the inputs of a sample: 28 × 28 pixels, or 2 × 34 × 34 events.
const COLUMNS: [(DatasetName, Coding, usize); 5] = [
    (DatasetName::Mnist, Coding::Rate, 784),
    (DatasetName::Mnist, Coding::Latency, 784),
    (DatasetName::FashionMnist, Coding::Rate, 784),
    (DatasetName::FashionMnist, Coding::Latency, 784),
    (DatasetName::Nmnist, Coding::Events, 2312),
];

/// Table 1's columns: how the names of their networks begin, and what stands above them.
pub const TABLE_1_COLUMNS: [(&str, &str); 5] = [
    ("mnist/rate", "MNIST, rate"),
    ("mnist/latency", "MNIST, latency"),
    ("fashion-mnist/rate", "Fashion-MNIST, rate"),
    ("fashion-mnist/latency", "Fashion-MNIST, latency"),
    ("nmnist/events", "N-MNIST"),
];

/// Timesteps of [`Item::Fpga`]'s networks: those of the FPGA, 20 of which are blank in the longest, and fewer.
pub const FPGA_STEPS: [usize; 5] = [220, 55, 44, 20, 16];

/// What the FPGA got (arXiv 2605.10679): timesteps, the width of ours that stands beside it (its 220 timesteps had weights in full
/// precision), accuracy in per cent, and energy of an inference in µJ: its time, partly our division, at its power.
pub const FPGA: [(usize, Width, f64, f64); 3] =
    [(220, Width::Eight, 96.31, 2200.0), (55, Width::Five, 93.32, 550.0), (44, Width::Four, 92.89, 450.0)];

/// 784-100 on MNIST, trained with weights of a width. Settings were chosen on validation samples: in few timesteps one spike per
/// pixel tells more than coins do, needs stronger weights from the start, and suffers from interpolated grey values.
fn fpga(steps: usize, width: Width) -> Job {
    use Learnable::{Alpha, H0, HS0, R, RS, Rho};
    let mut config = Config {
        dataset: DatasetName::Mnist,
        layers: vec![784, 100],
        steps,
        epochs: if steps > 100 { 15 } else { 30 },
        bits: Some(Widths::all(width)),
        learning_rate: 0.003,
        augment: Augmentation { shift: 1.0, ..Augmentation::default() },
        init_gain: if width == Width::Two { 3.0 } else { 1.0 },
        ..Config::default()
    };
    let mut learn = vec![Alpha, Rho, R, RS];
    if steps <= 20 {
        config.set_coding(Coding::Latency);
        config.learning_rate = 0.006;
        config.init_gain = 6.0;
        config.augment = Augmentation { shift: 0.6, whole_pixels: true, ..Augmentation::default() };
        learn.extend([H0, HS0]);
    }
    if let Some(learnt) = config.cell.learn_mut() {
        *learnt = learn.into_iter().collect();
    }
    let paper = FPGA.iter().find(|row| (row.0, row.1) == (steps, width)).map(|row| row.2);
    Job { name: format!("fpga/{steps}/{}", width.bits()), config, paper }
}

/// Inputs, hidden layers of 512 and the final one of 100 (appendix A); `layers` counts the final one too.
fn job(column: usize, cell: CellName, layers: usize, bypass: bool) -> Job {
    let (dataset, coding, inputs) = COLUMNS[column].clone();
    let mut widths = vec![inputs];
    widths.resize(layers, 512);
    widths.push(100);
    let epochs = if dataset == DatasetName::FashionMnist { 200 } else { 100 };
    let (code, kind) = (value_name(coding), value_name(cell));
    let name = format!("{dataset}/{code}/{kind}/{layers}{}", if bypass { "" } else { "/relu" });
    let mut config = Config { dataset, layers: widths, epochs, bypass, ..Config::default() };
    config.set_cell(cell);
    config.set_coding(coding);
    Job { name, config, paper: paper(column, cell, layers).filter(|_| bypass) }
}

/// A value's name on the command line.
pub fn value_name(value: impl clap::ValueEnum) -> String {
    value.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
}

fn paper(column: usize, cell: CellName, layers: usize) -> Option<f64> {
    let row = TABLE_1.iter().find(|row| row.0 == layers)?;
    match cell {
        CellName::Src => Some(row.1[column]),
        CellName::Lif => Some(row.2[column]),
        CellName::Gru | CellName::Brc => None,
    }
}

impl Item {
    /// As on the command line: `table1`.
    pub fn name(self) -> String {
        value_name(self)
    }

    /// The networks it needs; none for the figures that simulate one neuron.
    pub fn jobs(self) -> Vec<Job> {
        let cells = [CellName::Src, CellName::Lif];
        let table = |columns: std::ops::Range<usize>| {
            let mut jobs = Vec::new();
            for column in columns {
                for layers in [1, 2, 3, 5] {
                    jobs.extend(cells.map(|cell| job(column, cell, layers, true)));
                }
            }
            jobs
        };
        match self {
            Self::Table1 => table(0..COLUMNS.len()),
            Self::Fig2 => [true, false].map(|bypass| job(0, CellName::Src, 5, bypass)).into(),
            Self::Fig3 => [2, 3, 5].map(|layers| job(3, CellName::Src, layers, true)).into(),
            Self::Fig4 => table(0..2),
            Self::Fig5 => [5, 10, 15]
                .into_iter()
                .flat_map(|layers| cells.map(|cell| job(0, cell, layers, true)))
                .collect(),
            Self::Fpga => {
                FPGA_STEPS.iter().flat_map(|&steps| Width::ALL.map(|width| fpga(steps, width))).collect()
            }
            Self::Fig1 | Self::Fig6 | Self::Devices | Self::Results => Vec::new(),
        }
    }

    /// Its own number of epochs in words, alone and behind "instead of".
    pub const fn epochs_in_words(self) -> (&'static str, &'static str) {
        match self {
            Self::Fpga => ("30 epochs (15 where T = 220)", "30 (15 where T = 220)"),
            _ => ("100 epochs (Fashion-MNIST: 200)", "the paper's 100 (Fashion-MNIST: 200)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_1_has_each_network_once_with_the_papers_value() {
        let jobs = Item::Table1.jobs();
        assert_eq!(jobs.len(), 40);
        for (start, _) in TABLE_1_COLUMNS {
            assert_eq!(jobs.iter().filter(|job| job.name.starts_with(&format!("{start}/"))).count(), 8);
        }
        assert!(jobs.iter().all(|job| job.paper.is_some()));
        let job = jobs.iter().find(|job| job.name == "fashion-mnist/latency/lif/3").unwrap();
        assert_eq!(job.paper, Some(78.09));
        assert_eq!(job.config.layers, [784, 512, 512, 100]);
        assert_eq!(job.config.epochs, 200);
        let job = jobs.iter().find(|job| job.name == "nmnist/events/src/1").unwrap();
        assert_eq!(job.paper, Some(97.42));
        assert_eq!((job.config.layers.as_slice(), job.config.epochs), ([2312, 100].as_slice(), 100));
        assert_eq!(Item::Fig2.jobs()[1].name, "mnist/rate/src/5/relu");
        assert_eq!(Item::Fig5.jobs().len(), 6);
    }
}
