//! Any bytes on the link.

use crate::memory::Memory;
use embedded_io::{ErrorType, Read, ReadReady, Write};
use serde::ser::SerializeTuple;
use serde::{Serialize, Serializer};
use spikelet_export::link::{self, MemoryUse, Receiver, Reply, ReplyBody, Request, RequestBody};
use spikelet_export::{AlignedBytes, ModelFile};
use spikelet_firmware::live::Live;
use spikelet_firmware::{Application, Board, Buffers, BuiltIn, Clock, Stop};
use spikelet_runtime::{MAX_WIDTH, Network};
use std::convert::Infallible;
use std::sync::OnceLock;

/// Plays the bytes to the decoder and to a board's application as they are; then as messages, cut where 0xFF stands, each in a good frame.
///
/// # Panics
/// If a message is another one after it was written again, or the board does not answer a good request any more: that is a finding.
pub fn frames(bytes: &[u8]) {
    receive(bytes);
    serve(bytes);
    let mut stream = Vec::new();
    let mut buffer = [0; link::REQUEST + 1];
    for message in bytes.split(|&byte| byte == 0xFF) {
        if let Ok(frame) = link::encode(&Raw(message), &mut buffer) {
            stream.extend(frame);
        }
    }
    receive(&stream);
    serve(&stream);
}

/// Bytes that are a message already.
struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        self.0.iter().try_for_each(|byte| tuple.serialize_element(byte))?;
        tuple.end()
    }
}

/// Decodes every frame as a request and as a reply; what is one is written and read again.
fn receive(stream: &[u8]) {
    let mut buffer = [0; link::REQUEST];
    let mut receiver = Receiver::new(&mut buffer);
    let mut spiking = Box::new(heapless::Vec::<u16, MAX_WIDTH>::new());
    for &byte in stream {
        let Some(Ok(frame)) = receiver.push(byte) else { continue };
        if let Ok(reply) = link::decode::<Reply<'_>>(&mut frame.to_vec()) {
            // A number may have come in more bytes than it needs, so the frame may have been another one.
            assert_eq!(link::decode::<Reply<'_>>(&mut written(&reply)), Ok(reply));
        }
        let Ok(request) = link::decode::<Request<'_>>(frame) else { continue };
        assert_eq!(link::decode::<Request<'_>>(&mut written(&request)), Ok(request.clone()));
        if let RequestBody::Steps { mut spikes } = request.body {
            while !spikes.is_empty() && link::unpack_step(&mut spikes, 784, &mut *spiking).is_ok() {
                assert!(spiking.iter().is_sorted() && spiking.iter().all(|&input| input < 784));
            }
        }
    }
}

/// A message as a frame without the zero that ends it.
fn written(message: &impl Serialize) -> Vec<u8> {
    let mut frame = [0; 2 * link::REQUEST];
    let (_, frame) = link::encode(message, &mut frame)
        .expect("no message is twice as long")
        .split_last()
        .expect("it ends with a zero");
    frame.to_vec()
}

/// Plays a stream to a board, and then a good request, which must be answered.
fn serve(stream: &[u8]) {
    const LAST: u16 = 54_321;
    let mut buffer = [0; 64];
    let hello = Request { sequence: LAST, body: RequestBody::Hello { version: link::VERSION } };
    let hello = link::encode(&hello, &mut buffer).expect("it is short");
    let file = file();
    let need = file.model().need();
    let mut memory = Memory::new(need);
    let mut network =
        Network::new(file.model(), memory.view()).expect("the memory is as large as the model needs");
    let mut spiking = heapless::Vec::<u16, 16>::new();
    let mut observed = heapless::Vec::<u8, { link::OBSERVED }>::new();
    let buffers = Buffers {
        request: &mut [0; link::REQUEST],
        reply: &mut [0; link::REPLY + 1],
        spiking: &mut spiking,
        observed: &mut observed,
    };
    let mut pipe = Pipe { input: [stream, &[0], hello].concat(), read: 0, output: Vec::new() };
    let stop = Application::new(file, &mut network, Bench, BuiltIn, Live::none()).serve(&mut pipe, buffers);
    memory.check(need);
    let mut buffer = [0; link::REPLY + 1];
    let mut receiver = Receiver::new(&mut buffer);
    let mut last = None;
    for &byte in &pipe.output {
        if let Some(frame) = receiver.push(byte) {
            let reply: Reply<'_> = link::decode(frame.expect("replies fit")).expect("replies are whole");
            last = Some((reply.sequence, matches!(reply.body, ReplyBody::Hello(_))));
        }
    }
    // Nothing is answered after a shutdown.
    assert!(stop == Stop::Shutdown || last == Some((Some(LAST), true)), "{last:?}");
}

/// A small model.
fn file() -> &'static ModelFile<'static> {
    static BYTES: OnceLock<AlignedBytes> = OnceLock::new();
    static FILE: OnceLock<ModelFile<'static>> = OnceLock::new();
    let bytes = BYTES.get_or_init(|| AlignedBytes::from_slice(include_bytes!("../small.spk")));
    FILE.get_or_init(|| ModelFile::open(bytes).expect("it is a model"))
}

struct Bench;

impl Clock for Bench {
    const TICKS_PER_SECOND: u32 = 1;

    fn ticks(&self) -> u32 {
        0
    }
}

impl Board for Bench {
    const NAME: &'static str = "bench";
    const EMULATED: bool = true;

    fn memory_use(&self) -> MemoryUse {
        MemoryUse::default()
    }
}

/// A stream that plays `input` and records what is written.
struct Pipe {
    input: Vec<u8>,
    read: usize,
    output: Vec<u8>,
}

impl ErrorType for Pipe {
    type Error = Infallible;
}

impl Read for Pipe {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let rest = &self.input[self.read..];
        let count = bytes.len().min(rest.len());
        bytes[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        Ok(count)
    }
}

impl ReadReady for Pipe {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(true)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.output.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
