//! One timestep of the neurons of an SRC layer: from the sums of their inputs to their next states and their spikes.
//!
//! [`plain`] is the definition, one neuron after the other. [`wide`] does the same for 64 neurons side by side, which
//! suits the vector units of hosts. Both give the same bits.

pub mod plain;
#[cfg(any(test, not(target_os = "none")))]
pub mod wide;

use crate::layer::{LayerStates, Update};
use crate::spikes::LayerSpikes;
use crate::src_layer::{GatedBy, SpikeKind, SrcLayer};

/// Advances a layer's neurons with the fastest code there is for this machine; see [`SrcLayer::update`].
///
/// On devices it stays a function of this crate, optimised as that is: firmware is often optimised for size.
#[cfg_attr(not(target_os = "none"), inline)]
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn advance(
    layer: &SrcLayer<'_>,
    received: bool,
    sums: &mut [i32],
    states: &mut LayerStates<'_>,
    spikes: &mut LayerSpikes,
) -> Update {
    #[cfg(not(target_os = "none"))]
    return crate::vectors().dispatch(wide::Advance { layer, received, sums, states, spikes });
    #[cfg(all(target_os = "none", thumb))]
    {
        let constants = Constants::of(layer);
        let LayerStates { currents, potentials } = states;
        let done = crate::arm::neurons::advance(
            &constants,
            received,
            layer.neurons(),
            sums,
            currents,
            potentials,
            spikes,
        );
        let rest = plain::advance(layer, received, done.neurons, sums, states, spikes);
        Update { saturated: done.saturated | rest.saturated, rests: rest.rests & !done.changed }
    }
    #[cfg(all(target_os = "none", not(thumb)))]
    return plain::advance(layer, received, 0, sums, states, spikes);
}

/// Bits of h above which z_s switches (Eq. 3c).
pub(crate) const HALF: i32 = 1 << 14;
/// Bits of the least h that makes a graded spike: half of 1/256.
pub(crate) const SMALLEST: i32 = 64;

/// A layer's constants as the loops over its neurons need them.
#[derive(Clone, Copy, Debug)]
pub struct Constants {
    pub(crate) alpha: i32,
    pub(crate) rho: i32,
    pub(crate) r: i32,
    pub(crate) r_s: i32,
    /// Weights of h_s\[t-1\] and h\[t-1\] in h_s of a neuron at rest, Q15.
    pub(crate) hyp: [i32; 2],
    /// The same of a spiking neuron.
    pub(crate) dep: [i32; 2],
    pub(crate) z: i32,
    pub(crate) previous: bool,
    /// Least h that makes a spike.
    pub(crate) least: i32,
    pub(crate) binary: bool,
    /// z is 0 and the gate at h\[t\], as in the paper's experiments.
    #[cfg_attr(not(thumb), allow(dead_code, reason = "only kernels beside the plain one ask"))]
    pub(crate) simple: bool,
    pub(crate) proved: bool,
}

impl Constants {
    /// The constants of a layer.
    #[inline(always)]
    pub fn of(layer: &SrcLayer<'_>) -> Self {
        let constants = layer.constants();
        let [rho, r, r_s] = [constants.rho, constants.r, constants.r_s].map(|c| i32::from(c.to_bits()));
        let [hyp, dep, z] =
            [constants.z_s_hyp, constants.z_s_dep, constants.z].map(|z| i32::from(z.to_bits()));
        // 1 - z_s; 1 itself does not fit 16 bits.
        let shares = |z_s: i32| [z_s, ((1 << 15) - z_s).min(i32::from(i16::MAX))];
        let binary = constants.spikes == SpikeKind::Binary;
        let previous = constants.gated_by == GatedBy::Previous;
        Self {
            alpha: i32::from(layer.integrator().decay.to_bits()),
            rho,
            r,
            r_s,
            hyp: shares(hyp),
            dep: shares(dep),
            z,
            previous,
            least: if binary { HALF + 1 } else { SMALLEST },
            binary,
            simple: z == 0 && !previous,
            proved: layer.integrator().proved,
        }
    }

    /// True if a neuron with these bits of h spikes (Eq. 3f).
    #[inline(always)]
    pub const fn spikes(&self, h: i32) -> bool {
        h >= self.least
    }
}
