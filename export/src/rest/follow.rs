//! Following states to where they end: in a finite system each ends in a cycle, which may be of one state.

use std::collections::HashMap;
use std::hash::Hash;
use std::vec::Vec;

/// Where states end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends<S> {
    /// Most timesteps from a start to its cycle.
    pub longest: u32,
    /// The cycles, each once.
    pub cycles: Vec<Vec<S>>,
}

/// Of a state on the path at hand, instead of a distance.
const UNDER_WAY: u32 = u32::MAX;

/// Follows each of `starts`, one timestep after the other.
pub fn follow<S: Copy + Eq + Hash>(starts: impl IntoIterator<Item = S>, step: impl Fn(S) -> S) -> Ends<S> {
    let mut ends = Ends { longest: 0, cycles: Vec::new() };
    // Timesteps from a state to its cycle.
    let mut distances = HashMap::new();
    let mut path = Vec::new();
    for start in starts {
        let mut at = start;
        let mut distance = loop {
            if let Some(&distance) = distances.get(&at) {
                break distance;
            }
            distances.insert(at, UNDER_WAY);
            path.push(at);
            at = step(at);
        };
        if distance == UNDER_WAY {
            // The path has come back to itself.
            let first = path.iter().position(|&state| state == at).unwrap_or(0);
            let cycle = path.split_off(first);
            distances.extend(cycle.iter().map(|&state| (state, 0)));
            ends.cycles.push(cycle);
            distance = 0;
        }
        for state in path.drain(..).rev() {
            distance += 1;
            distances.insert(state, distance);
        }
        ends.longest = ends.longest.max(distance);
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn paths_that_join_and_cycles_are_found_once() {
        // 9 → 8 → … → 3 → 1 → 2 → 1, and 0 alone.
        let step = |state: u32| match state {
            0 => 0,
            1 => 2,
            2 | 3 => 1,
            other => other - 1,
        };
        let ends = follow([5, 9, 0, 7, 2], step);
        assert_eq!(ends, Ends { longest: 7, cycles: vec![vec![1, 2], vec![0]] });
        assert_eq!(follow([2], step), Ends { longest: 0, cycles: vec![vec![2, 1]] });
    }
}
