//! One sample through one layer of Spiking Recurrent Cells, forward and backward (Eq. 1 and 3).
//!
//! The backward pass goes from the last timestep to the first. With c the tanh of Eq. 1a, y = tanh(i / ρ), u the gradient
//! at the argument of that tanh, and g_hs the gradient at h_s\[t\]:
//!
//! ```text
//! g_h   = ∂L/∂s[t] s' + c_h
//! u     = (1 - c[t]²) (1 - z) g_h
//! g_i   = (1 - y[t]²) u + α g_i
//! c_h   = r u   + z g_h + (1 - z_s) g_hs      carried into timestep t-1, as is
//! g_hs  = r_s u + z_s g_hs
//! ```
//!
//! s' is 1 with the ReLU bypass and H(h) without it. Detached (section 4.4), h\[t-1\] and h_s\[t-1\] are constants: nothing is
//! carried through them, and only the leaky integrator takes gradients back in time. The initial states are parameters
//! and no earlier timestep, so the detachment does not cut them off.

use super::gradient::{Flow, Push, SpikeGradient};
use super::lanes::{in_blocks, load, store};
use super::panel::{PANEL, Panels};
use super::shares::Shares;
use super::synapses::leak_and_add;
use super::{Backward, Events, Real};
use crate::cell::{Gate, Learnable, SpikeKind, SrcCell};
use std::ops::Range;

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

/// Gradients carried from a timestep to the one before it, one entry per neuron.
struct Carried<R> {
    g_i: Vec<R>,
    c_h: Vec<R>,
    g_hs: Vec<R>,
}

/// One timestep's own gradients, one entry per neuron.
struct Step<R> {
    /// ∂L/∂s.
    g_s: Vec<R>,
    /// At the argument of tanh.
    u: Vec<R>,
    /// At h.
    g_h: Vec<R>,
    /// At h_s, before it is carried on.
    g_hs: Vec<R>,
    /// Neurons' shares of the gradients of learnt constants.
    shares: Shares<R>,
}

/// A sample's states over time, `[timesteps, neurons of a panel]`, as the forward pass kept them.
struct Kept<'a, R> {
    h: &'a [R],
    y: &'a [R],
    /// Empty unless all is kept, and so is h_s.
    i: &'a [R],
    h_s: &'a [R],
}

impl<'a, R> Kept<'a, R> {
    fn new(blocks: &'a [R], block: usize) -> Self {
        let mut blocks = blocks.chunks_exact(block);
        let mut next = || blocks.next().unwrap_or(&[]);
        Self { h: next(), y: next(), i: next(), h_s: next() }
    }
}

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

    /// Fills a sample's ∂L/∂i for the neurons of a panel, `[timesteps, neurons]`, and adds to the gradients of their
    /// parameters, which stand in the order of [`SrcLayer::new`].
    #[inline(always)]
    pub fn backward(&self, given: Backward<'_, R>, g_i: &mut [R], g_p: &mut [R]) {
        let Backward { flow, panel, kept, gradient, push } = given;
        let neurons = panel.len();
        let depth = kept.len() / self.neurons();
        let kept = Kept::new(&kept[depth * panel.start..][..depth * neurons], g_i.len());
        let (h0, h_s0) = (&self.h0[panel.clone()], &self.h_s0[panel.clone()]);
        let zeros = || vec![R::ZERO; neurons];
        let mut carried = Carried { g_i: zeros(), c_h: zeros(), g_hs: zeros() };
        let shares = Shares::new(neurons);
        let mut step = Step { g_s: zeros(), u: zeros(), g_h: zeros(), g_hs: zeros(), shares };
        let (g_b, mut g_learnt) = g_p.split_at_mut(neurons);
        let plain = flow.detach && self.learn.is_empty() && self.constants.z == R::ZERO;
        if plain {
            let given = (&kept, gradient, push);
            if flow.bypass {
                self.detached::<true>(neurons, given, g_i, g_b);
            } else {
                self.detached::<false>(neurons, given, g_i, g_b);
            }
            self.hold_bounds(panel, g_b);
            return;
        }
        for t in (0..g_i.len() / neurons).rev() {
            let (h, y) = (row(kept.h, t, neurons), row(kept.y, t, neurons));
            gradient.at(t, push, |n| self.spikes(h[n]), &mut step.g_s);
            let before = if t > 0 {
                (row(kept.h, t - 1, neurons), kept.h_s.get((t - 1) * neurons..).unwrap_or(&[]))
            } else {
                (h0, h_s0)
            };
            self.full_step(flow, t == 0, (h, before.0, y), &mut step, &mut carried);
            g_b.iter_mut().zip(&step.u).for_each(|(g_b, &u)| *g_b += u);
            let mut place = 0;
            for &learnt in &self.learn {
                self.learn_step(learnt, t, (&kept, before), &mut step, &carried.g_i, (g_learnt, place));
                place += learnt.numbers(neurons);
            }
            step.shares.add(g_learnt);
            g_i[t * neurons..][..neurons].copy_from_slice(&carried.g_i);
        }
        // What is carried out of the first timestep belongs to the initial states.
        for &learnt in &self.learn {
            let (sums, behind) = g_learnt.split_at_mut(learnt.numbers(neurons));
            g_learnt = behind;
            let out = match learnt {
                Learnable::H0 => &carried.c_h,
                Learnable::HS0 => &carried.g_hs,
                _ => continue,
            };
            sums.iter_mut().zip(out).for_each(|(sum, &g)| *sum += g);
        }
        self.hold_bounds(panel, g_b);
    }

    /// No gradient where the bound holds b_h of a panel's neurons back.
    fn hold_bounds(&self, panel: Range<usize>, g_b: &mut [R]) {
        let bounded = self.bounded[panel].iter();
        g_b.iter_mut().zip(bounded).filter(|(_, bounded)| **bounded).for_each(|(g, _)| *g = R::ZERO);
    }

    /// Whether a neuron spikes.
    #[inline(always)]
    fn spikes(&self, h: R) -> bool {
        match self.constants.spikes {
            SpikeKind::Graded => h > R::ZERO,
            SpikeKind::Binary => h > R::of(0.5),
        }
    }

    /// The way back with h and h_s detached and nothing learnt but weights and b_h: the case that trainings spend their time in. A
    /// panel's gradients stay in registers.
    #[inline(always)]
    fn detached<const BYPASS: bool>(
        &self,
        neurons: usize,
        given: (&Kept<'_, R>, SpikeGradient<'_, R>, Push<R>),
        g_i: &mut [R],
        g_b: &mut [R],
    ) {
        if neurons == PANEL {
            self.detached_block::<BYPASS, PANEL>((0, neurons), given, g_i, g_b);
        } else {
            in_blocks!(neurons, |start, N| {
                self.detached_block::<BYPASS, N>((start, neurons), given, g_i, g_b);
            });
        }
    }

    /// [`Self::detached`] for the `N` neurons of a panel from `start` on.
    #[inline(always)]
    fn detached_block<const BYPASS: bool, const N: usize>(
        &self,
        (start, neurons): (usize, usize),
        (kept, gradient, push): (&Kept<'_, R>, SpikeGradient<'_, R>, Push<R>),
        g_i: &mut [R],
        g_b: &mut [R],
    ) {
        let place = (start, neurons);
        // A choice made at each timestep would keep the compiler from vector code.
        match gradient {
            SpikeGradient::Dense(g_s) if push == Push::default() => {
                let at = |t, _: &[R; N]| load::<R, N>(g_s, t * neurons + start);
                self.detached_scan::<BYPASS, N>(place, kept, at, g_i, g_b);
            }
            SpikeGradient::Readout { neuron, decay } if push == Push::default() => {
                let neuron = load::<R, N>(neuron, start);
                let at = |t: usize, _: &[R; N]| {
                    let decay = decay[t];
                    neuron.map(|weight| weight * decay)
                };
                self.detached_scan::<BYPASS, N>(place, kept, at, g_i, g_b);
            }
            _ => {
                let at =
                    |t, h: &[R; N]| gradient.block::<N>(t, (start, neurons), push, |k| self.spikes(h[k]));
                self.detached_scan::<BYPASS, N>(place, kept, at, g_i, g_b);
            }
        }
    }

    /// [`Self::detached_block`] with ∂L/∂s of a timestep as a function of it and of h.
    #[inline(always)]
    fn detached_scan<const BYPASS: bool, const N: usize>(
        &self,
        (start, neurons): (usize, usize),
        kept: &Kept<'_, R>,
        g_s: impl Fn(usize, &[R; N]) -> [R; N],
        g_i: &mut [R],
        g_b: &mut [R],
    ) {
        let alpha = self.constants.alpha;
        let (mut g, mut sum) = ([R::ZERO; N], load::<R, N>(g_b, start));
        for t in (0..g_i.len() / neurons).rev() {
            let place = t * neurons + start;
            let (h, y) = (load::<R, N>(kept.h, place), load::<R, N>(kept.y, place));
            let g_s = g_s(t, &h);
            for k in 0..N {
                let open = if BYPASS || h[k] > R::ZERO { g_s[k] } else { R::ZERO };
                let u = (R::ONE - h[k] * h[k]) * open;
                g[k] = (R::ONE - y[k] * y[k]).mul_add(u, alpha * g[k]);
                sum[k] += u;
            }
            store(g_i, place, g);
        }
        store(g_b, start, sum);
    }

    /// One timestep back in the general case; leaves this timestep's gradients in `step`.
    #[inline(always)]
    fn full_step(
        &self,
        flow: Flow,
        first: bool,
        states: (&[R], &[R], &[R]),
        step: &mut Step<R>,
        carried: &mut Carried<R>,
    ) {
        // Detached, nothing is carried until the first timestep hands over to the initial states.
        match (flow.bypass, !flow.detach || first) {
            (true, true) => self.full_blocks::<true, true>(states, step, carried),
            (true, false) => self.full_blocks::<true, false>(states, step, carried),
            (false, true) => self.full_blocks::<false, true>(states, step, carried),
            (false, false) => self.full_blocks::<false, false>(states, step, carried),
        }
    }

    /// [`Self::full_step`] with or without the bypass; what h and h_s take back in time is carried if `CARRIES`.
    #[inline(always)]
    fn full_blocks<const BYPASS: bool, const CARRIES: bool>(
        &self,
        (h, h_before, y): (&[R], &[R], &[R]),
        step: &mut Step<R>,
        carried: &mut Carried<R>,
    ) {
        // Copied out: a choice between two fields behind a reference becomes a gather.
        let Constants { alpha, z, r, r_s, z_s_hyp, z_s_dep, gate, .. } = self.constants;
        let (half, previous) = (R::of(0.5), gate == Gate::Previous);
        let inverse = R::ONE / (R::ONE - z);
        in_blocks!(h.len(), |start, N| {
            let (h, y) = (load::<R, N>(h, start), load::<R, N>(y, start));
            let before = load::<R, N>(h_before, start);
            let g_s = load::<R, N>(&step.g_s, start);
            let (mut g_i, mut c_h) = (load::<R, N>(&carried.g_i, start), load::<R, N>(&carried.c_h, start));
            let g_hs = load::<R, N>(&carried.g_hs, start);
            let (mut u, mut g_h, mut next) = (g_s, g_s, g_hs);
            for k in 0..N {
                g_h[k] = if BYPASS || h[k] > R::ZERO { g_s[k] } else { R::ZERO } + c_h[k];
                let candidate = (h[k] - z * before[k]) * inverse;
                u[k] = (R::ONE - candidate * candidate) * (R::ONE - z) * g_h[k];
                g_i[k] = (R::ONE - y[k] * y[k]) * u[k] + alpha * g_i[k];
                if CARRIES {
                    let gate = if previous { before[k] } else { h[k] };
                    let z_s = if gate > half { z_s_dep } else { z_s_hyp };
                    c_h[k] = r * u[k] + z * g_h[k] + (R::ONE - z_s) * g_hs[k];
                    next[k] = r_s * u[k] + z_s * g_hs[k];
                }
            }
            store(&mut carried.g_i, start, g_i);
            store(&mut carried.c_h, start, c_h);
            store(&mut carried.g_hs, start, next);
            store(&mut step.u, start, u);
            store(&mut step.g_h, start, g_h);
            store(&mut step.g_hs, start, g_hs);
        });
    }

    /// Takes up timestep `t`'s share of the gradient of a learnt constant, which stands at `place` of all of theirs; `g_i` is ∂L/∂i\[t\],
    /// and h and h_s of the timestep before stand behind `kept`.
    #[inline(always)]
    fn learn_step(
        &self,
        learnt: Learnable,
        t: usize,
        (kept, (h_before, h_s_before)): (&Kept<'_, R>, (&[R], &[R])),
        step: &mut Step<R>,
        g_i: &[R],
        (gradients, place): (&mut [R], usize),
    ) {
        let (c, n) = (&self.constants, g_i.len());
        let (h, y) = (row(kept.h, t, n), row(kept.y, t, n));
        let (h_before, Step { u, g_h, g_hs, shares, .. }) = (&h_before[..n], step);
        let (u, g_h) = (&u[..n], &g_h[..n]);
        match learnt {
            // i is 0 before the first timestep.
            Learnable::Alpha if t == 0 => {}
            Learnable::Alpha => {
                let before = row(kept.i, t - 1, n);
                shares.take(place, false, gradients, |k| g_i[k] * before[k]);
            }
            Learnable::Rho => {
                let i = row(kept.i, t, n);
                let share = |k: usize| u[k] * (y[k] - i[k] * c.rho_inverse * (R::ONE - y[k] * y[k]));
                shares.take(place, true, gradients, share);
            }
            Learnable::Z => {
                let inverse = R::ONE / (R::ONE - c.z);
                let candidate = |k: usize| (h[k] - c.z * h_before[k]) * inverse;
                shares.take(place, true, gradients, |k| g_h[k] * (h_before[k] - candidate(k)));
            }
            Learnable::R => shares.take(place, false, gradients, |k| u[k] * h_before[k]),
            Learnable::RS => {
                let before = &h_s_before[..n];
                shares.take(place, false, gradients, |k| u[k] * before[k]);
            }
            Learnable::ZS => {
                for k in 0..n {
                    let gate = if c.gate == Gate::Previous { h_before[k] } else { h[k] };
                    let which = usize::from(gate > R::of(0.5));
                    gradients[place + which] += g_hs[k] * (h_s_before[k] - h_before[k]);
                }
            }
            // Theirs is what is left when all timesteps are done.
            Learnable::H0 | Learnable::HS0 | Learnable::Leak | Learnable::Threshold => {}
        }
    }
}
