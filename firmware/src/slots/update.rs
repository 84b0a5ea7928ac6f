//! Receiving a model into the slot that does not run.

use super::head::{Head, Offer, Seal, mark};
use super::{Mapped, Model, Slot, SlotError, Slots};
use embedded_storage::nor_flash::NorFlash;
use spikelet_export::PREFIX;

/// Bytes that are written together: a multiple of every flash's own unit.
const UNIT: usize = 16;

/// A model that is being received.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    pub slot: Slot,
    offer: Offer,
    /// Bytes in flash.
    written: u32,
    /// Bytes that are not yet a whole unit.
    rest: [u8; UNIT],
    /// How many of `rest` there are: less than a unit.
    resting: u8,
    verified: bool,
}

impl Transfer {
    /// Bytes received so far.
    pub fn held(&self) -> u32 {
        self.written.saturating_add(self.resting.into())
    }
}

impl<F: NorFlash + Mapped> Slots<F> {
    /// Begins to receive the model of this length in bytes and this CRC, and gives the number of its bytes that are there
    /// already: [`write`](Self::write) goes on behind them.
    ///
    /// It goes to the slot that does not run; if neither does, to the one that is not active. Unless this model was begun
    /// there before, the slot's head is erased, and with it what made its old model one to go back to.
    ///
    /// # Errors
    /// [`SlotError::TooLong`] and [`SlotError::Active`], after which everything is as it was, and [`SlotError::Flash`].
    pub fn offer(&mut self, length: u32, crc: u32) -> Result<u32, SlotError> {
        let capacity = self.capacity();
        if length > capacity {
            return Err(SlotError::TooLong { capacity });
        }
        let active = self.active();
        if active.is_some_and(|active| (active.length, active.crc) == (length, crc)) {
            return Err(SlotError::Active);
        }
        let busy = self.running.or(active.map(|active| active.slot)).unwrap_or(Slot::Second);
        let (slot, offer) = (busy.other(), Offer { length, crc });
        self.transfer = None;
        let head = self.head(slot);
        let mut written = 0;
        if head.offer() == Some(offer) && head.has_room() {
            let held = head.held(&offer);
            // What was ever sealed is not written to.
            if held == length || head.is_unsealed() {
                written = held;
            }
        }
        // A model of which nothing is there yet begins with a fresh head, whose marks are all free.
        if written == 0 {
            self.erase_head(slot)?;
            let place = self.head_offset(slot);
            self.flash.write(place, &offer.record()).map_err(|_| SlotError::Flash)?;
        }
        self.transfer =
            Some(Transfer { slot, offer, written, rest: [0xFF; UNIT], resting: 0, verified: false });
        Ok(written)
    }

    /// Writes the next bytes of the offered model, which are those from `offset` on, and gives the number of bytes that are
    /// there now. Erases each page of the model when it is reached.
    ///
    /// # Errors
    /// [`SlotError::NoOffer`], [`SlotError::Order`] and [`SlotError::Excess`], after which everything is as it was;
    /// [`SlotError::Flash`], after which the model must be offered again.
    pub fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<u32, SlotError> {
        let transfer = self.transfer.ok_or(SlotError::NoOffer)?;
        let (expected, length) = (transfer.held(), transfer.offer.length);
        if offset != expected {
            return Err(SlotError::Order { expected });
        }
        if bytes.len() > length.saturating_sub(offset) as usize {
            return Err(SlotError::Excess);
        }
        // An error leaves no transfer.
        self.transfer = None;
        let transfer = self.receive(transfer, bytes)?;
        self.transfer = Some(transfer);
        Ok(transfer.held())
    }

    fn receive(&mut self, mut transfer: Transfer, mut bytes: &[u8]) -> Result<Transfer, SlotError> {
        while !bytes.is_empty() {
            // Whole units from where they are, up to the end of a page.
            let room = Head::<F>::PAGE.wrapping_sub(transfer.written % Head::<F>::PAGE) as usize;
            let whole = (bytes.len() / UNIT * UNIT).min(room);
            if transfer.resting == 0
                && whole > 0
                && let Some((units, rest)) = bytes.split_at_checked(whole)
            {
                self.program(&mut transfer, units, units.len() as u32)?;
                bytes = rest;
                continue;
            }
            let Some((&byte, rest)) = bytes.split_first() else { break };
            bytes = rest;
            if let Some(place) = transfer.rest.get_mut(usize::from(transfer.resting)) {
                *place = byte;
            }
            transfer.resting = transfer.resting.wrapping_add(1);
            if usize::from(transfer.resting) == UNIT || transfer.held() == transfer.offer.length {
                let (unit, count) = (transfer.rest, transfer.resting);
                (transfer.rest, transfer.resting) = ([0xFF; UNIT], 0);
                self.program(&mut transfer, &unit, count.into())?;
            }
        }
        Ok(transfer)
    }

    /// Writes whole units of a page, of which `count` bytes are the model's, and the mark that they complete.
    fn program(&mut self, transfer: &mut Transfer, units: &[u8], count: u32) -> Result<(), SlotError> {
        let page = Head::<F>::PAGE;
        let place = self.first_byte(transfer.slot).wrapping_add(transfer.written);
        if transfer.written.is_multiple_of(page) {
            self.flash.erase(place, place.wrapping_add(page)).map_err(|_| SlotError::Flash)?;
        }
        self.flash.write(place, units).map_err(|_| SlotError::Flash)?;
        transfer.written = transfer.written.wrapping_add(count);
        let stretch = Head::<F>::stretch(transfer.offer.length);
        let complete = transfer.written.checked_rem(stretch) == Some(0);
        if complete || transfer.written == transfer.offer.length {
            let index = transfer.written.wrapping_sub(1).checked_div(stretch).unwrap_or(0);
            // The place of a mark that was torn stays as it is: the next one says all that it would have.
            if let Some(place) = self.head(transfer.slot).free_mark(index) {
                let mark = mark(index, transfer.offer.crc);
                self.flash.write(place, &mark).map_err(|_| SlotError::Flash)?;
            }
        }
        Ok(())
    }

    /// Checks that the offered model is all there and has the length and the CRC that it should have, and gives its bytes.
    /// The caller tries the model before it calls [`seal`](Self::seal), or [`discard`](Self::discard).
    ///
    /// # Errors
    /// [`SlotError::NoOffer`] and [`SlotError::Incomplete`], after which everything is as it was. [`SlotError::Damaged`]:
    /// the model is given up, and received from its first byte when it is offered again.
    pub fn verify(&mut self) -> Result<&[u8], SlotError> {
        let Transfer { slot, offer, .. } = self.complete()?;
        if !self.is_whole(slot, offer.length, offer.crc) {
            self.discard()?;
            return Err(SlotError::Damaged);
        }
        if let Some(transfer) = &mut self.transfer {
            transfer.verified = true;
        }
        Ok(self.model_bytes(slot, offer.length))
    }

    /// The transfer, of which all bytes are there.
    fn complete(&self) -> Result<Transfer, SlotError> {
        let transfer = self.transfer.ok_or(SlotError::NoOffer)?;
        if transfer.written < transfer.offer.length.max(PREFIX as u32) {
            return Err(SlotError::Incomplete { held: transfer.held() });
        }
        Ok(transfer)
    }

    /// Makes the verified model the active one, in one write of 32 bytes. The caller starts it.
    ///
    /// # Errors
    /// [`SlotError::NoOffer`], [`SlotError::Incomplete`], [`SlotError::Unverified`], [`SlotError::Full`];
    /// [`SlotError::Flash`], after which either model may be active: [`active`](Self::active) says which.
    pub fn seal(&mut self) -> Result<Model, SlotError> {
        let Transfer { slot, offer, verified, .. } = self.complete()?;
        if !verified {
            return Err(SlotError::Unverified);
        }
        let model = self.append_seal(slot, offer.length, offer.crc)?;
        self.transfer = None;
        Ok(model)
    }

    /// Lets the next start try the verified model, and make it the active one if it passes: see [`boot`](Self::boot).
    ///
    /// # Errors
    /// As [`seal`](Self::seal); after [`SlotError::Flash`] the model may be tried or not.
    pub fn propose(&mut self) -> Result<(), SlotError> {
        let Transfer { slot, offer: Offer { length, crc }, verified, .. } = self.complete()?;
        if !verified {
            return Err(SlotError::Unverified);
        }
        if !self.head(slot).has_room() {
            return Err(SlotError::Full);
        }
        let generation = self.newest_generation().checked_add(1).ok_or(SlotError::Full)?;
        self.append(slot, &Seal { generation, length, crc }.proposal())?;
        self.transfer = None;
        Ok(())
    }

    /// Gives the offered model up: it is received from its first byte when it is offered again.
    ///
    /// # Errors
    /// [`SlotError::NoOffer`], [`SlotError::Flash`].
    pub fn discard(&mut self) -> Result<(), SlotError> {
        let transfer = self.transfer.take().ok_or(SlotError::NoOffer)?;
        self.erase_head(transfer.slot)
    }

    /// The model that is being received: what [`list`](Self::list) says of its slot, without reading it.
    pub fn receiving(&self) -> Option<(Slot, u32)> {
        self.transfer.map(|transfer| (transfer.slot, transfer.held()))
    }

    #[inline(never)] // Its stack is not in use while a start tries a model.
    pub(super) fn erase_head(&mut self, slot: Slot) -> Result<(), SlotError> {
        let from = self.head_offset(slot);
        self.flash.erase(from, from.wrapping_add(Head::<F>::PAGE)).map_err(|_| SlotError::Flash)
    }
}
