//! Bistable Recurrent Cells (paper, section 3.1) through time, forward and backward.
//!
//! ```text
//! z[t] = σ(U_z x[t] + w_z h[t-1] + b_z)
//! r[t] = 1 + tanh(U_r x[t] + w_r h[t-1] + b_r)
//! ĥ[t] = tanh(U_h x[t] + r[t] h[t-1] + b_h)
//! h[t] = z[t] h[t-1] + (1 - z[t]) ĥ[t]
//! ```
//!
//! From the last timestep to the first, g_h being ∂L/∂h[t] from above plus what timestep t+1 carries back:
//!
//! ```text
//! g_ĥ = (1 - ĥ²) (1 - z) g_h              at the argument of tanh
//! g_z = z (1 - z) (h[t-1] - ĥ) g_h        at the argument of σ
//! g_r = (1 - (r - 1)²) h[t-1] g_ĥ         at the argument of tanh
//! carried into t-1: z g_h + r g_ĥ + w_z g_z + w_r g_r
//! ∂L/∂w_z = Σ g_z[t] h[t-1]               and ∂L/∂w_r alike
//! ```
//!
//! A row keeps z, r, ĥ in this order, and their gradients too.

use super::Extent;
use super::drive::{Drive, sigmoid};
use crate::kernel::Real;

/// Runs some samples through time; fills `h`, `[samples, steps, neurons]`, and `kept`, `[samples, steps, 3 · neurons]`, or
/// of one timestep only, which is then overwritten from step to step. `vectors` are w_z, then w_r.
pub(super) fn forward<R: Real>(
    extent: Extent,
    vectors: &[R],
    drive: &Drive<'_, R>,
    kept: &mut [R],
    h: &mut [R],
) {
    let Extent { batch, steps, neurons: n, .. } = extent;
    let kept_steps = kept.len() / (batch * 3 * n);
    crate::kernel::simd::arch().dispatch(
        #[inline(always)]
        || {
            for (sample, h) in h.chunks_exact_mut(steps * n).enumerate() {
                let mut state = vec![R::ZERO; n];
                for (t, h) in h.chunks_exact_mut(n).enumerate() {
                    let row = &mut kept[(sample * kept_steps + t.min(kept_steps - 1)) * 3 * n..][..3 * n];
                    drive.fill(sample, t, row);
                    step(vectors, row, &mut state);
                    h.copy_from_slice(&state);
                }
            }
        },
    );
}

/// One sample's timestep; `row` comes with the input's part of the arguments.
#[inline(always)]
fn step<R: Real>(vectors: &[R], row: &mut [R], state: &mut [R]) {
    let n = state.len();
    let (w_z, w_r) = vectors.split_at(n);
    let w_r = &w_r[..n];
    let (z, gates) = row.split_at_mut(n);
    let (r, c) = gates.split_at_mut(n);
    let c = &mut c[..n];
    for k in 0..n {
        z[k] = sigmoid(z[k] + w_z[k] * state[k]);
        r[k] = R::ONE + (r[k] + w_r[k] * state[k]).tanh();
        c[k] = (c[k] + r[k] * state[k]).tanh();
        state[k] = z[k] * state[k] + (R::ONE - z[k]) * c[k];
    }
}

/// Goes back through time; fills `g_kept`, `[samples, steps, 3 · neurons]`, with g_z, g_r and g_ĥ, and adds the samples'
/// ∂L/∂w_z and ∂L/∂w_r to `g_vectors`, `[samples, 2 · neurons]`.
pub(super) fn backward<R: Real>(
    extent: Extent,
    vectors: &[R],
    kept: &[R],
    h: &[R],
    g_h: &[R],
    g_kept: &mut [R],
    g_vectors: &mut [R],
) {
    let Extent { steps, neurons: n, .. } = extent;
    let rest = vec![R::ZERO; n];
    crate::kernel::simd::arch().dispatch(
        #[inline(always)]
        || {
            for (sample, g_vectors) in g_vectors.chunks_exact_mut(2 * n).enumerate() {
                let mut carried = vec![R::ZERO; n];
                for t in (0..steps).rev() {
                    let at = sample * steps + t;
                    let before = if t > 0 { &h[(at - 1) * n..][..n] } else { &rest };
                    let (row, g_row) = (&kept[at * 3 * n..][..3 * n], &mut g_kept[at * 3 * n..][..3 * n]);
                    step_back(vectors, row, before, &g_h[at * n..][..n], &mut carried, g_row, g_vectors);
                }
            }
        },
    );
}

/// One sample's timestep of the way back.
#[inline(always)]
fn step_back<R: Real>(
    vectors: &[R],
    row: &[R],
    before: &[R],
    g_h: &[R],
    carried: &mut [R],
    g_row: &mut [R],
    g_vectors: &mut [R],
) {
    let n = carried.len();
    let (w_z, w_r) = (&vectors[..n], &vectors[n..][..n]);
    let (z, r, c) = (&row[..n], &row[n..][..n], &row[2 * n..][..n]);
    let (before, g_h) = (&before[..n], &g_h[..n]);
    let (g_z, g_gates) = g_row.split_at_mut(n);
    let (g_r, g_c) = g_gates.split_at_mut(n);
    let g_c = &mut g_c[..n];
    let (g_w_z, g_w_r) = g_vectors.split_at_mut(n);
    let g_w_r = &mut g_w_r[..n];
    for k in 0..n {
        let g = g_h[k] + carried[k];
        let bend = r[k] - R::ONE;
        g_c[k] = (R::ONE - c[k] * c[k]) * (R::ONE - z[k]) * g;
        g_z[k] = z[k] * (R::ONE - z[k]) * (before[k] - c[k]) * g;
        g_r[k] = (R::ONE - bend * bend) * before[k] * g_c[k];
        carried[k] = z[k] * g + r[k] * g_c[k] + w_z[k] * g_z[k] + w_r[k] * g_r[k];
        g_w_z[k] += g_z[k] * before[k];
        g_w_r[k] += g_r[k] * before[k];
    }
}
