//! Which neurons are looked at.

use anyhow::{Result, ensure};
use std::str::FromStr;

/// A choice of neurons; written as `0:12,1:3`.
///
/// ```
/// use spikelet::trace::Choice;
///
/// assert_eq!("0:12,1:3".parse(), Ok(Choice::Named(vec![(0, 12), (1, 3)])));
/// assert!("12".parse::<Choice>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// So many of each layer, those that spike most, or whose h is largest where cells do not spike.
    Most(usize),
    /// Layer and index of each.
    Named(Vec<(usize, usize)>),
}

impl Choice {
    /// Refuses neurons that layers of these widths do not have.
    pub(super) fn check(&self, widths: &[usize]) -> Result<()> {
        let Self::Named(named) = self else { return Ok(()) };
        for &(layer, neuron) in named {
            ensure!(
                layer < widths.len(),
                "there is no neuron {layer}:{neuron}: the layers are 0 to {}, counted from the bottom",
                widths.len() - 1
            );
            ensure!(
                neuron < widths[layer],
                "there is no neuron {layer}:{neuron}: those of layer {layer} are 0 to {}",
                widths[layer] - 1
            );
        }
        Ok(())
    }

    /// The chosen neurons of a layer, given how active each is.
    pub(super) fn of(&self, layer: usize, activity: &[f64]) -> Vec<usize> {
        match self {
            Self::Named(named) => {
                named.iter().filter(|named| named.0 == layer).map(|named| named.1).collect()
            }
            Self::Most(count) => {
                let mut all: Vec<usize> = (0..activity.len()).collect();
                // A stable sort: of equals the first comes first.
                all.sort_by(|&a, &b| activity[b].total_cmp(&activity[a]));
                all.truncate(*count);
                all
            }
        }
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pair = |part: &str| {
            let (layer, neuron) = part.trim().split_once(':')?;
            Some((layer.parse().ok()?, neuron.parse().ok()?))
        };
        let pairs = text.split(',').map(pair).collect::<Option<_>>();
        pairs.map(Self::Named).ok_or_else(|| "write LAYER:INDEX,…, like 0:12,1:3".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_active_come_first_and_others_are_refused() {
        let most = Choice::Most(2);
        assert_eq!(most.of(0, &[1.0, 5.0, 0.0, 5.0]), [1, 3]);
        assert_eq!(most.of(0, &[0.0]), [0]);
        let named: Choice = "1:2, 0:1,1:0".parse().unwrap();
        assert_eq!((named.of(0, &[]), named.of(1, &[])), (vec![1], vec![2, 0]));
        named.check(&[2, 3]).unwrap();
        for (widths, sentence) in [(&[2][..], "no neuron 1:2: the layers are 0 to 0"), (&[2, 2], "0 to 1")] {
            let error = named.check(widths).unwrap_err().to_string();
            assert!(error.contains(sentence), "{error}");
        }
        for text in ["", "1", "a:b", "1:2,", "1:-1"] {
            assert!(text.parse::<Choice>().is_err(), "{text}");
        }
    }
}
