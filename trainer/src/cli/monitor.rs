//! `spikelet monitor`: samples as they run on a board.

use super::model::{self, Count};
use super::{run, show};
use crate::data::Samples;
use crate::device::{Client, ClientError, Patience, Qemu, Target};
use crate::interrupt;
use crate::monitor::{Controls, Pace, Run, Sample, State, Update, play, terminal};
use crate::simulate::Stop;
use anyhow::{Context, ensure};
use serde::Serialize;
use spikelet_export::ModelFile;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long the board may take to its next answer once it is to end.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long an attached board may be silent.
const SOON: Patience = Patience { first: Duration::from_secs(1), attempts: 3 };

/// Timesteps that may wait to be drawn.
const WAITING: usize = 256;

#[derive(Debug, clap::Args)]
pub struct MonitorArgs {
    /// Model file, or the name of a model that comes with Spikelet.
    #[arg(value_parser = model::named)]
    model: PathBuf,
    /// Board: an emulated one, or where an attached one is: serial:PATH, serial:PATH@BAUD, tcp:HOST:PORT or unix:PATH.
    #[arg(long, default_value = "qemu:mps2-an386")]
    board: Target,
    /// Number of test samples, or all.
    #[arg(long, default_value_t = Count::All, value_name = "N")]
    samples: Count,
    /// Print a line for each sample, as where there is no terminal; with --json it is one JSON object.
    #[arg(long)]
    plain: bool,
    /// Let a sample's timesteps end as soon as the network has decided, if its model says when.
    #[arg(long, value_enum, default_value_t, value_name = "WHETHER")]
    early_exit: model::EarlyExit,
    #[command(flatten)]
    images: model::ImagesArgs,
}

pub fn run(args: MonitorArgs, json: bool) -> anyhow::Result<()> {
    let bytes = model::read(&args.model)?;
    let file = model::open(&bytes, &args.model)?;
    let data = args.images.load(file.header()?.provenance.data)?;
    model::check_fit(&file, &data)?;
    let samples = args.samples.of(data.test)?;
    drop(data.train);
    let (name, set) = (args.board.to_string(), data.name.to_string());
    let shown = Shown { file: &file, samples: &samples, name: &name, set, stop: args.early_exit.stop(&file) };
    let how = if json {
        How::Json
    } else if args.plain || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        How::Lines
    } else {
        How::Terminal
    };
    match &args.board {
        Target::Emulated(board) => {
            let firmware = run::build(*board, &args.model)?;
            // From here on Ctrl-C ends this program in good order.
            interrupt::stop_on_ctrl_c();
            let (mut qemu, mut client) = Qemu::start(*board, &firmware.elf)?;
            let hello = client.hello().context("the board does not greet back")?;
            ensure!(hello.model == file.id(), "the board runs another model than the host");
            shown.on(&mut client, how, || qemu.kill())
        }
        Target::Attached(port) => {
            interrupt::stop_on_ctrl_c();
            let (mut client, greeting) = port.connect()?;
            greeting.ensure_runs(&file, &args.model, port)?;
            // It cannot be unplugged from here: so long may the end of this program take.
            client.set_patience(SOON);
            shown.on(&mut client, how, || {})
        }
    }
}

/// Where samples are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Json,
    Lines,
    Terminal,
}

/// What is shown.
struct Shown<'s> {
    file: &'s ModelFile<'s>,
    samples: &'s Samples,
    name: &'s str,
    /// The data set.
    set: String,
    stop: Stop,
}

impl Shown<'_> {
    /// Shows it on a board; `unplug` has one that does not answer any more give up.
    fn on<S: Read + Write + Send>(
        self,
        client: &mut Client<S>,
        how: How,
        unplug: impl FnOnce(),
    ) -> anyhow::Result<()> {
        let Self { file, samples, name, set, stop } = self;
        let mut state = State::new(Run::of(file, name.to_owned(), set, samples.len()));
        match how {
            How::Terminal => watch(client, file, samples, stop, &mut state, unplug)?,
            _ => print(client, file, samples, stop, &mut state, how == How::Json)?,
        }
        if how != How::Json
            && let Some(accuracy) = state.accuracy()
        {
            // Nothing comes after it that could end sooner.
            let _ =
                say(&format!("accuracy {} of {} samples on {name}", show::percent(accuracy), state.shown))?;
        }
        Ok(())
    }
}

/// A sample that is done, as a line of JSON.
#[derive(Debug, Serialize)]
struct Line {
    /// Counted from 0.
    sample: usize,
    label: u8,
    class: Option<u16>,
    right: bool,
    /// Timesteps made.
    steps: usize,
    /// Timesteps after which the network had decided for the first time.
    decided: Option<usize>,
    /// Per class, at the end.
    scores: Vec<f64>,
    input_spikes: usize,
    /// Per layer.
    spikes: Vec<usize>,
    /// Share of the samples so far that were classified correctly.
    accuracy: Option<f64>,
    steps_per_second: f64,
}

impl Line {
    fn of(state: &State, sample: &Sample, time: Duration) -> Self {
        Self {
            sample: sample.index,
            label: sample.label,
            class: sample.class,
            right: sample.is_right(),
            steps: sample.steps(),
            decided: sample.decided,
            scores: sample.scores.last().cloned().unwrap_or_default(),
            input_spikes: sample.rasters.first().map_or(0, |input| input.spikes()),
            spikes: sample.spike_counts(),
            accuracy: state.accuracy(),
            steps_per_second: sample.steps() as f64 / time.as_secs_f64(),
        }
    }

    fn words(&self) -> String {
        let class = self.class.map_or("nothing".to_owned(), |class| class.to_string());
        let spikes: Vec<String> = self.spikes.iter().map(usize::to_string).collect();
        format!(
            "sample {}: label {}, says {class}, {}; {} timesteps, {:.0} per second; {} spikes in, {} per layer; accuracy {}",
            self.sample,
            self.label,
            if self.right { "right" } else { "wrong" },
            self.steps,
            self.steps_per_second,
            self.input_spikes,
            spikes.join(", "),
            self.accuracy.map_or("unknown".to_owned(), show::percent),
        )
    }
}

/// Prints a line for each sample, as fast as the board.
fn print<S: Read + Write>(
    client: &mut Client<S>,
    file: &ModelFile<'_>,
    samples: &Samples,
    stop: Stop,
    state: &mut State,
    json: bool,
) -> anyhow::Result<()> {
    let mut began = Instant::now();
    let mut written = Ok(ControlFlow::Continue(()));
    play(client, file, samples, stop, &Controls::new(Pace::MOST), |update| {
        if matches!(update, Update::Begin { .. }) {
            began = Instant::now();
        }
        let ends = update == Update::End;
        state.update(update);
        if ends && let Some(sample) = &state.sample {
            let line = Line::of(state, sample, began.elapsed());
            let text =
                if json { serde_json::to_string(&line).map_err(io::Error::from) } else { Ok(line.words()) };
            written = text.and_then(|text| say(&text));
        }
        match written {
            Ok(ControlFlow::Continue(())) if !interrupt::is_stopped() => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    })?;
    written.map(drop)?;
    Ok(())
}

/// Prints a line. That nobody reads any more is no error, but the end.
fn say(text: &str) -> io::Result<ControlFlow<()>> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(error),
    }
}

/// Ends what follows its controls when dropped, after a panic too.
struct Quit<'c>(&'c Controls);

impl Drop for Quit<'_> {
    fn drop(&mut self) {
        self.0.quit();
    }
}

/// Shows samples in the terminal. `unplug` has a board that does not answer any more give up.
fn watch<S: Read + Write + Send>(
    client: &mut Client<S>,
    file: &ModelFile<'_>,
    samples: &Samples,
    stop: Stop,
    state: &mut State,
    unplug: impl FnOnce(),
) -> anyhow::Result<()> {
    let controls = &Controls::new(Pace::default());
    let (give, updates) = mpsc::sync_channel(WAITING);
    std::thread::scope(|scope| {
        let board = scope.spawn(move || -> Result<(), ClientError> {
            play(client, file, samples, stop, controls, |update| match give.send(update) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            })
        });
        let quit = Quit(controls);
        let shown = terminal::show(state, &updates, controls);
        // It may wait for a wish, for this channel to have room, or for the board.
        drop((quit, updates));
        let asked = Instant::now();
        let mut answers = true;
        while answers && !board.is_finished() {
            answers = asked.elapsed() < FAREWELL;
            std::thread::sleep(Duration::from_millis(2));
        }
        if !answers {
            unplug();
        }
        let played = board.join();
        shown.context("the terminal cannot be used: add --plain")?;
        match played {
            // Of a board that was unplugged nothing more is asked.
            Ok(played) if answers => Ok(played?),
            Ok(_) => Ok(()),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
