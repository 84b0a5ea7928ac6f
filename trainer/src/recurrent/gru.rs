//! Gated Recurrent Units (paper, section 3.1) through time, forward and backward.
//!
//! ```text
//! z[t] = σ(U_z x[t] + W_z h[t-1] + b_z)
//! r[t] = σ(U_r x[t] + W_r h[t-1] + b_r)
//! q[t] = W_h h[t-1]
//! ĥ[t] = tanh(U_h x[t] + r[t] q[t] + b_h)
//! h[t] = z[t] h[t-1] + (1 - z[t]) ĥ[t]
//! ```
//!
//! From the last timestep to the first, g_h being ∂L/∂h[t] from above plus what timestep t+1 carries back:
//!
//! ```text
//! g_ĥ = (1 - ĥ²) (1 - z) g_h              at the argument of tanh
//! g_q = r g_ĥ
//! g_z = z (1 - z) (h[t-1] - ĥ) g_h        at the argument of σ
//! g_r = r (1 - r) q g_ĥ
//! carried into t-1: z g_h + W_hᵀ g_q + W_zᵀ g_z + W_rᵀ g_r
//! ```
//!
//! A row keeps q, z, r, ĥ in this order, and their gradients too: its first three parts are what the recurrent weights
//! make, its last three what the input's synapses feed, each one contiguous block. The recurrent weights are put in the
//! order of the former, h, z, r.

use super::Extent;
use super::drive::{Drive, sigmoid};
use crate::kernel::Real;
use crate::layer::with_numbers;
use candle_core::{Device, Result, Tensor};

/// W as the backward pass takes it, `[3 · neurons, neurons]` in the order h, z, r.
pub(super) fn backward_weights<R: Real>(recurrent: &[R], neurons: usize) -> Result<Tensor> {
    let (gates, candidate) = recurrent.split_at(2 * neurons * neurons);
    Tensor::from_vec([candidate, gates].concat(), (3 * neurons, neurons), &Device::Cpu)
}

/// W as the forward pass takes it, `[neurons, 3 · neurons]`: the same, transposed once instead of in each product.
pub(super) fn forward_weights<R: Real>(recurrent: &[R], neurons: usize) -> Result<Tensor> {
    backward_weights(recurrent, neurons)?.t()?.contiguous()
}

/// Runs some samples through time; fills `h`, `[samples, steps, neurons]`, and `kept`, `[samples, steps, 4 · neurons]`, or
/// of one timestep only, which is then overwritten from step to step.
pub(super) fn forward<R: Real>(
    extent: Extent,
    weights: &Tensor,
    drive: &Drive<'_, R>,
    kept: &mut [R],
    h: &mut [R],
) -> Result<()> {
    let Extent { batch, steps, neurons: n, .. } = extent;
    let kept_steps = kept.len() / (batch * 4 * n);
    let mut states = vec![R::ZERO; batch * n];
    for t in 0..steps {
        let product = Tensor::from_slice(&states, (batch, n), &Device::Cpu)?.matmul(weights)?;
        with_numbers(&product, |product: &[R]| {
            crate::kernel::simd::arch().dispatch(
                #[inline(always)]
                || {
                    for (sample, state) in states.chunks_exact_mut(n).enumerate() {
                        let row = &mut kept[(sample * kept_steps + t.min(kept_steps - 1)) * 4 * n..][..4 * n];
                        drive.fill(sample, t, &mut row[n..]);
                        step(&product[sample * 3 * n..][..3 * n], row, state);
                        h[(sample * steps + t) * n..][..n].copy_from_slice(state);
                    }
                },
            );
            Ok(())
        })?;
    }
    Ok(())
}

/// One sample's timestep; `row` comes with the input's part of the arguments in its last three quarters.
#[inline(always)]
fn step<R: Real>(product: &[R], row: &mut [R], state: &mut [R]) {
    let n = state.len();
    let (q, gates) = row.split_at_mut(n);
    let (z, gates) = gates.split_at_mut(n);
    let (r, c) = gates.split_at_mut(n);
    let c = &mut c[..n];
    let (from_h, from_gates) = product.split_at(n);
    let (from_z, from_r) = from_gates.split_at(n);
    let from_r = &from_r[..n];
    for k in 0..n {
        q[k] = from_h[k];
        z[k] = sigmoid(z[k] + from_z[k]);
        r[k] = sigmoid(r[k] + from_r[k]);
        c[k] = (c[k] + r[k] * q[k]).tanh();
        state[k] = z[k] * state[k] + (R::ONE - z[k]) * c[k];
    }
}

/// Goes back through time; fills `g_kept`, `[samples, steps, 4 · neurons]`, with g_q, g_z, g_r and g_ĥ.
pub(super) fn backward<R: Real>(
    extent: Extent,
    weights: &Tensor,
    kept: &[R],
    h: &[R],
    g_h: &[R],
    g_kept: &mut [R],
) -> Result<()> {
    let Extent { batch, steps, neurons: n, .. } = extent;
    let rest = vec![R::ZERO; n];
    let mut carried = vec![R::ZERO; batch * n];
    let mut recurrent = vec![R::ZERO; batch * 3 * n];
    for t in (0..steps).rev() {
        crate::kernel::simd::arch().dispatch(
            #[inline(always)]
            || {
                for (sample, carried) in carried.chunks_exact_mut(n).enumerate() {
                    let at = sample * steps + t;
                    let before = if t > 0 { &h[(at - 1) * n..][..n] } else { &rest };
                    let (row, g_row) = (&kept[at * 4 * n..][..4 * n], &mut g_kept[at * 4 * n..][..4 * n]);
                    step_back(row, before, &g_h[at * n..][..n], carried, g_row);
                    recurrent[sample * 3 * n..][..3 * n].copy_from_slice(&g_row[..3 * n]);
                }
            },
        );
        if t > 0 {
            let product = Tensor::from_slice(&recurrent, (batch, 3 * n), &Device::Cpu)?.matmul(weights)?;
            with_numbers(&product, |product| {
                carried.iter_mut().zip(product).for_each(|(carried, &g)| *carried += g);
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// One sample's timestep of the way back; `carried` leaves without the part that comes through the recurrent weights.
#[inline(always)]
fn step_back<R: Real>(row: &[R], before: &[R], g_h: &[R], carried: &mut [R], g_row: &mut [R]) {
    let n = carried.len();
    let part = |index: usize| &row[index * n..][..n];
    let (q, z, r, c) = (part(0), part(1), part(2), part(3));
    let (before, g_h) = (&before[..n], &g_h[..n]);
    let (g_q, g_gates) = g_row.split_at_mut(n);
    let (g_z, g_gates) = g_gates.split_at_mut(n);
    let (g_r, g_c) = g_gates.split_at_mut(n);
    let g_c = &mut g_c[..n];
    for k in 0..n {
        let g = g_h[k] + carried[k];
        g_c[k] = (R::ONE - c[k] * c[k]) * (R::ONE - z[k]) * g;
        g_q[k] = r[k] * g_c[k];
        g_z[k] = z[k] * (R::ONE - z[k]) * (before[k] - c[k]) * g;
        g_r[k] = r[k] * (R::ONE - r[k]) * q[k] * g_c[k];
        carried[k] = z[k] * g;
    }
}

/// ∂L/∂W = Σ g[t] h[t-1]ᵀ over the batch, `[3 · neurons, neurons]` in the order z, r, h, as one product over all timesteps.
/// `g_kept` is `[batch · steps, 4 · neurons]`, `h` is `[batch, steps, neurons]`.
pub(super) fn weight_gradient(g_kept: &Tensor, h: &Tensor, extent: Extent) -> Result<Tensor> {
    let Extent { batch, steps, neurons, .. } = extent;
    let before = h.detach().narrow(1, 0, steps - 1)?.pad_with_zeros(1, 1, 0)?;
    let before = before.reshape((batch * steps, neurons))?;
    let product = g_kept.narrow(1, 0, 3 * neurons)?.t()?.matmul(&before)?;
    let (candidate, gates) = (product.narrow(0, 0, neurons)?, product.narrow(0, neurons, 2 * neurons)?);
    Tensor::cat(&[&gates, &candidate], 0)
}
