//! Continuous operation on the host: its drivers on simulated pins and buses, and the network's bits.

use embedded_hal::digital::InputPin;
use embedded_hal::spi::{ErrorKind, Operation, SpiDevice};
use embedded_hal_mock::eh1::MockError;
use embedded_hal_mock::eh1::digital::{self, State, Transaction as Pin};
use embedded_hal_mock::eh1::spi::{self, Transaction as Spi};
use heapless::{Vec as List, VecView};
use serde_json::{Value, json};
use spikelet::device::{Board, Client, ClientError, Qemu};
use spikelet::simulate::HostMemory;
use spikelet_export::link::{LinkError, Observed, ReplyBody, RequestBody};
use spikelet_export::quantise::{FloatCell, FloatLayer, FloatLif, LayerInput, quantise};
use spikelet_export::{
    AlignedBytes, EncoderHeader, Header, ModelFile, Outline, Provenance, ReadoutHeader, write_model,
};
use spikelet_firmware::live::pixels::{Camera, PixelSource, Still};
use spikelet_firmware::live::port::{PinSpikes, PortSource};
use spikelet_firmware::live::sensor::{BURST, EVENTS, EventSensor, SensorError};
use spikelet_firmware::live::{
    Alert, AlertPin, BinaryPins, ClassPins, Counts, Decision, Live, NoSource, Observation, Outputs, Pace,
    SpikeSource,
};
use spikelet_runtime::formats::{Loss, Score};
use spikelet_runtime::{Network, Width};
use spikelet_tests::{GENERAL, LIF, Noise, PAPER, firmware, random_model_of, rate};
use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A list with room for the inputs of these tests.
type Spikes = List<u16, 64>;

/// What a source lists in its next timestep, and its error.
fn next<S: SpikeSource>(source: &mut S) -> (Vec<u16>, Result<(), S::Error>) {
    // What was listed before must not matter.
    let mut spiking = Spikes::from_slice(&[9, 9, 9]).unwrap();
    let result = source.timestep(&mut spiking);
    (spiking.to_vec(), result)
}

fn pin_error() -> MockError {
    MockError::Io(io::ErrorKind::Other)
}

// The clock of timesteps.

#[test]
fn timesteps_are_due_at_the_exact_time_rounded_up_and_never_drift() {
    let mut noise = Noise(1);
    for (ticks, timesteps) in
        [(25_000_000, 1000), (32_768, 1000), (64_000_000, 60), (7, 3), (5, 5), (1000, 1), (3, 7)]
    {
        // Faster than the clock is as fast as the clock.
        let exact = |k: u64| (k * u64::from(ticks.max(timesteps))).div_ceil(u64::from(timesteps));
        let start = noise.bits() as u32;
        let mut pace = Pace::new(ticks, timesteps);
        pace.start(start);
        let longest = 4 * u64::from(ticks / timesteps) + 4;
        let (mut elapsed, mut made, mut missed) = (0, 0, 0);
        // The clock wraps around many times where a timestep is long.
        for _ in 0..20_000 {
            elapsed += noise.bits() % longest;
            let due = pace.due(start.wrapping_add(elapsed as u32));
            made += u64::from(due);
            missed += due.saturating_sub(1);
            assert!(
                exact(made) <= elapsed && elapsed < exact(made + 1),
                "{ticks}/{timesteps}: {made} at {elapsed}"
            );
        }
        assert!(missed > 1000 && pace.missed() == missed);
    }
}

#[test]
fn a_pace_without_time_or_timesteps_is_one_of_them() {
    let mut pace = Pace::new(0, 0);
    pace.start(u32::MAX);
    assert_eq!([pace.due(u32::MAX), pace.due(0), pace.due(0), pace.due(3)], [0, 1, 0, 3]);
    assert_eq!(pace.missed(), 2);
}

// The event sensor.

/// A burst of the sensor's.
fn burst(addresses: &[u16]) -> Vec<u8> {
    let mut bytes = vec![addresses.len() as u8, !(addresses.len() as u8)];
    bytes.extend(addresses.iter().flat_map(|address| address.to_be_bytes()));
    // What is behind the events means nothing.
    bytes.resize(BURST, 0xA5);
    bytes
}

/// Transactions that read such bursts, each with the chip selected.
fn bursts(bursts: &[Vec<u8>]) -> Vec<Spi<u8>> {
    bursts
        .iter()
        .flat_map(|bytes| [Spi::transaction_start(), Spi::read_vec(bytes.clone()), Spi::transaction_end()])
        .collect()
}

/// Readings of a pin, `1` for high.
fn readings(levels: &str) -> digital::Mock {
    let get = |level| Pin::get(if level == '1' { State::High } else { State::Low });
    digital::Mock::new(&levels.chars().map(get).collect::<Vec<_>>())
}

#[test]
fn a_sensor_is_read_while_it_is_ready_and_its_events_are_spikes() {
    let full: Vec<u16> = (20..35).rev().collect();
    let mut spi =
        spi::Mock::new(&bursts(&[burst(&[3, 0, 49, 3]), burst(&full), burst(&[]), burst(&[33, 1])]));
    let mut ready = readings("01100");
    let mut sensor = EventSensor::<_, _, 2>::new(spi.clone(), ready.clone(), 50, 9);
    assert_eq!(next(&mut sensor), (vec![], Ok(())), "it is not ready, and is not read");
    let mut expected = vec![0, 3];
    expected.extend(20..35);
    expected.push(49);
    assert_eq!(next(&mut sensor), (expected, Ok(())));
    assert_eq!(next(&mut sensor), (vec![], Ok(())));
    assert_eq!((sensor.dropped(), sensor.crowded()), (0, 0));
    ready.update_expectations(&[Pin::get(State::High), Pin::get(State::High), Pin::get(State::Low)]);
    assert_eq!(next(&mut sensor), (vec![1, 33], Ok(())), "a burst may be empty");
    spi.done();
    ready.done();
}

#[test]
fn a_sensor_that_has_too_many_events_keeps_them_for_the_next_timestep() {
    let mut spi = spi::Mock::new(&bursts(&[burst(&[1]), burst(&[2]), burst(&[3]), burst(&[4])]));
    let mut ready = readings("111110");
    let mut sensor = EventSensor::<_, _, 1>::new(spi.clone(), ready.clone(), 5, 2);
    assert_eq!(next(&mut sensor), (vec![1, 2], Ok(())));
    assert_eq!(sensor.crowded(), 1);
    assert_eq!(next(&mut sensor), (vec![3, 4], Ok(())));
    assert_eq!(sensor.crowded(), 1, "the last burst was its last");
    spi.done();
    ready.done();
}

#[test]
fn addresses_that_are_no_inputs_are_dropped_and_counted() {
    // 40 words hold them all, of which the model has 35.
    let spi = spi::Mock::new(&bursts(&[burst(&[34, 35, 63, 64, u16::MAX, 0])]));
    let ready = readings("10");
    let mut sensor = EventSensor::<_, _, 2>::new(spi.clone(), ready.clone(), 35, 9);
    assert_eq!(next(&mut sensor), (vec![0, 34], Ok(())));
    assert_eq!(sensor.dropped(), 4);
    // With fewer words than inputs, those beyond them are dropped as well.
    let small_spi = spi::Mock::new(&bursts(&[burst(&[31, 32])]));
    let small_ready = readings("10");
    let mut small = EventSensor::<_, _, 1>::new(small_spi.clone(), small_ready.clone(), 35, 9);
    assert_eq!(next(&mut small), (vec![31], Ok(())));
    assert_eq!(small.dropped(), 1);
    for mut mock in [spi, small_spi] {
        mock.done();
    }
    for mut mock in [ready, small_ready] {
        mock.done();
    }
}

#[test]
fn what_is_no_burst_is_an_error_and_what_came_before_it_counts() {
    let mut damaged = burst(&[5]);
    damaged[1] ^= 4;
    let mut long = burst(&[5; EVENTS]);
    (long[0], long[1]) = (EVENTS as u8 + 1, !(EVENTS as u8 + 1));
    let wrong = [vec![0; BURST], vec![0xFF; BURST], damaged, long];
    for wrong in wrong {
        let mut spi = spi::Mock::new(&bursts(&[burst(&[7]), wrong, burst(&[8])]));
        let mut ready = readings("1110");
        let mut sensor = EventSensor::<_, _, 1>::new(spi.clone(), ready.clone(), 32, 9);
        assert_eq!(next(&mut sensor), (vec![7], Err(SensorError::Burst)));
        assert_eq!(next(&mut sensor), (vec![8], Ok(())), "and it goes on");
        spi.done();
        ready.done();
    }
}

/// A bus whose calls fail when told so.
struct Failing<D>(D, VecDeque<bool>);

impl<D: SpiDevice> embedded_hal::spi::ErrorType for Failing<D> {
    type Error = ErrorKind;
}

impl<D: SpiDevice> SpiDevice for Failing<D> {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), ErrorKind> {
        if self.1.pop_front().unwrap_or(false) {
            return Err(ErrorKind::ModeFault);
        }
        self.0.transaction(operations).map_err(|_| ErrorKind::Other)
    }
}

#[test]
fn errors_of_bus_and_pin_are_told_and_what_came_before_them_counts() {
    let mut spi = spi::Mock::new(&bursts(&[burst(&[7]), burst(&[8]), burst(&[9]), burst(&[10])]));
    let high = || Pin::get(State::High);
    let mut ready = digital::Mock::new(&[high(), high(), high(), high().with_error(pin_error())]);
    let bus = Failing(spi.clone(), [false, true].into());
    let mut sensor = EventSensor::<_, _, 1>::new(bus, ready.clone(), 32, 2);
    assert_eq!(next(&mut sensor), (vec![7], Err(SensorError::Spi(ErrorKind::ModeFault))));
    assert_eq!(next(&mut sensor), (vec![8], Err(SensorError::Ready(pin_error()))));
    ready.done();
    ready.update_expectations(&[
        high(),
        high(),
        high().with_error(pin_error()),
        high().with_error(pin_error()),
    ]);
    assert_eq!(
        next(&mut sensor),
        (vec![9, 10], Err(SensorError::Ready(pin_error()))),
        "whether it is crowded"
    );
    assert_eq!(next(&mut sensor), (vec![], Err(SensorError::Ready(pin_error()))));
    spi.done();
    ready.done();
}

// The port.

#[test]
fn pins_of_a_port_are_inputs() {
    let mut pins = ["010", "110", "001"].map(readings);
    let mut port = PortSource::new(pins.clone(), PinSpikes::WhileActive, 0b100);
    assert_eq!(next(&mut port), (vec![1, 2], Ok(())));
    assert_eq!(next(&mut port), (vec![0, 1, 2], Ok(())));
    assert_eq!(next(&mut port), (vec![], Ok(())), "the last one is active when low");
    pins.iter_mut().for_each(digital::Mock::done);
}

#[test]
fn a_pin_that_becomes_active_spikes_once() {
    let mut levels = [0b01, 0b11, 0b11, 0b00, 0b01, 1 << 31].into_iter();
    let mut port = PortSource::new(move || levels.next().unwrap(), PinSpikes::WhenActivated, 0);
    let spikes: Vec<_> = (0..6).map(|_| next(&mut port).0).collect();
    assert_eq!(
        spikes,
        [vec![], vec![1], vec![], vec![], vec![0], vec![31]],
        "the first timestep knows no edge"
    );
}

#[test]
fn a_port_with_a_broken_pin_is_an_error_and_remembers_its_levels() {
    let mut first = readings("0011");
    let mut second = digital::Mock::new(&[
        Pin::get(State::Low),
        Pin::get(State::Low).with_error(pin_error()),
        Pin::get(State::Low),
        Pin::get(State::High),
    ]);
    let mut port = PortSource::new([first.clone(), second.clone()], PinSpikes::WhenActivated, 0);
    assert_eq!(next(&mut port), (vec![], Ok(())));
    assert_eq!(next(&mut port), (vec![], Err(pin_error())));
    assert_eq!(next(&mut port), (vec![0], Ok(())));
    assert_eq!(next(&mut port), (vec![1], Ok(())));
    first.done();
    second.done();
}

// Pixels.

/// Images one after the other; `None` where there is none.
struct Film(VecDeque<Option<Vec<u8>>>);

impl Camera for Film {
    type Error = &'static str;

    fn image(&mut self, pixels: &mut [u8]) -> Result<(), &'static str> {
        pixels.copy_from_slice(&self.0.pop_front().flatten().ok_or("no image")?);
        Ok(())
    }
}

#[test]
fn pixels_spike_as_if_the_host_had_asked_for_each_image() {
    let mut noise = Noise(3);
    for encoder in [rate(), EncoderHeader::Latency {}] {
        let model = random_model_of(PAPER, &[16, 12, 10], [3, 15, 2], encoder, 9);
        let file = ModelFile::open(&model).unwrap();
        let mut image = || Some((0..16).map(|_| noise.bits() as u8).collect::<Vec<u8>>());
        let images = [image(), image(), None, image()];
        let mut pixels = [0; 16];
        let film = Film(images.clone().into());
        let mut source = PixelSource::new(*file.input(), film, &mut pixels, 7).unwrap();
        let mut spiking = Spikes::new();
        let mut total = 0;
        let mut before = None;
        for (stream, image) in (7..).zip(images) {
            let none = image.is_none();
            let shown = image.or(before).unwrap();
            for t in 0..20 {
                let encoder = file.input().encoder.unwrap();
                file.input().step(&encoder, stream, t, &shown, &mut spiking);
                let error = if none && t == 0 { Err("no image") } else { Ok(()) };
                assert_eq!(next(&mut source), (spiking.to_vec(), error), "image {stream}, timestep {t}");
                total += spiking.len();
            }
            before = Some(shown);
        }
        assert!(total > 30, "{encoder:?}: {total} spikes");
    }
}

#[test]
fn a_still_image_is_shown_again_and_a_model_that_takes_no_pixels_is_refused() {
    let model = random_model_of(PAPER, &[16, 12, 10], [0, 2, 1], EncoderHeader::Latency {}, 9);
    let file = ModelFile::open(&model).unwrap();
    let mut pixels = [0; 16];
    (pixels[3], pixels[5]) = (255, 1);
    let mut source = PixelSource::new(*file.input(), Still, &mut pixels, 0).unwrap();
    let spikes: Vec<_> = (0..6).map(|_| next(&mut source).0).collect();
    assert_eq!(spikes[..3], spikes[3..]);
    assert!(spikes.concat().contains(&3));

    let model = random_model_of(PAPER, &[16, 12, 10], [0, 2, 1], EncoderHeader::Events {}, 9);
    let file = ModelFile::open(&model).unwrap();
    assert!(PixelSource::new(*file.input(), Still, &mut [], 0).is_none());
}

// Outputs.

fn chosen(class: Option<u16>, alert: bool) -> Observation {
    Observation { steps: 1, class: class.unwrap_or(1), decided: class.is_some(), alert }
}

/// Writings to a pin: `1` high, `0` low, `E` high with an error, `e` low with an error.
fn writings(levels: &str) -> digital::Mock {
    let set = |level| match level {
        '0' => Pin::set(State::Low),
        '1' => Pin::set(State::High),
        'e' => Pin::set(State::Low).with_error(pin_error()),
        _ => Pin::set(State::High).with_error(pin_error()),
    };
    digital::Mock::new(&levels.chars().map(set).collect::<Vec<_>>())
}

#[test]
fn the_pin_of_the_chosen_class_is_high() {
    let mut pins = ["010", "01", "0"].map(writings);
    let mut outputs = ClassPins::new(pins.clone());
    // Class 3 has no pin.
    for class in [None, Some(0), Some(0), Some(3), Some(1)] {
        outputs.show(&chosen(class, false));
    }
    assert_eq!(outputs.errors(), 0);
    pins.iter_mut().for_each(digital::Mock::done);
}

#[test]
fn the_chosen_class_is_a_binary_number() {
    // None, 0, 2, 6, 7, 254: as 0, 1, 3, 7, and what does not fit as 0.
    let mut pins = ["010", "010", "010"].map(writings);
    let mut outputs = BinaryPins::new(pins.clone());
    for class in [None, Some(0), Some(2), Some(6), Some(7), Some(254), Some(u16::MAX)] {
        outputs.show(&chosen(class, false));
    }
    assert_eq!(outputs.errors(), 0);
    pins.iter_mut().for_each(digital::Mock::done);
    let mut wide = std::array::from_fn::<_, 16, _>(|_| writings("01"));
    let mut outputs = BinaryPins::new(wide.clone());
    outputs.show(&chosen(Some(u16::MAX), false));
    outputs.show(&chosen(Some(u16::MAX - 1), false));
    wide.iter_mut().for_each(digital::Mock::done);
}

#[test]
fn a_pin_that_fails_is_counted_and_written_again() {
    let mut classes = ["eE10", "0"].map(writings);
    // After a failure the level is not known, so it is written even if it is the one before.
    let mut alert = writings("0Ee1");
    let mut outputs = (ClassPins::new(classes.clone()), AlertPin::new(alert.clone()));
    outputs.show(&chosen(None, false));
    assert_eq!(outputs.errors(), 1);
    outputs.show(&chosen(Some(0), true));
    assert_eq!(outputs.errors(), 3);
    outputs.show(&chosen(Some(0), false));
    assert_eq!(outputs.errors(), 4);
    outputs.show(&chosen(None, true));
    assert_eq!(outputs.errors(), 4);
    classes.iter_mut().for_each(digital::Mock::done);
    alert.done();
}

// The decision.

#[test]
fn an_alert_is_on_while_its_class_has_held_long_enough() {
    let choices = [Some(2), Some(2), None, Some(2), Some(2), Some(2), Some(2), Some(1), Some(2)];
    let mut alert = Alert::new(2, 3);
    let on = choices.map(|choice| alert.update(choice));
    assert_eq!(on, [false, false, false, false, false, true, true, false, false]);
    let mut at_once = Alert::new(2, 0);
    assert_eq!(choices.map(|choice| at_once.update(choice)), choices.map(|choice| choice == Some(2)));
}

// All of it.

/// A source that plays spike trains, errors included.
struct Script(VecDeque<Result<Vec<u16>, Vec<u16>>>);

impl SpikeSource for Script {
    type Error = ();

    fn timestep(&mut self, spiking: &mut VecView<u16>) -> Result<(), ()> {
        spiking.clear();
        let (spikes, result) = match self.0.pop_front().unwrap_or(Ok(vec![])) {
            Ok(spikes) => (spikes, Ok(())),
            Err(spikes) => (spikes, Err(())),
        };
        spiking.extend_from_slice(&spikes).unwrap();
        result
    }
}

/// Remembers what it is shown.
#[derive(Clone, Default)]
struct Recorder(Rc<RefCell<Vec<Observation>>>);

impl Outputs for Recorder {
    fn show(&mut self, observation: &Observation) {
        self.0.borrow_mut().push(*observation);
    }

    fn errors(&self) -> u32 {
        5
    }
}

/// An event sensor: it sends what has been put into it.
#[derive(Clone, Default)]
struct Sensor(Rc<RefCell<VecDeque<u16>>>);

impl embedded_hal::spi::ErrorType for Sensor {
    type Error = Infallible;
}

impl SpiDevice for Sensor {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Infallible> {
        let [Operation::Read(bytes)] = operations else { panic!("a burst is one read") };
        let mut events = self.0.borrow_mut();
        let count = events.len().min(EVENTS);
        bytes.copy_from_slice(&burst(&events.drain(..count).collect::<Vec<_>>()));
        Ok(())
    }
}

impl embedded_hal::digital::ErrorType for Sensor {
    type Error = Infallible;
}

impl InputPin for Sensor {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(!self.0.borrow().is_empty())
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        self.is_high().map(|high| !high)
    }
}

#[test]
fn thousands_of_timesteps_live_are_those_of_the_host_in_every_bit() {
    // The clock wraps around at every third timestep.
    const PERIOD: u32 = 1_500_000_000;
    for (cells, seed) in [(PAPER, 1), (GENERAL, 2), (LIF, 3)] {
        let model = random_model_of(cells, &[49, 40, 20], [0, 9, 0], rate(), seed);
        let file = ModelFile::open(&model).unwrap();
        let (mut live_memory, mut host_memory) =
            (HostMemory::new(file.model().need()), HostMemory::new(file.model().need()));
        let mut network = Network::new(file.model(), live_memory.view()).unwrap();
        let mut host = Network::new(file.model(), host_memory.view()).unwrap();

        let sensor = Sensor::default();
        let source = EventSensor::<_, _, 2>::new(sensor.clone(), sensor.clone(), 49, 9);
        let decision = Decision::new(Score::from_num(2));
        let mut live = Live::new(source, (), Pace::new(PERIOD, 1), decision, None);
        live.start(0);
        let mut noise = Noise(seed);
        let (mut spiking, mut changes, mut undecided, mut before) = (Spikes::new(), 0, 0, None);
        for step in 1..=4000u32 {
            // Loud and silent times.
            let events = if step % 500 < 400 { noise.below(30) } else { 0 };
            let events: Vec<u16> = (0..events).map(|_| noise.below(49) as u16).collect();
            sensor.0.borrow_mut().extend(&events);
            let now = PERIOD.wrapping_mul(step);
            assert!(!live.poll(now.wrapping_sub(1), &mut network, &mut spiking));
            assert!(live.poll(now, &mut network, &mut spiking));
            let sorted: Vec<u16> = BTreeSet::from_iter(events).into_iter().collect();
            host.step(&sorted);
            assert_eq!(network.scores(), host.scores(), "timestep {step}");
            assert_eq!(network.spike_counts(), host.spike_counts(), "timestep {step}");
            let shown = live.last();
            assert_eq!((shown.class, shown.decided), (host.class(), host.lead() >= decision.margin()));
            changes += u32::from(shown.chosen().is_some() && before != Some(shown.class));
            undecided += u32::from(!shown.decided);
            before = shown.chosen().or(before);
        }
        println!("{cells:?}: {changes} changes, {undecided} undecided");
        assert!(host.spike_counts().iter().all(|&count| count > 1000), "{:?}", host.spike_counts());
        assert_eq!(live.counts(), Counts { steps: 4000, ..Counts::default() });
    }
}

/// A model whose input k, as long as it spikes, makes class k win, and whose scores fade quickly when it no longer does.
fn keys(classes: u16, margin: Option<Score>) -> AlignedBytes {
    let side = usize::from(classes);
    let weight: Vec<f32> =
        (0..side * side).map(|at| if at % side == at / side { 2.0 } else { 0.0 }).collect();
    let cell = FloatCell::Lif(FloatLif { leak: 0.5, threshold: 1.0, rest: 0.0 });
    let layer =
        FloatLayer { weight: &weight, neurons: side, width: Width::Eight, input: LayerInput::First, cell };
    let layer = quantise(&layer).unwrap();
    let outline = Outline {
        width: classes,
        height: 1,
        channels: 1,
        classes,
        blank_before: 0,
        steps: 10,
        blank_after: 0,
        encoder: EncoderHeader::Events {},
        readout: ReadoutHeader {
            loss: Loss::from_num(0.1).to_bits(),
            excite: Score::ONE.to_bits(),
            inhibit: Score::from_num(-0.1).to_bits(),
        },
        margin: margin.map(Score::to_bits),
    };
    let provenance = Provenance { data: "keys", tool: "spikelet-tests", ..Default::default() };
    let header = Header { outline, layers: std::iter::once(layer.header).collect(), provenance };
    write_model(&header, &[layer.blocks]).unwrap()
}

#[test]
fn the_decision_slides_from_class_to_class_and_fades() {
    for (margin, expected) in
        [(None, Decision::DEFAULT_MARGIN), (Some(Score::from_num(3)), Score::from_num(3))]
    {
        let model = keys(3, margin);
        let file = ModelFile::open(&model).unwrap();
        let mut memory = HostMemory::new(file.model().need());
        let mut network = Network::new(file.model(), memory.view()).unwrap();
        let decision = Decision::of(file.model());
        assert_eq!(decision.margin(), expected);
        let trains = [(None, 3), (Some(1), 20), (None, 60), (Some(0), 20), (Some(2), 40)];
        let script = trains.map(|(input, steps)| vec![Ok(Vec::from_iter(input)); steps]).concat();
        let recorder = Recorder::default();
        let source = Script(script.into());
        let mut live =
            Live::new(source, recorder.clone(), Pace::new(1, 1), decision, Some(Alert::new(2, 10)));
        live.start(0);
        let mut spiking = Spikes::new();
        for step in 1..=143 {
            assert_eq!(live.step(&mut network, &mut spiking), live.last());
            assert_eq!(live.last().steps, step);
        }
        let shown = recorder.0.borrow();
        let mut phases: Vec<_> = shown.iter().map(Observation::chosen).collect();
        phases.dedup();
        assert_eq!(phases, [None, Some(1), None, Some(0), None, Some(2)]);
        // Held for 10 timesteps, the first included.
        let first = shown.iter().position(|shown| shown.chosen() == Some(2)).unwrap();
        let alert = shown.iter().position(|shown| shown.alert).unwrap();
        assert_eq!(alert, first + 9);
        assert!(shown[alert..].iter().all(|shown| shown.alert));
    }
}

#[test]
fn what_a_source_lists_wrongly_is_dropped_and_its_errors_do_not_stop_time() {
    let model = keys(4, None);
    let file = ModelFile::open(&model).unwrap();
    let mut memory = HostMemory::new(file.model().need());
    let mut host_memory = HostMemory::new(file.model().need());
    let mut network = Network::new(file.model(), memory.view()).unwrap();
    let mut host = Network::new(file.model(), host_memory.view()).unwrap();
    // Twice, out of order, no input, an error with what came before it, the same alone.
    let script = [
        (Ok(vec![1, 1, 1, 3]), vec![1, 3], 2),
        (Ok(vec![2, 0, 3]), vec![2, 3], 1),
        (Ok(vec![3, 4, u16::MAX]), vec![3], 2),
        (Err(vec![0]), vec![0], 0),
        (Err(vec![]), vec![], 0),
    ];
    let source = Script(script.iter().map(|line| line.0.clone()).collect());
    let mut live = Live::new(source, Recorder::default(), Pace::new(1, 1), Decision::of(file.model()), None);
    live.start(0);
    let (mut spiking, mut dropped) = (Spikes::new(), 0);
    for (_, heard, wrong) in &script {
        live.step(&mut network, &mut spiking);
        host.step(heard);
        assert_eq!(spiking, heard[..]);
        assert_eq!(network.scores(), host.scores());
        dropped += wrong;
        assert_eq!(live.counts().dropped, dropped);
    }
    let expected = Counts { steps: 5, missed: 0, source_errors: 2, dropped: 5, output_errors: 5 };
    assert_eq!(live.counts(), expected);
}

#[test]
fn it_begins_and_ends_when_told_and_counts_what_it_misses() {
    let model = keys(2, None);
    let file = ModelFile::open(&model).unwrap();
    let mut memory = HostMemory::new(file.model().need());
    let mut network = Network::new(file.model(), memory.view()).unwrap();
    let recorder = Recorder::default();
    let source = Script(vec![Ok(vec![1]); 4].into());
    let alert = Some(Alert::new(1, 3));
    let mut live = Live::new(source, recorder.clone(), Pace::new(10, 1), Decision::of(file.model()), alert);
    let mut spiking = Spikes::new();
    let mut poll = |live: &mut Live<Script, Recorder>, now| live.poll(now, &mut network, &mut spiking);
    assert!(!poll(&mut live, 1000) && !live.is_on(), "it is off at first");
    live.stop();
    assert!(recorder.0.borrow().is_empty());
    live.start(1000);
    assert!(live.is_on() && !poll(&mut live, 1009) && poll(&mut live, 1010) && !poll(&mut live, 1019));
    assert!(poll(&mut live, 1055), "4 are due, one is made");
    assert!(poll(&mut live, 1060), "the next one is due when it always was");
    assert_eq!(live.last(), Observation { steps: 3, class: 1, decided: true, alert: true });
    live.stop();
    assert!(!live.is_on() && !poll(&mut live, 1100));
    assert_eq!(recorder.0.borrow().last(), Some(&Observation::default()), "the outputs are at rest");
    live.start(2000);
    assert!(poll(&mut live, 2010));
    assert_eq!(live.last().steps, 1);
    assert!(live.last().decided && !live.last().alert, "the alert begins anew");
    assert_eq!((live.counts().steps, live.counts().missed), (4, 3));
}

#[test]
fn without_a_source_it_stays_off() {
    const { assert!(!Live::<NoSource, ()>::PRESENT && Live::<Script, ()>::PRESENT) }
    let mut live = Live::none();
    live.start(0);
    assert!(!live.is_on());
    assert_eq!(live.counts(), Counts::default());
}

// On a board.

/// QEMU's monitor, by which keys are pressed and registers read from outside.
struct Monitor(BufReader<UnixStream>);

impl Monitor {
    fn connect(socket: &Path) -> Self {
        let mut monitor = Self(BufReader::new(UnixStream::connect(socket).unwrap()));
        monitor.0.read_line(&mut String::new()).unwrap();
        monitor.ask(&json!({ "execute": "qmp_capabilities" }));
        monitor
    }

    /// What it answers; events, which it tells of as well, are left out.
    fn ask(&mut self, command: &Value) -> Value {
        writeln!(self.0.get_mut(), "{command}").unwrap();
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "QEMU has ended");
            let answer: Value = serde_json::from_str(&line).unwrap();
            assert!(answer.get("error").is_none(), "{answer}");
            if let Some(answer) = answer.get("return") {
                return answer.clone();
            }
        }
    }

    fn key(&mut self, code: &str, down: bool) {
        let key = json!({ "type": "qcode", "data": code });
        let event = json!({ "type": "key", "data": { "down": down, "key": key } });
        self.ask(&json!({ "execute": "input-send-event", "arguments": { "events": [event] } }));
    }

    /// A word of the board's address space.
    fn word(&mut self, address: u32) -> u32 {
        let command = json!({ "command-line": format!("xp /1wx {address:#x}") });
        let answer = self.ask(&json!({ "execute": "human-monitor-command", "arguments": command }));
        let text = answer.as_str().unwrap();
        u32::from_str_radix(text.trim().rsplit("0x").next().unwrap(), 16).unwrap()
    }
}

/// What a board shows.
fn look(client: &mut Client<UnixStream>) -> Observed {
    match client.ask(RequestBody::Look).unwrap() {
        ReplyBody::Observed(observed) => observed,
        other => panic!("{other:?}"),
    }
}

/// Waits until a board's choice is this class, or none.
fn wait_for(client: &mut Client<UnixStream>, chosen: Option<u16>) -> Observed {
    let start = Instant::now();
    loop {
        let seen = look(client);
        if seen.decided.then_some(seen.class) == chosen {
            return seen;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "not {chosen:?}: {seen:?}");
    }
}

#[test]
fn keys_of_a_board_change_its_class_its_pins_and_its_alert() {
    const CLASS_PINS: u32 = 0x4000_5000 + (0x7F << 2);
    const ALERT_PIN: u32 = 0x4002_5000 + (1 << 2);
    let (folder, firmware) = firmware(Board::Lm3s6965Evb, &keys(5, None), &["live"]);
    let socket = folder.path().join("monitor");
    let monitor = format!("unix:{},server=on,wait=off", socket.display());
    let (_qemu, stream) =
        Qemu::start_stream(Board::Lm3s6965Evb, &firmware.elf, None, &["-qmp", &monitor]).unwrap();
    let mut client = Client::new(stream);
    let mut monitor = Monitor::connect(&socket);
    // It is on from the start.
    let start = Instant::now();
    while look(&mut client).steps == 0 {
        assert!(start.elapsed() < Duration::from_secs(30));
    }
    client.ask(RequestBody::Live { on: false }).unwrap();
    let off = look(&mut client);
    assert_eq!(look(&mut client), off);
    // QEMU's reset forgets that keys are released, until they are pressed and released.
    const KEYS: [&str; 5] = ["up", "down", "left", "right", "ctrl"];
    for key in KEYS {
        monitor.key(key, true);
        monitor.key(key, false);
    }
    monitor.key("up", true);
    client.ask(RequestBody::Live { on: true }).unwrap();
    wait_for(&mut client, Some(0));
    monitor.key("up", false);
    wait_for(&mut client, None);
    assert_eq!(monitor.word(CLASS_PINS), 0);
    let mut steps = 0;
    for (class, key) in (0..).zip(KEYS) {
        monitor.key(key, true);
        let seen = wait_for(&mut client, Some(class));
        assert!(seen.steps > steps, "time goes on");
        steps = seen.steps;
        let best = seen.scores.iter().max();
        assert_eq!(best, seen.scores.get(usize::from(class)));
        assert_eq!(monitor.word(CLASS_PINS), 1 << class);
        if class == 4 {
            // It has to hold for a hundred timesteps, which are 3.9 million instructions.
            let start = Instant::now();
            while monitor.word(ALERT_PIN) == 0 {
                assert!(start.elapsed() < Duration::from_secs(30));
            }
            assert!(look(&mut client).steps >= steps + 50);
        }
        assert_eq!(monitor.word(ALERT_PIN), u32::from(class == 4));
        monitor.key(key, false);
        wait_for(&mut client, None);
        assert_eq!((monitor.word(CLASS_PINS), monitor.word(ALERT_PIN)), (0, 0));
    }
    let refused = client.ask(RequestBody::Begin { early: false }).unwrap_err();
    assert!(matches!(refused, ClientError::Refused(LinkError::Live)), "{refused}");
    match client.ask(RequestBody::Health).unwrap() {
        ReplyBody::Health(health) => {
            assert!(health.live_steps >= steps && health.live_missed < health.live_steps, "{health:?}");
            assert_eq!(health.live_errors, 0, "{health:?}");
        }
        other => panic!("{other:?}"),
    }
    monitor.key("down", true);
    wait_for(&mut client, Some(1));
    client.ask(RequestBody::Live { on: false }).unwrap();
    assert_eq!(monitor.word(CLASS_PINS), 0, "at the end the pins are at rest");
    client.ask(RequestBody::Begin { early: false }).unwrap();
}
