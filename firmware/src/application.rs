//! Requests in, replies out. PROTOCOL.md in the export part describes both.

use crate::clock::Board;
use embedded_io::{Read, Write};
use heapless::VecView;
use spikelet_export::link::{
    self, BoardInferred, FrameError, Hello, LinkError, Measured, Receiver, Reply, ReplyBody, Request,
    RequestBody,
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
}

/// Why the application has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop<E> {
    /// The host has asked for it.
    Shutdown,
    /// The byte stream has ended.
    Closed,
    /// The byte stream has failed.
    Io(E),
}

/// A network that answers a host.
#[derive(Debug)]
pub struct Application<'m, 'a, B> {
    file: &'m ModelFile<'m>,
    board: B,
    answerer: Answerer<'m, 'a>,
}

/// The network and the state of its train of spikes.
#[derive(Debug)]
struct Answerer<'m, 'a> {
    network: &'a mut Network<'m, 'a>,
    /// The train of spikes at hand; `None` without one.
    train: Option<Train>,
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

impl<'m, 'a, B: Board> Application<'m, 'a, B> {
    /// An application for a model at work on a board.
    pub const fn new(file: &'m ModelFile<'m>, network: &'a mut Network<'m, 'a>, board: B) -> Self {
        Self { file, board, answerer: Answerer { network, train: None } }
    }

    /// Answers requests until the stream ends or the host says so.
    pub fn serve<S: Read + Write>(&mut self, stream: &mut S, buffers: Buffers<'_>) -> Stop<S::Error> {
        let Buffers { request, reply, spiking } = buffers;
        let mut receiver = Receiver::new(request);
        let mut bytes = [0; 16];
        loop {
            let count = match stream.read(&mut bytes) {
                Ok(0) => return Stop::Closed,
                Ok(count) => count,
                Err(error) => return Stop::Io(error),
            };
            for &byte in bytes.get(..count).unwrap_or(&[]) {
                let Some(frame) = receiver.push(byte) else { continue };
                let request = frame.and_then(decode);
                let (sequence, answer) = match request {
                    Ok(Request { sequence, body }) => (Some(sequence), self.answer(body, spiking)),
                    Err(error) => (None, Err(error.into())),
                };
                let frame = self.reply(sequence, answer, reply);
                if let Err(error) = stream.write_all(frame).and_then(|()| stream.flush()) {
                    return Stop::Io(error);
                }
                if matches!(answer, Ok(Answer::Ending)) {
                    return Stop::Shutdown;
                }
            }
        }
    }

    /// Carries a request out.
    fn answer(&mut self, body: RequestBody<'_>, spiking: &mut VecView<u16>) -> Result<Answer, LinkError> {
        let answerer = &mut self.answerer;
        match body {
            RequestBody::Hello { .. } => Ok(Answer::Hello),
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
            RequestBody::Shutdown if B::EMULATED => Ok(Answer::Ending),
            RequestBody::Shutdown => Err(LinkError::Unsupported),
        }
    }

    /// Encodes the reply. Apart from the rest, so that its stack is free while the network works.
    #[inline(never)]
    fn reply<'r>(
        &self,
        sequence: Option<u16>,
        answer: Result<Answer, LinkError>,
        reply: &'r mut [u8],
    ) -> &'r [u8] {
        let body = match answer {
            Ok(Answer::Hello) => ReplyBody::Hello(self.hello()),
            Ok(Answer::Done { steps, decided }) => ReplyBody::Done { steps, decided },
            Ok(Answer::Inferred(of)) => ReplyBody::Inferred(self.answerer.result(of)),
            Ok(Answer::Measured(measured)) => ReplyBody::Measured(measured),
            Ok(Answer::Memory) => ReplyBody::Memory(self.board.memory_use()),
            Ok(Answer::Ending) => ReplyBody::Done { steps: 0, decided: false },
            Err(error) => ReplyBody::Error(error),
        };
        // A reply always fits: link::REPLY is made for the most classes and layers.
        link::encode_reply(&Reply { sequence, body }, reply).unwrap_or(&[])
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

/// What is left to say of a request that was carried out.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Hello,
    Done { steps: u16, decided: bool },
    Inferred(Work),
    Measured(Measured),
    Memory,
    Ending,
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
    fn begin(&mut self, early: bool) -> Answer {
        self.network.reset();
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
            let now = board.ticks();
            let since = now.wrapping_sub(last);
            match stage {
                Stage::Begun => {}
                Stage::Encoded => work.ticks_encoding = work.ticks_encoding.wrapping_add(since),
                Stage::Advanced => work.ticks = work.ticks.wrapping_add(since),
            }
            last = now;
        };
        let presented = file.input().present(self.network, stream, early, pixels, spiking, passed);
        work.steps = presented.map_err(|error| match error {
            PresentError::NoEncoder => LinkError::NoEncoder,
            PresentError::PixelCount => LinkError::PixelCount,
        })?;
        self.train = None;
        Ok(Answer::Inferred(work))
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
        self.network.reset();
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
