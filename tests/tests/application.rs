//! The board's application on the host, over a pipe: whatever arrives, it answers and goes on.

use embedded_io::{ErrorType, Read, ReadReady, Write};
use heapless::Vec as List;
use proptest::prelude::*;
use spikelet::simulate::HostMemory;
use spikelet_export::link::{self, LinkError, MemoryUse, Receiver, Reply, ReplyBody, Request, RequestBody};
use spikelet_export::{EncoderHeader, ModelFile};
use spikelet_firmware::live::Live;
use spikelet_firmware::receive::Inbox;
use spikelet_firmware::{Application, Board, Buffers, BuiltIn, Clock, Stop};
use spikelet_runtime::Network;
use spikelet_tests::{GENERAL, LIF, PAPER, RandomCells, random_model_of, rate};
use std::convert::Infallible;

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
        MemoryUse { stack_used: 1, stack_free: 2 }
    }
}

/// A stream that plays `input` and records what is written.
struct Pipe<'i> {
    input: &'i [u8],
    output: Vec<u8>,
}

impl ErrorType for Pipe<'_> {
    type Error = Infallible;
}

impl Read for Pipe<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let count = bytes.len().min(self.input.len());
        let (now, later) = self.input.split_at(count);
        bytes[..count].copy_from_slice(now);
        self.input = later;
        Ok(count)
    }
}

impl ReadReady for Pipe<'_> {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(true)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.output.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Plays `input` to an application, and gives what it replies and why it ended.
fn play(input: &[u8]) -> (Vec<u8>, Stop<Infallible>) {
    play_to(PAPER, rate(), input)
}

/// The same of other models, with 3 and 2 blank timesteps around 15 others.
fn play_to(cells: RandomCells, encoder: EncoderHeader, input: &[u8]) -> (Vec<u8>, Stop<Infallible>) {
    let model = random_model_of(cells, &[16, 12, 10], [3, 15, 2], encoder, 9);
    let file = ModelFile::open(&model).unwrap();
    let mut memory = HostMemory::new(file.model().need());
    let mut network = Network::new(file.model(), memory.view()).unwrap();
    let mut spiking = List::<u16, 16>::new();
    let mut observed = List::<u8, { link::OBSERVED }>::new();
    let buffers = Buffers {
        request: &mut [0; link::REQUEST],
        reply: &mut [0; link::REPLY + 1],
        spiking: &mut spiking,
        observed: &mut observed,
    };
    let mut pipe = Pipe { input, output: Vec::new() };
    let stop = Application::new(&file, &mut network, Bench, BuiltIn, Live::none()).serve(&mut pipe, buffers);
    (pipe.output, stop)
}

/// Every whole reply in `output`; panics if one is damaged.
fn replies(output: &[u8]) -> Vec<(Option<u16>, String)> {
    let mut buffer = vec![0; link::REPLY + 1];
    let mut receiver = Receiver::new(&mut buffer);
    let mut replies = Vec::new();
    for &byte in output {
        if let Some(frame) = receiver.push(byte) {
            let reply: Reply<'_> = link::decode(frame.unwrap()).unwrap();
            replies.push((reply.sequence, format!("{:?}", reply.body)));
        }
    }
    replies
}

/// What [`replies`] shows of an error.
fn error(error: LinkError) -> String {
    let body: ReplyBody<'_> = ReplyBody::Error(error);
    format!("{body:?}")
}

fn frame(sequence: u16, body: RequestBody<'_>) -> Vec<u8> {
    let mut buffer = [0; link::REQUEST + 1];
    link::encode(&Request { sequence, body }, &mut buffer).unwrap().to_vec()
}

#[test]
fn one_conversation() {
    let mut packed = List::<u8, 64>::new();
    for spiking in [&[0u16, 3, 15][..], &[], &[7]] {
        link::pack_step(spiking, &mut packed).unwrap();
    }
    let input = [
        frame(1, RequestBody::Hello { version: link::VERSION }),
        frame(2, RequestBody::Begin { early: false }),
        frame(3, RequestBody::Steps { spikes: &packed }),
        frame(4, RequestBody::Finish),
        frame(5, RequestBody::InferPixels { stream: 3, early: false, pixels: &[200; 16] }),
        frame(6, RequestBody::Memory),
        frame(7, RequestBody::Shutdown),
        frame(8, RequestBody::Memory),
    ]
    .concat();
    let (output, stop) = play(&input);
    assert_eq!(stop, Stop::Shutdown);
    let replies = replies(&output);
    let heard: Vec<Option<u16>> = replies.iter().map(|reply| reply.0).collect();
    assert_eq!(heard, (1..=7).map(Some).collect::<Vec<_>>(), "nothing is answered after the end");
    assert!(replies[2].1.contains("steps: 3"), "{replies:?}");
    assert!(replies[3].1.contains("steps: 3"), "{replies:?}");
    assert!(replies[4].1.contains("steps: 20"), "{replies:?}");
    assert!(
        replies[5].1.contains(&format!("{:?}", MemoryUse { stack_used: 1, stack_free: 2 })),
        "{replies:?}"
    );
}

/// A model of recordings takes spikes, and says so when it is sent pixels.
#[test]
fn pixels_for_recordings_are_refused() {
    let pixels = frame(1, RequestBody::InferPixels { stream: 0, early: false, pixels: &[9; 16] });
    let spikes = frame(3, RequestBody::Steps { spikes: &[1, 5, 0] });
    let input =
        [pixels, frame(2, RequestBody::Begin { early: false }), spikes, frame(4, RequestBody::Finish)]
            .concat();
    for cells in [GENERAL, LIF] {
        let (output, stop) = play_to(cells, EncoderHeader::Events {}, &input);
        let replies = replies(&output);
        assert_eq!(stop, Stop::Closed);
        assert_eq!(replies[0], (Some(1), error(LinkError::NoEncoder)));
        assert!(replies[3].1.contains("steps: 2"), "{replies:?}");
    }
}

#[test]
fn spikes_of_inputs_that_do_not_exist_are_refused() {
    let mut packed = List::<u8, 64>::new();
    link::pack_step(&[16], &mut packed).unwrap();
    let (output, stop) = play(
        &[frame(1, RequestBody::Begin { early: false }), frame(2, RequestBody::Steps { spikes: &packed })]
            .concat(),
    );
    assert_eq!(stop, Stop::Closed);
    assert_eq!(replies(&output)[1], (Some(2), error(LinkError::Spikes)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any bytes at all, then a good request: nothing panics, all replies are whole, and the good one is answered.
    #[test]
    fn any_bytes_leave_it_working(noise in prop::collection::vec(any::<u8>(), 0..2500)) {
        let input = [noise, vec![0], frame(4242, RequestBody::Hello { version: link::VERSION })].concat();
        let (output, _) = play(&input);
        let replies = replies(&output);
        prop_assert_eq!(replies.last().unwrap().0, Some(4242));
    }

    /// A good request with some of its bits flipped, lost or doubled is answered with an error, or as what it is.
    #[test]
    fn damaged_requests_leave_it_working(
        pixels in prop::collection::vec(any::<u8>(), 0..40),
        at in any::<prop::sample::Index>(),
        mask in 1u8..,
        lost in any::<bool>(),
    ) {
        let mut request = frame(1, RequestBody::InferPixels { stream: 1, early: false, pixels: &pixels });
        let index = at.index(request.len() - 1);
        if lost {
            request.remove(index);
        } else {
            request[index] ^= mask;
        }
        let input = [request, vec![0], frame(2, RequestBody::Begin { early: false })].concat();
        let replies = replies(&play(&input).0);
        prop_assert!(replies[..replies.len() - 1].iter().all(|reply| reply.1.starts_with("Error(")), "{:?}", replies);
        prop_assert_eq!(replies.last().unwrap().0, Some(2));
    }
}

/// What an interrupt receives comes out in order, as often as the queue goes round, and what finds it full is lost and counted.
#[test]
fn received_bytes_wait_in_order_and_are_counted_where_they_find_no_room() {
    // What masks interrupts on this host.
    use critical_section as _;
    let inbox = Inbox::new();
    assert_eq!((inbox.take(), inbox.is_empty(), inbox.overruns()), (None, true, 0));
    let mut bytes = (0..=255u8).cycle();
    let mut expected = bytes.clone();
    for round in 1..=5 {
        for byte in bytes.by_ref().take(Inbox::CAPACITY) {
            inbox.put(byte);
        }
        inbox.put(99);
        assert_eq!(inbox.overruns(), round);
        assert!(!inbox.is_empty());
        inbox.wait();
        for expected in expected.by_ref().take(Inbox::CAPACITY) {
            assert_eq!(inbox.take(), Some(expected));
        }
        assert!(inbox.is_empty());
    }
}
