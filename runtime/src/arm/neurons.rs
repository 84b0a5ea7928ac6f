//! The timestep of neurons in assembly: neurons_dsp.s.

use crate::formats::Current;
use crate::integrator::any_input;
use crate::neurons::Constants;
use crate::spikes::LayerSpikes;
use crate::src_layer::{NeuronConstants, Potentials};
use crate::tanh;
use core::arch::global_asm;

global_asm!(env!("SPIKELET_ASSEMBLER"), include_str!("neurons_dsp.s"), options(raw));

/// Neurons that a turn of the loops advances.
const QUAD: usize = 4;

/// What both passes work on; the assembly knows the offsets.
#[repr(C)]
struct Arguments {
    currents: *mut Current,
    potentials: *mut Potentials,
    neurons: *const NeuronConstants,
    sums: *mut i32,
    /// tanh(0) in its table.
    tanh: *const i16,
    quads: u32,
    /// α, and ρ in the upper half.
    alpha_rho: u32,
    /// r, and r_s in the upper half.
    r_r_s: u32,
    /// Shares of h and, in the upper half, of h_s in the next h_s of a neuron at rest.
    hyp: u32,
    /// The same of a spiking one.
    dep: u32,
    /// 256 if spikes are binary, 0 if they are graded.
    value: u32,
    /// Where the next spike goes.
    spikes: *mut crate::Spike,
}

/// The assembly relies on this layout.
const _: () = {
    assert!(size_of::<crate::Spike>() == 4 && size_of::<Potentials>() == 4 && align_of::<Potentials>() == 4);
    assert!(size_of::<Current>() == 2 && size_of::<NeuronConstants>() == 8);
};

unsafe extern "C" {
    /// The first pass. Other bits than 0: the flag Q, bit 27, if a current was saturated.
    fn spikelet_currents_dsp(arguments: &mut Arguments) -> u32;
    /// The same of sums that were multiplied by their gains before.
    fn spikelet_products_dsp(arguments: &mut Arguments) -> u32;
    /// The first pass without sums. Other bits than 0 if a current changed.
    fn spikelet_silent_currents_dsp(arguments: &mut Arguments) -> u32;
    /// The second pass; 0.
    fn spikelet_graded_dsp(arguments: &mut Arguments) -> u32;
    fn spikelet_binary_dsp(arguments: &mut Arguments) -> u32;
    /// The second pass; other bits than 0 if a potential changed.
    fn spikelet_silent_graded_dsp(arguments: &mut Arguments) -> u32;
    fn spikelet_silent_binary_dsp(arguments: &mut Arguments) -> u32;
}

/// What a pass over whole quads has done.
pub(crate) struct Advanced {
    /// Neurons that were advanced, the first ones.
    pub neurons: usize,
    pub saturated: bool,
    pub changed: bool,
}

/// Advances as many neurons as make whole quads, if the assembly does this kind of cell; appends to `spikes`.
///
/// `sums` is overwritten; without `received` only room. `changed` is told without `received` only.
pub(crate) fn advance(
    constants: &Constants,
    received: bool,
    neurons: &[NeuronConstants],
    sums: &mut [i32],
    currents: &mut [Current],
    potentials: &mut [Potentials],
    spikes: &mut LayerSpikes,
) -> Advanced {
    let count = neurons.len().min(sums.len()).min(currents.len()).min(potentials.len());
    let room = spikes.capacity().saturating_sub(spikes.len());
    let quads = count / QUAD;
    if quads == 0 || room < count || !spikes.is_empty() || !constants.simple {
        return Advanced { neurons: 0, saturated: false, changed: false };
    }
    if received && !constants.proved {
        for (sum, &[gain, _]) in sums.iter_mut().zip(neurons).take(quads * QUAD) {
            *sum = any_input(*sum, gain);
        }
    }
    let half = |low: i32, high: i32| (low as u32 & 0xFFFF) | (high as u32) << 16;
    let mut arguments = Arguments {
        currents: currents.as_mut_ptr(),
        potentials: potentials.as_mut_ptr(),
        neurons: neurons.as_ptr(),
        sums: sums.as_mut_ptr(),
        tanh: tanh::middle(),
        quads: quads as u32,
        alpha_rho: half(constants.alpha, constants.rho),
        r_r_s: half(constants.r, constants.r_s),
        hyp: half(constants.hyp[1], constants.hyp[0]),
        dep: half(constants.dep[1], constants.dep[0]),
        value: if constants.binary { 256 } else { 0 },
        spikes: spikes.as_mut_ptr(),
    };
    // SAFETY: the passes read and write the first 4 × quads entries of slices that are at least so long and that nothing else
    // refers to meanwhile; the table of tanh has 1,024 entries on each side of its middle, and indices are
    // within -1,024 to 1,024 by the ranges of a saturated current and of a 11-bit saturated argument.
    let (first, second) = unsafe {
        if received {
            let first = if constants.proved {
                spikelet_currents_dsp(&mut arguments)
            } else {
                spikelet_products_dsp(&mut arguments)
            };
            let second = if constants.binary {
                spikelet_binary_dsp(&mut arguments)
            } else {
                spikelet_graded_dsp(&mut arguments)
            };
            (first, second)
        } else {
            let first = spikelet_silent_currents_dsp(&mut arguments);
            let second = if constants.binary {
                spikelet_silent_binary_dsp(&mut arguments)
            } else {
                spikelet_silent_graded_dsp(&mut arguments)
            };
            (first, second)
        }
    };
    // SAFETY: both pointers are into the list's memory, the second not before the first; the second pass has written every spike
    // between them, at most one per neuron, for which there is room.
    unsafe {
        let written = arguments.spikes.offset_from_unsigned(spikes.as_ptr());
        spikes.set_len(written);
    }
    Advanced {
        neurons: quads * QUAD,
        saturated: received && first != 0,
        changed: !received && (first | second) != 0,
    }
}
