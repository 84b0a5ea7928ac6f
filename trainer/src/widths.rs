//! Widths of weights as people name them: one for all layers or one for each, like "4" or "8,4".

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use spikelet_runtime::Width;
use std::str::FromStr;

/// Widths in bits, as `--bits` and a run's config name them: one for all layers, or one for each, bottom to top.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Widths(Vec<Width>);

impl Widths {
    /// One width for all layers.
    pub fn all(width: Width) -> Self {
        Self(vec![width])
    }

    /// The width of each of so many layers.
    ///
    /// # Errors
    /// One sentence if there is neither one nor one for each layer.
    pub fn of_layers(&self, layers: usize) -> Result<Vec<Width>> {
        match &self.0[..] {
            [width] => Ok(vec![*width; layers]),
            widths if widths.len() == layers => Ok(widths.to_vec()),
            widths => bail!(
                "--bits names {} widths for {layers} layers: name one for all or one for each",
                widths.len()
            ),
        }
    }
}

impl TryFrom<Vec<u8>> for Widths {
    type Error = String;

    fn try_from(bits: Vec<u8>) -> Result<Self, String> {
        let widths = bits.into_iter().map(Width::from_bits).collect::<Option<Vec<_>>>();
        widths.map(Self).ok_or_else(|| "the width of a weight is 8, 5, 4, 3 or 2 bits".to_owned())
    }
}

impl From<Widths> for Vec<u8> {
    fn from(widths: Widths) -> Self {
        widths.0.into_iter().map(Width::bits).collect()
    }
}

impl FromStr for Widths {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // What is no number is no width either.
        text.split(',').map(|bits| bits.trim().parse().unwrap_or(0)).collect::<Vec<u8>>().try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_of_all_layers_or_of_each() {
        let of = |text: &str, layers| text.parse::<Widths>().unwrap().of_layers(layers);
        assert_eq!(of("4", 2).unwrap(), [Width::Four; 2]);
        assert_eq!(of("8, 2", 2).unwrap(), [Width::Eight, Width::Two]);
        assert!(of("8,4", 3).unwrap_err().to_string().contains("2 widths for 3 layers"));
        for bad in ["", "6", "x", "4,", "300"] {
            assert!(bad.parse::<Widths>().unwrap_err().contains("8, 5, 4, 3 or 2"), "{bad}");
        }
    }

    #[test]
    fn configs_hold_numbers() {
        let widths: Widths = serde_json::from_str("[8,4]").unwrap();
        assert_eq!(serde_json::to_string(&widths).unwrap(), "[8,4]");
        assert!(serde_json::from_str::<Widths>("[7]").unwrap_err().to_string().contains("8, 5, 4, 3 or 2"));
    }
}
