//! Requests in, replies out. PROTOCOL.md in the export part describes both.

use crate::clock::Board;
use crate::live::{Live, Outputs, SpikeSource};
use crate::models::ModelStore;
use embedded_io::{Read, ReadReady, Write};
use heapless::VecView;
use spikelet_export::link::{
    self, BoardInferred, BoardObserved, FrameError, Health, Hello, LinkError, Measured, Receiver, Reply,
    ReplyBody, Request, RequestBody,
};
use spikelet_export::{ModelFile, PresentError, Stage};
use spikelet_runtime::{Need, Network};

/// Memory that the application uses but does not own.
#[derive(Debug)]
pub struct Buffers<'b> {
    /// The request at hand: [`link::REQUEST`] bytes.
    pub request: &'b mut [u8],
    /// The reply at hand: [`link::REPLY`] bytes and a zero.
    pub reply: &'b mut [u8],
    /// Input spikes of the timestep at hand: one per input.
    pub spiking: &'b mut VecView<u16>,
    /// Spikes of the layers in an observed timestep, packed: at most [`link::OBSERVED`] bytes.
    pub observed: &'b mut VecView<u8>,
}

/// Why the application has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop<E> {
    /// The host has asked for it.
    Shutdown,
    /// Another model is to run: the board has to start anew.
    Restart,
    /// The byte stream has ended.
    Closed,
    /// The byte stream has failed.
    Io(E),
}

/// A network that answers a host, and runs continuously if it is told to.
#[derive(Debug)]
pub struct Application<'m, 'a, B, M, S, O> {
    file: &'m ModelFile<'m>,
    board: B,
    models: M,
    live: Live<S, O>,
    answerer: Answerer<'m, 'a>,
    uptime: Uptime,
    frames_good: u32,
    frames_bad: u32,
}

/// Seconds since the start, from ticks that wrap around.
#[derive(Debug, Default)]
struct Uptime {
    seconds: u32,
    /// Ticks of the second at hand.
    ticks: u32,
    /// The clock when it was looked at last.
    last: u32,
}

impl Uptime {
    /// Has to be called more often than the clock wraps around.
    fn advance(&mut self, now: u32, ticks_per_second: u32) {
        self.ticks = self.ticks.wrapping_add(now.wrapping_sub(self.last));
        self.last = now;
        while self.ticks >= ticks_per_second {
            self.ticks -= ticks_per_second;
            self.seconds = self.seconds.wrapping_add(1);
        }
    }
}

/// The last request that was carried out: its reply lies in the reply buffer.
#[derive(Clone, Copy, Debug)]
struct Answered {
    sequence: u16,
    /// Bytes of the reply.
    length: usize,
}

/// The network and the state of its train of spikes.
#[derive(Debug)]
struct Answerer<'m, 'a> {
    network: &'a mut Network<'m, 'a>,
    /// The train of spikes at hand; `None` without one.
    train: Option<Train>,
    /// Saturations of earlier trains: each train's begin sets the network's own to 0.
    saturations: u32,
}

/// A train of spikes since its `Begin`.
#[derive(Clone, Copy, Debug, Default)]
struct Train {
    /// What was done of it.
    work: Work,
    /// It ends when the network has decided.
    early: bool,
    /// The network has, and it does.
    decided: bool,
}

impl<'m, 'a, B: Board, M: ModelStore, S: SpikeSource, O: Outputs> Application<'m, 'a, B, M, S, O> {
    /// An application for a model at work on a board.
    pub fn new(
        file: &'m ModelFile<'m>,
        network: &'a mut Network<'m, 'a>,
        board: B,
        models: M,
        live: Live<S, O>,
    ) -> Self {
        let answerer = Answerer { network, train: None, saturations: 0 };
        let uptime = Uptime { last: board.ticks(), ..Uptime::default() };
        Self { file, board, models, live, answerer, uptime, frames_good: 0, frames_bad: 0 }
    }

    /// Answers requests until the stream ends or the host says so.
    ///
    /// A request that repeats the sequence number of the last one is not carried out again: it gets the same reply once more.
    pub fn serve<W: Read + ReadReady + Write>(
        &mut self,
        stream: &mut W,
        buffers: Buffers<'_>,
    ) -> Stop<W::Error> {
        let Buffers { request, reply, spiking, observed } = buffers;
        let mut receiver = Receiver::new(request);
        let mut answered = None;
        loop {
            self.pass_time(spiking);
            match stream.read_ready() {
                Ok(true) => {}
                Ok(false) => {
                    // The next timestep of the continuous operation may be due before anything is received.
                    if !self.live.is_on() {
                        self.board.sleep();
                    }
                    continue;
                }
                Err(error) => return Stop::Io(error),
            }
            let mut byte = [0];
            match stream.read(&mut byte) {
                Ok(0) => return Stop::Closed,
                Ok(_) => {}
                Err(error) => return Stop::Io(error),
            }
            let [byte] = byte;
            let Some(frame) = receiver.push(byte) else { continue };
            let mut ending = None;
            let written = match frame.and_then(decode) {
                Err(error) => {
                    self.frames_bad = self.frames_bad.wrapping_add(1);
                    send_error(stream, error)
                }
                Ok(Request { sequence, body }) => {
                    self.frames_good = self.frames_good.wrapping_add(1);
                    let again = answered
                        .filter(|last: &Answered| last.sequence == sequence)
                        // A host that has just come knows nothing of the last reply.
                        .filter(|_| !matches!(body, RequestBody::Hello { .. }));
                    let length = match again {
                        Some(last) => last.length,
                        None => {
                            observed.clear();
                            let answer = self.answer(body, spiking, observed);
                            if let Ok(Answer::Ending(stop)) = answer {
                                ending = Some(stop);
                            }
                            self.reply(sequence, answer, observed, reply)
                        }
                    };
                    answered = Some(Answered { sequence, length });
                    stream.write_all(reply.get(..length).unwrap_or(&[])).and_then(|()| stream.flush())
                }
            };
            match (written, ending) {
                (Err(error), _) => return Stop::Io(error),
                (Ok(()), Some(Ending::Shutdown)) => return Stop::Shutdown,
                (Ok(()), Some(Ending::Restart)) => return Stop::Restart,
                (Ok(()), None) => {}
            }
        }
    }

    /// Begins the continuous operation, if the board has a source, as if the host had asked for it.
    pub fn begin_live(&mut self) {
        if Live::<S, O>::PRESENT {
            self.answerer.rest();
            self.answerer.train = None;
            self.live.start(self.board.ticks());
        }
    }

    /// What is to be done between two received bytes.
    fn pass_time(&mut self, spiking: &mut VecView<u16>) {
        let now = self.board.ticks();
        self.board.feed();
        self.uptime.advance(now, B::TICKS_PER_SECOND);
        self.live.poll(now, self.answerer.network, spiking);
    }

    /// Carries a request out.
    fn answer(
        &mut self,
        body: RequestBody<'_>,
        spiking: &mut VecView<u16>,
        observed: &mut VecView<u8>,
    ) -> Result<Answer, LinkError> {
        let answerer = &mut self.answerer;
        match body {
            RequestBody::Hello { .. } => Ok(Answer::Hello),
            // All of them would disturb the network.
            RequestBody::InferPixels { .. }
            | RequestBody::Begin { .. }
            | RequestBody::Steps { .. }
            | RequestBody::Finish
            | RequestBody::Observe { .. }
            | RequestBody::Measure { .. }
                if self.live.is_on() =>
            {
                Err(LinkError::Live)
            }
            RequestBody::InferPixels { stream, early, pixels } => {
                answerer.infer(self.file, stream, early, pixels, spiking, &self.board)
            }
            RequestBody::Begin { early } => Ok(answerer.begin(early)),
            RequestBody::Steps { spikes } => answerer.advance(spikes, spiking, &self.board),
            RequestBody::Finish => answerer.finish(),
            RequestBody::Measure { layer, spikes } => {
                answerer.measure(layer.into(), spikes, spiking, &self.board)
            }
            RequestBody::Memory => Ok(Answer::Memory),
            RequestBody::Shutdown if B::EMULATED => Ok(Answer::Ending(Ending::Shutdown)),
            RequestBody::Shutdown => Err(LinkError::Unsupported),
            RequestBody::Health => Ok(Answer::Health),
            RequestBody::Observe { spikes } => answerer.observe(spikes, spiking, observed),
            RequestBody::Live { .. } | RequestBody::Look if !Live::<S, O>::PRESENT => {
                Err(LinkError::Unsupported)
            }
            RequestBody::Live { on: true } => {
                self.begin_live();
                Ok(Answer::Done { steps: 0, decided: false })
            }
            RequestBody::Live { on: false } => {
                self.live.stop();
                Ok(Answer::Done { steps: 0, decided: false })
            }
            RequestBody::Look => {
                let last = self.live.last();
                Ok(Answer::Observed { steps: last.steps, decided: last.decided })
            }
            RequestBody::Models => Ok(Answer::Models),
            RequestBody::Offer(offer) => self.models.offer(offer).map(|bytes| Answer::Received { bytes }),
            RequestBody::Chunk { offset, bytes } => {
                self.models.chunk(offset, bytes).map(|bytes| Answer::Received { bytes })
            }
            RequestBody::Activate => self.models.activate().map(|()| Answer::Ending(Ending::Restart)),
            RequestBody::Rollback => self.models.rollback().map(|()| Answer::Ending(Ending::Restart)),
        }
    }

    /// Encodes the reply and gives its length. Apart from the rest, so that its stack is free while the network works.
    #[inline(never)]
    fn reply(
        &self,
        sequence: u16,
        answer: Result<Answer, LinkError>,
        observed: &[u8],
        reply: &mut [u8],
    ) -> usize {
        let body = match answer {
            Ok(Answer::Hello) => ReplyBody::Hello(self.hello()),
            Ok(Answer::Done { steps, decided }) => ReplyBody::Done { steps, decided },
            Ok(Answer::Inferred(of)) => ReplyBody::Inferred(self.answerer.result(of)),
            Ok(Answer::Measured(measured)) => ReplyBody::Measured(measured),
            Ok(Answer::Memory) => ReplyBody::Memory(self.board.memory_use()),
            Ok(Answer::Health) => ReplyBody::Health(self.health()),
            Ok(Answer::Observed { steps, decided }) => {
                ReplyBody::Observed(self.answerer.observed(steps, decided, observed))
            }
            Ok(Answer::Models) => ReplyBody::Models(self.models.models()),
            Ok(Answer::Received { bytes }) => ReplyBody::Received { bytes },
            Ok(Answer::Ending(_)) => ReplyBody::Done { steps: 0, decided: false },
            Err(error) => ReplyBody::Error(error),
        };
        // A reply always fits: link::REPLY is made for the most classes and layers.
        link::encode_reply(&Reply { sequence: Some(sequence), body }, reply).map_or(0, <[u8]>::len)
    }

    fn health(&self) -> Health {
        let (resets, cause) = self.board.resets();
        let live = self.live.counts();
        Health {
            uptime: self.uptime.seconds,
            resets,
            cause,
            frames_good: self.frames_good,
            frames_bad: self.frames_bad,
            overruns: self.board.overruns(),
            saturations: self.answerer.saturations(),
            live_steps: live.steps,
            live_missed: live.missed,
            live_errors: live.source_errors.wrapping_add(live.dropped).wrapping_add(live.output_errors),
            stack_free: self.board.memory_use().stack_free,
        }
    }

    fn hello(&self) -> Hello<'static> {
        let Need { inputs, layers, neurons, classes, .. } = self.file.model().need();
        Hello {
            version: link::VERSION,
            model: self.file.id(),
            board: B::NAME,
            firmware: env!("CARGO_PKG_VERSION"),
            inputs: inputs as u16,
            classes: classes as u16,
            layers: layers as u16,
            steps: self.file.model().steps(),
            neurons: neurons as u32,
            request: link::REQUEST as u16,
            ticks_per_second: B::TICKS_PER_SECOND,
        }
    }
}

/// Decodes a request. Apart from the rest, like [`Application::reply`].
#[inline(never)]
fn decode(frame: &mut [u8]) -> Result<Request<'_>, FrameError> {
    link::decode(frame)
}

/// Answers a frame that is no request. In a buffer of its own: the last reply may be asked for again.
#[inline(never)]
fn send_error<W: Write>(stream: &mut W, error: FrameError) -> Result<(), W::Error> {
    let mut reply = [0; 16];
    let body = ReplyBody::Error(error.into());
    let frame = link::encode_reply(&Reply { sequence: None, body }, &mut reply).unwrap_or(&[]);
    stream.write_all(frame).and_then(|()| stream.flush())
}

/// What is left to say of a request that was carried out.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Hello,
    Done { steps: u16, decided: bool },
    Inferred(Work),
    Measured(Measured),
    Memory,
    Health,
    Observed { steps: u32, decided: bool },
    Models,
    Received { bytes: u32 },
    Ending(Ending),
}

/// What the program does when the reply is out.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Shutdown,
    Restart,
}

/// What was done of a train of spikes.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    /// Timesteps made.
    steps: u16,
    /// Ticks in the network.
    ticks: u32,
    /// Ticks spent encoding pixels.
    ticks_encoding: u32,
}

impl Answerer<'_, '_> {
    /// Timesteps of layers in which a current was kept within its range.
    fn saturations(&self) -> u32 {
        self.network.saturations().iter().fold(self.saturations, |sum, &count| sum.wrapping_add(count))
    }

    /// Puts the network at rest.
    fn rest(&mut self) {
        self.saturations = self.saturations();
        self.network.reset();
    }

    fn begin(&mut self, early: bool) -> Answer {
        self.rest();
        self.train = Some(Train { early, ..Train::default() });
        Answer::Done { steps: 0, decided: false }
    }

    #[inline(never)]
    fn advance(
        &mut self,
        mut packed: &[u8],
        spiking: &mut VecView<u16>,
        board: &impl Board,
    ) -> Result<Answer, LinkError> {
        let mut train = self.train.ok_or(LinkError::NotBegun)?;
        let inputs = self.network.model().inputs();
        while !packed.is_empty() && !train.decided {
            link::unpack_step(&mut packed, inputs, spiking).map_err(|_| LinkError::Spikes)?;
            train.work.steps = train.work.steps.checked_add(1).ok_or(LinkError::TooLong)?;
            board.feed();
            let start = board.ticks();
            self.network.step(spiking);
            train.decided = train.early && self.network.has_decided();
            train.work.ticks = train.work.ticks.wrapping_add(board.ticks().wrapping_sub(start));
            self.train = Some(train);
        }
        Ok(Answer::Done { steps: train.work.steps, decided: train.decided })
    }

    fn finish(&mut self) -> Result<Answer, LinkError> {
        let train = self.train.take().ok_or(LinkError::NotBegun)?;
        Ok(Answer::Inferred(train.work))
    }

    #[inline(never)]
    fn infer(
        &mut self,
        file: &ModelFile<'_>,
        stream: u64,
        early: bool,
        pixels: &[u8],
        spiking: &mut VecView<u16>,
        board: &impl Board,
    ) -> Result<Answer, LinkError> {
        let (mut work, mut last) = (Work::default(), 0);
        let passed = |stage| {
            if stage == Stage::Begun {
                board.feed();
            }
            let now = board.ticks();
            let since = now.wrapping_sub(last);
            match stage {
                Stage::Begun => {}
                Stage::Encoded => work.ticks_encoding = work.ticks_encoding.wrapping_add(since),
                Stage::Advanced => work.ticks = work.ticks.wrapping_add(since),
            }
            last = now;
        };
        self.saturations = self.saturations();
        let presented = file.input().present(self.network, stream, early, pixels, spiking, passed);
        work.steps = presented.map_err(|error| match error {
            PresentError::NoEncoder => LinkError::NoEncoder,
            PresentError::PixelCount => LinkError::PixelCount,
        })?;
        self.train = None;
        Ok(Answer::Inferred(work))
    }

    /// One timestep, whose spikes are written down.
    #[inline(never)]
    fn observe(
        &mut self,
        mut packed: &[u8],
        spiking: &mut VecView<u16>,
        observed: &mut VecView<u8>,
    ) -> Result<Answer, LinkError> {
        let mut train = self.train.ok_or(LinkError::NotBegun)?;
        link::unpack_step(&mut packed, self.network.model().inputs(), spiking)
            .map_err(|_| LinkError::Spikes)?;
        if !packed.is_empty() {
            return Err(LinkError::Spikes);
        }
        train.work.steps = train.work.steps.checked_add(1).ok_or(LinkError::TooLong)?;
        let mut room = true;
        self.network.step_observed(spiking, |_, spikes| {
            // A layer behind one that found no room would be taken for that one.
            room = room && link::pack_spikes(spikes, observed).is_ok();
        });
        let decided = self.network.has_decided();
        train.decided = train.early && decided;
        self.train = Some(train);
        Ok(Answer::Observed { steps: train.work.steps.into(), decided })
    }

    fn observed<'n>(&'n self, steps: u32, decided: bool, spiking: &'n [u8]) -> BoardObserved<'n> {
        let (class, scores) = (self.network.class(), self.network.scores());
        BoardObserved { steps, class, decided, scores, spiking }
    }

    fn result(&self, Work { steps, ticks, ticks_encoding }: Work) -> BoardInferred<'_> {
        BoardInferred {
            class: self.network.class(),
            steps,
            ticks,
            ticks_encoding,
            // Models of more classes have no room in a reply; their class is right all the same.
            scores: self.network.scores(),
            spike_counts: self.network.spike_counts(),
        }
    }

    #[inline(never)]
    fn measure(
        &mut self,
        layer: usize,
        spikes: u16,
        spiking: &mut VecView<u16>,
        board: &impl Board,
    ) -> Result<Answer, LinkError> {
        let inputs = self.network.model().layers().get(layer).ok_or(LinkError::Layer)?.synapses().inputs();
        self.train = None;
        self.rest();
        spiking.clear();
        for input in 0..spikes.min(inputs) {
            spiking.push(input).map_err(|_| LinkError::Spikes)?;
        }
        let start = board.ticks();
        let empty = board.ticks().wrapping_sub(start);
        let start = board.ticks();
        self.network.receive(layer, spiking);
        let synapses = board.ticks().wrapping_sub(start);
        let start = board.ticks();
        self.network.update_neurons(layer, true);
        let neurons = board.ticks().wrapping_sub(start);
        self.network.reset();
        Ok(Answer::Measured(Measured { empty, synapses, neurons }))
    }
}
