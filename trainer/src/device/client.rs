//! The host's end of the link.

use crate::simulate::Stop;
use spikelet_export::link::{
    self, FrameError, Hello, Inferred, LinkError, Measured, MemoryUse, Observed, Receiver, Reply, ReplyBody,
    Request, RequestBody,
};
use std::io::{ErrorKind, Read, Write};

/// How often a request is sent again after the board has received it damaged.
const RETRIES: usize = 3;

/// Longest frame that either side sends, and its zero.
const FRAME: usize = link::REQUEST + 1;

/// A connection to a board.
#[derive(Debug)]
pub struct Client<S> {
    stream: S,
    sequence: u16,
    reply: Box<[u8; FRAME]>,
    /// Bytes that have been read and belong to later frames.
    pending: Vec<u8>,
}

/// Why a board did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The stream broke, or the board is silent.
    #[error("the board does not answer: {0}")]
    Io(#[from] std::io::Error),
    /// The board has refused.
    #[error("the board refuses: {0}")]
    Refused(LinkError),
    /// A reply arrived damaged, or is no reply.
    #[error("the board's reply arrived damaged: run it again")]
    Damaged,
    /// A reply to another request.
    #[error("the board answers something else than it was asked: its firmware is of another version")]
    Unexpected,
    /// A timestep has more spikes than a request can carry.
    #[error(
        "a timestep has more spikes than the link can carry, about 1,000: send pixels with --input pixels, or train with more \
         --steps"
    )]
    TooManySpikes,
    /// An image has more pixels than a request can carry.
    #[error("an image has more pixels than the link can carry, about 1,000: send spikes instead")]
    TooManyPixels,
    /// The board speaks another version of the link.
    #[error(
        "the board speaks version {board} of the link and this program version {host}: build the firmware of this program"
    )]
    Version {
        /// The board's.
        board: u16,
        /// The host's.
        host: u16,
    },
}

impl<S: Read + Write> Client<S> {
    /// A client on a stream whose reads should time out.
    pub fn new(stream: S) -> Self {
        Self { stream, sequence: 0, reply: Box::new([0; FRAME]), pending: Vec::new() }
    }

    /// Greets the board. What it was in the middle of hearing before is ended first.
    ///
    /// # Errors
    /// [`ClientError`]; also if the board speaks another version of the link.
    pub fn hello(&mut self) -> Result<Hello<'_>, ClientError> {
        self.stream.write_all(&[0])?;
        let hello = match self.ask(RequestBody::Hello { version: link::VERSION })? {
            ReplyBody::Hello(hello) => hello,
            _ => return Err(ClientError::Unexpected),
        };
        if hello.version != link::VERSION {
            return Err(ClientError::Version { board: hello.version, host: link::VERSION });
        }
        Ok(hello)
    }

    /// Classifies an image, encoded on the board, until `stop`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn infer_pixels(&mut self, stream: u64, pixels: &[u8], stop: Stop) -> Result<Inferred, ClientError> {
        match self.ask(RequestBody::InferPixels { stream, early: stop == Stop::WhenDecided, pixels })? {
            ReplyBody::Inferred(inferred) => Ok(inferred),
            _ => Err(ClientError::Unexpected),
        }
    }

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
        self.begin(stop)?;
        let mut packed = heapless::Vec::<u8, 1000>::new();
        let mut decided = false;
        for spiking in train {
            if link::pack_step(spiking, &mut packed).is_err() {
                decided = self.done(RequestBody::Steps { spikes: &packed })?;
                if decided {
                    break;
                }
                packed.clear();
                link::pack_step(spiking, &mut packed).map_err(|_| ClientError::TooManySpikes)?;
            }
        }
        if !decided {
            self.done(RequestBody::Steps { spikes: &packed })?;
        }
        self.finish()
    }

    /// Begins a train of spikes: the network is at rest.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn begin(&mut self, stop: Stop) -> Result<(), ClientError> {
        self.done(RequestBody::Begin { early: stop == Stop::WhenDecided }).map(drop)
    }

    /// Advances the train at hand by one timestep, whose spiking inputs ascend, and tells what the network shows then.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn observe(&mut self, spiking: &[u16]) -> Result<Observed, ClientError> {
        let mut packed = heapless::Vec::<u8, 1000>::new();
        link::pack_step(spiking, &mut packed).map_err(|_| ClientError::TooManySpikes)?;
        match self.ask(RequestBody::Observe { spikes: &packed })? {
            ReplyBody::Observed(observed) => Ok(observed),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Ends the train at hand and tells its result.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn finish(&mut self) -> Result<Inferred, ClientError> {
        match self.ask(RequestBody::Finish)? {
            ReplyBody::Inferred(inferred) => Ok(inferred),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Measures the two stages of a layer with its first inputs spiking.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn measure(&mut self, layer: u8, spikes: u16) -> Result<Measured, ClientError> {
        match self.ask(RequestBody::Measure { layer, spikes })? {
            ReplyBody::Measured(measured) => Ok(measured),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// The board's use of its stack.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn memory(&mut self) -> Result<MemoryUse, ClientError> {
        match self.ask(RequestBody::Memory)? {
            ReplyBody::Memory(memory) => Ok(memory),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Ends an emulated board.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn shutdown(&mut self) -> Result<(), ClientError> {
        self.done(RequestBody::Shutdown).map(drop)
    }

    /// Has a request carried out, and says whether the network has decided.
    fn done(&mut self, body: RequestBody<'_>) -> Result<bool, ClientError> {
        match self.ask(body)? {
            ReplyBody::Done { decided, .. } => Ok(decided),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Sends a request and waits for its reply. A board that has received a request damaged has not carried it out, so
    /// that it can be sent again.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ask(&mut self, body: RequestBody<'_>) -> Result<ReplyBody<'_>, ClientError> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let mut buffer = [0; FRAME];
        let frame = link::encode(&Request { sequence, body }, &mut buffer).map_err(|_| match body {
            RequestBody::InferPixels { .. } => ClientError::TooManyPixels,
            _ => ClientError::TooManySpikes,
        })?;
        let mut length = 0;
        for _ in 0..=RETRIES {
            self.stream.write_all(frame)?;
            self.stream.flush()?;
            length = self.receive()?;
            if !self.is_damaged(length) {
                break;
            }
        }
        let reply: Reply<'_> = match link::decode(&mut self.reply[..length]) {
            Ok(reply) => reply,
            Err(FrameError::Damaged | FrameError::Oversized) => return Err(ClientError::Damaged),
            Err(FrameError::Unknown) => return Err(ClientError::Unexpected),
        };
        match reply {
            Reply { body: ReplyBody::Error(error), sequence: heard }
                if heard.is_none_or(|heard| heard == sequence) =>
            {
                Err(ClientError::Refused(error))
            }
            Reply { sequence: Some(heard), body } if heard == sequence => Ok(body),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// True if the reply says that the request arrived damaged.
    fn is_damaged(&self, length: usize) -> bool {
        let mut copy = *self.reply;
        let reply = link::decode::<Reply<'_>>(&mut copy[..length]);
        matches!(reply, Ok(Reply { body: ReplyBody::Error(LinkError::Damaged), .. }))
    }

    /// Sends bytes as they are; for tests of what a board makes of them.
    ///
    /// # Errors
    /// If the stream breaks.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.stream.write_all(bytes)?;
        Ok(self.stream.flush()?)
    }

    /// Waits for the next reply, whatever it answers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn next_reply(&mut self) -> Result<Reply<'_>, ClientError> {
        let length = self.receive()?;
        link::decode(&mut self.reply[..length]).map_err(|_| ClientError::Damaged)
    }

    /// Reads up to the end of a frame and gives its length in `self.reply`.
    fn receive(&mut self) -> Result<usize, ClientError> {
        let mut receiver = Receiver::new(&mut self.reply[..]);
        let mut bytes = [0; 512];
        loop {
            if self.pending.is_empty() {
                match self.stream.read(&mut bytes) {
                    Ok(0) => return Err(ClientError::Io(ErrorKind::UnexpectedEof.into())),
                    Ok(count) => self.pending.extend(&bytes[..count]),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        return Err(ClientError::Io(ErrorKind::TimedOut.into()));
                    }
                    Err(error) => return Err(ClientError::Io(error)),
                }
            }
            let mut used = 0;
            let mut frame = None;
            for &byte in &self.pending {
                used += 1;
                if let Some(result) = receiver.push(byte) {
                    frame = Some(result.map(|frame| frame.len()).map_err(|_| ClientError::Damaged));
                    break;
                }
            }
            self.pending.drain(..used);
            if let Some(length) = frame {
                return length;
            }
        }
    }
}
