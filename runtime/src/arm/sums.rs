//! Sums of rows of packed weights in assembly: sums_thumb2.s.
//!
//! Graded spikes are few: their rows are added one after the other, each field times the spike's value.
//!
//! Of spikes of value 1 the assembly goes through a list of the rows of spiking inputs, made here: chunk after chunk, each of as many rows as
//! lanes hold. A chunk is two words that its lanes start with and 1 if its rows are odd (these three not for 2 bits), a pointer
//! to each row, and a 0; the list ends with another 0.

use crate::spikes::Spike;
use crate::synapses::{Synapses, Width, round};
use core::arch::global_asm;
use core::mem::MaybeUninit;

#[cfg(dsp)]
global_asm!(".set SPIKELET_DSP, 1", include_str!("sums_thumb2.s"), options(raw));
#[cfg(not(dsp))]
global_asm!(".set SPIKELET_DSP, 0", include_str!("sums_thumb2.s"), options(raw));

/// Rows of a list at most.
const ROWS: usize = 48;
/// Words of a list: four more for each 16 rows of 4 bits, and the last.
const LIST: usize = ROWS + 4 * ROWS.div_ceil(16) + 1;

/// What a kernel works on; the assembly knows the offsets.
#[repr(C)]
struct Arguments {
    list: *const u32,
    sums: *mut i32,
    /// Groups of four words, or words, to go.
    groups: u32,
    /// Bytes from a row's start to the first of them.
    offset: u32,
    /// 0 to write the sums, 1 to add to them.
    add: u32,
    /// Working memory.
    cursor: u32,
    /// Of 2 bits: what bytes start with, and those that hold every second field besides.
    bytes: [u32; 2],
}

unsafe extern "C" {
    fn spikelet_sum8_groups(arguments: &mut Arguments);
    fn spikelet_sum8_words(arguments: &mut Arguments);
    fn spikelet_sum4_groups(arguments: &mut Arguments);
    fn spikelet_sum4_words(arguments: &mut Arguments);
    fn spikelet_sum2_groups(arguments: &mut Arguments);
    fn spikelet_sum2_words(arguments: &mut Arguments);
    /// Adds the fields of `words` words of a row, which must not be 0, times `value` to the sums of their columns.
    fn spikelet_graded8(row: *const u32, sums: *mut i32, words: u32, value: i32);
    fn spikelet_graded4(row: *const u32, sums: *mut i32, words: u32, value: i32);
    fn spikelet_graded2(row: *const u32, sums: *mut i32, words: u32, value: i32);
}

type Kernel = unsafe extern "C" fn(&mut Arguments);

/// [`Synapses::sum`] but for pruned columns.
#[inline]
pub(crate) fn sum(synapses: &Synapses<'_>, spiking: &[u16], sums: &mut [i32]) {
    match synapses.width() {
        width if !width.is_built() => {}
        Width::Eight if cfg!(feature = "width-8") => {
            each_list::<8>(synapses, spiking, sums, spikelet_sum8_groups, spikelet_sum8_words);
        }
        Width::Four if cfg!(feature = "width-4") => {
            each_list::<4>(synapses, spiking, sums, spikelet_sum4_groups, spikelet_sum4_words);
        }
        Width::Two if cfg!(feature = "width-2") => {
            each_list::<2>(synapses, spiking, sums, spikelet_sum2_groups, spikelet_sum2_words);
        }
        _ => synapses.sum_in_lanes(spiking, sums),
    }
}

/// [`Synapses::sum_graded`] but for pruned columns, less the shift.
#[inline]
pub(crate) fn sum_graded(synapses: &Synapses<'_>, spikes: &[Spike], shift: u8, sums: &mut [i32]) {
    match synapses.width() {
        width if !width.is_built() => {}
        Width::Eight if cfg!(feature = "width-8") => {
            each_spike::<8>(synapses, spikes, shift, sums, spikelet_graded8);
        }
        Width::Four if cfg!(feature = "width-4") => {
            each_spike::<4>(synapses, spikes, shift, sums, spikelet_graded4);
        }
        Width::Two if cfg!(feature = "width-2") => {
            each_spike::<2>(synapses, spikes, shift, sums, spikelet_graded2);
        }
        _ => synapses.sum_graded_in_lanes(spikes, shift, sums),
    }
}

#[inline(never)]
fn each_spike<const BITS: u32>(
    synapses: &Synapses<'_>,
    spikes: &[Spike],
    shift: u8,
    sums: &mut [i32],
    kernel: unsafe extern "C" fn(*const u32, *mut i32, u32, i32),
) {
    let columns = 32 / BITS as usize;
    let full = synapses.row_words().min(sums.len() / columns);
    if full < synapses.row_words() {
        return synapses.sum_graded_in_lanes(spikes, shift, sums);
    }
    let sums = sums.get_mut(..full * columns).unwrap_or(&mut []);
    sums.fill(0);
    let mut values = 0;
    for spike in spikes {
        let Some(row) = synapses.row(spike.neuron) else { continue };
        let value = i32::from(spike.value().to_bits());
        values += value;
        // SAFETY: a row has so many words, at least one, and `sums` the sums of all columns of these. Nothing else refers to them
        // meanwhile.
        unsafe { kernel(row.as_ptr(), sums.as_mut_ptr(), full as u32, value) }
    }
    round(values * i32::from(synapses.width().most()), shift, sums);
}

#[inline(never)]
fn each_list<const BITS: u32>(
    synapses: &Synapses<'_>,
    spiking: &[u16],
    sums: &mut [i32],
    groups: Kernel,
    words: Kernel,
) {
    // Words of a row whose columns all have room.
    let full = synapses.row_words().min(sums.len() / (32 / BITS as usize));
    let mut add = 0;
    let mut list = [const { MaybeUninit::uninit() }; LIST];
    for spiking in spiking.chunks(ROWS) {
        let Some(bytes) = fill::<BITS>(synapses, spiking, &mut list) else { continue };
        let mut arguments = Arguments {
            list: list.as_ptr().cast(),
            sums: sums.as_mut_ptr(),
            groups: (full / 4) as u32,
            offset: 0,
            add,
            cursor: 0,
            bytes,
        };
        // SAFETY: the list is filled up to the 0 that ends it. Every pointer in it is to a row, of at least `full` words; a kernel
        // reads so many words of it and writes the sums of their columns, for which `sums` has room. Nothing else refers to
        // them meanwhile.
        unsafe {
            if arguments.groups > 0 {
                groups(&mut arguments);
            }
            arguments.groups = (full % 4) as u32;
            arguments.offset = (full / 4 * 16) as u32;
            if arguments.groups > 0 {
                words(&mut arguments);
            }
        }
        add = 1;
    }
    // No row at all, or columns without room for their whole word.
    let first = if add == 0 { 0 } else { full * (32 / BITS as usize) };
    if first < sums.len() {
        synapses.sum_plainly(spiking, first, sums);
    }
}

/// Fills the list with the rows of spiking inputs, at most [`ROWS`], and gives the words that the bytes of 2-bit weights start
/// with; `None` if there is no row.
#[inline(always)]
fn fill<const BITS: u32>(
    synapses: &Synapses<'_>,
    spiking: &[u16],
    list: &mut [MaybeUninit<u32>; LIST],
) -> Option<[u32; 2]> {
    // Rows that lanes hold, and words before a chunk.
    let (chunk, header) = match BITS {
        8 => (ROWS, 3),
        4 => (16, 3),
        _ => (7, 0),
    };
    let base = synapses.block().as_ptr() as u32;
    let bytes = 4 * synapses.row_words() as u32;
    let (mut all, mut end) = (0, 0);
    for spiking in spiking.chunks(chunk) {
        let start = end + header;
        let mut next = start;
        for &input in spiking {
            // Rows lie in the block, whose length is that of all rows: so their addresses do not overflow.
            if let Some(row) = synapses.row_of(input)
                && let Some(word) = list.get_mut(next)
            {
                word.write(base.wrapping_add(bytes.wrapping_mul(row.into())));
                next += 1;
            }
        }
        let rows = (next - start) as u32;
        if rows == 0 {
            continue;
        }
        if header > 0 {
            let (even, odd) = lanes::<BITS>(rows);
            for (word, value) in list.get_mut(end..start)?.iter_mut().zip([even, odd, rows & 1]) {
                word.write(value);
            }
        }
        list.get_mut(next)?.write(0);
        end = next + 1;
        all += rows;
    }
    list.get_mut(end)?.write(0);
    if all == 0 { None } else { Some(lanes::<2>(all).into()) }
}

/// What lanes of even and of odd fields start with if so many rows are going to be added: the middle of their range less all biases.
fn lanes<const BITS: u32>(rows: u32) -> (u32, u32) {
    match BITS {
        8 => {
            let even = (0x8000 - 127 * rows) * 0x0001_0001;
            // With DSP, lanes of odd fields hold only those.
            (even, if cfg!(dsp) { even } else { even.wrapping_add((even >> 16) << 8) })
        }
        4 => {
            let even = (0x80 - 7 * rows) * 0x0101_0101;
            (even, even.wrapping_add((even & !0xFF) >> 4))
        }
        // Bytes of nibbles of 2-bit fields.
        _ => {
            let even = (0x80 - rows) * 0x0101_0101;
            (even, even.wrapping_add((even & !0xFF) >> 4))
        }
    }
}
