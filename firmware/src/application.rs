//! Requests in, replies out. PROTOCOL.md in the export part describes both.

use crate::clock::Board;
use embedded_io::{Read, Write};
use heapless::VecView;
use spikelet_export::link::{
    self, FrameError, Hello, Inferred, LinkError, Measured, Receiver, Reply, ReplyBody, Request, RequestBody,
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
    network: Network<'m, 'a>,
    /// The train of spikes at hand; `None` without one.
    train: Option<Train>,
}

/// A train of spikes since its `Begin`.
#[derive(Clone, Copy, Debug, Default)]
struct Train {
    /// Timesteps made.
    steps: u16,
    /// Ticks in the network.
    ticks: u32,
    /// It ends when the network has decided.
    early: bool,
    /// The network has, and it does.
    decided: bool,
}

impl<'m, 'a, B: Board> Application<'m, 'a, B> {
    /// An application for a model at work on a board.
    pub const fn new(file: &'m ModelFile<'m>, network: Network<'m, 'a>, board: B) -> Self {
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
                let (sequence, body) = self.reply(frame, spiking);
                let stop = matches!(body, Err(Ending));
                let body = body.unwrap_or(ReplyBody::Done { steps: 0, decided: false });
                // A reply always fits: link::REPLY is made for the most classes and layers.
                let frame = link::encode(&Reply { sequence, body }, reply).unwrap_or(&[]);
                if let Err(error) = stream.write_all(frame).and_then(|()| stream.flush()) {
                    return Stop::Io(error);
                }
                if stop {
                    return Stop::Shutdown;
                }
            }
        }
    }

    fn reply(
        &mut self,
        frame: Result<&mut [u8], FrameError>,
        spiking: &mut VecView<u16>,
    ) -> (Option<u16>, Result<ReplyBody<'static>, Ending>) {
        let request: Result<Request<'_>, FrameError> = match frame {
            Ok(frame) => link::decode(frame),
            Err(error) => Err(error),
        };
        match request {
            Ok(Request { sequence, body }) => (Some(sequence), self.answer(body, spiking)),
            Err(error) => {
                let error = match error {
                    FrameError::Damaged => LinkError::Damaged,
                    FrameError::Unknown => LinkError::Unknown,
                    FrameError::Oversized => LinkError::Oversized,
                };
                (None, Ok(ReplyBody::Error(error)))
            }
        }
    }

    fn answer(
        &mut self,
        body: RequestBody<'_>,
        spiking: &mut VecView<u16>,
    ) -> Result<ReplyBody<'static>, Ending> {
        let answerer = &mut self.answerer;
        let answer = match body {
            RequestBody::Hello { .. } => Ok(ReplyBody::Hello(self.hello())),
            RequestBody::InferPixels { stream, early, pixels } => answerer
                .infer(self.file, stream, early, pixels, spiking, &self.board)
                .map(ReplyBody::Inferred),
            RequestBody::Begin { early } => Ok(answerer.begin(early)),
            RequestBody::Steps { spikes } => answerer.advance(spikes, spiking, &self.board),
            RequestBody::Finish => answerer.finish().map(ReplyBody::Inferred),
            RequestBody::Measure { layer, spikes } => {
                answerer.measure(layer.into(), spikes, spiking, &self.board).map(ReplyBody::Measured)
            }
            RequestBody::Memory => Ok(ReplyBody::Memory(self.board.memory_use())),
            RequestBody::Shutdown if B::EMULATED => return Err(Ending),
            RequestBody::Shutdown => Err(LinkError::Unsupported),
        };
        Ok(answer.unwrap_or_else(ReplyBody::Error))
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

/// The host has asked the board to end.
#[derive(Clone, Copy, Debug)]
struct Ending;

impl Answerer<'_, '_> {
    fn begin(&mut self, early: bool) -> ReplyBody<'static> {
        self.network.reset();
        self.train = Some(Train { early, ..Train::default() });
        ReplyBody::Done { steps: 0, decided: false }
    }

    fn advance(
        &mut self,
        mut packed: &[u8],
        spiking: &mut VecView<u16>,
        board: &impl Board,
    ) -> Result<ReplyBody<'static>, LinkError> {
        let mut train = self.train.ok_or(LinkError::NotBegun)?;
        let inputs = self.network.model().inputs();
        while !packed.is_empty() && !train.decided {
            link::unpack_step(&mut packed, inputs, spiking).map_err(|_| LinkError::Spikes)?;
            train.steps = train.steps.checked_add(1).ok_or(LinkError::TooLong)?;
            let start = board.ticks();
            self.network.step(spiking);
            train.decided = train.early && self.network.has_decided();
            train.ticks = train.ticks.wrapping_add(board.ticks().wrapping_sub(start));
            self.train = Some(train);
        }
        Ok(ReplyBody::Done { steps: train.steps, decided: train.decided })
    }

    fn finish(&mut self) -> Result<Inferred, LinkError> {
        let train = self.train.take().ok_or(LinkError::NotBegun)?;
        Ok(self.result(train.steps, train.ticks, 0))
    }

    fn infer(
        &mut self,
        file: &ModelFile<'_>,
        stream: u64,
        early: bool,
        pixels: &[u8],
        spiking: &mut VecView<u16>,
        board: &impl Board,
    ) -> Result<Inferred, LinkError> {
        let (mut ticks, mut ticks_encoding, mut last) = (0u32, 0u32, 0);
        let passed = |stage| {
            let now = board.ticks();
            let since = now.wrapping_sub(last);
            match stage {
                Stage::Begun => {}
                Stage::Encoded => ticks_encoding = ticks_encoding.wrapping_add(since),
                Stage::Advanced => ticks = ticks.wrapping_add(since),
            }
            last = now;
        };
        let presented = file.input().present(&mut self.network, stream, early, pixels, spiking, passed);
        let steps = presented.map_err(|error| match error {
            PresentError::NoEncoder => LinkError::NoEncoder,
            PresentError::PixelCount => LinkError::PixelCount,
        })?;
        self.train = None;
        Ok(self.result(steps, ticks, ticks_encoding))
    }

    fn result(&self, steps: u16, ticks: u32, ticks_encoding: u32) -> Inferred {
        let mut inferred = Inferred {
            class: self.network.class(),
            steps,
            ticks,
            ticks_encoding,
            scores: heapless::Vec::new(),
            spike_counts: heapless::Vec::new(),
        };
        // Models of more classes have no room in a reply; their class is right all the same.
        for score in self.network.scores() {
            let _ = inferred.scores.push(score.to_bits());
        }
        for &count in self.network.spike_counts() {
            let _ = inferred.spike_counts.push(count);
        }
        inferred
    }

    fn measure(
        &mut self,
        layer: usize,
        spikes: u16,
        spiking: &mut VecView<u16>,
        board: &impl Board,
    ) -> Result<Measured, LinkError> {
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
        Ok(Measured { empty, synapses, neurons })
    }
}
