//! The board's application in a thread of this process, at the other end of any byte stream, with models kept in memory.

use embedded_io::{ErrorType, Read, ReadReady, Write};
use spikelet::simulate::HostMemory;
use spikelet_export::link::{self, LinkError, MemoryUse, Models, Offer, StoredModel};
use spikelet_export::{AlignedBytes, ModelFile};
use spikelet_firmware::live::Live;
use spikelet_firmware::{Application, Board, Buffers, Clock, ModelStore, Stop};
use spikelet_runtime::Network;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What the board calls itself.
pub const NAME: &str = "host";

/// After this time the application looks up from a stream that is silent.
pub const READ: Duration = Duration::from_millis(2);

/// Its clock counts microseconds.
struct HostBoard(Instant);

impl Clock for HostBoard {
    const TICKS_PER_SECOND: u32 = 1_000_000;

    fn ticks(&self) -> u32 {
        self.0.elapsed().as_micros() as u32
    }
}

impl Board for HostBoard {
    const NAME: &'static str = NAME;
    const EMULATED: bool = true;

    fn memory_use(&self) -> MemoryUse {
        MemoryUse { stack_used: 100, stack_free: 200 }
    }
}

/// A stream as the application takes it. One that breaks has ended.
struct Wire<S> {
    stream: S,
    ahead: VecDeque<u8>,
    ended: bool,
}

impl<S> ErrorType for Wire<S> {
    type Error = Infallible;
}

impl<S: std::io::Read> ReadReady for Wire<S> {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        if self.ahead.is_empty() && !self.ended {
            let mut bytes = [0; 512];
            match self.stream.read(&mut bytes) {
                Ok(0) => self.ended = true,
                Ok(count) => self.ahead.extend(&bytes[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => self.ended = true,
            }
        }
        Ok(self.ended || !self.ahead.is_empty())
    }
}

impl<S: std::io::Read> Read for Wire<S> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        while !self.read_ready()? {}
        let count = bytes.len().min(self.ahead.len());
        for (byte, next) in bytes.iter_mut().zip(self.ahead.drain(..count)) {
            *byte = next;
        }
        Ok(count)
    }
}

impl<S: std::io::Write> Write for Wire<S> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.ended |= self.stream.write_all(bytes).is_err();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Two slots for models in memory, shared by the board and the test that looks at it.
#[derive(Clone, Debug)]
pub struct Shelf(Arc<Mutex<Content>>);

/// What a [`Shelf`] holds.
#[derive(Debug)]
pub struct Content {
    /// Longest model; 0 of a board without slots.
    pub room: u32,
    /// Models and their generations.
    pub slots: [Option<(AlignedBytes, u32)>; 2],
    /// The slot that runs.
    pub active: usize,
    /// What was offered.
    pub offered: Option<Offer>,
    /// What has come of it.
    pub received: Vec<u8>,
    /// A model that fails its own test when the board starts with it.
    pub failing: Option<u32>,
    /// Starts so far.
    pub starts: u32,
    /// Chunks that were taken.
    pub chunks: u32,
}

impl Shelf {
    /// With one model, in the first slot, and room for models of so many bytes.
    pub fn new(model: &[u8], room: u32) -> Self {
        let slots = [Some((AlignedBytes::from_slice(model), 1)), None];
        Self(Arc::new(Mutex::new(Content {
            room,
            slots,
            active: 0,
            offered: None,
            received: Vec::new(),
            failing: None,
            starts: 0,
            chunks: 0,
        })))
    }

    /// To look at it, and to change it.
    pub fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The model to start with: as on a board, the older one if the newer does not pass its test.
    fn start(&self) -> AlignedBytes {
        let mut content = self.content();
        content.starts += 1;
        let failing = content.failing;
        let is_good = |bytes: &AlignedBytes| Some(ModelFile::open(bytes).unwrap().id()) != failing;
        let active = content.active;
        let slot = [active, 1 - active]
            .into_iter()
            .find(|&slot| content.slots[slot].as_ref().is_some_and(|(bytes, _)| is_good(bytes)));
        let slot = slot.expect("a board has a good model");
        content.active = slot;
        content.slots[slot].as_ref().unwrap().0.clone()
    }
}

impl ModelStore for Shelf {
    fn models(&self) -> Models {
        let content = self.content();
        if content.room == 0 {
            return Models::default();
        }
        let stored = content.slots.each_ref().map(|slot| {
            slot.as_ref().map(|(bytes, generation)| StoredModel {
                model: ModelFile::open(bytes).unwrap().id(),
                length: bytes.len() as u32,
                generation: *generation,
            })
        });
        Models { active: Some(content.active as u8), room: content.room, slots: stored }
    }

    fn offer(&mut self, offer: Offer) -> Result<u32, LinkError> {
        let mut content = self.content();
        if content.room == 0 {
            return Err(LinkError::Unsupported);
        }
        if offer.length > content.room {
            return Err(LinkError::TooLarge);
        }
        if content.offered == Some(offer) {
            // Whole pages are what a board remembers.
            let whole = content.received.len() / 256 * 256;
            content.received.truncate(whole);
        } else {
            content.received.clear();
        }
        content.offered = Some(offer);
        Ok(content.received.len() as u32)
    }

    fn chunk(&mut self, offset: u32, bytes: &[u8]) -> Result<u32, LinkError> {
        let mut content = self.content();
        let length = content.offered.ok_or(LinkError::Offset)?.length as usize;
        if offset as usize != content.received.len() || offset as usize + bytes.len() > length {
            return Err(LinkError::Offset);
        }
        content.received.extend(bytes);
        content.chunks += 1;
        Ok(content.received.len() as u32)
    }

    fn activate(&mut self) -> Result<(), LinkError> {
        let mut content = self.content();
        let offer = content.offered.ok_or(LinkError::Offset)?;
        let bytes = AlignedBytes::from_slice(&content.received);
        let id = ModelFile::open(&bytes).map_err(|_| LinkError::Model)?.id();
        if id != offer.model {
            return Err(LinkError::Model);
        }
        let slot = 1 - content.active;
        let generation = content.slots.iter().flatten().map(|(_, generation)| *generation).max().unwrap_or(0);
        content.slots[slot] = Some((bytes, generation + 1));
        content.active = slot;
        content.offered = None;
        content.received.clear();
        Ok(())
    }

    fn rollback(&mut self) -> Result<(), LinkError> {
        let mut content = self.content();
        let other = 1 - content.active;
        if content.slots[other].is_none() {
            return Err(LinkError::NoModel);
        }
        content.active = other;
        Ok(())
    }
}

/// Runs the application on a stream whose reads time out, until it ends; starts anew when it wants to.
pub fn serve<S: std::io::Read + std::io::Write>(stream: S, shelf: &Shelf) -> Stop<Infallible> {
    let mut wire = Wire { stream, ahead: VecDeque::new(), ended: false };
    loop {
        let stop = run(&mut wire, shelf);
        if stop != Stop::Restart {
            return stop;
        }
        // What comes while a board starts is lost.
        thread::sleep(Duration::from_millis(10));
        let _ = wire.read_ready();
        wire.ahead.clear();
    }
}

fn run<S: std::io::Read + std::io::Write>(wire: &mut Wire<S>, shelf: &Shelf) -> Stop<Infallible> {
    let model = shelf.start();
    let file = ModelFile::open(&model).unwrap();
    let need = file.model().need();
    let mut memory = HostMemory::new(need);
    let mut network = Network::new(file.model(), memory.view()).unwrap();
    let mut spiking = heapless::Vec::<u16, 1024>::new();
    let mut observed = heapless::Vec::<u8, { link::OBSERVED }>::new();
    assert!(need.inputs <= spiking.capacity());
    let buffers = Buffers {
        request: &mut [0; link::REQUEST],
        reply: &mut [0; link::REPLY + 1],
        spiking: &mut spiking,
        observed: &mut observed,
    };
    let board = HostBoard(Instant::now());
    Application::new(&file, &mut network, board, shelf.clone(), Live::none()).serve(wire, buffers)
}

/// Starts the application in a thread, and gives the other end of its stream, whose reads time out soon.
pub fn start(shelf: &Shelf) -> (JoinHandle<Stop<Infallible>>, UnixStream) {
    let (host, board) = UnixStream::pair().unwrap();
    for end in [&host, &board] {
        end.set_read_timeout(Some(READ)).unwrap();
    }
    let shelf = shelf.clone();
    (thread::spawn(move || serve(board, &shelf)), host)
}
