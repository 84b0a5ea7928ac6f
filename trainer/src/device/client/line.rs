//! One request and its answer over a line that loses, alters and doubles bytes.

use super::ClientError;
use spikelet_export::link::{self, FrameError, LinkError, Reply, ReplyBody};
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// Longest frame that is kept: more than any reply has.
const FRAME: usize = link::REQUEST + 1;

/// Attempts' time that a request has which is sent once: 15 s by default.
const ONCE: u32 = 4;

/// How long a client waits for an answer before it asks again, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Time for the first attempt; each further one has twice that of the one before.
    pub first: Duration,
    /// Number of attempts.
    pub attempts: u32,
}

impl Default for Patience {
    /// Six attempts in about a minute: a slow board may take some seconds for its largest model.
    fn default() -> Self {
        Self { first: Duration::from_secs(1), attempts: 6 }
    }
}

impl Patience {
    fn wait(&self, attempt: u32) -> Duration {
        self.first * 2u32.saturating_pow(attempt)
    }

    /// Time until the last attempt is given up.
    pub fn total(&self) -> Duration {
        (0..self.attempts).map(|attempt| self.wait(attempt)).sum()
    }
}

/// When a request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Whenever no answer comes: the board carries it out once.
    Always,
    /// If the board says that it could not read it, and so has not carried it out.
    Unread,
    /// Not at all.
    Never,
}

/// A byte stream with a board at its other end.
#[derive(Debug)]
pub struct Line<S> {
    stream: S,
    pub patience: Patience,
    /// Bytes in a second, if the stream is known to be slow.
    pub rate: Option<u32>,
    /// Bytes that have been read and belong to later frames.
    pending: Vec<u8>,
    /// The frame of the last answer, and the place to decode it.
    answer: Vec<u8>,
    decoded: Vec<u8>,
    /// How often the last request was sent.
    pub sent: u32,
}

/// What a frame is to the request at hand.
enum Verdict {
    Answer,
    /// To an earlier request.
    Stale,
    /// The board could not read what it was sent last.
    Unread(LinkError),
    /// It arrived damaged.
    Damaged,
    /// It is whole, but no reply that this program knows.
    Strange,
}

impl Verdict {
    const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged | Self::Unread(LinkError::Damaged | LinkError::Oversized))
    }

    /// Why it was in vain, if every attempt ended so.
    fn error(&self) -> ClientError {
        match self {
            Self::Unread(LinkError::Damaged) | Self::Damaged | Self::Stale | Self::Answer => {
                ClientError::Damaged
            }
            Self::Unread(error) => ClientError::Refused(*error),
            Self::Strange => ClientError::Unexpected,
        }
    }
}

impl<S: Read + Write> Line<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            patience: Patience::default(),
            rate: None,
            pending: Vec::new(),
            answer: Vec::new(),
            decoded: Vec::new(),
            sent: 0,
        }
    }

    /// Sends the frame of a request until its answer has come, which [`Line::reply`] gives; at most `damaged` times
    /// of frames that arrived damaged.
    pub fn exchange(
        &mut self,
        sequence: u16,
        frame: &[u8],
        repeat: Repeat,
        damaged: u32,
    ) -> Result<(), ClientError> {
        let start = Instant::now();
        let (mut heard, mut bad) = (None, 0);
        self.sent = 0;
        let attempts = match repeat {
            Repeat::Never => self.patience.attempts.min(ONCE),
            Repeat::Always | Repeat::Unread => self.patience.attempts,
        };
        for attempt in 0..attempts {
            // What a slow line takes for the longest reply is no silence.
            let deadline = Instant::now() + self.patience.wait(attempt) + self.time_of(frame.len() + FRAME);
            if attempt == 0 || repeat == Repeat::Always {
                self.send(frame)?;
            }
            while let Some(arrived) = self.next_frame(deadline)? {
                let mut verdict = self.judge(arrived, sequence);
                if matches!(verdict, Verdict::Stale) {
                    continue;
                }
                if !matches!(verdict, Verdict::Answer) {
                    // What is whole is not damaged, and will not be another one the next time.
                    bad += if verdict.is_damage() { 1 } else { damaged.div_ceil(4) };
                    let quiet = self.patience.wait(bad.min(4)) / 64;
                    verdict = self.settle(sequence, verdict, quiet, deadline)?;
                }
                let again = match verdict {
                    Verdict::Answer => return Ok(()),
                    Verdict::Unread(_) => repeat != Repeat::Never,
                    _ => repeat == Repeat::Always,
                };
                if !again || bad >= damaged {
                    return Err(verdict.error());
                }
                heard = Some(verdict);
                self.send(frame)?;
            }
            if self.takes_unended(sequence) {
                return Ok(());
            }
        }
        // Bytes without an end are no silence either: another program, or another baud rate.
        let unended = !self.pending.is_empty();
        Err(match heard {
            Some(verdict) => verdict.error(),
            None if unended => ClientError::Damaged,
            None => ClientError::Silent { seconds: start.elapsed().as_secs().max(1) },
        })
    }

    /// Takes the next frame for an answer, whatever it is.
    pub fn take_frame(&mut self, deadline: Instant) -> Result<(), ClientError> {
        let silent = ClientError::Silent { seconds: self.patience.total().as_secs() };
        self.answer = self.next_frame(deadline)?.ok_or(silent)?;
        Ok(())
    }

    /// The last answer.
    pub fn reply(&mut self) -> Result<Reply<'_>, ClientError> {
        self.decoded.clone_from(&self.answer);
        link::decode(&mut self.decoded).map_err(|_| ClientError::Unexpected)
    }

    /// Sends a frame. What the board may be in the middle of is ended first; a second zero behind it saves a time-out
    /// if the first is lost.
    fn send(&mut self, frame: &[u8]) -> Result<(), ClientError> {
        self.sent += 1;
        let mut bytes = Vec::with_capacity(frame.len() + 2);
        if self.sent > 1 {
            bytes.push(0);
        }
        bytes.extend(frame);
        bytes.push(0);
        self.write(&bytes)
    }

    /// Writes bytes as they are. A board that takes none for a while is one that is silent.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        match self.stream.write_all(bytes).and_then(|()| self.stream.flush()) {
            Err(error) if !is_time_out(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Waits until nothing has come for `quiet`: one damaged byte may make two frames of one, and each is answered. Gives
    /// the answer if that is what came, else the latest verdict.
    fn settle(
        &mut self,
        sequence: u16,
        mut verdict: Verdict,
        quiet: Duration,
        deadline: Instant,
    ) -> Result<Verdict, ClientError> {
        while let Some(frame) = self.next_frame(deadline.min(Instant::now() + quiet))? {
            match self.judge(frame, sequence) {
                Verdict::Answer => return Ok(Verdict::Answer),
                Verdict::Stale => {}
                other => verdict = other,
            }
        }
        Ok(verdict)
    }

    /// Reads and forgets what is on its way, until nothing has come for a moment.
    pub fn drain(&mut self) -> Result<(), ClientError> {
        let deadline = Instant::now() + self.patience.first;
        let quiet = self.patience.first / 16;
        while self.next_frame(deadline.min(Instant::now() + quiet))?.is_some() {}
        self.pending.clear();
        Ok(())
    }

    fn judge(&mut self, frame: Vec<u8>, sequence: u16) -> Verdict {
        self.decoded.clone_from(&frame);
        let verdict = match link::decode::<Reply<'_>>(&mut self.decoded) {
            Ok(Reply { sequence: Some(heard), .. }) if heard == sequence => Verdict::Answer,
            Ok(Reply { sequence: Some(_), .. }) => Verdict::Stale,
            Ok(Reply { sequence: None, body: ReplyBody::Error(error) }) => Verdict::Unread(error),
            Ok(_) | Err(FrameError::Unknown) => Verdict::Strange,
            Err(_) => Verdict::Damaged,
        };
        if matches!(verdict, Verdict::Answer) {
            self.answer = frame;
        }
        verdict
    }

    /// True if the bytes at hand are the answer, and only the zero behind it was lost.
    fn takes_unended(&mut self, sequence: u16) -> bool {
        let frame = self.pending.clone();
        let is_answer = matches!(self.judge(frame, sequence), Verdict::Answer);
        if is_answer {
            self.pending.clear();
        }
        is_answer
    }

    /// The next frame that is not empty, without its zero; `None` if none has come by the deadline.
    fn next_frame(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, ClientError> {
        let mut bytes = [0; 512];
        loop {
            while let Some(end) = self.pending.iter().position(|&byte| byte == 0) {
                let mut frame: Vec<u8> = self.pending.drain(..=end).collect();
                frame.pop();
                if !frame.is_empty() {
                    return Ok(Some(frame));
                }
            }
            // What is longer than any reply is none; its beginning is enough to see that.
            self.pending.truncate(FRAME);
            if Instant::now() >= deadline {
                return Ok(None);
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(ClientError::Io(ErrorKind::UnexpectedEof.into())),
                Ok(count) => self.pending.extend(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted || is_time_out(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How long so many bytes take on the line: a byte is ten bits.
    fn time_of(&self, bytes: usize) -> Duration {
        self.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bytes as f64 / f64::from(rate)))
    }
}

fn is_time_out(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
