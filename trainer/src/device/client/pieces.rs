//! Payload that can be split: where frames arrive damaged, shorter ones do arrive.

use super::{Client, ClientError};
use crate::simulate::Stop;
use spikelet_export::link::{self, Inferred, ReplyBody, RequestBody};
use std::io::{Read, Write};

/// Least bytes in a piece: below, a frame is mostly what is around them.
const LEAST: usize = 24;
/// How often a piece is sent before it is made shorter.
pub const TRIES: u32 = 4;
/// Pieces that arrive at once before they are made longer again.
const CLEAN: u32 = 8;
/// Bytes of a frame beside its payload, at most: sequence number, kind, offset, length, CRC-32, and COBS's own.
const BESIDE: usize = 40;

/// How many bytes of payload one request has.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    most: usize,
    now: usize,
    clean: u32,
}

impl Piece {
    /// For a board that takes requests of `request` bytes.
    pub fn new(request: usize) -> Self {
        let most = request.saturating_sub(BESIDE).clamp(1, link::CHUNK);
        Self { most, now: most, clean: 0 }
    }

    /// True if it was made for a board that takes other requests.
    pub fn is_for_other(&self, request: usize) -> bool {
        self.most != Self::new(request).most
    }

    pub const fn bytes(&self) -> usize {
        self.now
    }

    /// After one that did not arrive.
    pub fn shorten(&mut self) {
        self.now = (self.now / 2).max(LEAST.min(self.most));
        self.clean = 0;
    }

    /// After one that arrived when it was sent so many times.
    pub fn arrived(&mut self, sent: u32) {
        self.clean = if sent == 1 { self.clean + 1 } else { 0 };
        if self.clean == CLEAN {
            self.now = (self.now * 2).min(self.most);
            self.clean = 0;
        }
    }
}

/// A train of spikes, packed.
#[derive(Debug, Default)]
struct Packed {
    bytes: Vec<u8>,
    /// Where each timestep begins, and where the last one ends.
    bounds: Vec<usize>,
}

impl Packed {
    fn new<'t>(train: impl IntoIterator<Item = &'t [u16]>) -> Result<Self, ClientError> {
        let mut packed = Self { bytes: Vec::new(), bounds: vec![0] };
        let mut step = heapless::Vec::<u8, { link::CHUNK }>::new();
        // One timestep more than a board takes, so that it can say so.
        for spiking in train.into_iter().take(usize::from(u16::MAX) + 1) {
            step.clear();
            link::pack_step(spiking, &mut step).map_err(|_| ClientError::TooManySpikes)?;
            packed.bytes.extend(&step);
            packed.bounds.push(packed.bytes.len());
        }
        Ok(packed)
    }

    fn steps(&self) -> usize {
        self.bounds.len() - 1
    }

    /// Timesteps from `from` on that fit into so many bytes, at least one; and their bytes.
    fn piece(&self, from: usize, bytes: usize) -> (usize, &[u8]) {
        let end = self.bounds.partition_point(|&bound| bound <= self.bounds[from] + bytes);
        let to = (end - 1).max(from + 1);
        (to - from, &self.bytes[self.bounds[from]..self.bounds[to]])
    }
}

impl<S: Read + Write> Client<S> {
    /// Runs a train of spikes through the network, until `stop`: the spiking inputs of each timestep, ascending. Of what is left
    /// when the network has decided, no more is sent.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn infer_spikes<'t>(
        &mut self,
        train: impl IntoIterator<Item = &'t [u16]>,
        stop: Stop,
    ) -> Result<Inferred, ClientError> {
        let packed = Packed::new(train)?;
        self.begin(stop)?;
        let (mut made, mut decided) = (0, false);
        while made < packed.steps() && !decided {
            let (count, spikes) = packed.piece(made, self.piece.bytes());
            // A single timestep cannot be split.
            let tries = if count > 1 { TRIES } else { super::DAMAGED };
            let sent = made + count;
            match self.steps(spikes, tries) {
                Ok((steps, early)) => {
                    self.piece.arrived(self.line.sent);
                    if !early && usize::from(steps) != sent {
                        return Err(ClientError::Steps { sent, made: steps });
                    }
                    (made, decided) = (sent, early);
                }
                Err(ClientError::Damaged) if count > 1 => {
                    self.piece.shorten();
                    // It may have arrived nevertheless: no timesteps at all make the board tell how many it has made.
                    let (steps, early) = self.steps(&[], super::DAMAGED)?;
                    if !(made..=sent).contains(&usize::from(steps)) && !early {
                        return Err(ClientError::Steps { sent, made: steps });
                    }
                    (made, decided) = (steps.into(), early);
                }
                Err(error) => return Err(error),
            }
        }
        self.finish()
    }

    /// Timesteps since the train's begin, and whether the network has decided, after these.
    fn steps(&mut self, spikes: &[u8], tries: u32) -> Result<(u16, bool), ClientError> {
        match self.ask_within(RequestBody::Steps { spikes }, tries)? {
            ReplyBody::Done { steps, decided } => Ok((steps, decided)),
            _ => Err(ClientError::Unexpected),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_as_long_as_they_may_be() {
        let steps: [&[u16]; 5] = [&[1, 2, 3], &[], &[1], &[7, 8, 9, 10, 11, 12], &[2]];
        let packed = Packed::new(steps).unwrap();
        assert_eq!(packed.bounds, [0, 4, 5, 7, 14, 16]);
        assert_eq!(packed.piece(0, 1000), (5, &packed.bytes[..]));
        assert_eq!(packed.piece(0, 6), (2, &packed.bytes[..5]));
        assert_eq!(packed.piece(0, 7), (3, &packed.bytes[..7]));
        assert_eq!(packed.piece(3, 2), (1, &packed.bytes[7..14]), "a timestep is never split");
        assert_eq!(packed.piece(4, 2), (1, &packed.bytes[14..]));
    }

    #[test]
    fn a_piece_shrinks_and_grows() {
        let mut piece = Piece::new(link::REQUEST);
        assert_eq!(piece.bytes(), link::CHUNK);
        (0..20).for_each(|_| piece.shorten());
        assert_eq!(piece.bytes(), LEAST);
        (0..CLEAN).for_each(|_| piece.arrived(1));
        assert_eq!(piece.bytes(), 2 * LEAST);
        (0..100 * CLEAN).for_each(|_| piece.arrived(1));
        assert_eq!(piece.bytes(), link::CHUNK);
        assert_eq!(Piece::new(100).bytes(), 60);
        let mut tiny = Piece::new(3);
        tiny.shorten();
        assert_eq!(tiny.bytes(), 1);
    }
}
