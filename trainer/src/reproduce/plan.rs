//! Which networks each table and figure needs, and what the paper got from them.

use crate::cell::CellName;
use crate::config::{Coding, Config};
use crate::data::DatasetName;

/// A table or figure of the paper.
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
}

/// One network to train, for each seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Like `mnist/rate/src/2`: data set, coding, cell, layers; `/relu` behind it without the bypass.
    pub name: String,
    /// Its settings, with the paper's schedule.
    pub config: Config,
    /// Mean test accuracy in the paper's Table 1, in per cent.
    pub paper: Option<f64>,
}

/// Table 1 of the paper: layers, then the accuracies of SRC and of LIF in per cent, each for MNIST with the rate and the
/// latency code and for Fashion-MNIST with both. Its last column, N-MNIST, waits for that data set.
const TABLE_1: [(usize, [f64; 4], [f64; 4]); 4] = [
    (1, [97.27, 96.54, 86.24, 86.28], [97.18, 96.98, 86.02, 84.72]),
    (2, [98.32, 98.30, 87.80, 87.06], [98.06, 96.92, 79.32, 87.27]),
    (3, [98.44, 98.21, 88.35, 84.86], [98.18, 94.73, 80.64, 78.09]),
    (5, [98.39, 97.52, 88.54, 82.09], [98.08, 97.61, 84.22, 85.88]),
];

/// Inputs, hidden layers of 512 and the final one of 100 (appendix A); `layers` counts the final one too.
fn job(dataset: DatasetName, coding: Coding, cell: CellName, layers: usize, bypass: bool) -> Job {
    let mut widths = vec![784];
    widths.resize(layers, 512);
    widths.push(100);
    let epochs = if dataset == DatasetName::FashionMnist { 200 } else { 100 };
    let mut config = Config { dataset, layers: widths, epochs, bypass, ..Config::default() };
    config.set_cell(cell);
    config.set_coding(coding);
    let (code, kind) = (value_name(coding), value_name(cell));
    let name = format!("{dataset}/{code}/{kind}/{layers}{}", if bypass { "" } else { "/relu" });
    Job { name, config, paper: paper(dataset, coding, cell, layers).filter(|_| bypass) }
}

fn value_name(value: impl clap::ValueEnum) -> String {
    value.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
}

fn paper(dataset: DatasetName, coding: Coding, cell: CellName, layers: usize) -> Option<f64> {
    let column = match (dataset, coding) {
        (DatasetName::Mnist, Coding::Rate) => 0,
        (DatasetName::Mnist, Coding::Latency) => 1,
        (DatasetName::FashionMnist, Coding::Rate) => 2,
        (DatasetName::FashionMnist, Coding::Latency) => 3,
        _ => return None,
    };
    let row = TABLE_1.iter().find(|row| row.0 == layers)?;
    match cell {
        CellName::Src => Some(row.1[column]),
        CellName::Lif => Some(row.2[column]),
        CellName::Gru | CellName::Brc => None,
    }
}

impl Item {
    /// The networks it needs; none for the figures that simulate one neuron.
    pub fn jobs(self) -> Vec<Job> {
        use DatasetName::{FashionMnist, Mnist};
        let cells = [CellName::Src, CellName::Lif];
        let table = |datasets: &[DatasetName]| {
            let mut jobs = Vec::new();
            for &dataset in datasets {
                for coding in [Coding::Rate, Coding::Latency] {
                    for layers in [1, 2, 3, 5] {
                        jobs.extend(cells.map(|cell| job(dataset, coding, cell, layers, true)));
                    }
                }
            }
            jobs
        };
        match self {
            Self::Table1 => table(&[Mnist, FashionMnist]),
            Self::Fig4 => table(&[Mnist]),
            Self::Fig2 => [true, false].map(|on| job(Mnist, Coding::Rate, CellName::Src, 5, on)).into(),
            Self::Fig3 => {
                [2, 3, 5].map(|n| job(FashionMnist, Coding::Latency, CellName::Src, n, true)).into()
            }
            Self::Fig5 => [5, 10, 15]
                .into_iter()
                .flat_map(|n| cells.map(|cell| job(Mnist, Coding::Rate, cell, n, true)))
                .collect(),
            Self::Fig1 | Self::Fig6 => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_1_has_each_network_once_with_the_papers_value() {
        let jobs = Item::Table1.jobs();
        assert_eq!(jobs.len(), 32);
        assert!(jobs.iter().all(|job| job.paper.is_some()));
        let job = jobs.iter().find(|job| job.name == "fashion-mnist/latency/lif/3").unwrap();
        assert_eq!(job.paper, Some(78.09));
        assert_eq!(job.config.layers, [784, 512, 512, 100]);
        assert_eq!(job.config.epochs, 200);
        assert_eq!(Item::Fig2.jobs()[1].name, "mnist/rate/src/5/relu");
        assert_eq!(Item::Fig5.jobs().len(), 6);
    }
}
