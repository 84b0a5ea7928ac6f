//! Weights in training as the device will have them: whole steps of their width.
//!
//! Rounding has no useful gradient, so the gradient passes it as if it were not there ("straight through"): what is found for
//! the rounded weight is added up in the learnt one, which is rounded again in the next batch. Steps are those that the
//! exporter takes ([`spikelet_export::quantise::step`]), so that the float network of the last batch has exactly the weights
//! that are written.

use crate::kernel::{self, Real};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use pulp::NullaryFnOnce;
use rayon::prelude::*;
use spikelet_export::quantise::step::{BLOCK, clipped, inverse, steps_of_block};
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
        let most = self.width.most();
        let single: Vec<f32> = weight.iter().map(|&w| w.to_f64() as f32).collect();
        let blocks = neurons.div_ceil(BLOCK);
        let steps: Vec<f32> = (0..blocks)
            .into_par_iter()
            .flat_map_iter(|block| {
                let first = BLOCK * block;
                kernel::dispatch(Steps { weight: &single, neurons, first, most })
            })
            .collect();
        let steps = &steps[..neurons];
        let inverses: Vec<f32> = steps.iter().map(|&step| inverse(step)).collect();
        let mut whole = vec![R::of(0.0); single.len()];
        let rows = whole.par_chunks_mut(ROWS * neurons).zip(single.par_chunks(ROWS * neurons));
        rows.for_each(|(whole, weight)| {
            kernel::dispatch(Rounding { weight, whole, steps, inverses: &inverses, most });
        });
        Ok((R::to_cpu_storage_owned(whole), layout.shape().clone()))
    }
}

/// Rows that a thread rounds at once.
const ROWS: usize = 64;

/// Finds the steps of a block of neurons.
struct Steps<'a> {
    weight: &'a [f32],
    neurons: usize,
    first: usize,
    most: i8,
}

impl NullaryFnOnce for Steps<'_> {
    type Output = [f32; BLOCK];

    #[inline(always)]
    fn call(self) -> [f32; BLOCK] {
        steps_of_block(self.weight, self.neurons, self.first, self.most)
    }
}

/// Rounds some rows.
struct Rounding<'a, R> {
    weight: &'a [f32],
    whole: &'a mut [R],
    steps: &'a [f32],
    inverses: &'a [f32],
    most: i8,
}

impl<R: Real> NullaryFnOnce for Rounding<'_, R> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let neurons = self.steps.len();
        for (whole, weight) in self.whole.chunks_exact_mut(neurons).zip(self.weight.chunks_exact(neurons)) {
            let steps = self.steps.iter().zip(self.inverses);
            for ((whole, &w), (&step, &inverse)) in whole.iter_mut().zip(weight).zip(steps) {
                *whole = R::of((clipped(w * inverse, self.most) * step).into());
            }
        }
    }
}
