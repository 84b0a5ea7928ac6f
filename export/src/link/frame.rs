//! Frames: postcard, CRC-32, COBS, and a zero at the end.

use super::cobs::{self, Cobs};
use crate::crc::CRC_32;
use postcard::ser_flavors::crc::CrcModifier;
use serde::{Deserialize, Serialize};

/// Why a frame is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FrameError {
    /// COBS or CRC do not fit.
    Damaged,
    /// The frame is whole, but not a message of this type, or has something behind it.
    Unknown,
    /// It does not fit the buffer.
    Oversized,
}

/// Encodes a message into `buffer`, the final zero included.
///
/// # Errors
/// [`FrameError::Oversized`] if the buffer is too short.
pub fn encode<'b, T: Serialize>(message: &T, buffer: &'b mut [u8]) -> Result<&'b [u8], FrameError> {
    let flavor = CrcModifier::new(Cobs::new(buffer), CRC_32.digest());
    postcard::serialize_with_flavor(message, flavor).map_err(|_| FrameError::Oversized)
}

/// Decodes a frame in place, without the zero that ended it.
///
/// # Errors
/// [`FrameError`] if it is damaged or no message of type `T`.
pub fn decode<'b, T: Deserialize<'b>>(frame: &'b mut [u8]) -> Result<T, FrameError> {
    let content = cobs::decode(frame).ok_or(FrameError::Damaged)?;
    let (message, crc) = content.split_last_chunk().ok_or(FrameError::Damaged)?;
    if u32::from_le_bytes(*crc) != CRC_32.checksum(message) {
        return Err(FrameError::Damaged);
    }
    match postcard::take_from_bytes(message) {
        Ok((message, [])) => Ok(message),
        _ => Err(FrameError::Unknown),
    }
}

/// Collects the bytes of a frame.
#[derive(Debug)]
pub struct Receiver<'b> {
    buffer: &'b mut [u8],
    length: usize,
}

impl<'b> Receiver<'b> {
    /// A receiver for frames of at most `buffer.len()` bytes.
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, length: 0 }
    }

    /// Takes the next byte of the stream. At the zero behind a frame it gives the frame, to be decoded in place.
    ///
    /// # Errors
    /// [`FrameError::Oversized`] at the zero behind a frame that did not fit.
    pub fn push(&mut self, byte: u8) -> Option<Result<&mut [u8], FrameError>> {
        if byte != 0 {
            if let Some(place) = self.buffer.get_mut(self.length) {
                *place = byte;
            }
            self.length = self.length.saturating_add(1);
            return None;
        }
        match core::mem::take(&mut self.length) {
            0 => None,
            length => Some(self.buffer.get_mut(..length).ok_or(FrameError::Oversized)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Request, RequestBody};
    use super::*;
    use std::vec::Vec;

    fn frame(body: RequestBody<'_>) -> Vec<u8> {
        encode(&Request { sequence: 7, body }, &mut [0; 1100]).unwrap().to_vec()
    }

    #[test]
    fn bytes_are_as_the_protocol_says() {
        // Sequence 7, Hello, version 1; the CRC-32 of 07 00 01; COBS of 07 00 01 and the CRC.
        let crc = CRC_32.checksum(&[7, 0, 1]).to_le_bytes();
        assert!(!crc.contains(&0));
        let expected = [&[2, 7, 6, 1][..], &crc, &[0]].concat();
        assert_eq!(frame(RequestBody::Hello { version: 1 }), expected);
    }

    #[test]
    fn the_longest_requests_fit() {
        let pixels = [255; 1000];
        assert!(
            frame(RequestBody::InferPixels { stream: u64::MAX, early: true, pixels: &pixels }).len()
                <= super::super::REQUEST
        );
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let good = frame(RequestBody::InferPixels { stream: 3, early: false, pixels: &[0, 1, 2, 0, 200] });
        for bit in 0..(good.len() - 1) * 8 {
            let mut bad = good[..good.len() - 1].to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::<Request<'_>>(&mut bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_receiver_goes_on_after_anything() {
        let good = frame(RequestBody::Begin { early: false });
        let mut buffer = [0; 16];
        let mut receiver = Receiver::new(&mut buffer);
        let stream = [&[1; 40][..], &[0, 0, 0], &good].concat();
        let mut seen = Vec::new();
        for byte in stream {
            if let Some(frame) = receiver.push(byte) {
                seen.push(frame.and_then(|frame| decode::<Request<'_>>(frame).map(|r| r.sequence)));
            }
        }
        assert_eq!(seen, [Err(FrameError::Oversized), Ok(7)]);
    }

    #[test]
    fn what_is_whole_but_unknown_has_its_own_name() {
        let mut buffer = [0; 32];
        let length = encode(&(7u16, 99u8), &mut buffer).unwrap().len();
        assert_eq!(decode::<Request<'_>>(&mut buffer[..length - 1]), Err(FrameError::Unknown));
        let length = encode(&(7u16, 2u8, 5u8), &mut buffer).unwrap().len();
        assert_eq!(decode::<Request<'_>>(&mut buffer[..length - 1]), Err(FrameError::Unknown));
    }
}
