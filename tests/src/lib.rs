//! What the integration tests share: models of random weights, quickly trained ones, and the command itself.

pub mod flash;
pub mod host_board;
pub mod image;
pub mod played;
pub mod process;
pub mod proxy;
pub mod variants;

use spikelet::config::Config;
use spikelet::data::{self, Dataset, DatasetName};
use spikelet::deploy::{self, Measured};
use spikelet::device::{self, Board, Client, Firmware, FirmwareOptions, Qemu, Wire};
use spikelet::kernel::simd::{self, Simd};
use spikelet::train;
use spikelet_export::quantise::{FloatCell, FloatLayer, FloatLif, FloatSrc, LayerInput, quantise};
use spikelet_export::{AlignedBytes, EncoderHeader, Header, Outline, Provenance, ReadoutHeader, write_model};
use spikelet_runtime::encode::Gain;
use spikelet_runtime::formats::{Loss, Score};
use spikelet_runtime::{GatedBy, SpikeKind, Width};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The cells of a random model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RandomCells {
    /// SRC; random initial states if the flag says so.
    Src(FloatSrc, bool),
    /// LIF.
    Lif(FloatLif),
}

/// The paper's cells.
pub const PAPER: RandomCells = RandomCells::Src(FloatSrc::PAPER, false);

/// SRC with everything switched on that the paper's experiments leave off.
pub const GENERAL: RandomCells = RandomCells::Src(
    FloatSrc {
        z: 0.2,
        z_s_dep: 0.1,
        gated_by: GatedBy::Previous,
        spikes: SpikeKind::Binary,
        ..FloatSrc::PAPER
    },
    true,
);

/// The paper's baseline.
pub const LIF: RandomCells = RandomCells::Lif(FloatLif { leak: 0.9, threshold: 1.0, rest: -0.125 });

/// Random numbers for tests: a counter through the finaliser of splitmix64.
#[derive(Clone, Debug)]
pub struct Noise(pub u64);

impl Noise {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in `least..most`.
    pub fn within(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }
}

/// A model of random weights, strong enough that every layer spikes: `widths` are the inputs, which must be
/// a square number, and the neurons of each layer.
pub fn random_model(widths: &[u16], steps: u16, encoder: EncoderHeader, seed: u64) -> AlignedBytes {
    random_model_of(PAPER, widths, [0, steps, 0], encoder, seed)
}

/// The same of other cells, and with blank timesteps before and behind those in which the input is shown.
pub fn random_model_of(
    cells: RandomCells,
    widths: &[u16],
    [blank_before, steps, blank_after]: [u16; 3],
    encoder: EncoderHeader,
    seed: u64,
) -> AlignedBytes {
    random_model_in(&[Width::Eight], cells, widths, [blank_before, steps, blank_after], encoder, seed)
}

/// The same with weights of other widths, taken in turn by the layers.
pub fn random_model_in(
    bits: &[Width],
    cells: RandomCells,
    widths: &[u16],
    steps: [u16; 3],
    encoder: EncoderHeader,
    seed: u64,
) -> AlignedBytes {
    random_model_with([-6.5, -4.0], bits, cells, widths, steps, encoder, seed)
}

/// The same with b_h between two ends.
pub fn random_model_with(
    [least_bias, most_bias]: [f64; 2],
    bits: &[Width],
    cells: RandomCells,
    widths: &[u16],
    [blank_before, steps, blank_after]: [u16; 3],
    encoder: EncoderHeader,
    seed: u64,
) -> AlignedBytes {
    let mut noise = Noise(seed);
    let side = widths[0].isqrt();
    assert_eq!(side * side, widths[0], "the input is a square image");
    let mut layers = Vec::new();
    let mut blocks = Vec::new();
    for pair in widths.windows(2) {
        let (inputs, neurons) = (usize::from(pair[0]), usize::from(pair[1]));
        // Spikes of LIF last one timestep, and its threshold is 1.
        let strength = if matches!(cells, RandomCells::Lif(_)) { 3.0 } else { 24.0 };
        let most = strength / (inputs as f64).sqrt();
        let weight: Vec<f32> =
            (0..inputs * neurons).map(|_| noise.within(-0.6 * most, most) as f32).collect();
        let mut numbers =
            |least, most| -> Vec<f32> { (0..neurons).map(|_| noise.within(least, most) as f32).collect() };
        let bias = numbers(least_bias, most_bias);
        let states;
        let cell = match cells {
            RandomCells::Lif(constants) => FloatCell::Lif(constants),
            RandomCells::Src(constants, starts_elsewhere) => {
                let initial = if starts_elsewhere {
                    states = (numbers(-0.99, 0.99), numbers(-0.99, 0.99));
                    Some((&states.0[..], &states.1[..]))
                } else {
                    None
                };
                FloatCell::Src { constants, bias: &bias, initial }
            }
        };
        let input = match cells {
            _ if layers.is_empty() => LayerInput::First,
            RandomCells::Src(FloatSrc { spikes: SpikeKind::Graded, .. }, _) => LayerInput::Graded,
            RandomCells::Src(..) | RandomCells::Lif(_) => LayerInput::Binary,
        };
        // A layer's width is that of its turn.
        let width = bits[layers.len() % bits.len()];
        let layer = quantise(&FloatLayer { weight: &weight, neurons, width, input, cell }).unwrap();
        layers.push(layer.header);
        blocks.push(layer.blocks);
    }
    let outline = Outline {
        width: side,
        height: side,
        channels: 1,
        classes: 10,
        blank_before,
        steps,
        blank_after,
        encoder,
        readout: ReadoutHeader {
            loss: Loss::from_num(0.01).to_bits(),
            excite: Score::ONE.to_bits(),
            inhibit: Score::from_num(-0.1).to_bits(),
        },
        margin: None,
    };
    let header = Header {
        outline,
        layers: layers.into_iter().collect(),
        provenance: Provenance { data: "random", tool: "spikelet-tests", ..Default::default() },
    };
    write_model(&header, &blocks).unwrap()
}

/// The paper's rate code.
pub fn rate() -> EncoderHeader {
    EncoderHeader::Rate { gain: Gain::from_num(0.25).to_bits(), seed: 5 }
}

/// Runs a check with each set of instructions that this processor has, one after the other; the others of this process's
/// tests then run with any of them, which must not matter to them.
///
/// # Panics
/// As the check does.
pub fn on_every_path(mut check: impl FnMut(Simd)) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for path in Simd::available() {
        simd::force(Some(path)).unwrap();
        assert_eq!(Simd::current(), path);
        println!("instructions: {}", path.name());
        check(path);
    }
    simd::force(None).unwrap();
}

/// The folder with the real data sets, if `SPIKELET_DATA` names one that holds MNIST.
pub fn real_data() -> Option<PathBuf> {
    let folder = data::default_folder();
    folder.join("mnist/train-images-idx3-ubyte.gz").is_file().then_some(folder)
}

/// Loads a data set; `None`, and a line about it, if it is not on this machine.
pub fn load(name: DatasetName) -> Option<Dataset> {
    if data::survey(&name, None).is_err() {
        eprintln!("skipped: {name} is not here; name its folder in SPIKELET_DATA");
        return None;
    }
    Some(data::load(name, None).unwrap())
}

/// A network trained for a moment on a few thousand images, quantised: good enough that its spikes mean something.
pub fn trained_model(data: &Dataset, layers: &[usize], steps: usize, samples: usize) -> AlignedBytes {
    trained_model_of(
        data,
        &Config {
            layers: layers.to_vec(),
            steps,
            epochs: 1,
            train_samples: Some(samples),
            ..Config::default()
        },
    )
}

/// The same with any settings.
pub fn trained_model_of(data: &Dataset, config: &Config) -> AlignedBytes {
    let config = Config { dataset: data.name.clone(), ..config.clone() };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    train::train(&config, data, &out, false).unwrap();
    let trained = deploy::open_run(&out).unwrap();
    deploy::quantise_network(&trained, None).unwrap().model(&config, &data.test, Measured::default()).unwrap()
}

/// The board that QEMU tests run on if they say no other.
pub const BOARD: Board = Board::Mps2An386;

/// Builds a board's firmware with a model. Builds of one process wait for each other; their crates are compiled once.
pub fn firmware(board: Board, model: &[u8], features: &[&str]) -> (tempfile::TempDir, Firmware) {
    static BUILDING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let building = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.spk");
    std::fs::write(&path, model).unwrap();
    let mut firmware =
        device::build(board, &path, FirmwareOptions { features, ..FirmwareOptions::default() }).unwrap();
    // The next build writes the same file.
    let elf = folder.path().join("firmware.elf");
    std::fs::copy(&firmware.elf, &elf).unwrap();
    firmware.elf = elf;
    drop(building);
    (folder, firmware)
}

/// A running board.
#[derive(Debug)]
pub struct Booted {
    /// The emulation.
    pub qemu: Qemu,
    /// The way to talk to it.
    pub client: Client<UnixStream>,
    /// What it runs.
    pub firmware: Firmware,
    _folder: tempfile::TempDir,
}

/// Boots [`BOARD`] with a model.
pub fn boot(model: &[u8]) -> Booted {
    boot_on(BOARD, model)
}

/// Boots a board with a model.
pub fn boot_on(board: Board, model: &[u8]) -> Booted {
    boot_by(Wire::Uart, board, model)
}

/// Boots a board with a model, to talk to over a wire.
pub fn boot_by(wire: Wire, board: Board, model: &[u8]) -> Booted {
    let (folder, firmware) = firmware(board, model, &[]);
    let (qemu, client) = Qemu::start_by(wire, board, &firmware.elf).unwrap();
    Booted { qemu, client, firmware, _folder: folder }
}

/// The files of the models that come with Spikelet.
pub fn shipped_models() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(root().join("trainer/models")).unwrap();
    let mut models: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    models.retain(|path| path.extension().is_some_and(|extension| extension == "spk"));
    models.sort();
    assert!(!models.is_empty());
    models
}

/// The repository's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The file of the command `spikelet`: the one that cargo built with the tests, or, where it builds a single package's and the file is
/// missing or older than the library, one that is built now.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        built_with_the_tests().unwrap_or_else(|| {
            let build = escargot::CargoBuild::new().manifest_path(root().join("Cargo.toml"));
            build.arg("--workspace").bin("spikelet").run().unwrap().path().to_owned()
        })
    })
}

/// The command beside the folder of the running test, if it is newer than every build of the trainer's library.
fn built_with_the_tests() -> Option<PathBuf> {
    let test = std::env::current_exe().ok()?;
    let folder = test.parent()?;
    let binary = folder.parent()?.join("spikelet");
    let age = |path: &Path| path.metadata().and_then(|found| found.modified()).ok();
    let built = age(&binary)?;
    let is_library = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libspikelet-") && name.ends_with(".rlib")
    };
    let files = folder.read_dir().ok()?.filter_map(|file| file.ok().map(|file| file.path()));
    let newest = files.filter(|path| is_library(path)).filter_map(|path| age(&path)).max()?;
    (built >= newest).then_some(binary)
}

/// The command `spikelet`.
pub fn spikelet() -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(binary());
    command.env("SPIKELET_FIRMWARE", root().join("firmware"));
    command
}

/// The folder of a run of 784-50, 20 timesteps, on the built-in digits, trained for a moment, once per process.
pub fn small_run() -> &'static str {
    static RUN: OnceLock<(tempfile::TempDir, String)> = OnceLock::new();
    let (_, path) = RUN.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run").display().to_string();
        let small = ["--layers", "784-50", "--steps", "20", "--epochs", "2", "--train-samples", "2000"];
        spikelet().args(["train", "--out", &path]).args(small).assert().success();
        (folder, path)
    });
    path
}
