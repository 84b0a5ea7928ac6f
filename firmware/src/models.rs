//! What the application asks of a board that keeps models in its flash.

use crate::slots::{Mapped, SlotError, Slots};
use embedded_storage::nor_flash::NorFlash;
use spikelet_export::link::{LinkError, Models, Offer, StoredModel};
use spikelet_runtime::Need;

/// Where models are kept that come over the link.
pub trait ModelStore {
    /// What is there.
    fn models(&self) -> Models {
        Models::default()
    }

    /// A model is to come; gives how many of its bytes are there already.
    ///
    /// # Errors
    /// [`LinkError::TooLarge`] before anything is erased; [`LinkError::Flash`].
    fn offer(&mut self, offer: Offer) -> Result<u32, LinkError> {
        let _ = offer;
        Err(LinkError::Unsupported)
    }

    /// The next bytes of it; gives how many are there then.
    ///
    /// # Errors
    /// [`LinkError::Offset`] if they are not the next, [`LinkError::Flash`].
    fn chunk(&mut self, offset: u32, bytes: &[u8]) -> Result<u32, LinkError> {
        let _ = (offset, bytes);
        Err(LinkError::Unsupported)
    }

    /// Lets the next start run the model that has come.
    ///
    /// # Errors
    /// [`LinkError::Model`] if it is not whole, [`LinkError::Flash`].
    fn activate(&mut self) -> Result<(), LinkError> {
        Err(LinkError::Unsupported)
    }

    /// Lets the next start run the model of the other slot.
    ///
    /// # Errors
    /// [`LinkError::NoModel`] if there is none, [`LinkError::Flash`].
    fn rollback(&mut self) -> Result<(), LinkError> {
        Err(LinkError::Unsupported)
    }
}

/// A board that runs the model built into its firmware, and no other.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltIn;

impl ModelStore for BuiltIn {}

/// A borrowed one: a board keeps what it knows of its slots off its stack.
impl<M: ModelStore> ModelStore for &mut M {
    fn models(&self) -> Models {
        M::models(self)
    }

    fn offer(&mut self, offer: Offer) -> Result<u32, LinkError> {
        M::offer(self, offer)
    }

    fn chunk(&mut self, offset: u32, bytes: &[u8]) -> Result<u32, LinkError> {
        M::chunk(self, offset, bytes)
    }

    fn activate(&mut self) -> Result<(), LinkError> {
        M::activate(self)
    }

    fn rollback(&mut self) -> Result<(), LinkError> {
        M::rollback(self)
    }
}

/// Models in two slots of flash.
#[derive(Debug)]
pub struct Stored<F> {
    slots: Slots<F>,
    /// The memory that there is for a model's states.
    room: Need,
}

impl<F> Stored<F> {
    /// Slots on a board with memory for models that need at most `room`; the layers of `room` do not matter.
    pub const fn new(slots: Slots<F>, room: Need) -> Self {
        Self { slots, room }
    }

    /// The slots.
    pub const fn slots(&mut self) -> &mut Slots<F> {
        &mut self.slots
    }

    fn has_room_for(&self, offer: &Offer) -> bool {
        let Offer { inputs, neurons, potentials, widest, classes, .. } = *offer;
        let fits = |needed: u32, room: usize| needed as usize <= room;
        fits(inputs.into(), self.room.inputs)
            && fits(neurons, self.room.neurons)
            && fits(potentials, self.room.potentials)
            && fits(widest, self.room.widest)
            && fits(classes.into(), self.room.classes)
    }
}

impl<F: NorFlash + Mapped> ModelStore for Stored<F> {
    fn models(&self) -> Models {
        let mut models = Models { active: None, room: self.slots.capacity(), slots: [None; 2] };
        for model in self.slots.models().into_iter().flatten() {
            let stored = StoredModel { model: model.crc, length: model.length, generation: model.generation };
            if let Some(slot) = models.slots.get_mut(usize::from(model.slot.index())) {
                *slot = Some(stored);
            }
        }
        models.active = self.slots.running().map(|slot| slot.index());
        models
    }

    fn offer(&mut self, offer: Offer) -> Result<u32, LinkError> {
        if !self.has_room_for(&offer) {
            return Err(LinkError::TooLarge);
        }
        Ok(self.slots.offer(offer.length, offer.model)?)
    }

    fn chunk(&mut self, offset: u32, bytes: &[u8]) -> Result<u32, LinkError> {
        Ok(self.slots.write(offset, bytes)?)
    }

    fn activate(&mut self) -> Result<(), LinkError> {
        self.slots.verify()?;
        // The memory is in use by the model that runs: the next start tries this one, and seals it if it passes its self-test.
        Ok(self.slots.propose()?)
    }

    fn rollback(&mut self) -> Result<(), LinkError> {
        self.slots.rollback()?;
        Ok(())
    }
}

impl From<SlotError> for LinkError {
    fn from(error: SlotError) -> Self {
        match error {
            SlotError::TooLong { .. } => Self::TooLarge,
            SlotError::Active | SlotError::NoOffer | SlotError::Order { .. } | SlotError::Excess => {
                Self::Offset
            }
            SlotError::Incomplete { .. } | SlotError::Damaged | SlotError::Unverified => Self::Model,
            SlotError::NoOther | SlotError::Full => Self::NoModel,
            SlotError::Region | SlotError::Flash => Self::Flash,
        }
    }
}
