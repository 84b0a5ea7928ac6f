//! Two slots for models in flash, and an update of one of them that a power cut cannot break.
//!
//! A region of flash is split into two equal slots. The first erase page of a slot is its head, the rest holds a model:
//!
//! ```text
//! head:   offer (32 B) | marks (16 B each, up to 64) | seals (32 B each, up to 256)
//! model:  the file's bytes, in ascending order
//! ```
//!
//! Every record carries a CRC-32, so one that was torn by a power cut counts as none. Nothing is written twice between two
//! erasures, as flash with error correction demands.
//!
//! - The **offer** is written after the head was erased. It names the model that is being received by length and CRC.
//! - A **mark** says that the file is written up to some erase page, so that a broken transfer goes on from there.
//! - A **proposal** asks the next start to try the model, and to seal it if it passes. It lies among the seals.
//! - A **seal** makes the model active, with a generation above all others. Writing it is the one step that activates.
//!
//! Active is the model with the newest seal whose bytes have the CRC and the length that the seal says; if they have not, the
//! other one. Both are checked each time, so flash that has lost a bit is found, too. An update writes the slot that does not
//! run, and erases its head before anything else, so there is a whole model at every moment if there was one before.
//!
//! What a region holds before it was ever used does not matter: what is no valid record counts as none.

mod head;
mod update;

use crate::slots::head::{Head, Seal};
use crate::slots::update::Transfer;
use core::convert::Infallible;
use core::fmt;
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use spikelet_export::{PREFIX, crc};

/// Flash that the core can read like memory.
pub trait Mapped {
    /// `length` bytes from `offset` on, as they are now; none if the flash ends before.
    ///
    /// Offset 0 must lie at an address divisible by 16.
    fn bytes(&self, offset: u32, length: u32) -> &[u8];

    /// The same of a model that is to run. [`Slots`] erases and writes nothing of it until it is told that another one runs.
    fn lasting(&self, offset: u32, length: u32) -> &'static [u8];
}

/// One of the two slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The lower one, slot 0.
    First,
    /// The upper one, slot 1.
    Second,
}

/// A whole and sealed model in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// Where it lies.
    pub slot: Slot,
    /// Generation of its newest seal.
    pub generation: u32,
    /// Its length in bytes.
    pub length: u32,
    /// Its CRC: the identity that [`spikelet_export::ModelFile::id`] gives.
    pub crc: u32,
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotInfo {
    /// In one word.
    pub state: SlotState,
    /// An update would be written to the other slot.
    pub running: bool,
    /// Of its newest seal; 0 without one.
    pub generation: u32,
    /// Length of its model in bytes; 0 without one.
    pub length: u32,
    /// How many of them are there.
    pub held: u32,
    /// The model's CRC; 0 without one.
    pub crc: u32,
}

/// What a slot holds, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// No model.
    Empty,
    /// A model that is being received, or was not activated.
    Partial,
    /// A whole model that was active or is.
    Whole,
    /// A model that was active and whose bytes are no longer what they were.
    Damaged,
}

/// Why something cannot be done with the slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(target_os = "none", derive(defmt::Format))]
pub enum SlotError {
    /// The region is no whole number of erase pages in the flash, or has less than four of them.
    Region,
    /// The model is longer than a slot.
    TooLong {
        /// The longest that fits, in bytes.
        capacity: u32,
    },
    /// The offered model is active already.
    Active,
    /// Nothing was offered, or what was offered is activated or given up.
    NoOffer,
    /// Bytes do not follow those that are there.
    Order {
        /// Offset that is expected next.
        expected: u32,
    },
    /// More bytes than the model has.
    Excess,
    /// The model is not all there.
    Incomplete {
        /// How many of its bytes are.
        held: u32,
    },
    /// The bytes received are not those of the offered model.
    Damaged,
    /// The model was not verified before it was to be activated.
    Unverified,
    /// There is no other whole model to go back to.
    NoOther,
    /// The head of the slot has no room for another seal: it is erased when a model is sent.
    Full,
    /// The flash does not work.
    Flash,
}

impl fmt::Display for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region => {
                f.write_str("the region of the slots is not at least four whole erase pages of the flash")
            }
            Self::TooLong { capacity } => {
                write!(f, "the model is longer than a slot, which holds {capacity} B")
            }
            Self::Active => f.write_str("this model is active already"),
            Self::NoOffer => f.write_str("no model was offered: offer it first"),
            Self::Order { expected } => write!(f, "the next byte of the model is that at offset {expected}"),
            Self::Excess => f.write_str("these are more bytes than the offered model has"),
            Self::Incomplete { held } => write!(f, "only {held} B of the model are there: send the rest"),
            Self::Damaged => f.write_str("the model arrived damaged: send it again"),
            Self::Unverified => f.write_str("the model was not verified"),
            Self::NoOther => f.write_str("there is no other whole model to go back to"),
            Self::Full => f.write_str("the slot has been activated too often: send the model again"),
            Self::Flash => f.write_str("the flash does not work"),
        }
    }
}

impl core::error::Error for SlotError {}

/// Two slots in a region of flash.
///
/// An update is [`offer`](Self::offer), [`write`](Self::write) until all bytes are there, [`verify`](Self::verify), the
/// caller's own checks of the bytes, and [`seal`](Self::seal). A board whose memory is all in use by the model that runs makes its
/// own checks at the next start, when it is not: [`propose`](Self::propose), a reset, and [`boot`](Self::boot).
#[derive(Debug)]
pub struct Slots<F> {
    flash: F,
    /// Where the first slot begins.
    offset: u32,
    /// Bytes of a slot, its head included.
    size: u32,
    running: Option<Slot>,
    transfer: Option<Transfer>,
}

impl Slot {
    const BOTH: [Self; 2] = [Self::First, Self::Second];

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// 0 or 1.
    pub const fn index(self) -> u8 {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }
}

impl<F: NorFlash + Mapped> Slots<F> {
    /// Slots in `length` bytes of `flash` from `offset` on. Nothing is written.
    ///
    /// # Errors
    /// [`SlotError::Region`].
    pub fn new(flash: F, offset: u32, length: u32) -> Result<Self, SlotError> {
        let page = Head::<F>::PAGE;
        let size = length / 2 / page * page;
        let end = size.checked_mul(2).and_then(|both| both.checked_add(offset)).ok_or(SlotError::Region)?;
        if !offset.is_multiple_of(page) || size < 2 * page || end as usize > flash.capacity() {
            return Err(SlotError::Region);
        }
        Ok(Self { flash, offset, size, running: None, transfer: None })
    }

    /// Longest model that fits, in bytes.
    pub const fn capacity(&self) -> u32 {
        self.size - Head::<F>::PAGE
    }

    /// The flash beneath.
    pub const fn flash(&self) -> &F {
        &self.flash
    }

    /// Gives the flash back.
    pub fn into_flash(self) -> F {
        self.flash
    }

    /// The active model: the one with the newest seal among the whole ones. Reads all of its bytes.
    pub fn active(&self) -> Option<Model> {
        let [first, second] = self.by_age();
        self.whole(first).or_else(|| self.whole(second))
    }

    /// The whole and sealed models, the newest first; the first one is active. Reads all of their bytes.
    ///
    /// A start tries them in this order, since a model may be whole and yet of a format that another firmware could read.
    #[inline(never)] // Its stack is not in use while a start tries a model.
    pub fn models(&self) -> [Option<Model>; 2] {
        self.by_age().map(|slot| self.whole(slot))
    }

    /// Takes down that a model runs from now on, and gives its bytes. No update writes to its slot.
    pub fn start(&mut self, model: &Model) -> &'static [u8] {
        self.running = Some(model.slot);
        self.transfer = None;
        self.flash.lasting(self.first_byte(model.slot), model.length)
    }

    /// Starts a model, and gives its bytes: that of the newest proposal, which is sealed if it is `usable` and given up if it is
    /// not; else the active one if it is; else the other one. `None` if there is no such model: one that is built in runs.
    ///
    /// A power cut in it is like one before it, or behind it.
    pub fn boot(&mut self, mut usable: impl FnMut(&'static [u8]) -> bool) -> Option<&'static [u8]> {
        if let Some(proposed) = self.proposed() {
            let bytes = self.start(&proposed);
            let sealed =
                usable(bytes).then(|| self.append_seal(proposed.slot, proposed.length, proposed.crc));
            match sealed {
                Some(Ok(_)) => return Some(bytes),
                // Flash that does not work leaves the proposal to another start.
                Some(Err(_)) => {}
                None => {
                    let _ = self.erase_head(proposed.slot);
                }
            }
        }
        for model in self.models().iter().flatten() {
            let bytes = self.start(model);
            if usable(bytes) {
                return Some(bytes);
            }
        }
        self.start_built_in();
        None
    }

    /// The model that the next start is to try: the one of a proposal that is newer than every seal, if it is whole.
    #[inline(never)] // Its stack is not in use while a start tries a model.
    pub fn proposed(&self) -> Option<Model> {
        let newest = self.newest_generation();
        Slot::BOTH.into_iter().find_map(|slot| {
            let Seal { generation, length, crc } =
                self.head(slot).newest_proposal().filter(|proposal| proposal.generation > newest)?;
            self.is_whole(slot, length, crc).then_some(Model { slot, generation, length, crc })
        })
    }

    /// The slot whose model runs.
    pub const fn running(&self) -> Option<Slot> {
        self.running
    }

    /// Takes down that neither slot's model runs, but one that is built in.
    pub fn start_built_in(&mut self) {
        self.running = None;
        self.transfer = None;
    }

    /// What both slots hold. Reads all bytes of both models.
    pub fn list(&self) -> [SlotInfo; 2] {
        Slot::BOTH.map(|slot| self.info(slot))
    }

    /// Makes the model of the slot that is not active the active one. The caller starts it.
    ///
    /// # Errors
    /// [`SlotError::NoOther`] without a whole model there, [`SlotError::Full`], [`SlotError::Flash`].
    pub fn rollback(&mut self) -> Result<Model, SlotError> {
        let active = self.active().ok_or(SlotError::NoOther)?;
        let other = self.whole(active.slot.other()).ok_or(SlotError::NoOther)?;
        self.append_seal(other.slot, other.length, other.crc)
    }

    fn info(&self, slot: Slot) -> SlotInfo {
        let running = self.running == Some(slot);
        let head = self.head(slot);
        let none = SlotInfo { state: SlotState::Empty, running, generation: 0, length: 0, held: 0, crc: 0 };
        if let Some(Seal { generation, length, crc }) = head.newest_seal() {
            let whole = self.is_whole(slot, length, crc);
            let state = if whole { SlotState::Whole } else { SlotState::Damaged };
            return SlotInfo { state, generation, length, held: length, crc, ..none };
        }
        let Some(offer) = head.offer() else { return none };
        let held = match &self.transfer {
            Some(transfer) if transfer.slot == slot => transfer.held(),
            _ => head.held(&offer),
        };
        SlotInfo { state: SlotState::Partial, length: offer.length, held, crc: offer.crc, ..none }
    }

    /// Slots in the order of their newest seals, the newest first.
    fn by_age(&self) -> [Slot; 2] {
        let [first, second] =
            Slot::BOTH.map(|slot| self.head(slot).newest_seal().map_or(0, |seal| seal.generation));
        if second > first { [Slot::Second, Slot::First] } else { Slot::BOTH }
    }

    /// The sealed model of a slot, if its bytes are what the seal says.
    fn whole(&self, slot: Slot) -> Option<Model> {
        let Seal { generation, length, crc } = self.head(slot).newest_seal()?;
        self.is_whole(slot, length, crc).then_some(Model { slot, generation, length, crc })
    }

    /// True if a slot holds the model file of this length and CRC.
    fn is_whole(&self, slot: Slot, length: u32, crc: u32) -> bool {
        let bytes = self.model_bytes(slot, length);
        let word = |offset| bytes.get(offset..).and_then(|rest| rest.first_chunk()).copied();
        bytes.len() >= PREFIX
            && word(8) == Some(length.to_le_bytes())
            && word(12) == Some(crc.to_le_bytes())
            && crc::of_file(bytes) == crc
    }

    fn model_bytes(&self, slot: Slot, length: u32) -> &[u8] {
        let length = if length > self.capacity() { 0 } else { length };
        self.flash.bytes(self.first_byte(slot), length)
    }

    fn head(&self, slot: Slot) -> Head<'_, F> {
        Head::new(&self.flash, self.head_offset(slot))
    }

    const fn head_offset(&self, slot: Slot) -> u32 {
        match slot {
            Slot::First => self.offset,
            Slot::Second => self.offset + self.size,
        }
    }

    /// Offset of a slot's model.
    const fn first_byte(&self, slot: Slot) -> u32 {
        self.head_offset(slot) + Head::<F>::PAGE
    }

    /// Writes a seal with a generation above all others: the step that activates.
    #[inline(never)] // Its stack is not in use while a start tries a model.
    fn append_seal(&mut self, slot: Slot, length: u32, crc: u32) -> Result<Model, SlotError> {
        let generation = self.newest_generation().checked_add(1).ok_or(SlotError::Full)?;
        let seal = Seal { generation, length, crc };
        self.append(slot, &seal.record())?;
        Ok(Model { slot, generation, length, crc })
    }

    /// Writes a record behind the others.
    fn append(&mut self, slot: Slot, record: &[u8]) -> Result<(), SlotError> {
        let place = self.head(slot).free_seal().ok_or(SlotError::Full)?;
        self.flash.write(place, record).map_err(|_| SlotError::Flash)
    }

    /// The highest generation of all seals; 0 without one.
    fn newest_generation(&self) -> u32 {
        let [first, second] =
            Slot::BOTH.map(|slot| self.head(slot).newest_seal().map_or(0, |seal| seal.generation));
        first.max(second)
    }
}

/// Flash of a board that has none for slots: no region fits it.
#[derive(Clone, Copy, Debug)]
pub struct NoFlash;

impl Mapped for NoFlash {
    fn bytes(&self, _: u32, _: u32) -> &[u8] {
        &[]
    }

    fn lasting(&self, _: u32, _: u32) -> &'static [u8] {
        &[]
    }
}

impl ErrorType for NoFlash {
    type Error = Infallible;
}

impl ReadNorFlash for NoFlash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, _: u32, _: &mut [u8]) -> Result<(), Infallible> {
        Ok(())
    }

    fn capacity(&self) -> usize {
        0
    }
}

impl NorFlash for NoFlash {
    const WRITE_SIZE: usize = 1;
    const ERASE_SIZE: usize = 1024;

    fn erase(&mut self, _: u32, _: u32) -> Result<(), Infallible> {
        Ok(())
    }

    fn write(&mut self, _: u32, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }
}
