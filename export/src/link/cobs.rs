//! COBS: frames without a zero in them, and a zero at their end. The states are those of the crate `cobs`; what it has for whole
//! buffers could panic as far as the compiler can tell, and a board must not.

use cobs::{DecodeResult, DecoderState, EncoderState, PushResult};
use postcard::ser_flavors::Flavor;

/// Encodes into a buffer what is pushed.
pub(super) struct Cobs<'b> {
    buffer: &'b mut [u8],
    length: usize,
    state: EncoderState,
}

impl<'b> Cobs<'b> {
    /// The first byte is left for the distance to the first zero.
    pub(super) fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, length: 1, state: EncoderState::default() }
    }

    fn put(&mut self, at: usize, byte: u8) -> postcard::Result<()> {
        *self.buffer.get_mut(at).ok_or(postcard::Error::SerializeBufferFull)? = byte;
        Ok(())
    }

    fn append(&mut self, byte: u8) -> postcard::Result<()> {
        self.put(self.length, byte)?;
        self.length += 1;
        Ok(())
    }
}

impl<'b> Flavor for Cobs<'b> {
    type Output = &'b [u8];

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        match self.state.push(byte) {
            PushResult::AddSingle(byte) => self.append(byte),
            PushResult::ModifyFromStartAndSkip((at, distance)) => {
                self.put(at, distance)?;
                self.append(0)
            }
            PushResult::ModifyFromStartAndPushAndSkip((at, distance, byte)) => {
                self.put(at, distance)?;
                self.append(byte)?;
                self.append(0)
            }
        }
    }

    /// The frame with the zero that ends it.
    fn finalize(mut self) -> postcard::Result<&'b [u8]> {
        let (at, distance) = core::mem::take(&mut self.state).finalize();
        self.put(at, distance)?;
        self.append(0)?;
        self.buffer.get(..self.length).ok_or(postcard::Error::SerializeBufferFull)
    }
}

/// Decodes a frame in place, without the zero that ended it; `None` if it is damaged.
pub(super) fn decode(frame: &mut [u8]) -> Option<&[u8]> {
    let (mut state, mut length) = (DecoderState::default(), 0);
    for at in 0..frame.len() {
        match state.feed(*frame.get(at)?).ok()? {
            // What is decoded is never longer than what it was decoded from.
            DecodeResult::DataContinue(byte) => {
                *frame.get_mut(length)? = byte;
                length += 1;
            }
            DecodeResult::NoData | DecodeResult::DataStart => {}
            // A zero in the middle.
            DecodeResult::DataComplete => return None,
        }
    }
    match state.feed(0).ok()? {
        DecodeResult::DataComplete => frame.get(..length),
        _ => None,
    }
}
