//! Which neurons come to rest without input, and how soon: what `export` and `inspect` say of it.

use serde::Serialize;
use spikelet_export::rest::{self, Rest};
use spikelet_runtime::Layer;
use spikelet_runtime::formats::{Argument, Membrane};

/// A layer without input.
#[derive(Debug, Serialize)]
pub struct LayerRest {
    /// Every neuron comes to rest: proved. The layer is then skipped until a spike comes.
    pub rests: bool,
    /// How many neurons do.
    pub resting: usize,
    /// Timesteps after the last spike that any of those receives, until it rests: at most so many.
    pub steps: u32,
    /// The others.
    pub restless: Vec<Restless>,
    /// Each neuron.
    pub neurons: Vec<NeuronRest>,
}

/// A neuron that does not rest.
#[derive(Debug, Serialize)]
pub struct Restless {
    neuron: usize,
    /// b_h of SRC.
    #[serde(skip_serializing_if = "Option::is_none")]
    bias: Option<f64>,
    #[serde(flatten)]
    movement: NeuronRest,
}

/// What becomes of a neuron without input.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub enum NeuronRest {
    /// It rests.
    Rests {
        /// After at most so many timesteps.
        steps: u32,
        /// In one of so many states.
        states: u32,
        /// h and h_s of the one that it reaches without any input; 0 for LIF.
        h: f64,
        h_s: f64,
    },
    /// It does not.
    Moves {
        /// Timesteps until its states repeat.
        period: u32,
        /// Those of them in which it spikes.
        spikes: u32,
        /// It needs no spike for it.
        alone: bool,
    },
    /// Not known.
    Unproved {
        /// Always true.
        unproved: bool,
    },
}

impl From<Rest> for NeuronRest {
    fn from(rest: Rest) -> Self {
        match rest {
            Rest::Rests(state) => {
                let [h, h_s] = state.potentials.map(|bits| Membrane::from_bits(bits).to_num());
                Self::Rests { steps: state.steps, states: state.states, h, h_s }
            }
            Rest::Moves { period, spikes, alone } => Self::Moves { period, spikes, alone },
            Rest::Unproved => Self::Unproved { unproved: true },
        }
    }
}

impl LayerRest {
    /// What becomes of a layer without input.
    pub fn of(layer: &Layer<'_>) -> Self {
        let neurons: Vec<NeuronRest> = rest::of_layer(layer).into_iter().map(NeuronRest::from).collect();
        let bias = |neuron: usize| match layer {
            Layer::Src(layer) => {
                Some(Argument::from_bits(layer.neurons()[neuron][1]).to_num::<f64>() - 1.0 / 256.0)
            }
            Layer::Lif(_) => None,
        };
        let (mut restless, mut steps) = (Vec::new(), 0);
        for (neuron, &movement) in neurons.iter().enumerate() {
            match movement {
                NeuronRest::Rests { steps: needed, .. } => steps = steps.max(needed),
                _ => restless.push(Restless { neuron, bias: bias(neuron), movement }),
            }
        }
        let resting = neurons.len() - restless.len();
        Self { rests: restless.is_empty(), resting, steps, restless, neurons }
    }

    /// Neurons that spike without any input.
    pub fn spiking_alone(&self) -> impl Iterator<Item = usize> {
        let alone = |restless: &&Restless| {
            matches!(restless.movement, NeuronRest::Moves { spikes: 1.., alone: true, .. })
        };
        self.restless.iter().filter(alone).map(|restless| restless.neuron)
    }

    /// The same in words.
    pub fn words(&self) -> String {
        let all = self.neurons.len();
        let after = format!("at most {} timesteps after the last spike", self.steps);
        if self.rests {
            return format!("all {all} neurons come to rest, {after}");
        }
        let named = some(self.restless.iter().map(Restless::words));
        let others = if self.resting == 0 {
            format!("none of {all} neurons comes to rest")
        } else {
            format!("{} of {all} neurons come to rest, {after}", self.resting)
        };
        format!("{others}, and the layer is never skipped; without input {named}")
    }
}

impl Restless {
    fn words(&self) -> String {
        let name = match self.bias {
            Some(bias) => format!("{} (b_h {bias:.2})", self.neuron),
            None => self.neuron.to_string(),
        };
        match self.movement {
            NeuronRest::Moves { period, spikes: 0, .. } => {
                format!("{name} moves, but does not spike, every {period} timesteps")
            }
            NeuronRest::Moves { period: 1, .. } => format!("{name} spikes in every timestep"),
            NeuronRest::Moves { period, spikes, alone } => {
                let once = if alone { "" } else { ", once driven," };
                format!("{name}{once} spikes in {spikes} of {period} timesteps")
            }
            _ => format!("{name} is not proved to rest"),
        }
    }
}

/// The first few of a list, and how many more there are.
pub fn some(items: impl ExactSizeIterator<Item = String>) -> String {
    const FEW: usize = 6;
    let all = items.len();
    let mut words = items.take(FEW).collect::<Vec<_>>().join(", ");
    if all > FEW {
        words += &format!(" and {} more", all - FEW);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        let of = |count: u32| some((0..count).map(|item| item.to_string()));
        assert_eq!([of(0), of(2), of(6)], ["", "0, 1", "0, 1, 2, 3, 4, 5"]);
        assert_eq!(of(9), "0, 1, 2, 3, 4, 5 and 3 more");
    }
}
