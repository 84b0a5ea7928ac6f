//! Where the parts of a network lie in the working memory that C gives it.

use crate::network::Spikelet;
use heapless::Vec;
use spikelet_export::ModelFile;
use spikelet_runtime::formats::{Current, Score};
use spikelet_runtime::{Need, Potentials, Spike};

/// Alignment in bytes that working memory must have.
pub const SPIKELET_MEMORY_ALIGNMENT: usize = 8;

/// Most pointers' sizes that working memory holds beside what grows with the model; see `SPIKELET_MEMORY`.
pub const SPIKELET_MEMORY_FIXED: usize = 384;

/// Offsets in bytes of each part, and of their end.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub network: usize,
    pub file: usize,
    pub currents: usize,
    pub potentials: usize,
    pub sums: usize,
    pub spikes: usize,
    pub scores: usize,
    pub votes: usize,
    pub spiking: usize,
    pub end: usize,
}

impl Plan {
    /// The plan of a model of nothing: the parts that do not grow.
    pub const SMALLEST: Self =
        Self::of(&Need { inputs: 0, layers: 0, neurons: 0, potentials: 0, widest: 0, classes: 0 }, 0);

    /// The parts for what a model needs; room for input spikes only if they are made here.
    pub const fn of(need: &Need, spiking: usize) -> Self {
        let network = 0;
        let file = after::<Spikelet>(network, 1);
        let currents = after::<ModelFile<'_>>(file, 1);
        let potentials = after::<Current>(currents, need.neurons);
        let sums = after::<Potentials>(potentials, need.potentials);
        let spikes = after::<i32>(sums, need.widest);
        let scores = after::<Spike>(after::<Vec<Spike, 0>>(spikes, 1), need.widest);
        let votes = after::<Score>(scores, need.classes);
        let spiking_at = after::<u32>(votes, need.classes);
        let end = after::<u16>(after::<Vec<u16, 0>>(spiking_at, 1), spiking);
        Self { network, file, currents, potentials, sums, spikes, scores, votes, spiking: spiking_at, end }
    }
}

/// The offset behind `count` values at `offset`. Widths are bounded: a plan's end is below 4 MiB.
const fn after<T>(offset: usize, count: usize) -> usize {
    const { assert!(align_of::<T>() <= SPIKELET_MEMORY_ALIGNMENT, "working memory is aligned for all parts") };
    (offset + count * size_of::<T>()).next_multiple_of(SPIKELET_MEMORY_ALIGNMENT)
}

/// How many parts there are, each rounded up by less than the alignment.
const PARTS: usize = 9;

const _: () = assert!(
    Plan::SMALLEST.end + PARTS * SPIKELET_MEMORY_ALIGNMENT <= SPIKELET_MEMORY_FIXED * size_of::<usize>(),
    "raise SPIKELET_MEMORY_FIXED"
);
