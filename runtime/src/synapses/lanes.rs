//! Sums of rows, many weights at once in the lanes of words: portable, for every core and for hosts.
//!
//! Fields of a plane are added up in lanes of twice their bits for as many spikes as fit (nibbles in bytes: 16 spikes), then
//! those in lanes of 16 bits, and these after 256 spikes in the sums. Rows of all spikes pass by for a few words of a row at
//! a time, whose lanes stay in registers.

use super::{Synapses, round};
use crate::spikes::Spike;

/// Words of a row at a time: on hosts those of a wide vector, on devices what registers hold.
const WORDS: usize = if cfg!(target_os = "none") { 2 } else { 16 };
/// Words at a time of what is left of a row, on hosts.
const FEW: usize = 4;
/// Spikes after which 16-bit lanes are emptied: so many times 254 fits.
const FULL: usize = 256;

/// Planes of so many bits that some width of this build has.
const EIGHT: bool = cfg!(feature = "width-8");
const FOUR: bool = cfg!(any(feature = "width-5", feature = "width-4"));
const TWO: bool = cfg!(any(feature = "width-3", feature = "width-2"));
const ONE: bool = cfg!(any(feature = "width-5", feature = "width-3"));

/// Sums the rows of `spiking` for each column.
#[inline]
pub(super) fn sum(synapses: &Synapses<'_>, spiking: &[u16], sums: &mut [i32]) {
    let shape = synapses.shape();
    let rows = spiking.iter().filter(|&&input| synapses.row(input).is_some()).count() as i32;
    sums.fill(-rows * i32::from(shape.width.most()));
    let (mut first, mut scale) = (0, 0);
    for &bits in shape.width.planes() {
        let plane = Plane { synapses, spiking, first, scale };
        match bits {
            8 if EIGHT => dispatch::<8, 2>(&plane, sums),
            4 if FOUR => dispatch::<4, 4>(&plane, sums),
            2 if TWO => dispatch::<2, 8>(&plane, sums),
            1 if ONE => dispatch::<1, 16>(&plane, sums),
            _ => {}
        }
        first += shape.plane_words(bits);
        scale += bits;
    }
}

/// One plane of the rows that spike.
struct Plane<'s, 'm> {
    synapses: &'s Synapses<'m>,
    spiking: &'s [u16],
    /// Its first word in a row.
    first: usize,
    /// Its weight's bits below it.
    scale: u32,
}

/// On hosts: with the widest vectors of the processor. On devices planes of each kind have a stack frame of their own: one for all
/// would be twice as large.
#[cfg_attr(not(target_os = "none"), inline)]
#[cfg_attr(target_os = "none", inline(never))]
fn dispatch<const BITS: u32, const LANES: usize>(plane: &Plane<'_, '_>, sums: &mut [i32]) {
    #[cfg(not(target_os = "none"))]
    crate::vectors().dispatch(AddPlane::<BITS, LANES> { plane, sums });
    #[cfg(target_os = "none")]
    plane.add::<BITS, LANES>(sums);
}

/// [`Plane::add`] as pulp dispatches it. A type, since a closure of this size would not be inlined where the instructions are.
#[cfg(not(target_os = "none"))]
struct AddPlane<'p, 's, 'm, const BITS: u32, const LANES: usize> {
    plane: &'p Plane<'s, 'm>,
    sums: &'p mut [i32],
}

#[cfg(not(target_os = "none"))]
impl<const BITS: u32, const LANES: usize> pulp::NullaryFnOnce for AddPlane<'_, '_, '_, BITS, LANES> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.plane.add::<BITS, LANES>(self.sums);
    }
}

impl Plane<'_, '_> {
    /// Adds the plane's fields to the sums. `LANES` is 16 / `BITS`, the 16-bit lanes' words for each word of the plane.
    #[inline(always)]
    fn add<const BITS: u32, const LANES: usize>(&self, sums: &mut [i32]) {
        let columns = WORDS * (32 / BITS) as usize;
        let mut word = 0;
        let mut blocks = sums.chunks_exact_mut(columns);
        for sums in blocks.by_ref() {
            self.add_words::<BITS, LANES, WORDS>(word, sums);
            word += WORDS;
        }
        let mut rest = blocks.into_remainder();
        if WORDS > FEW {
            let mut blocks = rest.chunks_exact_mut(FEW * (32 / BITS) as usize);
            for sums in blocks.by_ref() {
                self.add_words::<BITS, LANES, FEW>(word, sums);
                word += FEW;
            }
            rest = blocks.into_remainder();
        }
        for sums in rest.chunks_mut((32 / BITS) as usize) {
            self.add_words::<BITS, LANES, 1>(word, sums);
            word += 1;
        }
    }

    /// Adds `W` words from `word` on.
    #[inline(always)]
    fn add_words<const BITS: u32, const LANES: usize, const W: usize>(&self, word: usize, sums: &mut [i32]) {
        for spiking in self.spiking.chunks(FULL) {
            let mut lanes = [[0u32; W]; LANES];
            if BITS == 8 {
                let (mut even, mut odd) = ([0u32; W], [0u32; W]);
                for words in spiking.iter().filter_map(|&input| self.words_of::<W>(input, word)) {
                    add_fields::<BITS, W>(words, &mut even, &mut odd);
                }
                if let [first, second, ..] = &mut lanes[..] {
                    (*first, *second) = (even, odd);
                }
            } else {
                // Fields of 4 bits add up to 240 in 16 spikes, of 2 bits to 15 in 5, of 1 bit to 3 in 3.
                let few = if BITS == 4 {
                    16
                } else if BITS == 2 {
                    5
                } else {
                    3
                };
                for spiking in spiking.chunks(few) {
                    let (mut even, mut odd) = ([0u32; W], [0u32; W]);
                    for words in spiking.iter().filter_map(|&input| self.words_of::<W>(input, word)) {
                        add_fields::<BITS, W>(words, &mut even, &mut odd);
                    }
                    widen_double::<BITS, LANES, W>(even, odd, &mut lanes);
                }
            }
            self.empty::<BITS, LANES, W>(&lanes, sums);
        }
    }

    /// `W` words of an input's row, from the plane's word `word` on.
    #[inline(always)]
    fn words_of<const W: usize>(&self, input: u16, word: usize) -> Option<&[u32; W]> {
        self.synapses.row(input)?.get(self.first + word..)?.first_chunk()
    }

    /// Adds the 16-bit lanes to the sums of their columns.
    #[inline(always)]
    fn empty<const BITS: u32, const LANES: usize, const W: usize>(
        &self,
        lanes: &[[u32; W]; LANES],
        sums: &mut [i32],
    ) {
        let (halves, last) = sums.as_chunks_mut::<LANES>();
        for (half, sums) in halves.iter_mut().enumerate() {
            for (sum, lanes) in sums.iter_mut().zip(lanes) {
                *sum += of_half(lanes, half, self.scale);
            }
        }
        let half = halves.len();
        for (sum, lanes) in last.iter_mut().zip(lanes) {
            *sum += of_half(lanes, half, self.scale);
        }
    }
}

/// The 16-bit lane of a half of a word, in the weight of its plane.
#[inline(always)]
fn of_half<const W: usize>(lanes: &[u32; W], half: usize, scale: u32) -> i32 {
    let lane = lanes.get(half / 2).map_or(0, |lane| lane >> (16 * (half % 2)) & 0xFFFF);
    (lane << scale) as i32
}

/// Every second field of so many bits.
const fn fields(bits: u32) -> u32 {
    match bits {
        8 => 0x00FF_00FF,
        4 => 0x0F0F_0F0F,
        2 => 0x3333_3333,
        _ => 0x5555_5555,
    }
}

/// Adds even and odd fields of `BITS` bits apart, in lanes of twice their bits.
#[inline(always)]
fn add_fields<const BITS: u32, const W: usize>(words: &[u32; W], even: &mut [u32; W], odd: &mut [u32; W]) {
    for w in 0..W {
        even[w] += words[w] & fields(BITS);
    }
    for w in 0..W {
        odd[w] += words[w] >> BITS & fields(BITS);
    }
}

/// Adds fields that have been added up in lanes of 2 `BITS` bits, even and odd ones apart, to 16-bit lanes: lane l of a word
/// has fields l and `LANES` + l.
#[inline(always)]
fn widen_double<const BITS: u32, const LANES: usize, const W: usize>(
    even: [u32; W],
    odd: [u32; W],
    lanes: &mut [[u32; W]; LANES],
) {
    let mask = ((1u32 << (2 * BITS)) - 1) * 0x0001_0001;
    for (lane, sums) in lanes.iter_mut().enumerate() {
        let from = if lane % 2 == 0 { &even } else { &odd };
        for w in 0..W {
            sums[w] += from[w] >> (2 * BITS * (lane as u32 / 2)) & mask;
        }
    }
}

/// Sums the rows of spikes times their values for each column, less `shift` bits.
#[inline]
pub(super) fn sum_graded(synapses: &Synapses<'_>, spikes: &[Spike], shift: u8, sums: &mut [i32]) {
    let shape = synapses.shape();
    let mut values = 0;
    sums.fill(0);
    for spike in spikes {
        let Some(row) = synapses.row(spike.neuron) else { continue };
        let value = i32::from(spike.value().to_bits());
        values += value;
        let (mut row, mut scale) = (row, 0);
        for &bits in shape.width.planes() {
            let (plane, rest) = row.split_at_checked(shape.plane_words(bits)).unwrap_or((row, &[]));
            match bits {
                8 if EIGHT => add_graded::<8>(plane, value << scale, sums),
                4 if FOUR => add_graded::<4>(plane, value << scale, sums),
                2 if TWO => add_graded::<2>(plane, value << scale, sums),
                1 if ONE => add_graded::<1>(plane, value << scale, sums),
                _ => {}
            }
            row = rest;
            scale += bits;
        }
    }
    round(values * i32::from(shape.width.most()), shift, sums);
}

/// Adds a plane's fields times a value.
#[inline(always)]
fn add_graded<const BITS: u32>(plane: &[u32], value: i32, sums: &mut [i32]) {
    let fields = (32 / BITS) as usize;
    let mask = (1u32 << BITS) - 1;
    let mut whole = sums.chunks_exact_mut(fields);
    let mut words = plane.iter();
    for (sums, &word) in whole.by_ref().zip(words.by_ref()) {
        for (field, sum) in sums.iter_mut().enumerate() {
            *sum += (word >> (BITS * field as u32) & mask) as i32 * value;
        }
    }
    if let Some(&word) = words.next() {
        for (field, sum) in whole.into_remainder().iter_mut().enumerate() {
            *sum += (word >> (BITS * field as u32) & mask) as i32 * value;
        }
    }
}
