//! Models over the link.

use super::pieces::TRIES;
use super::{Client, ClientError, DAMAGED, Patience};
use spikelet_export::link::{Hello, LinkError, Models, Offer, ReplyBody, RequestBody};
use spikelet_export::{AlignedBytes, ModelFile};
use std::io::{Read, Write};

/// How often a transfer that does not get on is offered again.
const OFFERS: u32 = 20;
/// How often a board is told to start anew, where it may not have heard it.
const RESTARTS: u32 = 10;

/// What came of a model that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Sent {
    /// Bytes of the model.
    pub bytes: u32,
    /// Bytes that the board held already, from a transfer that broke off.
    pub resumed: u32,
    /// The board ran this model already, and nothing was sent.
    pub already: bool,
}

impl<S: Read + Write> Client<S> {
    /// The models that the board holds.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn models(&mut self) -> Result<Models, ClientError> {
        match self.ask(RequestBody::Models)? {
            ReplyBody::Models(models) => Ok(models),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Says that a model is to come, and gives how many of its bytes are there already.
    ///
    /// # Errors
    /// [`ClientError`]; [`LinkError::TooLarge`] before anything is erased.
    pub fn offer(&mut self, offer: Offer) -> Result<u32, ClientError> {
        self.received(RequestBody::Offer(offer), DAMAGED)
    }

    /// Sends the next bytes of the model that was offered, and gives how many are there then.
    ///
    /// # Errors
    /// [`ClientError`]; [`LinkError::Offset`] if they are not the next.
    pub fn chunk(&mut self, offset: u32, bytes: &[u8]) -> Result<u32, ClientError> {
        self.received(RequestBody::Chunk { offset, bytes }, TRIES)
    }

    fn received(&mut self, body: RequestBody<'_>, tries: u32) -> Result<u32, ClientError> {
        match self.ask_within(body, tries)? {
            ReplyBody::Received { bytes } => Ok(bytes),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Lets the board run the model that was sent, and waits until it has started anew.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::KeptOld`] if the board then does not run `model`.
    pub fn activate(&mut self, model: u32) -> Result<(), ClientError> {
        self.restart(RequestBody::Activate, model)
    }

    /// Lets the board run the model of its other slot, waits until it has started anew, and gives that model.
    ///
    /// # Errors
    /// [`ClientError`]; [`LinkError::NoModel`] if there is no other one.
    pub fn rollback(&mut self) -> Result<u32, ClientError> {
        let Models { active, room, slots } = self.models()?;
        if room == 0 {
            return Err(ClientError::NoSlots);
        }
        let other = active.and_then(|active| slots[usize::from(active == 0)]);
        let model = other.ok_or(ClientError::Refused(LinkError::NoModel))?.model;
        self.restart(RequestBody::Rollback, model)?;
        Ok(model)
    }

    /// Has the board start anew with `model`. A board that has started anew does not know the last request, so that this
    /// one is not repeated before it is seen that it did nothing.
    fn restart(&mut self, body: RequestBody<'_>, model: u32) -> Result<(), ClientError> {
        let mut last = ClientError::Unexpected;
        for attempt in 0..RESTARTS {
            self.line.drain()?;
            let answer = self.ask_once(body).map(drop);
            if self.hello_of_start()?.model == model {
                return Ok(());
            }
            match answer {
                Ok(()) => return Err(ClientError::KeptOld),
                // It was carried out before, and nothing is left to activate.
                Err(ClientError::Refused(LinkError::Offset)) if attempt > 0 => {
                    return Err(ClientError::KeptOld);
                }
                Err(error @ (ClientError::Silent { .. } | ClientError::Damaged)) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Greets a board that may be starting, and hears nothing meanwhile.
    fn hello_of_start(&mut self) -> Result<Hello<'_>, ClientError> {
        let patience = self.patience();
        let usual = Patience::default();
        self.set_patience(Patience { first: patience.first.min(usual.first), ..usual });
        let greeted = self.hello().map(drop);
        self.set_patience(patience);
        greeted?;
        self.greeting()
    }

    /// Sends a model, or what the board has not of it already, and lets the board run it; calls `progress` with the bytes that
    /// are there. Returns when the board has started with it.
    ///
    /// # Errors
    /// [`ClientError`]; the board then runs the model that it ran before.
    pub fn send_model(&mut self, bytes: &[u8], mut progress: impl FnMut(u32)) -> Result<Sent, ClientError> {
        let bytes = AlignedBytes::from_slice(bytes);
        let file = ModelFile::open(&bytes)?;
        let offer = offer_of(&file);
        if self.hello()?.model == offer.model {
            return Ok(Sent { bytes: offer.length, resumed: offer.length, already: true });
        }
        if self.models()?.room == 0 {
            return Err(ClientError::NoSlots);
        }
        let resumed = self.offer(offer)?;
        let (mut held, mut farthest, mut offers) = (resumed, resumed, 0);
        progress(held);
        while held < offer.length {
            let rest = bytes.get(held as usize..).ok_or(ClientError::Unexpected)?;
            let piece = &rest[..rest.len().min(self.piece.bytes())];
            match self.chunk(held, piece) {
                Ok(now) if now as usize == held as usize + piece.len() => {
                    self.piece.arrived(self.line.sent);
                    held = now;
                }
                Ok(_) => return Err(ClientError::Unexpected),
                Err(error) => {
                    offers += 1;
                    match error {
                        _ if offers > OFFERS => return Err(error),
                        // It may have arrived nevertheless: then nothing is taken but what is behind it.
                        ClientError::Damaged => {
                            self.piece.shorten();
                            let behind = held + piece.len() as u32;
                            match self.received(RequestBody::Chunk { offset: behind, bytes: &[] }, DAMAGED) {
                                Ok(_) => held = behind,
                                Err(ClientError::Refused(LinkError::Offset)) => {}
                                Err(error) => return Err(error),
                            }
                        }
                        // Also if the board has started anew in between.
                        ClientError::Refused(LinkError::Offset) => held = self.offer(offer)?,
                        error => return Err(error),
                    }
                }
            }
            if held > farthest {
                (farthest, offers) = (held, 0);
            }
            progress(held);
        }
        self.activate(offer.model)?;
        Ok(Sent { bytes: offer.length, resumed, already: false })
    }
}

/// What a board is told of a model before it is sent.
fn offer_of(file: &ModelFile<'_>) -> Offer {
    let need = file.model().need();
    Offer {
        length: file.len() as u32,
        model: file.id(),
        inputs: need.inputs as u16,
        neurons: need.neurons as u32,
        potentials: need.potentials as u32,
        widest: need.widest as u32,
        classes: need.classes as u16,
    }
}
