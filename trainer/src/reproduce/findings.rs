//! What the paper says of its trained networks (section 4.4 and 4.5), held against ours.

use super::neuron::Finding;
use super::plan::Item;
use super::table::Table;

/// The findings of an item about whose networks enough is trained.
pub fn of(item: Item, table: &Table) -> Vec<Finding> {
    match item {
        Item::Fig2 => bypass(table).into_iter().collect(),
        Item::Fig3 => overfitting(table).into_iter().collect(),
        Item::Fig4 => ["rate", "latency"].into_iter().flat_map(|code| activity(table, code)).collect(),
        Item::Fig5 => depth(table),
        Item::Table1 | Item::Fig1 | Item::Fig6 | Item::Fpga | Item::Devices | Item::Results => Vec::new(),
    }
}

fn accuracy(table: &Table, name: &str) -> Option<f64> {
    Some(table.row(name)?.accuracy?.mean)
}

fn bypass(table: &Table) -> Option<Finding> {
    let (with, without) = (accuracy(table, "mnist/rate/src/5")?, accuracy(table, "mnist/rate/src/5/relu")?);
    let statement = format!(
        "5 layers learn with the ReLU bypass ({with:.2} %) and do not, or clearly worse, without it ({without:.2} %)"
    );
    Some(Finding { statement, holds: with - without >= 10.0 })
}

fn overfitting(table: &Table) -> Option<Finding> {
    let tests = [2, 3, 5].map(|layers| accuracy(table, &format!("fashion-mnist/latency/src/{layers}")));
    let [Some(two), Some(three), Some(five)] = tests else { return None };
    let statement = format!(
        "test accuracy falls with more layers ({two:.2}, {three:.2}, {five:.2} % with 2, 3, 5 layers)"
    );
    Some(Finding { statement, holds: two > three && three > five })
}

fn activity(table: &Table, code: &str) -> Vec<Finding> {
    let of =
        |cell: &str, layers: usize| Some(table.row(&format!("mnist/{code}/{cell}/{layers}"))?.activity?.mean);
    let finding = |cell: &str, more: bool| {
        let hidden: Vec<f64> = [2, 3, 5].iter().filter_map(|&layers| of(cell, layers)).collect();
        let (alone, hidden) = (of(cell, 1)?, Some(hidden).filter(|hidden| hidden.len() == 3)?);
        let mean = hidden.iter().sum::<f64>() / 3.0;
        let statement = format!(
            "{code} code: {} spikes {} without hidden layers ({alone:.2} % of timesteps, and {mean:.2} % on average with them)",
            cell.to_uppercase(),
            if more { "more" } else { "less" }
        );
        Some(Finding { statement, holds: (alone > mean) == more })
    };
    [finding("src", true), finding("lif", false)].into_iter().flatten().collect()
}

fn depth(table: &Table) -> Vec<Finding> {
    let mut findings = Vec::new();
    for layers in [10, 15] {
        if let Some(accuracy) = accuracy(table, &format!("mnist/rate/src/{layers}")) {
            let statement = format!("{layers} layers of SRC learn ({accuracy:.2} %)");
            findings.push(Finding { statement, holds: accuracy >= 90.0 });
        }
    }
    if let Some(accuracy) = accuracy(table, "mnist/rate/lif/15") {
        let statement = format!("15 layers of LIF fail to learn ({accuracy:.2} %)");
        findings.push(Finding { statement, holds: accuracy < 50.0 });
    }
    for layers in [5, 10, 15] {
        let seconds =
            |cell: &str| Some(table.row(&format!("mnist/rate/{cell}/{layers}"))?.seconds_per_epoch?.mean);
        if let (Some(src), Some(lif)) = (seconds("src"), seconds("lif")) {
            let statement = format!(
                "{layers} layers: an epoch of SRC takes as long as one of LIF to an order of magnitude ({src:.1} and {lif:.1} s)"
            );
            findings.push(Finding { statement, holds: src < 10.0 * lif && lif < 10.0 * src });
        }
    }
    findings
}
