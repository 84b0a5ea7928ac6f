//! The link over wires with faults: the host's client and the board's application, both as they are, with a proxy between them that
//! damages bytes. Every request ends in the right answer or in a named error, in time, and is carried out once.

use spikelet::data::{Images, Samples};
use spikelet::device::{Client, ClientError, InputKind, Patience, Qemu, run_samples};
use spikelet::simulate::{HostMemory, Inference, Stop, simulate};
use spikelet::spike_train::{Encoding, Show};
use spikelet_export::link::{self, Health, LinkError, Models, ReplyBody, Request, RequestBody, encode};
use spikelet_export::{AlignedBytes, ModelFile};
use spikelet_firmware::ModelStore;
use spikelet_runtime::Network;
use spikelet_tests::host_board::{self, READ, Shelf};
use spikelet_tests::played::{hello, play, reply};
use spikelet_tests::proxy::{Counts, Faults, Proxy};
use spikelet_tests::{BOARD, Noise, firmware, random_model, rate};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// So short that tests do not take long, and so long that a thread that waits for its turn is not taken for a silent board.
const PATIENCE: Patience = Patience { first: Duration::from_millis(50), attempts: 6 };
/// What a request may take longer than that on a busy machine.
const SLACK: Duration = Duration::from_secs(5);

const RATES: [f64; 5] = [0.0, 0.000_3, 0.001, 0.003, 0.01];

/// A client and a board with a proxy between them.
struct Setup {
    client: Client<UnixStream>,
    proxy: Proxy,
}

fn set_up(shelf: &Shelf, faults: Faults, seed: u64) -> Setup {
    set_up_at(shelf, faults, seed, None)
}

fn set_up_at(shelf: &Shelf, faults: Faults, seed: u64, baud: Option<u32>) -> Setup {
    let (_, board) = host_board::start(shelf);
    let (client, host) = UnixStream::pair().unwrap();
    client.set_read_timeout(Some(READ)).unwrap();
    let proxy = Proxy::between(&host, &board, faults, seed, baud);
    let mut client = Client::new(client).with_patience(PATIENCE.first, PATIENCE.attempts);
    if let Some(baud) = baud {
        client = client.at_baud(baud);
    }
    Setup { client, proxy }
}

fn images(side: usize, count: usize, seed: u64) -> Samples {
    let mut noise = Noise(seed);
    let mut pixel = || if noise.below(3) == 0 { 0 } else { noise.below(256) as u8 };
    let pixels = (0..side * side * count).map(|_| pixel()).collect();
    Images { width: side, height: side, pixels, labels: vec![0; count] }.into()
}

/// An error that a wire with faults may cause; anything else is a flaw.
fn is_of_the_wire(error: &ClientError) -> bool {
    matches!(error, ClientError::Damaged | ClientError::Silent { .. })
}

/// Samples whose timesteps fill several requests, at every rate: the scores show whether each timestep was made, and made once.
#[test]
fn samples_arrive_whole_or_with_an_error() {
    const SAMPLES: usize = 6;
    let model = random_model(&[100, 30, 10], 80, rate(), 3);
    let file = ModelFile::open(&model).unwrap();
    let samples = images(10, SAMPLES, 3);
    let host = simulate(&file, &samples, || {});
    let encoding = Encoding::of_model(&file);
    let trains: Vec<_> =
        (0..SAMPLES).map(|index| encoding.train(&samples, index, Show::Evaluation)).collect();
    for rate in RATES {
        let (mut right, mut total, mut faults) = (0, 0, Counts::default());
        let start = Instant::now();
        for seed in 0..2 {
            let again = if seed % 2 == 0 { 0.0 } else { 0.2 };
            let shelf = Shelf::new(&model, 0);
            let Setup { mut client, proxy } = set_up(&shelf, Faults { again, ..Faults::bytes(rate) }, seed);
            for (train, host) in trains.iter().zip(&host.inferences) {
                total += 1;
                match client.infer_spikes((0..train.steps()).map(|t| train.at(t)), Stop::AtTheEnd) {
                    Ok(inferred) => {
                        let inference = Inference {
                            class: inferred.class,
                            steps: inferred.steps,
                            scores: inferred.scores.to_vec(),
                            spike_counts: inferred.spike_counts.to_vec(),
                        };
                        assert_eq!(inference, *host, "rate {rate}, seed {seed}");
                        right += 1;
                    }
                    Err(error) => assert!(is_of_the_wire(&error), "rate {rate}, seed {seed}: {error:?}"),
                }
            }
            drop(client);
            faults += proxy.join();
        }
        eprintln!("rate {rate}: {right} of {total} samples in {:?}, {faults:?}", start.elapsed());
        // What cannot be split arrives less often, but these are small.
        let least = if rate > 0.003 { 0.8 } else { 1.0 };
        assert!(f64::from(right) >= least * f64::from(total), "rate {rate}: {right} of {total}");
        assert!(faults.again > 0, "{faults:?}");
        assert_eq!(faults.damaging() > 0, rate > 0.0, "{faults:?}");
    }
}

/// Thousands of single requests of all kinds, each with its own time bound. A timestep that is asked for once is made once.
#[test]
fn every_request_ends_right_or_with_an_error_in_time() {
    let model = random_model(&[16, 12, 10], 20, rate(), 5);
    let file = ModelFile::open(&model).unwrap();
    let pixels = images(4, 8, 5);
    let host = simulate(&file, &pixels, || {});
    let Samples::Images(pixels) = &pixels else { panic!("these are images") };
    let mut memory = HostMemory::new(file.model().need());
    let mut network = Network::new(file.model(), memory.view()).unwrap();
    for rate in RATES {
        let (mut right, mut total, mut faults, mut bad_frames) = (0, 0, Counts::default(), 0);
        let begin = Instant::now();
        let requests = if rate < 0.01 { 500 } else { 100 };
        for seed in 10..12 {
            let shelf = Shelf::new(&model, 0);
            let again = if seed % 2 == 0 { 0.0 } else { 0.2 };
            let Setup { mut client, proxy } = set_up(&shelf, Faults { again, ..Faults::bytes(rate) }, seed);
            let mut noise = Noise(seed);
            // Timesteps since the last `Begin`, while they are known.
            let mut steps = None;
            for _ in 0..requests {
                let start = Instant::now();
                let kind = noise.below(10);
                let result = match (kind, steps) {
                    (0, _) | (_, None) => client.begin(Stop::AtTheEnd).map(|()| {
                        network.reset();
                        steps = Some(0);
                    }),
                    (1, _) => client.health().map(|health: Health| {
                        bad_frames = bad_frames.max(health.frames_bad);
                        assert_eq!(health.stack_free, 200);
                    }),
                    (2, _) => {
                        let index = noise.below(pixels.len());
                        steps = None;
                        client
                            .infer_pixels(Show::Evaluation.stream(index), pixels.image(index), Stop::AtTheEnd)
                            .map(|inferred| {
                                let host = &host.inferences[index];
                                assert_eq!(inferred.scores[..], host.scores[..]);
                                assert_eq!(inferred.spike_counts[..], host.spike_counts[..]);
                            })
                    }
                    (3, _) => client.memory().map(|memory| assert_eq!(memory.stack_used, 100)),
                    (4, _) => match client.ask(RequestBody::Measure { layer: 9, spikes: 0 }) {
                        Err(ClientError::Refused(LinkError::Layer)) => Ok(()),
                        Err(error) => Err(error),
                        Ok(reply) => panic!("{reply:?}"),
                    },
                    (_, Some(made)) => {
                        let spiking: Vec<u16> = (0..16).filter(|_| noise.below(3) == 0).collect();
                        client.observe(&spiking).map(|observed| {
                            let mut layers = heapless::Vec::<u8, { link::OBSERVED }>::new();
                            network.step_observed(&spiking, |_, spikes| {
                                link::pack_spikes(spikes, &mut layers).unwrap();
                            });
                            let scores = network.scores().iter().map(|score| score.to_bits());
                            assert_eq!(observed.steps, made + 1, "made once");
                            assert_eq!(observed.spiking, layers);
                            assert!(observed.scores.iter().copied().eq(scores));
                            steps = Some(made + 1);
                        })
                    }
                };
                let time = start.elapsed();
                assert!(time < PATIENCE.total() + SLACK, "{time:?} at rate {rate}");
                total += 1;
                match result {
                    Ok(()) => right += 1,
                    Err(error) => {
                        assert!(is_of_the_wire(&error), "rate {rate}, seed {seed}: {error:?}");
                        // It may have been carried out.
                        steps = None;
                    }
                }
            }
            drop(client);
            faults += proxy.join();
        }
        let time = begin.elapsed();
        eprintln!(
            "rate {rate}: {right} of {total} requests in {time:?}, {bad_frames} bad frames, {faults:?}"
        );
        let least = if rate > 0.003 { 0.95 } else { 1.0 };
        assert!(right as f64 >= least * total as f64, "rate {rate}: {right} of {total}");
        assert_eq!(faults.damaging() > 0, rate > 0.0, "{faults:?}");
        assert_eq!(bad_frames > 0, rate > 0.0, "the board counts what it could not read");
    }
}

/// Frames too long to arrive at such a rate end with an error, not in a hang.
#[test]
fn long_frames_end_with_an_error_where_none_arrives() {
    let model = random_model(&[784, 10], 5, rate(), 1);
    let shelf = Shelf::new(&model, 0);
    let Setup { mut client, .. } = set_up(&shelf, Faults::bytes(0.02), 1);
    let start = Instant::now();
    let error = client.infer_pixels(0, &[9; 784], Stop::AtTheEnd).unwrap_err();
    assert!(matches!(error, ClientError::Damaged), "{error:?}");
    assert!(error.to_string().contains("arrives damaged"), "{error}");
    assert!(start.elapsed() < 3 * PATIENCE.total() + SLACK);
    // And the next one works.
    assert_eq!(client.memory().unwrap().stack_used, 100);
}

/// Models in pieces, over wires with faults; what arrived is what was sent, and the board runs it.
#[test]
fn models_arrive_whole() {
    let old = random_model(&[16, 10], 20, rate(), 1);
    let new = random_model(&[16, 40, 10], 20, rate(), 2);
    let id = ModelFile::open(&new).unwrap().id();
    for (seed, rate) in (0..).zip(RATES) {
        let shelf = Shelf::new(&old, 100_000);
        let Setup { mut client, proxy } = set_up(&shelf, Faults::bytes(rate), seed);
        let mut progress = Vec::new();
        let sent = client.send_model(&new, |bytes| progress.push(bytes)).unwrap();
        assert_eq!((sent.bytes as usize, sent.resumed, sent.already), (new.len(), 0, false), "rate {rate}");
        assert_eq!(progress.last(), Some(&sent.bytes));
        assert_eq!(client.hello().unwrap().model, id);
        let content = shelf.content();
        assert_eq!(content.slots[1].as_ref().unwrap().0, new, "rate {rate}");
        assert_eq!(content.starts, 2, "rate {rate}: it started once");
        if rate == 0.0 {
            assert_eq!(content.chunks as usize, new.len().div_ceil(link::CHUNK));
        }
        drop(content);
        // There and back again, and no more often than it was asked for.
        let first = ModelFile::open(&old).unwrap().id();
        for expected in [first, id, first] {
            assert_eq!(client.rollback().unwrap(), expected, "rate {rate}");
            assert_eq!(client.hello().unwrap().model, expected);
        }
        assert_eq!(shelf.content().starts, 5, "rate {rate}");
        // What runs already is not sent again.
        assert!(client.send_model(&old, |_| panic!("nothing is sent")).unwrap().already);
        drop(client);
        proxy.join();
    }
}

#[test]
fn a_broken_transfer_goes_on_where_it_broke() {
    let old = random_model(&[16, 10], 20, rate(), 1);
    let new = random_model(&[16, 100, 10], 20, rate(), 2);
    let shelf = Shelf::new(&old, 100_000);
    // The same board, to which a host comes twice.
    let half = {
        let (_board, host) = host_board::start(&shelf);
        let mut client = Client::new(host);
        client.hello().unwrap();
        let file = ModelFile::open(&new).unwrap();
        let offer = link::Offer { length: file.len() as u32, model: file.id(), ..Default::default() };
        assert_eq!(client.offer(offer).unwrap(), 0);
        assert_eq!(client.chunk(0, &new[..1000]).unwrap(), 1000);
        assert_eq!(client.chunk(1000, &new[1000..1900]).unwrap(), 1900);
        let error = client.chunk(1000, &new[1000..1900]).unwrap_err();
        assert!(matches!(error, ClientError::Refused(LinkError::Offset)), "{error:?}");
        // This simple store tells a transfer by its offer.
        shelf.content().offered = None;
        1900 / 256 * 256
    };
    let need = ModelFile::open(&new).unwrap().model().need();
    shelf.content().offered = Some(link::Offer {
        length: new.len() as u32,
        model: ModelFile::open(&new).unwrap().id(),
        inputs: need.inputs as u16,
        neurons: need.neurons as u32,
        potentials: need.potentials as u32,
        widest: need.widest as u32,
        classes: need.classes as u16,
    });
    let (_board, host) = host_board::start(&shelf);
    let mut client = Client::new(host);
    let sent = client.send_model(&new, |_| {}).unwrap();
    assert_eq!((sent.resumed, sent.already), (half, false));
    assert_eq!(shelf.content().slots[1].as_ref().unwrap().0, new);
}

#[test]
fn models_that_cannot_run_leave_the_old_one() {
    let old = random_model(&[16, 10], 20, rate(), 1);
    let new = random_model(&[16, 40, 10], 20, rate(), 2);
    let [old_id, new_id] = [&old, &new].map(|model| ModelFile::open(model).unwrap().id());
    let refusal = |shelf: &Shelf, bytes: &[u8]| {
        let (_board, host) = host_board::start(shelf);
        let mut client = Client::new(host).with_patience(PATIENCE.first, PATIENCE.attempts);
        let error = client.send_model(bytes, |_| {}).unwrap_err();
        assert_eq!(client.hello().unwrap().model, old_id);
        error
    };
    let shelf = Shelf::new(&old, 100_000);
    shelf.content().failing = Some(new_id);
    let error = refusal(&shelf, &new);
    assert!(error.to_string().contains("failed its own test"), "{error}");
    let error = refusal(&Shelf::new(&old, 100), &new);
    assert!(matches!(error, ClientError::Refused(LinkError::TooLarge)), "{error:?}");
    let error = refusal(&Shelf::new(&old, 0), &new);
    assert!(error.to_string().contains("no flash set apart for models"), "{error}");
    let mut damaged = new.to_vec();
    damaged[100] ^= 1;
    let error = refusal(&Shelf::new(&old, 100_000), &damaged);
    assert!(matches!(error, ClientError::Model(_)), "{error:?}");
    let (_board, host) = host_board::start(&Shelf::new(&old, 100_000));
    let error = Client::new(host).rollback().unwrap_err();
    assert!(matches!(error, ClientError::Refused(LinkError::NoModel)), "{error:?}");
}

/// A board that is played in a thread.
fn played(
    answer: impl FnMut(&Request<'_>) -> Vec<u8> + Send + 'static,
) -> (JoinHandle<Vec<(u16, String)>>, UnixStream) {
    let (host, board) = UnixStream::pair().unwrap();
    host.set_read_timeout(Some(READ)).unwrap();
    (thread::spawn(move || play(board, answer)), host)
}

fn impatient(stream: UnixStream) -> Client<UnixStream> {
    Client::new(stream).with_patience(Duration::from_millis(20), 3)
}

/// What the board is too old for is refused without asking it; what it knows works.
#[test]
fn an_older_board_is_asked_only_what_it_knows() {
    let (board, host) = played(|request| {
        let body = match request.body {
            RequestBody::Hello { version } => {
                assert_eq!(version, link::VERSION);
                hello(3)
            }
            RequestBody::Begin { .. } => ReplyBody::Done { steps: 0, decided: false },
            _ => panic!("{request:?}"),
        };
        reply(Some(request.sequence), body)
    });
    let mut client = impatient(host);
    assert_eq!(client.hello().unwrap().version, 3);
    client.begin(Stop::AtTheEnd).unwrap();
    let refusals = [
        (client.health().unwrap_err(), "tell its health"),
        (client.observe(&[1]).unwrap_err(), "show the spikes of its layers"),
        (client.live(true).unwrap_err(), "run continuously"),
        (client.look().unwrap_err(), "run continuously"),
        (client.models().unwrap_err(), "take models over the link"),
        (client.rollback().unwrap_err(), "take models over the link"),
        (
            client.send_model(&random_model(&[16, 10], 5, rate(), 1), |_| {}).unwrap_err(),
            "take models over the link",
        ),
    ];
    for (error, what) in refusals {
        let text = error.to_string();
        assert!(matches!(error, ClientError::TooOld { board: 3, needed: 4, .. }), "{error:?}");
        assert!(text.contains(what) && text.contains("`spikelet flash`"), "{text}");
    }
    drop(client);
    let heard = board.join().unwrap();
    assert!(
        heard.iter().all(|(_, request)| request.contains("Hello") || request.contains("Begin")),
        "{heard:?}"
    );
}

/// A board of version 3 carries out whatever it hears: only what it could not read is sent again.
#[test]
fn an_older_board_is_not_asked_twice() {
    let mut begins = 0;
    let (board, host) = played(move |request| match request.body {
        RequestBody::Hello { .. } => reply(Some(request.sequence), hello(3)),
        RequestBody::Begin { .. } => {
            begins += 1;
            // Twice it could not read, which one damaged byte can cause at once; then it could.
            let unread = reply(None, ReplyBody::Error(LinkError::Damaged));
            match begins {
                1 => [unread.clone(), unread].concat(),
                _ => reply(Some(request.sequence), ReplyBody::Done { steps: 0, decided: false }),
            }
        }
        RequestBody::Memory => vec![1, 2, 3, 0],
        _ => Vec::new(),
    });
    let mut client = impatient(host);
    client.begin(Stop::AtTheEnd).unwrap();
    let error = client.memory().unwrap_err();
    assert!(matches!(error, ClientError::Damaged), "{error:?}");
    let error = client.finish().unwrap_err();
    assert!(matches!(error, ClientError::Silent { .. }), "{error:?}");
    drop(client);
    let heard = board.join().unwrap();
    let count = |name| heard.iter().filter(|(_, request)| request.contains(name)).count();
    assert_eq!(["Hello", "Begin", "Memory", "Finish"].map(count), [1, 2, 1, 1], "{heard:?}");
}

/// Newer boards say what older ones say, and more.
#[test]
fn a_newer_board_is_taken_as_it_is() {
    let (_board, host) = played(|request| {
        let body = match request.body {
            RequestBody::Hello { .. } => hello(9),
            RequestBody::Models => ReplyBody::Models(Models::default()),
            RequestBody::Health => ReplyBody::Health(Health { uptime: 3, ..Health::default() }),
            // A message that only it knows.
            _ => {
                let mut buffer = [0; 32];
                return encode(&(Some(request.sequence), 200u8), &mut buffer).unwrap().to_vec();
            }
        };
        reply(Some(request.sequence), body)
    });
    let mut client = impatient(host);
    assert_eq!(client.hello().unwrap().version, 9);
    assert_eq!(client.health().unwrap().uptime, 3);
    assert_eq!(client.models().unwrap(), Models::default());
    let error = client.memory().unwrap_err();
    assert!(matches!(error, ClientError::Unexpected), "{error:?}");
}

#[test]
fn a_board_that_is_too_old_is_refused() {
    let (_board, host) = played(|request| reply(Some(request.sequence), hello(2)));
    let text = impatient(host).hello().unwrap_err().to_string();
    assert!(
        text.contains("version 2") && text.contains("versions 3 to 4") && text.contains("flash"),
        "{text}"
    );
}

#[test]
fn silence_and_noise_have_their_own_words() {
    let start = Instant::now();
    let (_board, host) = played(|_| Vec::new());
    let error = impatient(host).hello().unwrap_err();
    assert!(matches!(error, ClientError::Silent { .. }), "{error:?}");
    assert!(error.to_string().contains("does not answer"), "{error}");
    // Words without a zero, as other programs print them; and frames without sense.
    for noise in [&b"Hello from another program\r\n"[..], &[5, 4, 3, 2, 1, 0], &[0; 9]] {
        let (_board, host) = played(move |_| noise.to_vec());
        let error = impatient(host).hello().unwrap_err();
        match noise {
            [0, ..] => assert!(matches!(error, ClientError::Silent { .. }), "{error:?}"),
            _ => assert!(error.to_string().contains("arrives damaged"), "{error}"),
        }
    }
    // One that never ends.
    let (host, mut board) = UnixStream::pair().unwrap();
    host.set_read_timeout(Some(READ)).unwrap();
    let babbler = thread::spawn(move || while board.write_all(&[7; 100]).is_ok() {});
    let error = impatient(host).hello().unwrap_err();
    assert!(matches!(error, ClientError::Damaged), "{error:?}");
    babbler.join().unwrap();
    // One that is gone.
    let (host, board) = UnixStream::pair().unwrap();
    drop(board);
    let error = impatient(host).hello().unwrap_err();
    assert!(matches!(error, ClientError::Io(_)), "{error:?}");
    assert!(start.elapsed() < SLACK);
}

/// Answers that come late, answers to earlier requests, and one whose end was lost.
#[test]
fn stale_answers_are_not_taken() {
    let mut last = None;
    let (board, host) = played(move |request| {
        let stale = last.replace(request.sequence);
        let body = |steps| ReplyBody::Done { steps, decided: false };
        match request.body {
            RequestBody::Hello { .. } => reply(Some(request.sequence), hello(4)),
            RequestBody::Begin { .. } => {
                [reply(stale, body(9)), reply(Some(request.sequence), body(0))].concat()
            }
            RequestBody::Steps { .. } => {
                let mut bytes = reply(Some(request.sequence), body(1));
                bytes.pop();
                bytes
            }
            RequestBody::Finish => reply(stale, body(9)),
            _ => panic!("{request:?}"),
        }
    });
    let mut client = impatient(host);
    let ReplyBody::Done { steps: 0, .. } = client.ask(RequestBody::Begin { early: false }).unwrap() else {
        panic!("that was the stale one")
    };
    let ReplyBody::Done { steps: 1, .. } = client.ask(RequestBody::Steps { spikes: &[0] }).unwrap() else {
        panic!("another answer")
    };
    // Its first answer is to the request before; from the second attempt on it repeats itself.
    let _ = client.ask(RequestBody::Finish);
    drop(client);
    let heard = board.join().unwrap();
    assert_eq!(heard.iter().filter(|(_, request)| request.contains("Steps")).count(), 1, "{heard:?}");
}

/// A count of timesteps that is not the host's is an error, not a result.
#[test]
fn timesteps_made_twice_are_noticed() {
    let (_board, host) = played(|request| {
        let body = match request.body {
            RequestBody::Hello { .. } => hello(3),
            RequestBody::Begin { .. } => ReplyBody::Done { steps: 0, decided: false },
            _ => ReplyBody::Done { steps: 4, decided: false },
        };
        reply(Some(request.sequence), body)
    });
    let error = impatient(host).infer_spikes([&[1u16][..], &[2]], Stop::AtTheEnd).unwrap_err();
    assert!(matches!(error, ClientError::Steps { sent: 2, made: 4 }), "{error:?}");
}

/// Two clients one after the other do not begin with the same number.
#[test]
fn clients_begin_with_numbers_of_their_own() {
    let model = random_model(&[16, 10], 5, rate(), 1);
    let mut first = Vec::new();
    for _ in 0..20 {
        let (board, host) = played(|request| reply(Some(request.sequence), hello(4)));
        impatient(host).hello().unwrap();
        first.push(board.join().unwrap()[0].0);
    }
    assert!(first.windows(2).all(|pair| pair[0] != pair[1]), "{first:?}");
    // And each sees the board as it is, whatever it has answered before.
    let shelf = Shelf::new(&model, 0);
    assert_eq!(shelf.models(), Models::default());
}

/// Without faults, at the rate of a UART: what is sent is mostly payload. The machine may be busy, so the best of some tries counts.
#[test]
fn most_of_the_line_is_payload() {
    const BAUD: u32 = 115_200;
    let old = random_model(&[16, 10], 5, rate(), 1);
    let new: AlignedBytes = random_model(&[196, 48, 10], 5, rate(), 2);
    let payload = new.len() as f64;
    let mut best = 0.0;
    for _ in 0..4 {
        let shelf = Shelf::new(&old, 100_000);
        let Setup { mut client, proxy } = set_up_at(&shelf, Faults::default(), 0, Some(BAUD));
        client.set_patience(Patience::default());
        client.hello().unwrap();
        let mut first = None;
        let mut last = Instant::now();
        client
            .send_model(&new, |bytes| {
                first.get_or_insert(Instant::now());
                if bytes as usize == new.len() {
                    last = Instant::now();
                }
            })
            .unwrap();
        let seconds = last.duration_since(first.unwrap()).as_secs_f64();
        let share = payload / seconds / (f64::from(BAUD) / 10.0);
        drop(client);
        // Both directions, since neither side speaks while the other does.
        let bytes = proxy.join().bytes as f64;
        assert!(payload / bytes > 0.9, "{payload} of {bytes} bytes are payload");
        assert!(share < 1.0, "the proxy is no UART: {share}");
        best = share.max(best);
        if best >= 0.8 {
            break;
        }
    }
    eprintln!("{:.1} % of {BAUD} baud are payload", 100.0 * best);
    assert!(best >= 0.8, "{best}");
}

/// The firmware itself behind such a wire: samples, and another model into its slots, with which it then starts.
#[test]
fn an_emulated_board_behind_a_bad_wire() {
    let models = [4, 5].map(|seed| random_model(&[36, 10], 40, rate(), seed));
    let samples = images(6, 3, 4);
    let (_folder, firmware) = firmware(BOARD, &models[0], &[]);
    let (_qemu, board) = Qemu::start_stream(BOARD, &firmware.elf, None, &[]).unwrap();
    let (client, end) = UnixStream::pair().unwrap();
    client.set_read_timeout(Some(READ)).unwrap();
    let proxy = Proxy::between(&end, &board, Faults { again: 0.05, ..Faults::bytes(0.01) }, 8, None);
    let mut client = Client::new(client).with_patience(Duration::from_millis(200), 6);
    for model in &models {
        let file = ModelFile::open(model).unwrap();
        if client.hello().unwrap().model != file.id() {
            client.send_model(model, |_| {}).unwrap();
        }
        let host = simulate(&file, &samples, || {});
        let device =
            run_samples(&mut client, &file, &samples, InputKind::Spikes, Stop::AtTheEnd, |_| {}).unwrap();
        for (device, host) in device.iter().zip(&host.inferences) {
            assert_eq!(device.inference, *host);
        }
    }
    let health = client.health().unwrap();
    let counts = proxy.counts();
    eprintln!("{health:?}, {counts:?}");
    assert!(health.frames_bad > 0 && counts.damaging() > 0);
}
