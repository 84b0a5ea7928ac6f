//! One sample through one layer of Spiking Recurrent Cells (Eq. 1 and 3); back through it in `backward`.

mod backward;

use super::lanes::{in_blocks, load, store};
use super::panel::{PANEL, Panels};
use super::synapses::leak_and_add;
use super::{Events, Real};
use crate::cell::{Gate, Learnable, SpikeKind, SrcCell};

/// The constants of Eq. 1 and 3 in the numbers of the kernels.
#[derive(Clone, Copy, Debug)]
pub struct Constants<R> {
    /// α.
    pub alpha: R,
    /// ρ.
    pub rho: R,
    /// 1 / ρ.
    pub rho_inverse: R,
    /// z.
    pub z: R,
    /// r.
    pub r: R,
    /// r_s.
    pub r_s: R,
    /// z_s below the gate's threshold.
    pub z_s_hyp: R,
    /// z_s above it.
    pub z_s_dep: R,
    /// Which h the gate looks at.
    pub gate: Gate,
    /// What a spike says.
    pub spikes: SpikeKind,
    /// States are rounded as the device rounds them.
    pub rounded: bool,
}

/// The numbers of one layer.
#[derive(Clone, Debug)]
pub struct SrcLayer<R> {
    constants: Constants<R>,
    /// b_h, within its bound.
    bias: Vec<R>,
    /// True where the bound holds b_h back: no gradient there.
    bounded: Vec<bool>,
    h0: Vec<R>,
    h_s0: Vec<R>,
    /// What is learnt besides weights and b_h, in the order of its parameters.
    learn: Vec<Learnable>,
}

/// A sample's states as it moves through a layer, one entry per neuron.
#[derive(Clone, Debug)]
pub struct States<R> {
    /// i.
    pub i: Vec<R>,
    /// tanh(i / ρ), which is x / ρ.
    pub y: Vec<R>,
    /// h.
    pub h: Vec<R>,
    /// h_s.
    pub h_s: Vec<R>,
}

/// Blocks kept for a backward pass that needs no more than h and y; learning some constants takes i and h_s too.
const FEW: usize = 2;
const ALL: usize = 4;

/// Bits of a current in ρ, of an argument of tanh and of h_s, each in 1, when states are rounded: the formats of
/// `spikelet_runtime`'s neurons.
const CURRENT: f64 = 4096.0;
const TABLE: f64 = 128.0;
const SLOW: f64 = 4096.0;

/// Timesteps whose y are found before their h: few enough to stay in the nearest cache.
const STRETCH: usize = 16;

/// An argument of tanh, rounded as the device rounds it.
#[inline(always)]
fn argument<R: Real, const ROUNDED: bool>(x: R) -> R {
    if ROUNDED { (x * R::of(TABLE)).round() * R::of(1.0 / TABLE) } else { x }
}

/// Row `t` of a `[timesteps, neurons]` block.
#[inline(always)]
fn row<R>(block: &[R], t: usize, neurons: usize) -> &[R] {
    &block[t * neurons..][..neurons]
}

impl<R: Real> SrcLayer<R> {
    /// A layer with the constants of `cell`, but for those among `parameters`: b_h of each neuron, then what is learnt, in
    /// the order of [`SrcCell::parameters`].
    pub fn new(cell: &SrcCell, neurons: usize, parameters: &[R]) -> Self {
        let most = R::of(cell.bias_most);
        let (given, mut rest) = parameters.split_at(neurons);
        let bias = given.iter().map(|&b| if b > most { most } else { b }).collect();
        let bounded = given.iter().map(|&b| b > most).collect();
        let mut constants = cell.constants();
        let start = |value| vec![R::of(value); neurons];
        let (mut h0, mut h_s0) = (start(cell.h0), start(cell.h_s0));
        let learn: Vec<Learnable> = cell.learn.iter().copied().collect();
        for &learnt in &learn {
            let (values, behind) = rest.split_at(learnt.numbers(neurons));
            rest = behind;
            match learnt {
                Learnable::Alpha => constants.alpha = values[0],
                Learnable::Rho => (constants.rho, constants.rho_inverse) = (values[0], R::ONE / values[0]),
                Learnable::Z => constants.z = values[0],
                Learnable::R => constants.r = values[0],
                Learnable::RS => constants.r_s = values[0],
                Learnable::ZS => (constants.z_s_hyp, constants.z_s_dep) = (values[0], values[1]),
                Learnable::H0 => h0.copy_from_slice(values),
                Learnable::HS0 => h_s0.copy_from_slice(values),
                Learnable::Leak | Learnable::Threshold => unreachable!("refused by SrcCell::check"),
            }
        }
        Self { constants, bias, bounded, h0, h_s0, learn }
    }

    /// The layer's constants.
    pub const fn constants(&self) -> &Constants<R> {
        &self.constants
    }

    /// b_h of each neuron, within its bound.
    pub fn bias(&self) -> &[R] {
        &self.bias
    }

    /// h and h_s of each neuron before the first timestep.
    pub fn initial(&self) -> (&[R], &[R]) {
        (&self.h0, &self.h_s0)
    }

    /// Number of neurons.
    pub fn neurons(&self) -> usize {
        self.bias.len()
    }

    /// Number of `[timesteps, neurons]` blocks that a backward pass needs.
    pub fn kept(&self) -> usize {
        let more = [Learnable::Alpha, Learnable::Rho, Learnable::RS, Learnable::ZS];
        if self.learn.iter().any(|learnt| more.contains(learnt)) { ALL } else { FEW }
    }

    /// States before the first timestep.
    pub fn start(&self) -> States<R> {
        let zeros = vec![R::ZERO; self.neurons()];
        States { i: zeros.clone(), y: zeros, h: self.h0.clone(), h_s: self.h_s0.clone() }
    }

    /// Advances states by one timestep in which `inputs` spike, with `values` (empty if each is 1).
    pub fn step(&self, states: &mut States<R>, weights: &[R], inputs: &[u16], values: &[R]) {
        let width = self.neurons();
        in_blocks!(width, |start, N| {
            let mut i = load::<R, N>(&states.i, start);
            let (mut h, mut h_s) = (load::<R, N>(&states.h, start), load::<R, N>(&states.h_s, start));
            leak_and_add(&mut i, self.constants.alpha, (&weights[start..], width), (inputs, values));
            let y = if self.constants.rounded {
                let y = self.saturate::<true, N>(&mut i);
                self.fire::<false, true, N>(start, &y, &mut h, &mut h_s);
                y
            } else {
                let y = self.saturate::<false, N>(&mut i);
                self.fire::<false, false, N>(start, &y, &mut h, &mut h_s);
                y
            };
            store(&mut states.i, start, i);
            store(&mut states.y, start, y);
            store(&mut states.h, start, h);
            store(&mut states.h_s, start, h_s);
        });
    }

    /// y = tanh(i / ρ) of Eq. 3b for `N` neurons.
    ///
    /// `ROUNDED`: i becomes a multiple of ρ / 4096 within ±8 ρ, rounded towards 0 as the device's leak rounds it; arguments of tanh are
    /// multiples of 1/128, and h_s in [`Self::fire`] is one of 2^-12. The device rounds h and tanh to 2^-15 besides, which is left out
    /// here. Gradients take no notice of any of it.
    #[inline(always)]
    fn saturate<const ROUNDED: bool, const N: usize>(&self, i: &mut [R; N]) -> [R; N] {
        let Constants { rho, rho_inverse, .. } = self.constants;
        let (of_current, per_current) = (R::of(CURRENT), R::of(1.0 / CURRENT));
        let (least, most) = (R::of(-8.0 * CURRENT), R::of(8.0 * CURRENT - 1.0));
        let mut y = *i;
        for k in 0..N {
            if ROUNDED {
                let bits = (i[k] * rho_inverse * of_current).trunc();
                let bits = if bits < least { least } else { bits };
                i[k] = if bits > most { most } else { bits } * per_current * rho;
            }
            y[k] = argument::<R, ROUNDED>(i[k] * rho_inverse).tanh();
        }
        y
    }

    /// Eq. 3b to 3e for the `N` neurons from `start` on, from their y: advances h and h_s. `PLAIN` if z = 0 and the gate looks at
    /// the present h; `ROUNDED` as in [`Self::saturate`].
    #[inline(always)]
    fn fire<const PLAIN: bool, const ROUNDED: bool, const N: usize>(
        &self,
        start: usize,
        y: &[R; N],
        h: &mut [R; N],
        h_s: &mut [R; N],
    ) {
        // Copied out: a choice between two fields behind a reference becomes a gather.
        let Constants { rho, z, r, r_s, z_s_hyp, z_s_dep, gate, .. } = self.constants;
        let half = R::of(0.5);
        let previous = gate == Gate::Previous;
        let bias = load::<R, N>(&self.bias, start);
        let (of_slow, per_slow) = (R::of(SLOW), R::of(1.0 / SLOW));
        for k in 0..N {
            let before = h[k];
            let drive = rho.mul_add(y[k], r.mul_add(before, r_s.mul_add(h_s[k], bias[k])));
            let candidate = argument::<R, ROUNDED>(drive).tanh();
            let now = if PLAIN { candidate } else { z.mul_add(before - candidate, candidate) };
            let gate = if !PLAIN && previous { before } else { now };
            let z_s = if gate > half { z_s_dep } else { z_s_hyp };
            let slow = z_s.mul_add(h_s[k] - before, before);
            h_s[k] = if ROUNDED { (slow * of_slow).round() * per_slow } else { slow };
            h[k] = now;
        }
    }

    /// Runs a sample through the layer and returns the layer's spikes. Fills `kept`: [`Self::kept`] blocks if there is a
    /// backward pass to come, else one of them.
    #[inline(always)]
    pub fn forward(&self, weights: &Panels<R>, input: &Events<R>, kept: &mut [R]) -> Events<R> {
        // The cell of Eq. 3 is what most trainings spend their time in.
        let plain = self.constants.z == R::ZERO && self.constants.gate == Gate::Current;
        let (steps, depth) = (input.steps(), kept.len() / self.neurons());
        for (neurons, weights) in weights.iter() {
            let (start, width) = (neurons.start, neurons.len());
            let kept = &mut kept[depth * start..][..depth * width];
            let weights = (weights, width);
            match (plain, self.constants.rounded) {
                (true, false) => self.forward_panel::<true, false>(start, weights, input, kept),
                (true, true) => self.forward_panel::<true, true>(start, weights, input, kept),
                (false, false) => self.forward_panel::<false, false>(start, weights, input, kept),
                (false, true) => self.forward_panel::<false, true>(start, weights, input, kept),
            }
        }
        let mut output = Events::start();
        for t in 0..steps {
            for (neurons, _) in weights.iter() {
                let h = row(&kept[depth * neurons.start..], t, neurons.len());
                match self.constants.spikes {
                    SpikeKind::Graded => output.push_graded(neurons.start, h),
                    SpikeKind::Binary => output.push_binary(neurons.start, h, R::of(0.5)),
                }
            }
            output.end_step();
        }
        output
    }

    /// Runs a sample through a panel that starts at neuron `start`.
    #[inline(always)]
    fn forward_panel<const PLAIN: bool, const ROUNDED: bool>(
        &self,
        start: usize,
        (weights, width): (&[R], usize),
        input: &Events<R>,
        kept: &mut [R],
    ) {
        const HALF: usize = PANEL / 2;
        let mut done = 0;
        if PLAIN && width == PANEL {
            self.forward_block::<PLAIN, ROUNDED, PANEL>((start, 0), (weights, width), input, kept);
            done = PANEL;
        } else if PLAIN && width >= HALF {
            self.forward_block::<PLAIN, ROUNDED, HALF>((start, 0), (weights, width), input, kept);
            done = HALF;
        }
        in_blocks!(width - done, |at, N| {
            let at = done + at;
            let weights = (&weights[at..], width);
            self.forward_block::<PLAIN, ROUNDED, N>((start, at), weights, input, kept);
        });
    }

    /// Runs a sample through `N` neurons of a panel that starts at neuron `start`: those from the panel's number `at` on.
    ///
    /// y waits for nothing but the currents, while h of a timestep waits for the one before: so some timesteps' y are found first,
    /// side by side, and then h, with the weights' rows of the timesteps to come on their way.
    #[inline(always)]
    fn forward_block<const PLAIN: bool, const ROUNDED: bool, const N: usize>(
        &self,
        (start, at): (usize, usize),
        weights: (&[R], usize),
        input: &Events<R>,
        kept: &mut [R],
    ) {
        let (steps, width) = (input.steps(), weights.1);
        let block = steps * width;
        let all = kept.len() == ALL * block;
        // With a single block, y stands where h comes.
        let of_y = if kept.len() > block { block } else { 0 };
        let first = start + at;
        let mut i = [R::ZERO; N];
        let (mut h, mut h_s) = (load::<R, N>(&self.h0, first), load::<R, N>(&self.h_s0, first));
        for from in (0..steps).step_by(STRETCH) {
            let stretch = from..(from + STRETCH).min(steps);
            for t in stretch.clone() {
                let place = t * width + at;
                leak_and_add(&mut i, self.constants.alpha, weights, input.at(t));
                store(kept, of_y + place, self.saturate::<ROUNDED, N>(&mut i));
                if all {
                    store(kept, 2 * block + place, i);
                }
            }
            for t in stretch {
                let place = t * width + at;
                let y = load::<R, N>(kept, of_y + place);
                self.fire::<PLAIN, ROUNDED, N>(first, &y, &mut h, &mut h_s);
                store(kept, place, h);
                if all {
                    store(kept, 3 * block + place, h_s);
                }
            }
        }
    }

    /// Whether a neuron spikes.
    #[inline(always)]
    fn spikes(&self, h: R) -> bool {
        match self.constants.spikes {
            SpikeKind::Graded => h > R::ZERO,
            SpikeKind::Binary => h > R::of(0.5),
        }
    }
}
