//! Whether a neuron comes to rest once it receives no spike, where, and how soon: proved, in the arithmetic of the device.
//!
//! Only a layer of neurons that all rest can be skipped while nothing spikes. docs/quiet.md of the trainer tells what that saves.
//!
//! A current without input nears 0 and reaches it, from wherever it was: all its 65,536 values are followed. From then on an SRC
//! neuron is a map of (h, h_s) to (h, h_s), which depends on its bias and its layer's constants only. A cover of all the
//! states it can be in shrinks with each timestep; when few are left, each is followed to where it ends. If all end in
//! states that do not change and do not spike, the neuron rests, from any state and after any input.

mod cover;
mod follow;

use cover::{Alone, Cover, Groups, State};
use follow::{Ends, follow};
use spikelet_runtime::formats::Current;
use spikelet_runtime::neurons::Constants;
use spikelet_runtime::neurons::plain::{current_of, input_entry};
use spikelet_runtime::{Layer, LifLayer, LifNeuron, MOST_STATE, SrcLayer};
use std::collections::HashMap;
use std::hash::Hash;
use std::vec::Vec;

/// What becomes of a neuron that receives no spike any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It comes to rest, whatever its state: proved.
    Rests(RestState),
    /// There are states from which it never does: found.
    Moves {
        /// Timesteps until its states repeat.
        period: u32,
        /// In how many of them it spikes.
        spikes: u32,
        /// It does so without any input before.
        alone: bool,
    },
    /// Neither is proved: from the states that were tried it rests.
    Unproved,
}

/// Where a neuron rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestState {
    /// Timesteps after the last in which it receives a spike, from which on its state does not change: at most so many.
    pub steps: u32,
    /// States that it can rest in: rounding stops it at one of a few neighbours.
    pub states: u32,
    /// Bits of h and h_s in the one that it reaches without any input; both 0 for LIF, whose V is 0.
    pub potentials: State,
}

/// Intervals of h, in bits, that the first covers are made of; later ones are made of the last's. Early covers are large anyway.
const INTERVALS: [u32; 9] = [9, 9, 9, 8, 7, 6, 5, 4, 3];
/// So many states are followed one by one.
const FEW: u64 = 1 << 14;
/// A cover that has not become small after so many timesteps is followed all the same if it has no more than [`MANY`] states.
const LONG: usize = 256;
const MANY: u64 = 1 << 22;

/// What becomes of each neuron of a layer without input.
pub fn of_layer(layer: &Layer<'_>) -> Vec<Rest> {
    match layer {
        Layer::Src(layer) => {
            let cells = SrcCells::new(layer);
            let initial = |neuron: usize| layer.initial().get(neuron).copied().unwrap_or_default();
            let biases = layer.neurons().iter().map(|neuron| neuron[1]);
            of_each(biases.enumerate().map(|(neuron, bias)| (bias, initial(neuron))), |(bias, initial)| {
                cells.neuron(bias, initial)
            })
        }
        Layer::Lif(layer) => {
            of_each(layer.neurons().iter().map(|neuron| [0, neuron[1]]), |neuron| lif(layer, neuron))
        }
    }
}

/// The same for every neuron, computed once for equal ones.
fn of_each<K: Copy + Eq + Hash>(neurons: impl Iterator<Item = K>, rest: impl Fn(K) -> Rest) -> Vec<Rest> {
    let mut known = HashMap::new();
    neurons.map(|kind| *known.entry(kind).or_insert_with(|| rest(kind))).collect()
}

/// The cells of an SRC layer, as all its neurons share them.
struct SrcCells {
    constants: Constants,
    groups: Vec<Groups>,
    /// Timesteps without input until the current is so near to 0 that tanh makes 0 of it, and until it is 0.
    current: [u32; 2],
}

impl SrcCells {
    fn new(layer: &SrcLayer<'_>) -> Self {
        let constants = Constants::of(layer);
        let next = |current: i16| current_of(&constants, current.into(), 0, 0).0 as i16;
        let negligible = |current: i16| if input_entry(current.into()) == 0 { 0 } else { current };
        let all = || i16::MIN..=i16::MAX;
        let current = [follow(all(), |current| negligible(next(current))), follow(all(), next)];
        Self {
            constants,
            groups: INTERVALS.iter().map(|&bits| Groups::new(&constants, bits)).collect(),
            current: current.map(|ends| ends.longest),
        }
    }

    /// A neuron with this bias, which starts in this state.
    fn neuron(&self, bias: i32, initial: State) -> Rest {
        let alone = Alone::new(&self.constants, bias);
        let step = |state| alone.step(state);
        let start = follow([initial], step);
        if let Some(moves) = self.moving(&start, true) {
            return moves;
        }
        // A few states that are far from each other: most neurons that do not rest show it at once.
        let thirds = [-MOST_STATE, 0, MOST_STATE];
        let tried = thirds.iter().flat_map(|&h| thirds.map(|h_s| [h, h_s]));
        if let Some(moves) = self.moving(&follow(tried, step), false) {
            return moves;
        }
        let mut cover = Cover::everything(INTERVALS[0]);
        let mut steps = 0;
        for groups in self.groups.iter().chain(self.groups.last().into_iter().cycle()).take(LONG) {
            if cover.count() <= FEW {
                break;
            }
            cover = cover.image(&alone, groups);
            steps += 1;
        }
        if cover.count() > MANY {
            return Rest::Unproved;
        }
        let ends = follow(cover.states(), step);
        if let Some(moves) = self.moving(&ends, false) {
            return moves;
        }
        // h and h_s go to rest from the timestep on in which the current becomes negligible, if not at the start.
        let [negligible, zero] = self.current;
        let settled = (negligible.max(1) - 1) + steps + ends.longest;
        Rest::Rests(RestState {
            steps: settled.max(zero).max(start.longest),
            states: ends.cycles.len() as u32,
            potentials: start.cycles.first().and_then(|cycle| cycle.first()).copied().unwrap_or_default(),
        })
    }

    /// The cycle with the most spikes of those that are no rest, if there are any.
    fn moving(&self, ends: &Ends<State>, alone: bool) -> Option<Rest> {
        let spikes =
            |cycle: &Vec<State>| cycle.iter().filter(|[h, _]| self.constants.spikes((*h).into())).count();
        most_spiking(ends.cycles.iter().map(|cycle| (cycle.len(), spikes(cycle))), alone)
    }
}

/// Of cycles, each with its length and its spikes, the one with the most spikes per timestep that is no rest.
fn most_spiking(cycles: impl Iterator<Item = (usize, usize)>, alone: bool) -> Option<Rest> {
    let moving = cycles.filter(|&cycle| cycle != (1, 0));
    let most = moving.max_by_key(|&(period, spikes)| ((spikes as u64) << 32) / period as u64)?;
    Some(Rest::Moves { period: most.0 as u32, spikes: most.1 as u32, alone })
}

/// A LIF neuron: each of its 65,536 states is followed.
fn lif(layer: &LifLayer<'_>, neuron: LifNeuron) -> Rest {
    let advance = |v: i16| layer.advance(neuron, Current::from_bits(v), 0);
    let moving = |ends: &Ends<i16>, alone| {
        let spikes = |cycle: &Vec<i16>| cycle.iter().filter(|&&v| advance(v).1).count();
        most_spiking(ends.cycles.iter().map(|cycle| (cycle.len(), spikes(cycle))), alone)
    };
    let next = |v| advance(v).0.to_bits();
    let ends = follow(i16::MIN..=i16::MAX, next);
    moving(&follow([0], next), true).or_else(|| moving(&ends, false)).unwrap_or(Rest::Rests(RestState {
        steps: ends.longest,
        states: ends.cycles.len() as u32,
        potentials: [0; 2],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use spikelet_runtime::formats::{Coefficient, Decay, Gate, Membrane};
    use spikelet_runtime::neurons::plain::{arguments_of, membrane};
    use spikelet_runtime::{
        GatedBy, Integrator, LayerStates, MOST_BIAS, Potentials, Shape, SpikeKind, SrcConstants, Synapses,
        Width, lif_neuron,
    };
    use std::{boxed::Box, collections::HashSet, vec};

    /// Neurons of a layer.
    const NEURONS: u16 = 1 << 14;

    fn paper() -> SrcConstants {
        SrcConstants {
            rho: Coefficient::from_num(3),
            r: Coefficient::from_num(2),
            r_s: Coefficient::from_num(-7),
            z_s_hyp: Gate::from_num(0.9),
            z_s_dep: Gate::ZERO,
            z: Gate::ZERO,
            gated_by: GatedBy::Current,
            spikes: SpikeKind::Graded,
        }
    }

    fn general() -> SrcConstants {
        SrcConstants {
            z: Gate::from_num(0.2),
            z_s_dep: Gate::from_num(0.1),
            gated_by: GatedBy::Previous,
            spikes: SpikeKind::Binary,
            ..paper()
        }
    }

    /// A layer of [`NEURONS`] equal neurons.
    fn with_layer<T>(constants: SrcConstants, alpha: f64, bias: f64, test: impl Fn(&Layer<'_>) -> T) -> T {
        let shape = Shape::new(1, NEURONS, Width::Two);
        let block = vec![0; shape.words()];
        let synapses = Synapses::new(&block, shape).unwrap();
        let bits = (((bias + 1.0 / 256.0) * 2f64.powi(26)) as i32).max(-MOST_BIAS);
        let neurons = vec![[1, bits]; NEURONS.into()];
        let integrator = Integrator { decay: Decay::from_num(alpha), shift: 0, proved: true };
        test(&SrcLayer::new(synapses, &neurons, integrator, constants).unwrap().into())
    }

    /// Runs a layer of [`NEURONS`] without input, in the layer's own update, from states i, h and h_s until it rests; timesteps until
    /// then and where it ended, if it does.
    fn run(layer: &Layer<'_>, mut states: Vec<[i16; 3]>) -> Option<(u32, Vec<State>)> {
        states.resize(NEURONS.into(), states[0]);
        let mut currents: Vec<Current> = states.iter().map(|state| Current::from_bits(state[0])).collect();
        let potentials = |state: &[i16; 3]| Potentials {
            h: Membrane::from_bits(state[1]),
            h_s: Membrane::from_bits(state[2]),
        };
        let mut potentials: Vec<Potentials> = states.iter().map(potentials).collect();
        let mut states = LayerStates { currents: &mut currents, potentials: &mut potentials };
        let (mut sums, mut spikes) =
            (vec![0; NEURONS.into()], Box::<heapless::Vec<_, { NEURONS as usize }>>::default());
        let steps = (0..3000).find(|_| layer.update(false, &mut sums, &mut states, &mut *spikes).rests)?;
        Some((steps, states.potentials.iter().map(|p| [p.h.to_bits(), p.h_s.to_bits()]).collect()))
    }

    fn of_one(layer: &Layer<'_>) -> Rest {
        let all = of_layer(layer);
        assert!(all.len() == usize::from(NEURONS) && all.iter().all(|rest| *rest == all[0]));
        all[0]
    }

    /// Every state that there is after a timestep, taken to its end: 8.2 million.
    #[test]
    fn what_is_proved_is_what_all_states_do() {
        // Without a current, which would outlast the other states.
        with_layer(paper(), 0.0, -6.0, |layer| {
            let Layer::Src(src) = layer else { panic!("no SRC") };
            let constants = Constants::of(src);
            let value = |entry| membrane(&constants, arguments_of(entry)[0], 0) as i16;
            let mut values: Vec<i16> = (-1024..1024).map(value).collect();
            values.dedup();
            let h_s = || (-MOST_STATE..=MOST_STATE).step_by(8);
            let all: Vec<_> = values.iter().flat_map(|&h| h_s().map(move |h_s| [0, h, h_s])).collect();
            assert!(all.len() > 8_000_000, "{}", all.len());
            let (mut most, mut ends) = (0, HashSet::new());
            for states in all.chunks(NEURONS.into()) {
                let (steps, states) = run(layer, states.to_vec()).unwrap();
                most = most.max(steps);
                ends.extend(states);
            }
            let Rest::Rests(said) = of_one(layer) else { panic!("it rests") };
            assert_eq!((said.steps, said.states), (most, ends.len() as u32));
            assert!(ends.contains(&said.potentials));
        });
    }

    /// 16,384 states without any order, currents among them.
    fn any_states() -> Vec<[i16; 3]> {
        let mut noise = 1u64;
        let mut bits = || {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (noise >> 48) as i16
        };
        let mut state =
            || [bits(), bits().clamp(-MOST_STATE, MOST_STATE), bits().clamp(-MOST_STATE, MOST_STATE)];
        (0..NEURONS).map(|_| state()).collect()
    }

    /// What is said of neurons of these constants is what they do: "rests", "moves" or "spikes".
    fn said(constants: SrcConstants, alpha: f64, bias: f64) -> &'static str {
        with_layer(constants, alpha, bias, |layer| {
            let from_all = run(layer, any_states());
            match of_one(layer) {
                Rest::Rests(said) => {
                    let (steps, ends) = from_all.expect("it rests");
                    assert!(steps <= said.steps && steps * 2 > said.steps, "{steps} of {} steps", said.steps);
                    let ends: HashSet<State> = ends.into_iter().collect();
                    assert!(ends.len() as u32 <= said.states, "{ends:?}");
                    let (_, alone) = run(layer, vec![[0; 3]]).unwrap();
                    assert_eq!(alone[0], said.potentials);
                    "rests"
                }
                Rest::Moves { period, spikes, alone } => {
                    assert!(from_all.is_none() && (period, spikes) != (1, 0));
                    assert_eq!(run(layer, vec![[0; 3]]).is_none(), alone);
                    if spikes > 0 { "spikes" } else { "moves" }
                }
                Rest::Unproved => "unproved",
            }
        })
    }

    #[test]
    fn low_biases_rest_and_high_ones_do_not() {
        for bias in [-8.0, -7.3, -6.5, -6.0, -5.75, -5.5, -5.25] {
            assert_eq!(said(paper(), 0.9, bias), "rests");
        }
        assert_eq!(said(paper(), 0.99, -6.0), "rests");
        assert_eq!(said(paper(), 0.9, -5.0), "moves");
        assert_eq!(said(paper(), 0.9, -4.0), "spikes");
    }

    /// Once the current is 0, from any h and h_s.
    #[test]
    fn biases_as_training_finds_them_rest_soon() {
        let mut most = 0;
        for bias in (540..=800).step_by(4).map(|hundredths| -f64::from(hundredths) / 100.0) {
            let Rest::Rests(state) = with_layer(paper(), 0.0, bias, of_one) else {
                panic!("b_h {bias} moves")
            };
            if bias <= -5.5 {
                most = most.max(state.steps);
            }
        }
        assert!((60..=70).contains(&most), "{most} timesteps");
        let Rest::Rests(state) = with_layer(paper(), 0.9, -8.0, of_one) else { panic!("it rests") };
        assert_eq!(state.steps, 140, "70 more until the current is negligible");
    }

    #[test]
    fn other_constants() {
        for bias in [-7.0, -6.0, -5.5] {
            assert_eq!(said(general(), 0.9, bias), "rests");
        }
        assert_eq!(said(general(), 0.5, -4.0), "spikes");
        // No slow state: b_h alone decides.
        let fast = SrcConstants { r_s: Coefficient::ZERO, ..paper() };
        assert_eq!([-3.0, 0.0, 3.0].map(|bias| said(fast, 0.9, bias)), ["rests", "spikes", "spikes"]);
        // A slow state that helps.
        let up = SrcConstants { r_s: Coefficient::ONE, r: Coefficient::ZERO, ..paper() };
        assert_eq!([-3.0, 3.0].map(|bias| said(up, 0.9, bias)), ["rests", "spikes"]);
        let inert = SrcConstants { z: Gate::from_num(0.99), ..paper() };
        assert_eq!(said(inert, 0.9, -6.0), "rests");
    }

    #[test]
    fn lif_rests_at_0_if_its_threshold_is_not_below() {
        let shape = Shape::new(1, 2, Width::Two);
        let block = vec![0; shape.words()];
        let synapses = Synapses::new(&block, shape).unwrap();
        let integrator = Integrator { decay: Decay::from_num(0.9), shift: 0, proved: true };
        let level = Current::from_num::<f64>;
        let neurons = [lif_neuron(5, level(1.0), level(-0.5)), lif_neuron(9, level(-0.5), level(-1.0))];
        let layer = LifLayer::new(synapses, &neurons, integrator).unwrap();
        let [Rest::Rests(rests), Rest::Moves { period, spikes, alone }] = of_layer(&layer.into())[..] else {
            panic!("the second only spikes alone")
        };
        assert_eq!((rests.states, rests.potentials), (1, [0; 2]));
        // -8 × 0.9^t falls below a bit of 2^-12 after 99 steps, and sooner since a leak is rounded towards 0.
        assert!((70..99).contains(&rests.steps), "{}", rests.steps);
        // -0.9^t is above -0.5 after 7 steps.
        assert_eq!((period, spikes, alone), (7, 1, true));
    }
}
