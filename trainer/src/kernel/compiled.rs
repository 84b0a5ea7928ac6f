//! The kernels of f32 and of f64, compiled once, in this crate: generic functions would be compiled again, for every set of
//! instructions, in each crate that trains.

use super::panel::Panels;
use super::product::{Product, Turned};
use super::synapses::{ByInput, WeightGradient};
use super::{Backward, Events, Real, SpikingLayer, dispatch};
use pulp::NullaryFnOnce;

/// What the kernels do for one kind of number, with the best instructions there are. Called by the types that they belong to, which
/// say what each block is.
pub trait Compiled: Sized {
    /// Of [`SpikingLayer::forward`].
    fn forward(
        layer: &SpikingLayer<Self>,
        weights: &Panels<Self>,
        input: &Events<Self>,
        kept: &mut [Self],
    ) -> Events<Self>;

    /// Of [`SpikingLayer::backward`].
    fn backward(layer: &SpikingLayer<Self>, given: Backward<'_, Self>, g_i: &mut [Self], g_p: &mut [Self]);

    /// Of [`Turned::spike_gradient`].
    fn spike_gradient(weights: &Turned<Self>, g_i: &[&[Self]], g_s: &mut [Self]);

    /// Of [`ByInput::add_weight_gradient`].
    fn add_weight_gradient(spikes: &ByInput<Self>, neurons: usize, g_i: &[Self], g_w: &mut [Self]);
}

macro_rules! compiled {
    ($($real:ty),*) => {$(
        impl Compiled for $real {
            fn forward(
                layer: &SpikingLayer<Self>,
                weights: &Panels<Self>,
                input: &Events<Self>,
                kept: &mut [Self],
            ) -> Events<Self> {
                dispatch(ForwardPass { layer, weights, input, kept })
            }

            fn backward(
                layer: &SpikingLayer<Self>,
                given: Backward<'_, Self>,
                g_i: &mut [Self],
                g_p: &mut [Self],
            ) {
                dispatch(BackwardPass { layer, given, g_i, g_p });
            }

            fn spike_gradient(weights: &Turned<Self>, g_i: &[&[Self]], g_s: &mut [Self]) {
                dispatch(Product { weights, g_i, g_s });
            }

            fn add_weight_gradient(spikes: &ByInput<Self>, neurons: usize, g_i: &[Self], g_w: &mut [Self]) {
                dispatch(WeightGradient { spikes, neurons, g_i, g_w });
            }
        }
    )*};
}

compiled!(f32, f64);

struct ForwardPass<'a, R> {
    layer: &'a SpikingLayer<R>,
    weights: &'a Panels<R>,
    input: &'a Events<R>,
    kept: &'a mut [R],
}

impl<R: Real> NullaryFnOnce for ForwardPass<'_, R> {
    type Output = Events<R>;

    #[inline(always)]
    fn call(self) -> Events<R> {
        match self.layer {
            SpikingLayer::Src(layer) => layer.forward(self.weights, self.input, self.kept),
            SpikingLayer::Lif(layer) => layer.forward(self.weights, self.input, self.kept),
        }
    }
}

struct BackwardPass<'a, R> {
    layer: &'a SpikingLayer<R>,
    given: Backward<'a, R>,
    g_i: &'a mut [R],
    g_p: &'a mut [R],
}

impl<R: Real> NullaryFnOnce for BackwardPass<'_, R> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        match self.layer {
            SpikingLayer::Src(layer) => layer.backward(self.given, self.g_i, self.g_p),
            SpikingLayer::Lif(layer) => layer.backward(self.given, self.g_i, self.g_p),
        }
    }
}
