//! Sums of rows of packed weights in assembly: sums_thumb2.s, or sums_thumb1.s for cores without Thumb-2.
//!
//! Graded spikes are few: their rows are added one after the other, each field times the spike's value.
//!
//! Of spikes of value 1 the assembly goes through a list of the rows of spiking inputs, made here for each plane: chunk after chunk, each
//! of as many rows as lanes hold. A chunk is the number of its rows, two words that its lanes start with, a pointer to each row, and
//! a 0; the list ends with another 0.

use crate::spikes::Spike;
use crate::synapses::{Synapses, Width, round};
use core::arch::global_asm;
use core::mem::MaybeUninit;
use core::ops::Range;
use core::ptr;

global_asm!(include_str!("rows.s"), options(raw));
#[cfg(not(thumb2))]
global_asm!(include_str!("sums_thumb1.s"), options(raw));
#[cfg(dsp)]
global_asm!(env!("SPIKELET_ASSEMBLER"), ".set SPIKELET_DSP, 1", include_str!("sums_thumb2.s"), options(raw));
#[cfg(all(thumb2, not(dsp)))]
global_asm!(".set SPIKELET_DSP, 0", include_str!("sums_thumb2.s"), options(raw));

/// Rows of a list at most, so that it takes little stack. Bytes hold the sums of 56 fields of 2 bits.
const ROWS: usize = 32;
/// Words of a list: room for 25 rows in chunks of 5, as many as the spikes of a usual timestep, each chunk with four words more, and
/// for the last word. Larger chunks leave room for more rows.
const LIST: usize = 5 * (5 + 4) + 1;

/// What a kernel works on; the assembly knows the offsets.
#[repr(C)]
struct Arguments {
    list: *mut u32,
    sums: *mut i32,
    /// Groups of four words, or words, to go.
    groups: u32,
    /// Bytes from a row's pointer to the first of them. Working memory of cores without Thumb-2.
    offset: u32,
    /// 0 to write the sums, 1 to add to them.
    add: u32,
    /// Working memory.
    cursor: u32,
    /// Of 2 bits: what bytes start with, and those that hold every second field besides. Of 1 bit: what a field counts, and what
    /// is added to each sum.
    bytes: [u32; 2],
}

/// Lanes that fields are added up in: two words have those of even and of odd fields of a word.
#[derive(Clone, Copy)]
struct Lanes {
    /// Bits of a lane.
    bits: u32,
    /// 1 in each lane of a word.
    ones: u32,
    /// Bits that lanes of odd fields hold those of even ones besides in, shifted down; 0 if they do not.
    besides: u32,
}

impl Lanes {
    const HALVES: Self = Self { bits: 16, ones: 0x0001_0001, besides: if cfg!(dsp) { 0 } else { !0xFFFF } };
    const BYTES: Self = Self { bits: 8, ones: 0x0101_0101, besides: !0xFF };
    /// These start empty.
    const NIBBLES: Self = Self { bits: 4, ones: 0, besides: 0 };

    /// What lanes start with if so many rows less a bias are going to be added: the middle of their range less all biases.
    #[inline(always)]
    const fn start(self, bias: u32, rows: u32) -> [u32; 2] {
        let even = ((1 << (self.bits - 1)) - bias * rows).wrapping_mul(self.ones);
        [even, even.wrapping_add((even & self.besides) >> (self.bits / 2))]
    }
}

/// A kind of plane, and the kernels that add it up.
struct Plane {
    bits: u32,
    /// Bits of the plane before it, 0 if it is the first of a row.
    below: u32,
    /// A word has 2 to the power of so many columns.
    columns: u32,
    /// What a field counts in a sum, where it is not 1 anyway.
    scale: u32,
    /// What is subtracted from each field, or from what it counts.
    bias: u32,
    lanes: Lanes,
    /// Rows that the lanes hold.
    chunk: usize,
    /// Rows of a list.
    rows: usize,
    /// A group has 2 to the power of so many words.
    group: u32,
    groups: Kernel,
    rest: Kernel,
    graded: Graded,
}

impl Plane {
    const EIGHT: Self = Self {
        bits: 8,
        below: 0,
        columns: 2,
        scale: 1,
        bias: 127,
        lanes: Lanes::HALVES,
        chunk: ROWS,
        rows: Self::rows(ROWS),
        group: 2,
        groups: spikelet_sum8_groups,
        rest: spikelet_sum8_words,
        graded: spikelet_graded8,
    };
    const FOUR: Self = Self {
        bits: 4,
        columns: 3,
        bias: 7,
        lanes: Lanes::BYTES,
        chunk: 16,
        rows: Self::rows(16),
        groups: spikelet_sum4_groups,
        rest: spikelet_sum4_words,
        graded: spikelet_graded4,
        ..Self::EIGHT
    };
    /// Nibbles hold 7 fields that are at most 2.
    const TWO: Self = Self {
        bits: 2,
        columns: 4,
        bias: 1,
        lanes: Lanes::NIBBLES,
        chunk: 7,
        rows: Self::rows(7),
        groups: spikelet_sum2_groups,
        rest: spikelet_sum2_words,
        graded: spikelet_graded2,
        ..Self::EIGHT
    };
    /// Under a plane of one bit.
    const LOWER_TWO: Self = Self { bias: 2, chunk: 5, rows: Self::rows(5), ..Self::TWO };
    /// With Thumb-2, the kernel takes words alone.
    const ONE: Self = Self {
        bits: 1,
        columns: 5,
        lanes: Lanes::NIBBLES,
        chunk: 15,
        rows: Self::rows(15),
        group: if cfg!(thumb2) { 0 } else { 1 },
        #[cfg(thumb2)]
        groups: spikelet_sum1_words,
        #[cfg(not(thumb2))]
        groups: spikelet_sum1_groups,
        rest: spikelet_sum1_words,
        graded: spikelet_graded1,
        ..Self::EIGHT
    };

    /// Planes of rows, the upper one first: with it goes what is left of the bias. In the lower ones, bytes hold 16 fields of 4
    /// bits if 8 is subtracted, and nibbles 5 of 2 bits.
    const fn of(width: Width) -> &'static [Self] {
        match width {
            Width::Eight if cfg!(feature = "width-8") => &[Self::EIGHT],
            Width::Five if cfg!(feature = "width-5") => {
                &[Self { below: 4, scale: 16, bias: 7, ..Self::ONE }, Self { bias: 8, ..Self::FOUR }]
            }
            Width::Four if cfg!(feature = "width-4") => &[Self::FOUR],
            Width::Three if cfg!(feature = "width-3") => {
                &[Self { below: 2, scale: 4, bias: 1, ..Self::ONE }, Self::LOWER_TWO]
            }
            Width::Two if cfg!(feature = "width-2") => &[Self::TWO],
            _ => &[],
        }
    }
}

impl Plane {
    /// Rows of a list: as many as it has room for, and [`ROWS`] at most.
    const fn rows(chunk: usize) -> usize {
        let (chunks, rest) = ((LIST - 1) / (chunk + 4), (LIST - 1) % (chunk + 4));
        let rows = chunks * chunk + rest.saturating_sub(4);
        if rows < ROWS { rows } else { ROWS }
    }

    /// Words of whose columns all have room among so many sums, and whether there are more.
    #[inline(always)]
    fn words(&self, synapses: &Synapses<'_>, room: usize) -> (usize, bool) {
        let words = synapses.shape().plane_words(self.bits);
        let full = words.min(room >> self.columns);
        (full, full < words)
    }
}

/// The rows of a block; the assembly knows the offsets.
#[repr(C)]
struct Rows {
    /// The first, from the plane's first word on.
    first: *const u32,
    /// Of one.
    bytes: u32,
    inputs: u32,
    /// For each input its row, or a null pointer if each has its own.
    table: *const u16,
}

unsafe extern "C" {
    /// Writes pointers to the rows of the inputs from `first` up to `last` from `next` on, and gives what follows them.
    fn spikelet_rows(next: *mut u32, first: *const u16, last: *const u16, rows: &Rows) -> *mut u32;
    fn spikelet_sum8_groups(arguments: &mut Arguments);
    fn spikelet_sum8_words(arguments: &mut Arguments);
    fn spikelet_sum4_groups(arguments: &mut Arguments);
    fn spikelet_sum4_words(arguments: &mut Arguments);
    fn spikelet_sum2_groups(arguments: &mut Arguments);
    fn spikelet_sum2_words(arguments: &mut Arguments);
    #[cfg(not(thumb2))]
    fn spikelet_sum1_groups(arguments: &mut Arguments);
    fn spikelet_sum1_words(arguments: &mut Arguments);
    /// Adds the fields of `words` words of a row, which must not be 0, times `value` to the sums of their columns.
    fn spikelet_graded8(row: *const u32, sums: *mut i32, words: u32, value: i32);
    fn spikelet_graded4(row: *const u32, sums: *mut i32, words: u32, value: i32);
    fn spikelet_graded2(row: *const u32, sums: *mut i32, words: u32, value: i32);
    fn spikelet_graded1(row: *const u32, sums: *mut i32, words: u32, value: i32);
}

type Kernel = unsafe extern "C" fn(&mut Arguments);
type Graded = unsafe extern "C" fn(*const u32, *mut i32, u32, i32);

/// The entries of the sums that may be written: those of the columns, up to a multiple of 16.
#[inline]
fn room<'s>(synapses: &Synapses<'_>, sums: &'s mut [i32]) -> &'s mut [i32] {
    let room = synapses.shape().columns_kept().next_multiple_of(16).min(sums.len());
    sums.get_mut(..room).unwrap_or(&mut [])
}

/// [`Synapses::sum`] but for pruned columns.
#[inline]
pub(crate) fn sum(synapses: &Synapses<'_>, spiking: &[u16], sums: &mut [i32]) {
    let sums = room(synapses, sums);
    let mut added = false;
    for plane in Plane::of(synapses.width()) {
        let (full, partial) = plane.words(synapses, sums.len());
        let Some((whole, part)) = sums.split_at_mut_checked(full << plane.columns) else { return };
        if partial && !part.is_empty() {
            add_part(synapses, plane, spiking, added, full, part);
        }
        // List by list, so that little of this is on the stack twice.
        for spiking in spiking.chunks(plane.rows.max(1)) {
            added |= add_rows(synapses, plane, spiking, added, full, whole);
        }
    }
    if !added {
        sums.fill(0);
    }
}

/// [`Synapses::sum_graded`] but for pruned columns.
#[inline]
pub(crate) fn sum_graded(synapses: &Synapses<'_>, spikes: &[Spike], shift: u8, sums: &mut [i32]) {
    let sums = room(synapses, sums);
    sums.fill(0);
    let mut values = 0;
    for plane in Plane::of(synapses.width()) {
        values = add_graded(synapses, plane, spikes, sums);
    }
    round(values * i32::from(synapses.width().most()), shift, sums);
}

/// Adds a plane's fields times the values of spikes to the sums of its columns; the sum of these values.
#[inline(never)]
fn add_graded(synapses: &Synapses<'_>, plane: &Plane, spikes: &[Spike], sums: &mut [i32]) -> i32 {
    let (full, partial) = plane.words(synapses, sums.len());
    let Some((whole, part)) = sums.split_at_mut_checked(full << plane.columns) else { return 0 };
    let mut values = 0;
    if full > 0 {
        // SAFETY: these words are in each row, and there is room for their sums.
        values = unsafe { each_row(synapses, plane, graded(spikes), 0, full, whole.as_mut_ptr()) };
    }
    if partial && !part.is_empty() {
        let mut last = [0; 32];
        // SAFETY: as above.
        values = unsafe { each_row(synapses, plane, graded(spikes), full, 1, last.as_mut_ptr()) };
        for (sum, last) in part.iter_mut().zip(last) {
            *sum += last;
        }
    }
    values
}

/// Spikes as inputs with their values.
fn graded(spikes: &[Spike]) -> impl Iterator<Item = (u16, i32)> {
    spikes.iter().map(|spike| (spike.neuron, i32::from(spike.value().to_bits())))
}

/// Adds the fields of `words` words of a plane, from the `first` on, times the values of spiking inputs; the sum of these values.
///
/// # Safety
/// There must be so many words in the plane, at least one, and room for the sums of their columns.
#[inline(never)]
unsafe fn each_row(
    synapses: &Synapses<'_>,
    plane: &Plane,
    spiking: impl Iterator<Item = (u16, i32)>,
    first: usize,
    words: usize,
    sums: *mut i32,
) -> i32 {
    let first = synapses.shape().plane_words(plane.below) + first;
    let mut values = 0;
    for (input, value) in spiking {
        let Some(row) = synapses.row_of(input) else { continue };
        // Rows lie in the block, whose length is that of all rows: so this does not overflow.
        let at = usize::from(row).wrapping_mul(synapses.row_words()).wrapping_add(first);
        values += value;
        // SAFETY: the words are in the row, as the caller grants, and so is the room.
        unsafe {
            (plane.graded)(synapses.block().as_ptr().add(at), sums, words as u32, value * plane.scale as i32);
        }
    }
    values
}

/// The same as [`add_rows`] for the columns of a word that do not all have room: row by row, which takes no list.
#[inline(never)]
fn add_part(
    synapses: &Synapses<'_>,
    plane: &Plane,
    spiking: &[u16],
    add: bool,
    word: usize,
    part: &mut [i32],
) {
    let mut last = [0; 32];
    // SAFETY: the word is in each row, and there is room for its sums.
    let rows = unsafe {
        each_row(synapses, plane, spiking.iter().map(|&input| (input, 1)), word, 1, last.as_mut_ptr())
    };
    let bias = plane.bias as i32 * rows;
    for (sum, last) in part.iter_mut().zip(last) {
        *sum = if add { *sum } else { 0 } + last - bias;
    }
}

/// Writes the sums of the columns of a plane's first `words` words, or adds them to what is there; says whether there was a row
/// at all. The inputs are at most as many as a list has room for.
#[inline(never)]
fn add_rows(
    synapses: &Synapses<'_>,
    plane: &Plane,
    spiking: &[u16],
    add: bool,
    words: usize,
    sums: &mut [i32],
) -> bool {
    let mut list = [const { MaybeUninit::uninit() }; LIST];
    let rows = fill(synapses, plane, spiking, &mut list);
    if rows == 0 {
        return false;
    }
    let grouped = words >> plane.group << plane.group;
    let mut arguments = Arguments {
        list: list.as_mut_ptr().cast(),
        sums: sums.as_mut_ptr(),
        groups: (words >> plane.group) as u32,
        offset: 0,
        add: add.into(),
        cursor: 0,
        bytes: if plane.scale > 1 {
            [plane.scale, (plane.bias * rows).wrapping_neg()]
        } else {
            Lanes::BYTES.start(plane.bias, rows)
        },
    };
    // SAFETY: the list is filled up to the 0 that ends it. Every pointer in it is to a plane of a row, of at least `words` words;
    // a kernel reads so many of it and writes the sums of their columns, for which there is room. Nothing else refers to
    // them meanwhile.
    unsafe {
        if arguments.groups > 0 {
            (plane.groups)(&mut arguments);
        }
        arguments.groups = (words - grouped) as u32;
        arguments.offset = 4 * grouped as u32;
        if arguments.groups > 0 {
            (plane.rest)(&mut arguments);
        }
    }
    true
}

/// Fills the list with the rows of spiking inputs, at most the plane's; says how many they are. Apart from [`add_rows`], so that
/// its stack is free while a kernel is at work.
#[inline(never)]
fn fill(synapses: &Synapses<'_>, plane: &Plane, spiking: &[u16], list: &mut [MaybeUninit<u32>; LIST]) -> u32 {
    let shape = synapses.shape();
    let rows = Rows {
        // Rows lie in the block, whose length is that of all rows: so their addresses do not overflow.
        first: synapses.block().as_ptr().wrapping_add(shape.plane_words(plane.below)),
        bytes: 4 * synapses.row_words() as u32,
        inputs: shape.inputs.into(),
        table: shape.rows.map_or(ptr::null(), <[u16]>::as_ptr),
    };
    let mut end: *mut u32 = list.as_mut_ptr().cast();
    let mut all = 0;
    for spiking in spiking.get(..plane.rows).unwrap_or(spiking).chunks(plane.chunk.max(1)) {
        // SAFETY: there is room for so many rows, and for the four other words of so many chunks; no chunk is empty. A table has a
        // row for each input, and rows it names are in the block.
        unsafe {
            let start = end.add(3);
            let Range { start: first, end: last } = spiking.as_ptr_range();
            let next = spikelet_rows(start, first, last, &rows);
            let rows = next.offset_from_unsigned(start) as u32;
            if rows == 0 {
                continue;
            }
            let [even, odd] = plane.lanes.start(plane.bias, rows);
            end.write(rows);
            end.add(1).write(even);
            end.add(2).write(odd);
            next.write(0);
            end = next.add(1);
            all += rows;
        }
    }
    // SAFETY: there is room for the last word.
    unsafe { end.write(0) };
    all
}
