//! What the application asks of a board that keeps models in its flash.

use spikelet_export::link::{LinkError, Models, Offer};

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
