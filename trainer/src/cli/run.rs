//! `spikelet run`: samples on a board, compared with the host.

use super::{model, show};
use crate::data::{DatasetName, Samples};
use crate::device::{
    self, Board, Costs, DeviceInference, Firmware, FirmwareOptions, InputKind, Qemu, measure, run_samples,
};
use crate::progress;
use crate::simulate::{Stop, simulate, simulate_until};
use anyhow::{Context, ensure};
use serde::Serialize;
use spikelet_export::ModelFile;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Spiking inputs that the kernels are measured with: a timestep of MNIST has 25.6 on average.
const MEASURED_SPIKES: u16 = 25;

#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Model file, or the name of a model that comes with Spikelet.
    #[arg(value_parser = model::named)]
    model: PathBuf,
    /// Board.
    #[arg(long, default_value = "qemu:mps2-an386")]
    board: Board,
    /// Number of test samples.
    #[arg(long, default_value_t = 100, value_name = "N")]
    samples: usize,
    /// What to send: spikes encoded on the host, or pixels to be encoded on the board (rate and latency code only).
    #[arg(long, value_enum, default_value_t = InputKind::Spikes)]
    input: InputKind,
    /// Let a sample's timesteps end as soon as the network has decided, if its model says when.
    #[arg(long, value_enum, default_value_t, value_name = "WHETHER")]
    early_exit: model::EarlyExit,
    #[command(flatten)]
    images: model::ImagesArgs,
}

/// What a run on a board shows.
#[derive(Debug, Serialize)]
pub struct BoardRun {
    board: String,
    model: String,
    dataset: DatasetName,
    input: InputKind,
    /// Samples shown.
    pub samples: usize,
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
    /// Mean instructions of the network per timestep.
    pub instructions_per_step: f64,
    /// Mean instructions of the encoder per timestep, on the board.
    pub encoding_per_step: Option<f64>,
    /// What the kernels cost.
    pub costs: Costs,
    /// Bytes of flash.
    pub flash: u64,
    /// Bytes of flash beside the weights.
    pub flash_beside_weights: u64,
    /// Bytes of RAM for variables.
    pub ram: u64,
    /// Wall-clock seconds of the emulation.
    pub seconds: f64,
}

pub fn run(args: RunArgs, json: bool) -> anyhow::Result<()> {
    let bytes = model::read(&args.model)?;
    let file = model::open(&bytes, &args.model)?;
    let data = args.images.load(file.header()?.provenance.data)?;
    model::check_fit(&file, &data)?;
    let images = model::first(&data.test, Some(args.samples))?;
    ensure!(
        args.input == InputKind::Spikes || file.header()?.outline.encoder.is_on_boards(),
        "boards have no encoder for this model's input, so there are no pixels to send: leave out --input pixels"
    );
    let firmware = build(args.board, &args.model)?;
    let stop = args.early_exit.stop(&file);
    let run = run_on_board(args.board, &firmware, &file, data.name, &images, args.input, stop)?;
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

/// Boots a board, shows it the images, and compares with the host.
pub fn run_on_board(
    board: Board,
    firmware: &Firmware,
    file: &ModelFile<'_>,
    dataset: DatasetName,
    images: &Samples,
    input: InputKind,
    stop: Stop,
) -> anyhow::Result<BoardRun> {
    let (mut qemu, mut client) = Qemu::start(board, &firmware.elf)?;
    let hello = client.hello().context("the board does not greet back")?;
    ensure!(hello.model == file.id(), "the board runs another model than the host");

    let bar = progress::bar(&board.to_string(), images.len(), "samples");
    let start = Instant::now();
    let (mut shown, mut right) = (0, 0);
    let device = run_samples(&mut client, file, images, input, stop, |result| {
        right += usize::from(u16::from(images.labels()[shown]) == result.inference.class);
        shown += 1;
        bar.set_message(format!("accuracy {:.1} %", 100.0 * right as f64 / shown as f64));
        bar.inc(1);
    })?;
    let seconds = start.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let costs = measure(&mut client, board, file, MEASURED_SPIKES)?;
    client.shutdown()?;
    ensure!(qemu.wait()?.success(), "the board ended with a failing status: {}", qemu.words());
    Ok(compare(board, file, dataset, images, input, stop, &device, firmware, costs, seconds))
}

#[allow(clippy::too_many_arguments, reason = "each is one of the result's sources, and this is called once")]
fn compare(
    board: Board,
    file: &ModelFile<'_>,
    dataset: DatasetName,
    images: &Samples,
    input: InputKind,
    stop: Stop,
    device: &[DeviceInference],
    firmware: &Firmware,
    costs: Costs,
    seconds: f64,
) -> BoardRun {
    let host = simulate_until(file, images, stop, || {});
    let equal = device.iter().zip(&host.inferences).filter(|(device, host)| device.inference == **host);
    let share = |right: usize| right as f64 / images.len() as f64;
    let classes: Vec<u8> = device.iter().map(|result| result.inference.class as u8).collect();
    let per_step = |ticks: fn(&DeviceInference) -> u32| {
        let ticks: f64 = device.iter().map(|result| f64::from(ticks(result))).sum();
        let steps: f64 = device.iter().map(|result| f64::from(result.inference.steps)).sum();
        ticks / board.ticks_per_instruction() / steps
    };
    let weights: u64 =
        file.model().layers().iter().map(|layer| 4 * layer.synapses().block().len() as u64).sum();
    BoardRun {
        board: board.to_string(),
        model: format!("{:08x}", file.id()),
        dataset,
        input,
        samples: images.len(),
        device_accuracy: share(model::correct(images.labels(), &classes)),
        host_accuracy: share(model::correct(images.labels(), &host.classes())),
        host_accuracy_at_the_end: (stop == Stop::WhenDecided).then(|| {
            let whole = simulate(file, images, || {});
            share(model::correct(images.labels(), &whole.classes()))
        }),
        mean_steps: host.mean_steps(),
        equal: equal.count(),
        instructions_per_step: per_step(|result| result.ticks),
        encoding_per_step: (input == InputKind::Pixels).then(|| per_step(|result| result.ticks_encoding)),
        costs,
        flash: firmware.flash,
        flash_beside_weights: firmware.flash.saturating_sub(weights),
        ram: firmware.ram,
        seconds,
    }
}

/// The table of a run on a board.
pub fn rows(run: &BoardRun) -> Vec<(String, String)> {
    let mut rows = vec![
        (
            "accuracy on the host, fixed point".to_owned(),
            format!("{} of {} samples", show::percent(run.host_accuracy), run.samples),
        ),
        (format!("accuracy on {}", run.board), show::percent(run.device_accuracy)),
        (
            "equal to the host in every bit".to_owned(),
            format!("{} of {} samples (class, timesteps, scores, spike counts)", run.equal, run.samples),
        ),
        (
            "instructions per timestep".to_owned(),
            format!("{} (not cycles)", show::grouped(run.instructions_per_step.round() as u64)),
        ),
    ];
    if let Some(accuracy) = run.host_accuracy_at_the_end {
        rows.push((
            "deciding early".to_owned(),
            format!("{:.1} timesteps in the mean; at their end {}", run.mean_steps, show::percent(accuracy)),
        ));
    }
    if let Some(encoding) = run.encoding_per_step {
        rows.push(("… and for encoding the pixels".to_owned(), show::grouped(encoding.round() as u64)));
    }
    for (index, layer) in run.costs.layers.iter().enumerate() {
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
        run.costs
            .silent_step
            .map_or("a layer never rests: `spikelet inspect` names its neurons".to_owned(), |step| {
                format!("{step} instructions")
            }),
    ));
    let (flash, ram) = (show::grouped(run.flash), show::grouped(run.ram + u64::from(run.costs.stack)));
    rows.push((
        "flash".to_owned(),
        format!("{flash} B, {} B beside the weights", show::grouped(run.flash_beside_weights)),
    ));
    rows.push((
        "RAM".to_owned(),
        format!(
            "{ram} B: {} B of variables, {} B of stack",
            show::grouped(run.ram),
            show::grouped(run.costs.stack.into())
        ),
    ));
    rows.push(("emulation".to_owned(), format!("{:.1} s for {} samples", run.seconds, run.samples)));
    rows
}

fn print(run: &BoardRun) {
    println!("model {} on {}, {} test samples of {}", run.model, run.board, run.samples, run.dataset);
    println!("{}", show::list(rows(run)));
}
