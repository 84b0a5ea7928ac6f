//! Sums of rows of packed weights in assembly: sums_thumb2.s.
//!
//! The assembly goes through a list of the rows of spiking inputs, made here: chunk after chunk, each of as many rows as
//! lanes hold. A chunk is two words that its lanes start with (none for 2 bits), a pointer to each row, and a 0; the list
//! ends with another 0.

use crate::synapses::{Synapses, Width};
use core::arch::global_asm;

#[cfg(dsp)]
global_asm!(".set SPIKELET_DSP, 1", include_str!("sums_thumb2.s"), options(raw));
#[cfg(not(dsp))]
global_asm!(".set SPIKELET_DSP, 0", include_str!("sums_thumb2.s"), options(raw));

/// Words of the list.
const LIST: usize = 72;
/// Rows of the list at most: with a 0 for every 7, and two at the end, they fit.
const ROWS: usize = 56;

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
    let mut list = [0; LIST];
    for spiking in spiking.chunks(ROWS) {
        let Some(bytes) = fill::<BITS>(synapses, spiking, &mut list) else { continue };
        let mut arguments = Arguments {
            list: list.as_ptr(),
            sums: sums.as_mut_ptr(),
            groups: (full / 4) as u32,
            offset: 0,
            add,
            cursor: 0,
            bytes,
        };
        // SAFETY: every pointer in the list is to a row, of at least `full` words; a kernel reads so many words of it and writes
        // the sums of their columns, for which `sums` has room. Nothing else refers to them meanwhile.
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
    synapses.sum_plainly(spiking, first, sums);
}

/// Fills the list with the rows of spiking inputs, at most [`ROWS`], and gives the words that the bytes of 2-bit weights start
/// with; `None` if there is no row.
fn fill<const BITS: u32>(synapses: &Synapses<'_>, spiking: &[u16], list: &mut [u32; LIST]) -> Option<[u32; 2]> {
    let chunk = match BITS {
        8 => ROWS,
        4 => 16,
        _ => 7,
    };
    let mut words = list.iter_mut();
    let mut rows = spiking.iter().filter_map(|&input| synapses.row(input)).map(|row| row.as_ptr() as u32);
    let mut row = rows.next()?;
    let mut all = 0;
    'chunks: loop {
        let mut start = if BITS == 2 { None } else { words.next().zip(words.next()) };
        let mut count = 0;
        let more = loop {
            *words.next()? = row;
            count += 1;
            let next = rows.next();
            row = next.unwrap_or(0);
            if next.is_none() || count == chunk {
                break next.is_some();
            }
        };
        *words.next()? = 0;
        all += count as u32;
        if let Some((even, odd)) = &mut start {
            (**even, **odd) = lanes::<BITS>(count as u32);
        }
        if !more {
            break 'chunks;
        }
    }
    *words.next()? = 0;
    Some(lanes::<2>(all).into())
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
