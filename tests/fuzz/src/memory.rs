//! Memory for a network of any size.

use spikelet_runtime::formats::{Current, Score};
use spikelet_runtime::{MAX_WIDTH, MemoryView, Need, Potentials, Spike};

/// What a network works in, with a pattern behind it that must survive.
pub(crate) struct Memory {
    currents: Vec<Current>,
    potentials: Vec<Potentials>,
    sums: Vec<i32>,
    spikes: Box<heapless::Vec<Spike, MAX_WIDTH>>,
    scores: Vec<Score>,
    votes: Vec<u32>,
}

/// Entries behind the memory that the network was given.
const BEHIND: usize = 3;
const PATTERN: i32 = 0x5A5A_5A5A;

impl Memory {
    pub(crate) fn new(need: Need) -> Self {
        Self {
            currents: vec![Current::from_bits(PATTERN as i16); need.neurons + BEHIND],
            potentials: vec![Potentials::REST; need.potentials],
            sums: vec![PATTERN; need.widest + BEHIND],
            spikes: Box::default(),
            scores: vec![Score::from_bits(PATTERN); need.classes + BEHIND],
            votes: vec![PATTERN as u32; need.classes + BEHIND],
        }
    }

    pub(crate) fn view(&mut self) -> MemoryView<'_> {
        MemoryView {
            currents: &mut self.currents,
            potentials: &mut self.potentials,
            sums: &mut self.sums,
            spikes: &mut *self.spikes,
            scores: &mut self.scores,
            votes: &mut self.votes,
        }
    }

    /// Panics if more was written than the network was to use, or a state has left its range.
    pub(crate) fn check(&self, need: Need) {
        let Self { currents, potentials, sums, scores, votes, .. } = self;
        assert!(currents[need.neurons..].iter().all(|current| current.to_bits() == PATTERN as i16));
        assert_eq!(sums[need.widest..], [PATTERN; BEHIND]);
        assert!(scores[need.classes..].iter().all(|score| score.to_bits() == PATTERN));
        assert_eq!(votes[need.classes..], [PATTERN as u32; BEHIND]);
        let most = -spikelet_runtime::MOST_STATE..=spikelet_runtime::MOST_STATE;
        assert!(potentials.iter().all(|p| most.contains(&p.h.to_bits()) && most.contains(&p.h_s.to_bits())));
    }
}
