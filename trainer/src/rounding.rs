//! Weights in training as the device will have them: whole steps of their width.
//!
//! Rounding has no useful gradient, so the gradient passes it as if it were not there ("straight through"): what is found for
//! the rounded weight is added up in the learnt one, which is rounded again in the next batch. Steps are those that the
//! exporter takes ([`spikelet_export::quantise::step`]), so that the float network of the last batch has exactly the weights
//! that are written.

use crate::kernel::{self, Real};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use pulp::NullaryFnOnce;
use spikelet_export::quantise::step::{clipped, inverse, steps};
use spikelet_runtime::Width;
use std::marker::PhantomData;

/// The weights of a layer, `[inputs, neurons]`, rounded to whole steps of `width`. No gradient goes through candle's graph: that of a
/// layer's weights has its [`Slot`](crate::layer::Slot).
///
/// # Errors
/// None but those of candle's allocations.
pub fn rounded<R: Real>(weight: &Tensor, width: Width) -> Result<Tensor> {
    weight.apply_op1_no_bwd(&Round { width, numbers: PhantomData::<fn() -> R> })
}

struct Round<R> {
    width: Width,
    numbers: PhantomData<fn() -> R>,
}

impl<R: Real> CustomOp1 for Round<R> {
    fn name(&self) -> &'static str {
        "round-weights"
    }

    fn cpu_fwd(&self, weight: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, neurons) = layout.shape().dims2()?;
        let weight = match layout.contiguous_offsets() {
            Some((start, end)) => &weight.as_slice::<R>()?[start..end],
            None => bail!("weights must be contiguous"),
        };
        let single: Vec<f32> = weight.iter().map(|&w| w.to_f64() as f32).collect();
        let whole = kernel::dispatch(Rounding { weight: single, neurons, most: self.width.most() });
        let whole = whole.into_iter().map(|w| R::of(w.into())).collect();
        Ok((R::to_cpu_storage_owned(whole), layout.shape().clone()))
    }
}

struct Rounding {
    weight: Vec<f32>,
    neurons: usize,
    most: i8,
}

impl NullaryFnOnce for Rounding {
    type Output = Vec<f32>;

    #[inline(always)]
    fn call(mut self) -> Vec<f32> {
        let steps = steps(&self.weight, self.neurons, self.most);
        let inverses: Vec<f32> = steps.iter().map(|&step| inverse(step)).collect();
        for row in self.weight.chunks_exact_mut(self.neurons) {
            for ((w, step), inverse) in row.iter_mut().zip(&steps).zip(&inverses) {
                *w = clipped(*w * inverse, self.most) * step;
            }
        }
        self.weight
    }
}
