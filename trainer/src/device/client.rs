//! The host's end of the link.

mod error;
mod line;
mod models;
mod pieces;

pub use error::ClientError;
pub use line::Patience;
pub use models::Sent;

use crate::simulate::Stop;
use line::{Line, Repeat};
use pieces::Piece;
use spikelet_export::link::{
    self, Health, Hello, Inferred, Measured, MemoryUse, Observed, Reply, ReplyBody, Request, RequestBody,
};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// How often a request is sent that cannot be made shorter, while frames arrive damaged.
const DAMAGED: u32 = 100;

/// From this version on a board carries a request out once, however often it comes.
const ONCE: u16 = 4;

/// Timesteps are packed for this many bytes at most.
const STEP: usize = link::CHUNK;

/// A connection to a board.
///
/// A request is sent again, with the same sequence number, when no answer comes in time, or anything arrives damaged; the
/// board carries it out once. A board of version 3 cannot, so there only what it could not read is sent again. After so
/// many attempts in vain there is an error; no answer to another request is ever taken for one to this.
#[derive(Debug)]
pub struct Client<S> {
    line: Line<S>,
    sequence: u16,
    /// What the board has said of itself; `None` before it was greeted.
    board: Option<Known>,
    piece: Piece,
}

/// What a client knows of a board.
#[derive(Clone, Copy, Debug)]
struct Known {
    version: u16,
    /// Longest encoded request.
    request: usize,
}

impl<S: Read + Write> Client<S> {
    /// A client on a stream whose reads time out within a fraction of the first attempt's time, with
    /// [`WouldBlock`](std::io::ErrorKind::WouldBlock) or [`TimedOut`](std::io::ErrorKind::TimedOut).
    pub fn new(stream: S) -> Self {
        // Another number than that of the client before, whose last answers may still be on their way.
        static CLIENTS: AtomicU16 = AtomicU16::new(0);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let client = CLIENTS.fetch_add(1, Ordering::Relaxed);
        let sequence = ((now.as_micros() as u16) ^ client.wrapping_mul(0x4F1B)).max(0x400);
        Self { line: Line::new(stream), sequence, board: None, piece: Piece::new(link::REQUEST) }
    }

    /// The same with other time-outs: the first attempt's, of which each further one has twice the one before, and the number
    /// of attempts. By default there are six in about a minute.
    #[must_use]
    pub fn with_patience(mut self, first: Duration, attempts: u32) -> Self {
        self.set_patience(Patience { first, attempts: attempts.max(1) });
        self
    }

    /// Sets the time-outs.
    pub const fn set_patience(&mut self, patience: Patience) {
        self.line.patience = patience;
    }

    /// The time-outs.
    pub const fn patience(&self) -> Patience {
        self.line.patience
    }

    /// The same on a line of so many baud, on which long frames take their time.
    #[must_use]
    pub const fn at_baud(mut self, baud: u32) -> Self {
        let rate = baud / 10;
        self.line.rate = Some(if rate == 0 { 1 } else { rate });
        self
    }

    /// Greets the board.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::Version`] if the board is older than [`link::OLDEST`].
    pub fn hello(&mut self) -> Result<Hello<'_>, ClientError> {
        self.board = None;
        // What it was in the middle of hearing before.
        self.line.write(&[0])?;
        self.send(RequestBody::Hello { version: link::VERSION }, Repeat::Always, DAMAGED)?;
        let Reply { body: ReplyBody::Hello(Hello { version, request, .. }), .. } = self.line.reply()? else {
            return Err(ClientError::Unexpected);
        };
        if version < link::OLDEST {
            return Err(ClientError::Version { board: version, oldest: link::OLDEST, host: link::VERSION });
        }
        self.board = Some(Known { version, request: request.into() });
        if self.piece.is_for_other(request.into()) {
            self.piece = Piece::new(request.into());
        }
        self.greeting()
    }

    /// The answer to the last request, which was a `Hello`.
    fn greeting(&mut self) -> Result<Hello<'_>, ClientError> {
        match self.line.reply()?.body {
            ReplyBody::Hello(hello) => Ok(hello),
            _ => Err(ClientError::Unexpected),
        }
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

    /// Begins a train of spikes, for [`Client::observe`]: the network is at rest.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn begin(&mut self, stop: Stop) -> Result<(), ClientError> {
        self.done(RequestBody::Begin { early: stop == Stop::WhenDecided }).map(drop)
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

    /// Advances the train at hand by one timestep, whose spiking inputs ascend, and tells what the network shows then.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn observe(&mut self, spiking: &[u16]) -> Result<Observed, ClientError> {
        let mut spikes = heapless::Vec::<u8, STEP>::new();
        link::pack_step(spiking, &mut spikes).map_err(|_| ClientError::TooManySpikes)?;
        self.observed(RequestBody::Observe { spikes: &spikes })
    }

    /// Lets the board run continuously from its own source of spikes, or ends that.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn live(&mut self, on: bool) -> Result<(), ClientError> {
        self.done(RequestBody::Live { on }).map(drop)
    }

    /// What the continuous operation shows now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn look(&mut self) -> Result<Observed, ClientError> {
        self.observed(RequestBody::Look)
    }

    fn observed(&mut self, body: RequestBody<'_>) -> Result<Observed, ClientError> {
        match self.ask(body)? {
            ReplyBody::Observed(observed) => Ok(observed),
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

    /// How the board is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn health(&mut self) -> Result<Health, ClientError> {
        match self.ask(RequestBody::Health)? {
            ReplyBody::Health(health) => Ok(health),
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

    /// Sends a request and waits for its reply. The board is greeted first if it was not yet.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::TooOld`] without sending anything if the board does not know this request.
    pub fn ask(&mut self, body: RequestBody<'_>) -> Result<ReplyBody<'_>, ClientError> {
        self.ask_within(body, DAMAGED)
    }

    /// The same, sent at most so many times while frames arrive damaged.
    fn ask_within(&mut self, body: RequestBody<'_>, damaged: u32) -> Result<ReplyBody<'_>, ClientError> {
        let repeat = if self.version()? >= ONCE { Repeat::Always } else { Repeat::Unread };
        self.check(body)?;
        self.send(body, repeat, damaged)?;
        self.body()
    }

    /// The same, sent once.
    fn ask_once(&mut self, body: RequestBody<'_>) -> Result<ReplyBody<'_>, ClientError> {
        self.version()?;
        self.check(body)?;
        self.send(body, Repeat::Never, 1)?;
        self.body()
    }

    /// The board's version of the link.
    fn version(&mut self) -> Result<u16, ClientError> {
        match self.board {
            Some(known) => Ok(known.version),
            None => Ok(self.hello()?.version),
        }
    }

    /// Refuses what the board is too old for.
    fn check(&self, body: RequestBody<'_>) -> Result<(), ClientError> {
        let (needed, what) = body.since();
        match self.board {
            Some(Known { version, .. }) if version < needed => {
                Err(ClientError::TooOld { board: version, needed, what })
            }
            _ => Ok(()),
        }
    }

    fn send(&mut self, body: RequestBody<'_>, repeat: Repeat, damaged: u32) -> Result<(), ClientError> {
        let too_long = match body {
            RequestBody::InferPixels { .. } => ClientError::TooManyPixels,
            _ => ClientError::TooManySpikes,
        };
        self.sequence = self.sequence.wrapping_add(1);
        let mut buffer = [0; link::REQUEST + 1];
        let Ok(frame) = link::encode(&Request { sequence: self.sequence, body }, &mut buffer) else {
            return Err(too_long);
        };
        if self.board.is_some_and(|board| frame.len() > board.request + 1) {
            return Err(too_long);
        }
        self.line.exchange(self.sequence, frame, repeat, damaged)
    }

    fn body(&mut self) -> Result<ReplyBody<'_>, ClientError> {
        match self.line.reply()?.body {
            ReplyBody::Error(error) => Err(ClientError::Refused(error)),
            body => Ok(body),
        }
    }

    /// Sends bytes as they are; for tests of what a board makes of them.
    ///
    /// # Errors
    /// If the stream breaks.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.line.write(bytes)
    }

    /// Waits for the next reply, whatever it answers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn next_reply(&mut self) -> Result<Reply<'_>, ClientError> {
        let patience = self.line.patience.total();
        self.line.take_frame(Instant::now() + patience)?;
        self.line.reply()
    }
}
