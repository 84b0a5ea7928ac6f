//! The timestep of neurons in assembly: neurons_thumb2.s, or neurons_thumb1.s for cores without Thumb-2.

use crate::formats::Current;
use crate::integrator::any_input;
use crate::neurons::Constants;
use crate::spikes::LayerSpikes;
use crate::src_layer::{NeuronConstants, Potentials};
use crate::tanh;
use core::arch::global_asm;

#[cfg(dsp)]
global_asm!(
    env!("SPIKELET_ASSEMBLER"),
    ".set SPIKELET_DSP, 1",
    include_str!("neurons_thumb2.s"),
    options(raw)
);
#[cfg(all(thumb2, not(dsp)))]
global_asm!(".set SPIKELET_DSP, 0", include_str!("neurons_thumb2.s"), options(raw));
#[cfg(not(thumb2))]
global_asm!(include_str!("neurons_thumb1.s"), options(raw));

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
    alpha: i16,
    rho: i16,
    r: i16,
    r_s: i16,
    /// Shares of h and of h_s in the next h_s of a neuron at rest.
    hyp: [i16; 2],
    /// The same of a spiking one.
    dep: [i16; 2],
    /// 256 if spikes are binary, 0 if they are graded.
    value: u32,
    /// Least h that makes a spike.
    least: i32,
    /// Where the next spike goes.
    spikes: *mut crate::Spike,
}

/// The assembly relies on this layout.
const _: () = {
    assert!(size_of::<crate::Spike>() == 4 && size_of::<Potentials>() == 4 && align_of::<Potentials>() == 4);
    assert!(size_of::<Current>() == 2 && size_of::<NeuronConstants>() == 8);
};

unsafe extern "C" {
    /// The first pass. Other bits than 0 if a current was saturated.
    fn spikelet_currents(arguments: &mut Arguments) -> u32;
    /// The same of sums that were multiplied by their gains before.
    fn spikelet_products(arguments: &mut Arguments) -> u32;
    /// The first pass without sums. Other bits than 0 if a current changed.
    fn spikelet_silent_currents(arguments: &mut Arguments) -> u32;
    /// The second pass; 0.
    fn spikelet_potentials(arguments: &mut Arguments) -> u32;
    /// The second pass; other bits than 0 if a potential changed.
    fn spikelet_silent_potentials(arguments: &mut Arguments) -> u32;
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
    // Without Thumb-2 both shares of h_s must make exactly 1; the format cannot hold the one next to a 0.
    let shared = cfg!(thumb2) || constants.hyp[0] > 0;
    if quads == 0 || room < count || !spikes.is_empty() || !constants.simple || !shared {
        return Advanced { neurons: 0, saturated: false, changed: false };
    }
    if received && !constants.proved {
        for (sum, &[gain, _]) in sums.iter_mut().zip(neurons).take(quads * QUAD) {
            *sum = any_input(*sum, gain);
        }
    }
    // All of them are the bits of 16-bit numbers.
    let [hyp, dep] = [constants.hyp, constants.dep].map(|[of_h_s, of_h]| [of_h as i16, of_h_s as i16]);
    let mut arguments = Arguments {
        currents: currents.as_mut_ptr(),
        potentials: potentials.as_mut_ptr(),
        neurons: neurons.as_ptr(),
        sums: sums.as_mut_ptr(),
        tanh: tanh::middle(),
        quads: quads as u32,
        alpha: constants.alpha as i16,
        rho: constants.rho as i16,
        r: constants.r as i16,
        r_s: constants.r_s as i16,
        hyp,
        dep,
        value: if constants.binary { 256 } else { 0 },
        least: constants.least,
        spikes: spikes.as_mut_ptr(),
    };
    // SAFETY: the passes read and write the first 4 × quads entries of slices that are at least so long and that nothing else
    // refers to meanwhile; the table of tanh has 1,024 entries on each side of its middle, and indices are
    // within -1,024 to 1,024 by the ranges of a saturated current and of an argument limited to 11 bits.
    let (first, second) = unsafe {
        match (received, constants.proved) {
            (true, true) => (spikelet_currents(&mut arguments), spikelet_potentials(&mut arguments)),
            (true, false) => (spikelet_products(&mut arguments), spikelet_potentials(&mut arguments)),
            (false, _) => {
                (spikelet_silent_currents(&mut arguments), spikelet_silent_potentials(&mut arguments))
            }
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
