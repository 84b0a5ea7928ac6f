//! The paper's readout (section 4.2) of a dense h.

use crate::readout::ReadoutConfig;
use candle_core::{Device, Result, Tensor, bail};

/// Scores `v[T]` of a batch, `[batch, classes]`, from h, `[batch, timesteps, neurons]`.
///
/// `v_c[t] = α v_c[t-1] + Σ w_cn h_n[t]`, `w_cn` being `excite` for the class's own neurons and `inhibit` for all others,
/// so `v[T]` is one sum over the timesteps, each weighted with α^(T-1-t). h keeps its sign.
///
/// # Errors
/// If the neurons do not divide evenly between the classes.
pub fn readout(h: &Tensor, classes: usize, config: &ReadoutConfig) -> Result<Tensor> {
    let (batch, steps, neurons) = h.dims3()?;
    if classes == 0 || !neurons.is_multiple_of(classes) {
        bail!("{neurons} neurons do not divide evenly between {classes} classes");
    }
    let group = neurons / classes;
    let constant = |numbers: Vec<f64>, shape: (usize, usize)| -> Result<Tensor> {
        Tensor::from_vec(numbers, shape, &Device::Cpu)?.to_dtype(h.dtype())
    };
    let decay = (0..steps as i32).rev().map(|left| config.alpha.powi(left)).collect();
    let weights = (0..neurons * classes)
        .map(|k| if k / classes / group == k % classes { config.excite } else { config.inhibit })
        .collect();
    let sums = constant(decay, (1, steps))?.broadcast_matmul(h)?.reshape((batch, neurons))?;
    sums.matmul(&constant(weights, (neurons, classes))?)
}
