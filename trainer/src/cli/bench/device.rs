//! `spikelet bench device`: what the kernels cost on emulated boards.

use super::show;
use crate::bench::device::{DeviceBench, Other, TargetResult, device};
use crate::device::{Board, Compared, KernelCost, Kernels, ensure_qemu};
use crate::progress;
use std::str::FromStr;

#[derive(Debug, clap::Args)]
pub struct DeviceArgs {
    /// Boards, joined by commas, or all.
    #[arg(long, value_delimiter = ',', default_value = "all", value_name = "BOARD")]
    board: Vec<Choice>,
    /// Print tables in Markdown.
    #[arg(long)]
    markdown: bool,
}

/// What `--board` takes.
#[derive(Clone, Copy, Debug)]
enum Choice {
    All,
    One(Board),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" { Ok(Self::All) } else { Board::of_kernels(text).map(Self::One) }
    }
}

pub fn run(args: &DeviceArgs, json: bool) -> anyhow::Result<()> {
    let chosen = |board: &Board| {
        args.board.iter().any(|choice| match choice {
            Choice::All => true,
            Choice::One(one) => one == board,
        })
    };
    let boards: Vec<Board> = Board::CORES.into_iter().filter(chosen).collect();
    // Before anything is built, which takes longer.
    ensure_qemu()?;
    let waiting = progress::waiting("");
    let measured = device(&boards, |board| waiting.set_prefix(format!("kernels on {board}")));
    waiting.finish_and_clear();
    show::show(json, &measured?, |bench| print(bench, args.markdown))
}

/// Kernels that are counted by the same operation.
struct Group {
    operation: &'static str,
    kernels: &'static [&'static str],
    decimals: usize,
}

const GROUPS: [Group; 4] = [
    Group { operation: "synaptic operation", kernels: &["sum", "sum-graded"], decimals: 2 },
    Group {
        operation: "neuron and timestep",
        kernels: &["src", "src-binary", "src-unproved", "src-general", "src-silent", "lif"],
        decimals: 1,
    },
    Group { operation: "pixel and timestep", kernels: &["rate-code"], decimals: 1 },
    Group { operation: "timestep", kernels: &["rest"], decimals: 0 },
];

fn print(bench: &DeviceBench, markdown: bool) {
    let cores: Vec<&str> = bench.boards.iter().map(|board| board.core.as_str()).collect();
    for Group { operation, kernels, decimals } in GROUPS {
        let title = format!("instructions per {operation}");
        let heading = [&[title.as_str()], &cores[..]].concat();
        // Every board has measured the same kernels, in the same order.
        let first = bench.boards.first().map_or(&[][..], |board| &board.costs);
        let rows = first.iter().enumerate().filter(|(_, cost)| kernels.contains(&cost.kernel.as_str()));
        let rows = rows.map(|(index, cost)| {
            let cost_on = |board: &Kernels| {
                let cost = board.costs.get(index).map(KernelCost::per_operation);
                cost.map_or("–".to_owned(), |cost| format!("{cost:.decimals$}"))
            };
            std::iter::once(words(cost)).chain(bench.boards.iter().map(cost_on)).collect()
        });
        print_table(markdown, &heading, rows.collect());
    }
    let rows = bench.targets.iter().map(|target| {
        let TargetResult { cost, core, most, met } = target;
        let verdict = if *met { "met" } else { "missed" };
        let measured = format!("{:.2}", cost.per_operation());
        vec![words(cost), core.clone(), format!("{most:.2}"), measured, verdict.to_owned()]
    });
    print_table(markdown, &["target", "core", "at most", "measured", ""], rows.collect());
    let rows = bench.others.iter().map(|other| {
        let Other { name, work, core, cost, unit } = other;
        [*name, *work, *core, &format!("{cost} {unit}")].map(str::to_owned).to_vec()
    });
    print_table(markdown, &["others", "work", "core", "cost"], rows.collect());
    let rows = bench.boards.iter().map(|board| {
        let calls = board
            .compared
            .iter()
            .map(|Compared { compared, count }| format!("{} of {compared}", show::grouped((*count).into())));
        vec![board.core.clone(), board.board.clone(), calls.collect::<Vec<_>>().join(", ")]
    });
    let heading = ["core", "board", "calls equal to the plain form in every bit"];
    print_table(markdown, &heading, rows.collect());
    println!("Instructions are counted exactly; they are not cycles.");
}

fn print_table(markdown: bool, heading: &[&str], rows: Vec<Vec<String>>) {
    let table = if markdown { show::markdown(heading, rows) } else { show::table(heading, rows) };
    println!("{table}\n");
}

/// A cost's row.
fn words(cost: &KernelCost) -> String {
    let KernelCost { bits, neurons, spikes, operations, .. } = cost;
    let spiking = 100.0 * f64::from(*spikes) / f64::from(*operations);
    let cells = match cost.kernel.as_str() {
        "sum" => return format!("{bits} bits, {neurons} neurons, {spikes} spikes"),
        "sum-graded" => return format!("{bits} bits, {neurons} neurons, {spikes} graded spikes"),
        "src" => "SRC",
        "src-binary" => "SRC, binary spikes",
        "src-unproved" => "SRC, sums not proved to fit",
        "src-general" => "SRC, general: z and the previous gate",
        "src-silent" => return format!("SRC, {neurons} neurons, no spike comes in"),
        "lif" => "LIF",
        "rate-code" => return format!("rate code, {neurons} pixels, {spiking:.1} % spike"),
        _ => return format!("network of {neurons} neurons at rest, no spike comes in"),
    };
    format!("{cells}, {neurons} neurons, {spiking:.1} % spike")
}
