//! `spikelet run`: samples on a board, compared with the host.

use super::model::Count;
use super::{model, show};
use crate::data::{DatasetName, Samples};
use crate::device::{
    self, Board, Client, ClientError, Costs, DeviceInference, Firmware, FirmwareOptions, InputKind, Paired,
    Port, Qemu, Target, Wire, measure, run_beside_host, run_samples,
};
use crate::simulate::Stop;
use crate::{interrupt, progress};
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use spikelet_export::ModelFile;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Spiking inputs that the kernels are measured with: a timestep of MNIST has 25.6 on average.
const MEASURED_SPIKES: u16 = 25;

/// Between two lines about a long run where no bar is seen.
const BETWEEN_LINES: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Model file, or the name of a model that comes with Spikelet.
    #[arg(value_parser = model::named)]
    model: PathBuf,
    /// Board: an emulated one, or where an attached one is: serial:PATH, serial:PATH@BAUD, tcp:HOST:PORT or unix:PATH.
    #[arg(long, default_value = "qemu:mps2-an386")]
    board: Target,
    /// Number of test samples, or all.
    #[arg(long, default_value_t = Count::First(100), value_name = "N")]
    samples: Count,
    /// What to send: spikes encoded on the host, or pixels to be encoded on the board (rate and latency code only).
    #[arg(long, value_enum, default_value_t = InputKind::Spikes)]
    input: InputKind,
    /// What carries them to an emulated board.
    #[arg(long, value_enum, default_value_t)]
    wire: Wire,
    /// Let a sample's timesteps end as soon as the network has decided, if its model says when.
    #[arg(long, value_enum, default_value_t, value_name = "WHETHER")]
    early_exit: model::EarlyExit,
    #[command(flatten)]
    images: model::ImagesArgs,
}

/// What is shown to a board.
#[derive(Debug)]
pub struct Shown<'d> {
    /// Where the samples are from.
    pub dataset: DatasetName,
    /// The samples.
    pub images: &'d Samples,
    /// What is sent of them.
    pub input: InputKind,
    /// When a sample ends.
    pub stop: Stop,
}

/// What a run on a board shows.
#[derive(Debug, Serialize, Deserialize)]
pub struct BoardRun {
    /// The board's name.
    pub board: String,
    /// Checksum of the model's file.
    pub model: String,
    dataset: DatasetName,
    input: InputKind,
    /// Samples shown.
    pub samples: usize,
    /// True if Ctrl-C has ended it before all samples were shown.
    pub stopped: bool,
    /// Share that the board classified correctly.
    pub device_accuracy: f64,
    /// Share that the host's simulation classified correctly.
    pub host_accuracy: f64,
    /// The same without an early decision, if the model makes one.
    pub host_accuracy_at_the_end: Option<f64>,
    /// Mean timesteps of a sample.
    pub mean_steps: f64,
    /// Samples of which class, scores and spike counts are equal in every bit.
    pub equal: usize,
    /// Mean instructions of the network per timestep; only an emulated board counts them.
    pub instructions_per_step: Option<f64>,
    /// Mean instructions of the encoder per timestep, on an emulated board.
    pub encoding_per_step: Option<f64>,
    /// Mean seconds of the network, and of the encoder, per timestep, by the clock of an attached board.
    pub seconds_per_step: Option<f64>,
    pub encoding_seconds_per_step: Option<f64>,
    /// `confusion[label][class]` of the board.
    pub confusion: Vec<Vec<u32>>,
    /// Per class: share of its samples that the board classified correctly; none of a class without samples.
    pub class_accuracy: Vec<Option<f64>>,
    /// What the kernels cost, on an emulated board.
    pub costs: Option<Costs>,
    /// Bytes of flash, of RAM for variables, and of stack, at the deepest; what is not known of an attached board is left out.
    pub flash: Option<u64>,
    /// Bytes of flash beside the weights.
    pub flash_beside_weights: Option<u64>,
    pub ram: Option<u64>,
    pub stack: u32,
    /// Wall-clock seconds.
    pub seconds: f64,
}

pub fn run(args: RunArgs, json: bool) -> anyhow::Result<()> {
    let bytes = model::read(&args.model)?;
    let file = model::open(&bytes, &args.model)?;
    let data = args.images.load(file.header()?.provenance.data)?;
    model::check_fit(&file, &data)?;
    let images = args.samples.of(data.test)?;
    drop(data.train);
    ensure!(
        args.input == InputKind::Spikes || file.header()?.outline.encoder.is_on_boards(),
        "boards have no encoder for this model's input, so there are no pixels to send: leave out --input pixels"
    );
    let stop = args.early_exit.stop(&file);
    let shown = Shown { dataset: data.name, images: &images, input: args.input, stop };
    let run = match &args.board {
        Target::Emulated(board) => {
            let firmware = build(*board, &args.model)?;
            interrupt::stop_on_ctrl_c();
            run_on_board(args.wire, *board, &firmware, &file, &shown)?
        }
        Target::Attached(port) => {
            ensure!(args.wire == Wire::Uart, "an attached board has no emulator's channel: leave out --wire");
            interrupt::stop_on_ctrl_c();
            run_on_port(port, &args.model, &file, &shown)?
        }
    };
    show::show(json, &run, print)?;
    ensure_equal(&run)
}

/// Builds the firmware with a model in it.
pub fn build(board: Board, model: &Path) -> anyhow::Result<Firmware> {
    let waiting = progress::waiting("building the firmware");
    let firmware = device::build(board, model, FirmwareOptions::default());
    waiting.finish_and_clear();
    firmware
}

/// Refuses a run in which the board said anything else than the host.
pub fn ensure_equal(run: &BoardRun) -> anyhow::Result<()> {
    ensure!(
        run.equal == run.samples,
        "the board and the host differ: this is a fault in Spikelet, please report it"
    );
    Ok(())
}

/// Boots a board, shows it the images, and compares with the host. Kernels and memory are measured over the UART in any case: its
/// interrupt takes stack too.
pub fn run_on_board(
    wire: Wire,
    board: Board,
    firmware: &Firmware,
    file: &ModelFile<'_>,
    shown: &Shown<'_>,
) -> anyhow::Result<BoardRun> {
    let (mut qemu, mut client) = boot(wire, board, firmware, file)?;
    let start = Instant::now();
    let pairs = show_samples(&mut client, &board.to_string(), file, shown)?;
    let seconds = start.elapsed().as_secs_f64();
    if wire != Wire::Uart {
        end(qemu, client)?;
        (qemu, client) = boot(Wire::Uart, board, firmware, file)?;
        run_samples(&mut client, file, &shown.images.take(1), shown.input, shown.stop, |_| {})?;
    }
    let costs = measure(&mut client, board, file, MEASURED_SPIKES)?;
    end(qemu, client)?;
    let measured = Measured::Instructions { board, firmware, costs };
    Ok(summary(measured, file, shown, &pairs, seconds))
}

fn boot(
    wire: Wire,
    board: Board,
    firmware: &Firmware,
    file: &ModelFile<'_>,
) -> anyhow::Result<(Qemu, Client<UnixStream>)> {
    let (qemu, mut client) = Qemu::start_by(wire, board, &firmware.elf)?;
    let hello = client.hello().context("the board does not greet back")?;
    ensure!(hello.model == file.id(), "the board runs another model than the host");
    Ok((qemu, client))
}

fn end(mut qemu: Qemu, mut client: Client<UnixStream>) -> anyhow::Result<()> {
    client.shutdown()?;
    ensure!(qemu.wait()?.success(), "the board ended with a failing status: {}", qemu.words());
    Ok(())
}

/// Shows an attached board the images, and compares with the host. The model at `path` has to be there already.
fn run_on_port(
    port: &Port,
    path: &Path,
    file: &ModelFile<'_>,
    shown: &Shown<'_>,
) -> anyhow::Result<BoardRun> {
    let (mut client, greeting) = port.connect()?;
    greeting.ensure_runs(file, path, port)?;
    let name = format!("{} on {port}", greeting.board);
    let start = Instant::now();
    let pairs = show_samples(&mut client, &name, file, shown)?;
    let seconds = start.elapsed().as_secs_f64();
    let stack = client.memory()?.stack_used;
    let measured = Measured::Time { name, ticks_per_second: greeting.ticks_per_second, stack };
    Ok(summary(measured, file, shown, &pairs, seconds))
}

/// What was measured beside the results.
enum Measured<'f> {
    /// On an emulated board.
    Instructions { board: Board, firmware: &'f Firmware, costs: Costs },
    /// On an attached board.
    Time { name: String, ticks_per_second: u32, stack: u32 },
}

/// What a run has shown so far.
#[derive(Clone, Copy, Debug, Default)]
struct SoFar {
    shown: usize,
    right: usize,
    equal: usize,
}

impl SoFar {
    fn add(&mut self, label: u8, pair: &Paired) {
        self.shown += 1;
        self.right += usize::from(u16::from(label) == pair.device.inference.class);
        self.equal += usize::from(pair.is_equal());
    }

    /// In words, after so much time.
    fn words(self, time: Duration) -> String {
        let Self { shown, right, equal } = self;
        format!(
            "accuracy {}, {equal} of {shown} equal to the host in every bit, {:.1} samples/s",
            show::percent(right as f64 / shown as f64),
            shown as f64 / time.as_secs_f64()
        )
    }
}

/// Shows samples to a board called `name` until they are all done or Ctrl-C is pressed, with a live line of what comes of it.
fn show_samples<S: Read + Write>(
    client: &mut Client<S>,
    name: &str,
    file: &ModelFile<'_>,
    &Shown { images, input, stop, .. }: &Shown<'_>,
) -> Result<Vec<Paired>, ClientError> {
    let bar = progress::bar_above_words(name, images.len(), "samples");
    if bar.is_hidden() {
        progress::line(&bar, &format!("running {} samples on {name}", images.len()));
    }
    let (start, mut last) = (Instant::now(), Instant::now());
    let mut so_far = SoFar::default();
    let pairs = run_beside_host(client, file, images, input, stop, |pair| {
        so_far.add(images.labels()[so_far.shown], pair);
        let words = so_far.words(start.elapsed());
        if bar.is_hidden() && last.elapsed() > BETWEEN_LINES {
            progress::line(&bar, &format!("{} of {} samples: {words}", so_far.shown, images.len()));
            last = Instant::now();
        }
        bar.set_message(words);
        bar.inc(1);
        if interrupt::is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    pairs
}

fn summary(
    measured: Measured<'_>,
    file: &ModelFile<'_>,
    shown: &Shown<'_>,
    pairs: &[Paired],
    seconds: f64,
) -> BoardRun {
    let &Shown { ref dataset, images, input, stop } = shown;
    let labels = &images.labels()[..pairs.len()];
    let share = |count: usize| count as f64 / pairs.len() as f64;
    let right = |class: fn(&Paired) -> u16| {
        labels.iter().zip(pairs).filter(|(label, pair)| u16::from(**label) == class(pair)).count()
    };
    let classes: Vec<u8> = pairs.iter().map(|pair| pair.device.inference.class as u8).collect();
    let confusion = model::confusion(file.model().need().classes, labels, &classes);
    let steps: f64 = pairs.iter().map(|pair| f64::from(pair.device.inference.steps)).sum();
    let per_step = |ticks: fn(&DeviceInference) -> u32| {
        let ticks: f64 = pairs.iter().map(|pair| f64::from(ticks(&pair.device))).sum();
        ticks / steps
    };
    let ticks = per_step(|result| result.ticks);
    let ticks_encoding = (input == InputKind::Pixels).then(|| per_step(|result| result.ticks_encoding));
    let weights: u64 =
        file.model().layers().iter().map(|layer| 4 * layer.synapses().block().len() as u64).sum();
    let run = BoardRun {
        board: String::new(),
        model: format!("{:08x}", file.id()),
        dataset: dataset.clone(),
        input,
        samples: pairs.len(),
        stopped: pairs.len() < images.len(),
        device_accuracy: share(right(|pair| pair.device.inference.class)),
        host_accuracy: share(right(|pair| pair.host.class)),
        host_accuracy_at_the_end: (stop == Stop::WhenDecided)
            .then(|| share(right(|pair| pair.host_at_the_end.unwrap_or(pair.host.class)))),
        mean_steps: steps / pairs.len() as f64,
        equal: pairs.iter().filter(|pair| pair.is_equal()).count(),
        instructions_per_step: None,
        encoding_per_step: None,
        seconds_per_step: None,
        encoding_seconds_per_step: None,
        class_accuracy: model::class_accuracy(&confusion),
        confusion,
        costs: None,
        flash: None,
        flash_beside_weights: None,
        ram: None,
        stack: 0,
        seconds,
    };
    match measured {
        Measured::Instructions { board, firmware, costs } => BoardRun {
            board: board.to_string(),
            instructions_per_step: Some(ticks / board.ticks_per_instruction()),
            encoding_per_step: ticks_encoding.map(|ticks| ticks / board.ticks_per_instruction()),
            stack: costs.stack,
            costs: Some(costs),
            flash: Some(firmware.flash),
            flash_beside_weights: Some(firmware.flash.saturating_sub(weights)),
            ram: Some(firmware.ram),
            ..run
        },
        Measured::Time { name, ticks_per_second, stack } => {
            let seconds = |ticks| ticks / f64::from(ticks_per_second);
            BoardRun {
                board: name,
                seconds_per_step: Some(seconds(ticks)),
                encoding_seconds_per_step: ticks_encoding.map(seconds),
                stack,
                ..run
            }
        }
    }
}

/// The table of a run on a board.
pub fn rows(run: &BoardRun) -> Vec<(String, String)> {
    let mut rows = vec![
        (
            "accuracy on the host, fixed point".to_owned(),
            format!("{} of {} samples", show::percent(run.host_accuracy), show::grouped(run.samples as u64)),
        ),
        (format!("accuracy on {}", run.board), show::percent(run.device_accuracy)),
        (
            "equal to the host in every bit".to_owned(),
            format!("{} of {} samples (class, timesteps, scores, spike counts)", run.equal, run.samples),
        ),
    ];
    let counted = |instructions: f64| show::grouped(instructions.round() as u64);
    let timed = |seconds: f64| format!("{:.3} ms, by the board's clock", 1e3 * seconds);
    if let Some(instructions) = run.instructions_per_step {
        rows.push((
            "instructions per timestep".to_owned(),
            format!("{} (not cycles)", counted(instructions)),
        ));
    }
    if let Some(seconds) = run.seconds_per_step {
        rows.push(("time of a timestep".to_owned(), timed(seconds)));
    }
    if let Some(accuracy) = run.host_accuracy_at_the_end {
        rows.push((
            "deciding early".to_owned(),
            format!("{:.1} timesteps in the mean; at their end {}", run.mean_steps, show::percent(accuracy)),
        ));
    }
    let encoding = run.encoding_per_step.map(counted).or(run.encoding_seconds_per_step.map(timed));
    if let Some(encoding) = encoding {
        rows.push(("… and for encoding the pixels".to_owned(), encoding));
    }
    if let Some(costs) = &run.costs {
        rows.extend(rows_of_costs(costs));
    }
    let stack = show::grouped(run.stack.into());
    match (run.flash, run.flash_beside_weights, run.ram) {
        (Some(flash), Some(beside), Some(ram)) => {
            let (flash, beside) = (show::grouped(flash), show::grouped(beside));
            rows.push(("flash".to_owned(), format!("{flash} B, {beside} B beside the weights")));
            let (all, ram) = (show::grouped(ram + u64::from(run.stack)), show::grouped(ram));
            rows.push(("RAM".to_owned(), format!("{all} B: {ram} B of variables, {stack} B of stack")));
        }
        _ => rows.push(("stack at the deepest".to_owned(), format!("{stack} B"))),
    }
    rows.push((
        if run.costs.is_some() { "emulation" } else { "time" }.to_owned(),
        format!(
            "{:.1} s for {} samples, {:.1} samples/s",
            run.seconds,
            show::grouped(run.samples as u64),
            run.samples as f64 / run.seconds
        ),
    ));
    rows
}

/// What the kernels cost.
fn rows_of_costs(costs: &Costs) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    for (index, layer) in costs.layers.iter().enumerate() {
        rows.push((
            format!("layer {index}, {} spikes", layer.spikes),
            format!(
                "{:.2} instructions per synaptic operation, {:.1} per neuron",
                layer.per_synaptic_operation, layer.per_neuron
            ),
        ));
    }
    rows.push((
        "a timestep without a spike, at rest".to_owned(),
        costs
            .silent_step
            .map_or("a layer never rests: `spikelet inspect` names its neurons".to_owned(), |step| {
                format!("{step} instructions")
            }),
    ));
    rows
}

fn print(run: &BoardRun) {
    println!("model {} on {}, {} test samples of {}", run.model, run.board, run.samples, run.dataset);
    if run.stopped {
        println!("stopped before all samples were shown");
    }
    println!("{}", show::list(rows(run)));
    println!("\n{}", show::confusion(&run.confusion));
}
