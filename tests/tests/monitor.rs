//! Samples on a board beside the host's simulation, and the view of them: state, drawing, keys, lines.

use embedded_io::{ErrorKind, ErrorType, ReadReady};
use predicates::prelude::*;
use predicates::str::contains;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use serde_json::Value;
use spikelet::config::Config;
use spikelet::data::{DatasetName, Samples};
use spikelet::deploy::{self, Measured};
use spikelet::device::{Client, InputKind, run_beside_host};
use spikelet::monitor::{
    Controls, Pace, Raster, Run, Sample, Signal, State, Update, layers_of, play, terminal, view,
};
use spikelet::simulate::{HostMemory, Stop, simulate_until};
use spikelet::spike_train::{Encoding, Show};
use spikelet::train;
use spikelet_export::link::{self, MemoryUse, Observed};
use spikelet_export::{AlignedBytes, ModelFile};
use spikelet_firmware::live::Live;
use spikelet_firmware::{Application, Board, Buffers, BuiltIn, Clock};
use spikelet_runtime::Network;
use spikelet_runtime::formats::Score;
use spikelet_tests::{load, spikelet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A board on the host.
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

/// Its end of the wire.
struct Wire(UnixStream);

impl ErrorType for Wire {
    type Error = ErrorKind;
}

impl embedded_io::Read for Wire {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, ErrorKind> {
        self.0.read(bytes).map_err(|_| ErrorKind::Other)
    }
}

impl ReadReady for Wire {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        Ok(true)
    }
}

impl embedded_io::Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.0.write(bytes).map_err(|_| ErrorKind::Other)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

/// Runs the board's application in a thread, and gives what `with` makes of it.
fn on_bench<T>(file: &ModelFile<'_>, with: impl FnOnce(&mut Client<UnixStream>) -> T) -> T {
    let (host, board) = UnixStream::pair().unwrap();
    host.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut memory = HostMemory::new(file.model().need());
            let mut network = Network::new(file.model(), memory.view()).unwrap();
            let mut spiking = heapless::Vec::<u16, 784>::new();
            let mut observed = heapless::Vec::<u8, { link::OBSERVED }>::new();
            let buffers = Buffers {
                request: &mut [0; link::REQUEST],
                reply: &mut [0; link::REPLY + 1],
                spiking: &mut spiking,
                observed: &mut observed,
            };
            Application::new(file, &mut network, Bench, BuiltIn, Live::none())
                .serve(&mut Wire(board), buffers)
        });
        // The application ends with the client, and its stream.
        let mut client = Client::new(host);
        with(&mut client)
    })
}

/// A network of 784-60-40 and 40 timesteps, trained for a moment, that decides when the best score leads by 0.3.
fn model() -> &'static AlignedBytes {
    static MODEL: OnceLock<AlignedBytes> = OnceLock::new();
    MODEL.get_or_init(|| {
        let data = load(DatasetName::Digits).unwrap();
        let config = Config {
            layers: vec![784, 60, 40],
            steps: 40,
            blank_after: 3,
            epochs: 3,
            train_samples: Some(3000),
            init_gain: 2.0,
            ..Config::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("run");
        train::train(&config, &data, &out, false).unwrap();
        let mut quantised = deploy::quantise_network(&deploy::open_run(&out).unwrap(), None).unwrap();
        quantised.margin = Some(Score::from_num(0.3));
        quantised.model(&config, &data.test, Measured::default()).unwrap()
    })
}

fn samples(count: usize) -> Samples {
    load(DatasetName::Digits).unwrap().test.take(count)
}

/// What the state has taken in at the end of a sample is what the host's simulation says of it.
#[test]
fn the_state_is_the_hosts_simulation() {
    let file = ModelFile::open(model()).unwrap();
    let samples = samples(12);
    let encoding = Encoding::of_model(&file);
    for stop in [Stop::AtTheEnd, Stop::WhenDecided] {
        let host = simulate_until(&file, &samples, stop, || {});
        let mut state = State::new(Run::of(&file, "bench".to_owned(), "digits".to_owned(), 12));
        assert_eq!((&state.run.widths[..], state.run.steps), (&[784, 60, 40][..], 43));
        let mut right = 0;
        on_bench(&file, |client| {
            play(client, &file, &samples, stop, &Controls::new(Pace::MOST), |update| {
                let ends = update == Update::End;
                state.update(update);
                if !ends {
                    return ControlFlow::Continue(());
                }
                let sample = state.sample.as_ref().unwrap();
                let expected = &host.inferences[sample.index];
                assert_eq!((sample.class, sample.steps()), (Some(expected.class), expected.steps.into()));
                assert_eq!(sample.decided.is_some_and(|at| at == sample.steps()), stop == Stop::WhenDecided);

                let train = encoding.train(&samples, sample.index, Show::Evaluation);
                let mut memory = HostMemory::new(file.model().need());
                let mut network = Network::new(file.model(), memory.view()).unwrap();
                for t in 0..sample.steps() {
                    assert_eq!(sample.rasters[0].steps[t].as_deref(), Some(train.at(t)));
                    network.step_observed(train.at(t), |layer, spikes| {
                        let spiking: Vec<u16> = spikes.iter().map(|spike| spike.neuron).collect();
                        assert_eq!(sample.rasters[layer + 1].steps[t], Some(spiking));
                    });
                    let scores: Vec<f64> = network.scores().iter().map(|score| score.to_num()).collect();
                    assert_eq!(sample.scores[t], scores);
                }
                assert_eq!(network.class(), expected.class);
                right += usize::from(expected.class == u16::from(samples.labels()[sample.index]));
                assert_eq!((state.shown, state.right), (sample.index + 1, right));
                ControlFlow::Continue(())
            })
            .unwrap();
        });
        assert_eq!(state.accuracy(), Some(right as f64 / 12.0));
        assert!(right > 3, "{right} of 12 right: it has learnt nothing");
        // Sparse as they are, all layers have spiked.
        let spikes: u32 = host.inferences.iter().map(|inference| inference.spike_counts[1]).sum();
        assert!(spikes > 0);
    }
}

#[test]
fn a_board_runs_beside_the_host_until_it_is_stopped() {
    let file = ModelFile::open(model()).unwrap();
    // More than the host prepares ahead.
    let samples = samples(150);
    let at_the_end = simulate_until(&file, &samples, Stop::AtTheEnd, || {});
    for (input, stop) in [(InputKind::Pixels, Stop::AtTheEnd), (InputKind::Spikes, Stop::WhenDecided)] {
        let host = simulate_until(&file, &samples, stop, || {});
        let run = |until: usize| {
            let mut seen = 0;
            let done = |_: &_| {
                seen += 1;
                if seen == until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            on_bench(&file, |client| run_beside_host(client, &file, &samples, input, stop, done)).unwrap()
        };
        let pairs = run(usize::MAX);
        assert_eq!(pairs.len(), 150);
        for (index, pair) in pairs.iter().enumerate() {
            assert!(pair.is_equal(), "sample {index}, {input:?}");
            assert_eq!(pair.host, host.inferences[index]);
            let class = (stop == Stop::WhenDecided).then_some(at_the_end.inferences[index].class);
            assert_eq!(pair.host_at_the_end, class);
        }
        assert_eq!(run(7).len(), 7);
    }
}

#[test]
fn layers_without_room_in_a_reply_are_unknown_and_others_than_the_models_are_refused() {
    // Two layers of three.
    let spiking = [2, 0, 4, 0].into_iter().collect();
    let observed = Observed { spiking, ..Observed::default() };
    assert_eq!(layers_of(&observed, &[5, 3, 9]).unwrap(), [Some(vec![0, 4]), Some(vec![]), None]);
    for widths in [&[4, 3, 9][..], &[5], &[]] {
        layers_of(&observed, widths).unwrap_err();
    }
}

/// Six timesteps of a network of 8 inputs and layers of 4 and 2 neurons; the last layer is not known in timestep 3.
fn known_state() -> State {
    let run = Run {
        board: "qemu:mps2-an386".to_owned(),
        model: 0x12AB_34CD,
        dataset: "digits".to_owned(),
        samples: 2000,
        widths: vec![8, 4, 2],
        steps: 10,
    };
    let mut state = State::new(run);
    state.update(Update::Begin { index: 0, label: 1 });
    let step = |t: u16, class: u16, scores: [f64; 3]| Update::Step {
        input: vec![t],
        layers: vec![Some(vec![t % 4]), (t != 3).then(Vec::new)],
        scores: scores.iter().map(|&score| Score::from_num(score).to_bits()).collect(),
        class,
        decided: t > 3,
    };
    state.update(step(0, 1, [0.0, 1.0, 0.0]));
    state.update(Update::End);
    state.update(Update::Begin { index: 1, label: 2 });
    for t in 0..6 {
        state.update(step(t, 0, [f64::from(t), -1.0, 2.5]));
    }
    state.pass(Duration::from_secs(2));
    state
}

fn screen(state: &State, columns: u16, rows: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| view::draw(state, frame.area(), frame.buffer_mut())).unwrap();
    let text = terminal.backend().to_string();
    // The backend puts each line in quotes.
    text.lines().map(|line| line.trim_matches('"').trim_end().to_owned() + "\n").collect()
}

#[test]
fn a_known_state_is_drawn_as_expected() {
    let state = known_state();
    assert_eq!((state.shown, state.right, state.rate), (1, 1, Some(3.5)));
    let sample = state.sample.as_ref().unwrap();
    assert_eq!((sample.index, sample.steps(), sample.decided), (1, 6, Some(5)));
    let expected = include_str!("monitor/known.txt");
    let found = screen(&state, 90, 17);
    assert_eq!(found, expected, "found\n{found}");

    assert_eq!(screen(&state, 59, 16).lines().next(), Some("make the terminal larger: 60 × 16 at least"));
    assert!(screen(&State::new(state.run), 60, 16).contains("waiting for the first of 2000 samples"));
}

#[test]
fn any_state_is_drawn_on_any_screen() {
    let file = ModelFile::open(model()).unwrap();
    let samples = samples(1);
    let mut state = State::new(Run::of(&file, "bench".to_owned(), "digits".to_owned(), 1));
    on_bench(&file, |client| {
        let controls = Controls::new(Pace::MOST);
        play(client, &file, &samples, Stop::AtTheEnd, &controls, |update| {
            state.update(update);
            for (columns, rows) in [(1, 1), (60, 16), (61, 17), (80, 24), (200, 60)] {
                screen(&state, columns, rows);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    });
    let [said, label] =
        state.sample.as_ref().map(|sample| [sample.class.unwrap(), sample.label.into()]).unwrap();
    let last = screen(&state, 100, 30);
    assert!(
        last.contains("timestep 43 of 43") && last.contains(&format!("label {label}  says {said}")),
        "{last}"
    );
}

#[test]
fn a_raster_has_a_dot_for_each_bin_with_a_spike() {
    let raster = |neurons, steps: &[&[u16]]| Raster {
        neurons,
        steps: steps.iter().map(|step| Some(step.to_vec())).collect(),
    };
    // A dot each: the first timestep's neurons 0 and 3, the second's 5.
    assert_eq!(raster(8, &[&[0, 3], &[5]]).braille(2, 1, 2), ["⡁", "⠐"]);
    // Four timesteps on two columns of dots, and eight neurons on four rows.
    assert_eq!(raster(8, &[&[0], &[1], &[7], &[]]).braille(4, 1, 1), ["⢁"]);
    // A timestep on four columns.
    assert_eq!(raster(4, &[&[2]]).braille(2, 4, 9), ["⠤⠤  "]);
    let unknown = Raster { neurons: 4, steps: vec![None, Some(vec![])] };
    assert_eq!(unknown.braille(2, 2, 1), ["? "]);
    assert_eq!(raster(3, &[&[0, 1, 2]]).braille(1, 0, 5), [""]);
}

fn key(code: KeyCode) -> Event {
    Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn keys_steer_and_end() {
    let controls = Controls::new(Pace::CALM);
    let ctrl_c = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    for end in [key(KeyCode::Char('q')), key(KeyCode::Esc), ctrl_c] {
        let (_give, updates) = mpsc::sync_channel(1);
        let mut state = known_state();
        let mut frames = Vec::new();
        let keys = [key(KeyCode::Char('+')), key(KeyCode::Char(' ')), key(KeyCode::Char('-')), end];
        let mut events = keys.into_iter();
        let draw = |state: &State| {
            frames.push((state.pace, state.paused));
            Ok(())
        };
        terminal::follow(&mut state, &updates, &controls, draw, || Ok(events.next())).unwrap();
        let (calm, faster) = (Pace::CALM, Pace::CALM.faster());
        assert_eq!(frames, [(calm, false), (faster, false), (faster, true), (calm, true)]);
        assert_eq!(events.next(), None);
        controls.toggle_pause();
    }
    // Without a key it ends with what it shows.
    let (give, updates) = mpsc::sync_channel(2);
    give.send(Update::Begin { index: 4, label: 3 }).unwrap();
    drop(give);
    let mut state = known_state();
    terminal::follow(&mut state, &updates, &controls, |_| Ok(()), || panic!("there is no key")).unwrap();
    assert_eq!(state.sample, Some(Sample { index: 4, label: 3, ..state.sample.clone().unwrap() }));
}

#[test]
fn controls_pause_pace_and_skip() {
    let fast = Controls::new(Pace::MOST);
    assert_eq!(fast.wait(Instant::now()), Signal::Go);
    fast.next();
    assert_eq!([fast.wait(Instant::now()), fast.wait(Instant::now())], [Signal::Next, Signal::Go]);
    fast.faster();
    assert_eq!(
        (fast.pace(), Pace::MOST.per_second(), Pace::MOST.slower().per_second()),
        (Pace::MOST, None, Some(1000))
    );

    let slow = Controls::new(Pace::CALM.slower());
    let start = Instant::now();
    assert_eq!((slow.wait(start), slow.pace().per_second()), (Signal::Go, Some(20)));
    assert!(start.elapsed() >= Duration::from_millis(50));

    // Whoever waits in a pause hears of its end, and of the end.
    for (wish, heard) in
        [(Controls::toggle_pause as fn(&Controls), Signal::Go), (Controls::quit, Signal::Quit)]
    {
        let controls = Controls::new(Pace::MOST);
        controls.toggle_pause();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| controls.wait(Instant::now()));
            std::thread::sleep(Duration::from_millis(30));
            assert!(!waiting.is_finished());
            wish(&controls);
            assert_eq!(waiting.join().unwrap(), heard);
        });
    }
}

/// One firmware for all: lines of a monitor, a whole run and a stopped one.
#[test]
fn the_commands_run_on_a_board() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.spk").display().to_string();
    fs::write(&path, &model()[..]).unwrap();
    let file = ModelFile::open(model()).unwrap();
    let samples = samples(2);
    let host = simulate_until(&file, &samples, Stop::AtTheEnd, || {});
    let watched = ["monitor", &path, "--samples", "2", "--early-exit", "off"];
    let right = host.classes().iter().zip(samples.labels()).filter(|(said, label)| said == label).count();
    let last = format!("accuracy {:.2} % of 2 samples on qemu:mps2-an386\n", 50.0 * right as f64);
    spikelet().args(watched).arg("--plain").assert().success().stdout(
        contains("sample 0: label 0, says ")
            .and(contains("sample 1: label "))
            .and(contains("43 timesteps"))
            .and(predicates::str::ends_with(last)),
    );

    let output = spikelet().arg("--json").args(watched).assert().success();
    let lines = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for ((line, host), label) in lines.iter().zip(&host.inferences).zip(samples.labels()) {
        assert_eq!(
            (line["label"].as_u64(), line["class"].as_u64()),
            (Some((*label).into()), Some(host.class.into()))
        );
        assert_eq!(line["spikes"], Value::from(host.spike_counts.clone()));
        let scores: Vec<f64> = host.scores.iter().map(|&bits| Score::from_bits(bits).to_num()).collect();
        assert_eq!(line["scores"], Value::from(scores));
    }

    let run = |arguments: &[&str], signal: Option<&str>| -> Value {
        let mut command = Command::new(spikelet().get_program());
        command.env("SPIKELET_FIRMWARE", spikelet_tests::root().join("firmware"));
        command.args(["--json", "run", &path]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut words = String::new();
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        while !words.contains("running ") {
            assert_ne!(stderr.read_line(&mut words).unwrap(), 0, "{words}");
        }
        if let Some(signal) = signal {
            spikelet_tests::process::signal(&process, signal);
        }
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{words}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let whole = run(&["--samples", "60", "--input", "pixels"], None);
    assert_eq!(
        (&whole["samples"], &whole["equal"], &whole["stopped"]),
        (&60.into(), &60.into(), &false.into())
    );
    let rows: Vec<Vec<u64>> = serde_json::from_value(whole["confusion"].clone()).unwrap();
    let right: u64 = (0..10).map(|class| rows[class][class]).sum();
    assert_eq!(rows.iter().flatten().sum::<u64>(), 60);
    assert_eq!(whole["device_accuracy"].as_f64(), Some(right as f64 / 60.0));
    for (class, row) in rows.iter().enumerate() {
        let expected = row[class] as f64 / row.iter().sum::<u64>() as f64;
        assert_eq!(whole["class_accuracy"][class].as_f64(), Some(expected));
    }
    let at_the_end = whole["host_accuracy_at_the_end"].as_f64().unwrap();
    let host = simulate_until(&file, &self::samples(60), Stop::AtTheEnd, || {});
    let host_right = host.classes().iter().zip(self::samples(60).labels()).filter(|(a, b)| a == b).count();
    assert_eq!(at_the_end, host_right as f64 / 60.0);

    let stopped = run(&["--samples", "all"], Some("-INT"));
    let shown = stopped["samples"].as_u64().unwrap();
    assert!((1..2000).contains(&shown) && stopped["equal"] == stopped["samples"], "{stopped}");
    assert_eq!(stopped["stopped"], true);
    spikelet()
        .args(["run", &path, "--samples", "10"])
        .assert()
        .success()
        .stdout(contains("true \\ said").and(contains("10 of 10 samples")));
    for command in ["run", "monitor"] {
        let refused = spikelet().args([command, &path, "--samples", "every"]).assert().failure();
        refused.stderr(contains("it must be all, or a number of samples"));
        let refused = spikelet().args([command, &path, "--samples", "0"]).assert().failure();
        refused.stderr(contains("--samples must be all, or 1 to 2000"));
    }
}
