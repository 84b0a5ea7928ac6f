//! The records in a slot's head. All numbers are little endian.
//!
//! ```text
//! offer, seal, proposal:  magic u32 | generation u32 | length u32 | CRC of the model u32 | 12 B of FF | CRC of the 28 B before u32
//! mark:                   magic u32 | index u32 | CRC of the model u32 | CRC of the 12 B before u32
//! ```

use super::Mapped;
use embedded_storage::nor_flash::NorFlash;
use spikelet_export::crc;

const OFFER: [u8; 4] = *b"SPKO";
const SEAL: [u8; 4] = *b"SPKS";
const PROPOSAL: [u8; 4] = *b"SPKP";
const MARK: [u8; 4] = *b"SPKM";

/// Bytes of an offer or a seal.
const RECORD: u32 = 32;
/// Bytes of a mark.
const MARK_SIZE: u32 = 16;
/// Most marks in a head.
const MOST_MARKS: u32 = 64;
/// Most seals in a head.
const MOST_SEALS: u32 = 256;

/// The model that a slot is to receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    pub length: u32,
    pub crc: u32,
}

/// What makes a model active, or with another magic says that it is to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    pub generation: u32,
    pub length: u32,
    pub crc: u32,
}

impl Offer {
    pub fn record(&self) -> [u8; RECORD as usize] {
        record(OFFER, [0, self.length, self.crc])
    }
}

impl Seal {
    pub fn record(&self) -> [u8; RECORD as usize] {
        record(SEAL, [self.generation, self.length, self.crc])
    }

    pub fn proposal(&self) -> [u8; RECORD as usize] {
        record(PROPOSAL, [self.generation, self.length, self.crc])
    }
}

/// The mark that everything up to and with stretch `index` of a model is written.
pub fn mark(index: u32, model: u32) -> [u8; MARK_SIZE as usize] {
    let mut mark = [0; MARK_SIZE as usize];
    let [index, model] = [index, model].map(u32::to_le_bytes);
    fill(&mut mark, [MARK, index, model]);
    let sum = crc::of_bytes(mark.get(..12).unwrap_or(&[]));
    fill(mark.get_mut(12..).unwrap_or(&mut []), [sum.to_le_bytes()]);
    mark
}

fn record(magic: [u8; 4], words: [u32; 3]) -> [u8; RECORD as usize] {
    let mut record = [0xFF; RECORD as usize];
    let [a, b, c] = words.map(u32::to_le_bytes);
    fill(&mut record, [magic, a, b, c]);
    let sum = crc::of_bytes(record.get(..28).unwrap_or(&[]));
    fill(record.get_mut(28..).unwrap_or(&mut []), [sum.to_le_bytes()]);
    record
}

/// Words one after the other, as far as they fit.
fn fill<const N: usize>(bytes: &mut [u8], words: [[u8; 4]; N]) {
    for (byte, value) in bytes.iter_mut().zip(words.iter().flatten()) {
        *byte = *value;
    }
}

/// A slot's head, as it is in flash.
pub struct Head<'f, F> {
    flash: &'f F,
    offset: u32,
}

impl<F: NorFlash> Head<'_, F> {
    /// Bytes of an erase page.
    pub const PAGE: u32 = {
        assert!(
            F::WRITE_SIZE.is_power_of_two() && F::WRITE_SIZE <= 16,
            "slots need flash that is written in 1 to 16 bytes"
        );
        assert!(
            F::ERASE_SIZE.is_power_of_two() && F::ERASE_SIZE >= 1024 && F::ERASE_SIZE <= 1 << 20,
            "slots need flash with erase pages of 1 KB to 1 MB"
        );
        F::ERASE_SIZE as u32
    };
    /// Number of marks: they take a quarter of the page at most.
    const MARKS: u32 = least(Self::PAGE / 4 / MARK_SIZE, MOST_MARKS);
    /// Where seals begin.
    const SEALS_AT: u32 = RECORD + Self::MARKS * MARK_SIZE;
    /// Number of seals.
    const SEALS: u32 = least((Self::PAGE - Self::SEALS_AT) / RECORD, MOST_SEALS);

    /// Bytes between two marks of a model of `length` bytes: whole erase pages, one or as few as there are marks for.
    pub fn stretch(length: u32) -> u32 {
        let pages = length.div_ceil(Self::PAGE).max(1);
        pages.div_ceil(Self::MARKS).saturating_mul(Self::PAGE)
    }
}

const fn least(a: u32, b: u32) -> u32 {
    if a < b { a } else { b }
}

impl<'f, F: NorFlash + Mapped> Head<'f, F> {
    pub const fn new(flash: &'f F, offset: u32) -> Self {
        Self { flash, offset }
    }

    /// The model that the slot is to receive.
    pub fn offer(&self) -> Option<Offer> {
        let [_, length, crc] = self.record(0, OFFER)?;
        Some(Offer { length, crc })
    }

    /// The valid seal with the highest generation.
    pub fn newest_seal(&self) -> Option<Seal> {
        self.newest(SEAL)
    }

    /// The valid proposal with the highest generation.
    pub fn newest_proposal(&self) -> Option<Seal> {
        self.newest(PROPOSAL)
    }

    fn newest(&self, magic: [u8; 4]) -> Option<Seal> {
        let mut newest: Option<Seal> = None;
        for index in 0..Self::SEALS {
            let Some([generation, length, crc]) = self.record(Self::seal(index), magic) else { continue };
            if newest.is_none_or(|newest| generation > newest.generation) {
                newest = Some(Seal { generation, length, crc });
            }
        }
        newest
    }

    /// Offset in flash of the first place for a seal that is erased.
    pub fn free_seal(&self) -> Option<u32> {
        let mut places = (0..Self::SEALS).map(|index| self.offset.wrapping_add(Self::seal(index)));
        places.find(|&place| self.is_erased(place, RECORD))
    }

    /// True if there is room for a proposal and the seal behind it.
    pub fn has_room(&self) -> bool {
        let erased = |&index: &u32| self.is_erased(self.offset.wrapping_add(Self::seal(index)), RECORD);
        (0..Self::SEALS).filter(erased).nth(1).is_some()
    }

    /// True if no seal was ever begun.
    pub fn is_unsealed(&self) -> bool {
        (0..Self::SEALS).all(|index| self.is_erased(self.offset.wrapping_add(Self::seal(index)), RECORD))
    }

    /// How many bytes of an offered model are written, by the marks.
    pub fn held(&self, offer: &Offer) -> u32 {
        let written = |&index: &u32| {
            let place = self.offset.wrapping_add(Self::mark(index));
            self.flash.bytes(place, MARK_SIZE) == mark(index, offer.crc)
        };
        let stretches = (0..Self::MARKS).rev().find(written).map_or(0, |last| last + 1);
        stretches.saturating_mul(Self::stretch(offer.length)).min(offer.length)
    }

    /// Offset in flash of a mark's place, if it is erased.
    pub fn free_mark(&self, index: u32) -> Option<u32> {
        let place = self.offset.wrapping_add(Self::mark(index));
        (index < Self::MARKS && self.is_erased(place, MARK_SIZE)).then_some(place)
    }

    const fn mark(index: u32) -> u32 {
        RECORD.wrapping_add(index.wrapping_mul(MARK_SIZE))
    }

    const fn seal(index: u32) -> u32 {
        Self::SEALS_AT.wrapping_add(index.wrapping_mul(RECORD))
    }

    fn is_erased(&self, place: u32, length: u32) -> bool {
        let bytes = self.flash.bytes(place, length);
        !bytes.is_empty() && bytes.iter().all(|&byte| byte == 0xFF)
    }

    /// The three numbers of a record, if it is one.
    fn record(&self, at: u32, magic: [u8; 4]) -> Option<[u32; 3]> {
        let bytes = self.flash.bytes(self.offset.wrapping_add(at), RECORD);
        let (content, sum) = bytes.split_last_chunk()?;
        let word = |offset| content.get(offset..).and_then(|rest| rest.first_chunk()).copied();
        // Before the CRC, which is slower.
        if word(0) != Some(magic) || u32::from_le_bytes(*sum) != crc::of_bytes(content) {
            return None;
        }
        Some([word(4)?, word(8)?, word(12)?].map(u32::from_le_bytes))
    }
}
