//! Deciding early: by how much the best score must lead so that the rest of a sequence hardly ever changes the class.
//!
//! docs/early-exit.md tells the method. The margin is fitted on validation samples, which training has not seen and the test
//! does not use.

use crate::data::Samples;
use crate::simulate::HostMemory;
use crate::spike_train::{Encoding, Show};
use anyhow::{Result, bail, ensure};
use rayon::prelude::*;
use serde::Serialize;
use spikelet_export::ModelFile;
use spikelet_runtime::Network;
use spikelet_runtime::formats::Score;

/// Candidates lie so many bits of a [`Score`] apart: a sixteenth.
const GRID: i32 = 1 << 10;
/// A normal variable is below its mean plus so many standard deviations with a probability of 99 %.
const CONFIDENCE: f64 = 2.326;

/// A margin, and what it did to the samples that it was fitted to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EarlyExit {
    /// The lead of the best score at which the model decides.
    pub margin: f64,
    /// Validation samples that it was fitted to.
    pub samples: usize,
    /// Share of them classified correctly at the end of their sequence.
    pub accuracy_at_the_end: f64,
    /// The same when deciding early.
    pub accuracy: f64,
    /// Mean timesteps of a sample.
    pub mean_steps: f64,
    /// Bound of the accuracy lost on other samples like these, in points, with a confidence of 99 %.
    pub loss_bound: f64,
}

/// One sample's way to its decision.
struct Way {
    /// Each lead that was greater than all before it, the timesteps until then, and whether the class was right.
    records: Vec<(i32, u16, bool)>,
    /// Whether it is right at the end, and the timesteps until there.
    end: (u16, bool),
}

impl Way {
    /// Timesteps and rightness with a margin.
    fn with(&self, margin: i32) -> (u16, bool) {
        let first = self.records.partition_point(|&(lead, ..)| lead < margin);
        self.records.get(first).map_or(self.end, |&(_, steps, right)| (steps, right))
    }
}

/// The least margin that loses at most `points` percentage points of accuracy on the samples at `indices`; greater ones do so
/// too. Calls `done` after each sample.
///
/// # Errors
/// One sentence if `points` is out of range, there are no samples, or no margin keeps within it.
pub fn fit(
    file: &ModelFile<'_>,
    samples: &Samples,
    indices: &[usize],
    points: f64,
    done: impl Fn() + Sync,
) -> Result<EarlyExit> {
    ensure!(points > 0.0 && points < 100.0, "--early-exit must be above 0 and below 100 points, like 0.1");
    ensure!(!indices.is_empty(), "the run has no validation samples to fit --early-exit to");
    let ways: Vec<Way> = indices
        .par_iter()
        .map(|&index| {
            let way = way(file, samples, index);
            done();
            way
        })
        .collect();
    let most = ways.iter().filter_map(|way| way.records.last()).map(|record| record.0).max().unwrap_or(0);
    let candidates = (1..=most / GRID).rev().map(|k| Candidate::of(&ways, k * GRID));
    let Some(best) = candidates.take_while(|candidate| candidate.loss <= points).last() else {
        bail!(
            "no margin loses at most {points} points on {} validation samples: allow more, or leave out --early-exit",
            ways.len()
        );
    };
    let share = |right: usize| right as f64 / ways.len() as f64;
    Ok(EarlyExit {
        margin: Score::from_bits(best.margin).to_num(),
        samples: ways.len(),
        accuracy_at_the_end: share(ways.iter().filter(|way| way.end.1).count()),
        accuracy: share(best.right),
        mean_steps: best.mean_steps,
        loss_bound: best.loss_bound,
    })
}

/// A margin, tried.
struct Candidate {
    margin: i32,
    right: usize,
    mean_steps: f64,
    /// Accuracy lost on the samples, in points.
    loss: f64,
    loss_bound: f64,
}

impl Candidate {
    fn of(ways: &[Way], margin: i32) -> Self {
        let (mut right, mut steps, mut lost, mut won) = (0, 0.0, 0.0, 0.0);
        for way in ways {
            let (at, is_right) = way.with(margin);
            right += usize::from(is_right);
            steps += f64::from(at);
            lost += f64::from(u8::from(way.end.1 && !is_right));
            won += f64::from(u8::from(is_right && !way.end.1));
        }
        Self {
            margin,
            right,
            mean_steps: steps / ways.len() as f64,
            loss: 100.0 * (lost - won) / ways.len() as f64,
            loss_bound: bound(lost, won, ways.len()),
        }
    }
}

/// Bound of the accuracy lost, in points. The difference of both decisions is -1, 0 or 1 for each sample. One loss more than was
/// seen is assumed: where none was, there is still no certainty.
fn bound(lost: f64, won: f64, samples: usize) -> f64 {
    let lost = lost + 1.0;
    100.0 * (lost - won + CONFIDENCE * (lost + won).sqrt()) / samples as f64
}

fn way(file: &ModelFile<'_>, samples: &Samples, index: usize) -> Way {
    let model = file.model();
    let mut memory = HostMemory::new(model.need());
    let mut network = Network::new(model, memory.view()).expect("host memory is as large as the model needs");
    let train = Encoding::of_model(file).train(samples, index, Show::Evaluation);
    let label = u16::from(samples.labels()[index]);
    let (mut records, mut greatest) = (Vec::new(), 0);
    for t in 0..train.steps() {
        network.step(train.at(t));
        let lead = network.lead().to_bits();
        if lead > greatest {
            greatest = lead;
            records.push((lead, t as u16 + 1, network.class() == label));
        }
    }
    Way { records, end: (train.steps() as u16, network.class() == label) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sample that is decided rightly or not at a first lead of 1, and at the end.
    fn way(early: bool, end: bool) -> Way {
        let one = Score::ONE.to_bits();
        Way { records: vec![(one, 10, early), (3 * one, 60, end)], end: (100, end) }
    }

    #[test]
    fn a_candidate_counts_what_is_lost_and_won() {
        let mut ways: Vec<Way> = (0..97).map(|_| way(true, true)).collect();
        ways.extend([way(false, true), way(false, true), way(true, false)]);
        let one = Score::ONE.to_bits();
        let early = Candidate::of(&ways, one);
        assert_eq!((early.right, early.mean_steps, early.loss), (98, 10.0, 1.0));
        // Two lost and one more, one won.
        assert!((early.loss_bound - (2.0 + 2.326 * 2.0)).abs() < 1e-9, "{}", early.loss_bound);
        let late = Candidate::of(&ways, one + 1);
        assert_eq!((late.right, late.mean_steps), (99, 60.0));
        assert_eq!(Candidate::of(&ways, 3 * one + 1).mean_steps, 100.0);
    }
}
