//! One sample back through one layer of Spiking Recurrent Cells, from the last timestep to the first.
//!
//! With c the tanh of Eq. 1a, y = tanh(i / ρ), u the gradient
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

use super::{Constants, SrcLayer, row};
use crate::cell::{Gate, Learnable};
use crate::kernel::gradient::{Flow, Push, SpikeGradient};
use crate::kernel::lanes::{in_blocks, load, store};
use crate::kernel::panel::PANEL;
use crate::kernel::shares::Shares;
use crate::kernel::{Backward, Real};
use std::ops::Range;

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

impl<R: Real> SrcLayer<R> {
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
