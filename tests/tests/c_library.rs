//! The runtime as a library for C: built for every core, and called by C programs on this host and on mps2-an385, a Cortex-M3
//! under QEMU, which get the same bits as the host's simulation.

use object::{Object, ObjectSymbol};
use spikelet::cell::CellName;
use spikelet::config::Config;
use spikelet::data::{Dataset, DatasetName, Samples};
use spikelet::deploy::{self, Measured};
use spikelet::device::{ensure_arm_gcc, ensure_qemu, ensure_target};
use spikelet::simulate::{Inference, simulate};
use spikelet::train;
use spikelet::widths::Widths;
use spikelet_export::{AlignedBytes, ModelFile};
use spikelet_runtime::Width;
use spikelet_runtime::formats::Score;
use spikelet_tests::{GENERAL, load, random_model_in, rate, root};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

/// Of the example's board.
const TARGET: &str = "thumbv7m-none-eabi";
/// Images that the programs are given.
const IMAGES: usize = 25;

/// The library's folder.
fn library() -> PathBuf {
    root().join("runtime/c")
}

/// A command in one of the library's folders, without what cargo has set for this test.
fn command(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR"] {
        command.env_remove(name);
    }
    command
}

/// Whether a command ends well, and what it says.
fn outcome(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let words = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
    (output.status.success(), words)
}

/// What a command says that ends well.
fn succeed(command: &mut Command) -> String {
    let (success, words) = outcome(command);
    assert!(success, "{command:?}: {words}");
    words
}

/// A C program of the library with a model and images, built for board and host.
struct Program {
    folder: tempfile::TempDir,
    source: &'static str,
}

impl Program {
    /// `source` is a path from the example's folder.
    fn new(source: &'static str, model: &[u8], images: &[u8]) -> Self {
        static TOOLS: Once = Once::new();
        TOOLS.call_once(|| {
            ensure_target(TARGET).unwrap();
            ensure_arm_gcc().unwrap();
            ensure_qemu().unwrap();
        });
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.spk"), model).unwrap();
        fs::write(folder.path().join("images.bin"), images).unwrap();
        let program = Self { folder, source };
        succeed(&mut program.make("all"));
        program
    }

    fn make(&self, goal: &str) -> Command {
        let mut make = command("make", &library().join("example"));
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        make.args([
            "--silent",
            goal,
            &format!("PROGRAM={}", self.source),
            &format!("BUILD={}", path("build")),
        ]);
        make.args([format!("MODEL={}", path("model.spk")), format!("IMAGES={}", path("images.bin"))]);
        make
    }

    /// The goals of make that run it: under QEMU, and here.
    const RUNS: [&str; 2] = ["run", "run-host"];

    /// Symbols of the image for the board.
    fn symbols(&self) -> Vec<String> {
        let elf = fs::read(self.folder.path().join("build/board.elf")).unwrap();
        let file = object::File::parse(&*elf).unwrap();
        file.symbols().filter_map(|symbol| symbol.name().ok().map(str::to_owned)).collect()
    }
}

/// The first images of the built-in test set.
fn digits() -> (Dataset, Samples, Vec<u8>) {
    let data = load(DatasetName::Digits).unwrap();
    let samples = data.test.take(IMAGES);
    let Samples::Images(images) = &samples else { panic!("digits are images") };
    let pixels = images.pixels.clone();
    (data, samples, pixels)
}

/// A network trained for a moment, quantised to each of the widths; it decides early.
fn trained<const N: usize>(data: &Dataset, cell: CellName, widths: [Width; N]) -> [AlignedBytes; N] {
    let mut config = Config {
        dataset: data.name.clone(),
        layers: vec![784, 60, 50],
        steps: 40,
        blank_before: 2,
        train_samples: Some(3000),
        epochs: 2,
        ..Config::default()
    };
    config.set_cell(cell);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    train::train(&config, data, &out, false).unwrap();
    let trained = deploy::open_run(&out).unwrap();
    widths.map(|width| {
        let mut quantised = deploy::quantise_network(&trained, Some(&Widths::all(width))).unwrap();
        quantised.margin = Some(Score::ONE);
        quantised.model(&config, &data.test, Measured::default()).unwrap()
    })
}

/// What `classify.c` prints of images.
fn inferences(printed: &str) -> Vec<Inference> {
    let numbers = |part: &str| part.split_whitespace().map(|number| number.parse::<i64>().unwrap()).collect();
    let of_line = |line: &str| {
        let (class, line) = line.strip_prefix("class ")?.split_once(" steps ")?;
        let (steps, line) = line.split_once(" scores ")?;
        let (scores, counts) = line.split_once(" spikes ")?;
        let [scores, counts]: [Vec<i64>; 2] = [scores, counts].map(numbers);
        Some(Inference {
            class: class.parse().unwrap(),
            steps: steps.parse().unwrap(),
            scores: scores.into_iter().map(|score| score.try_into().unwrap()).collect(),
            spike_counts: counts.into_iter().map(|count| count.try_into().unwrap()).collect(),
        })
    };
    printed.lines().filter_map(of_line).collect()
}

/// Compares every image on board and host with the simulation.
fn check(model: &[u8], samples: &Samples, pixels: &[u8]) {
    let program = Program::new("classify.c", model, pixels);
    let simulated = simulate(&ModelFile::open(model).unwrap(), samples, || {}).inferences;
    for run in Program::RUNS {
        assert_eq!(inferences(&succeed(&mut program.make(run))), simulated, "{run}");
    }
    // Silent networks, or such that always say the same, would compare little.
    let scores: BTreeSet<_> = simulated.iter().map(|inference| &inference.scores).collect();
    assert!(scores.len() > IMAGES / 5, "{scores:?}");
    assert!(simulated.iter().filter(|inference| inference.spike_counts.contains(&0)).count() < IMAGES / 5);
}

/// The images that the example comes with.
#[test]
fn the_examples_images_are_the_first_of_the_built_in_ones() {
    let images = fs::read(library().join("example/digits.bin")).unwrap();
    assert_eq!(images.len(), 10 * 784);
    assert!(digits().2.starts_with(&images));
}

#[test]
fn src_of_8_and_4_bits_gives_the_same_bits() {
    let (data, samples, pixels) = digits();
    for model in trained(&data, CellName::Src, [Width::Eight, Width::Four]) {
        check(&model, &samples, &pixels);
    }
}

#[test]
fn lif_gives_the_same_bits() {
    let (data, samples, pixels) = digits();
    let [model] = trained(&data, CellName::Lif, [Width::Eight]);
    check(&model, &samples, &pixels);
}

/// Every width in one model, of cells with everything switched on.
#[test]
fn any_width_gives_the_same_bits() {
    let (_, samples, pixels) = digits();
    let widths = [Width::Five, Width::Three, Width::Two];
    let model = random_model_in(&widths, GENERAL, &[784, 64, 60, 50], [1, 30, 3], rate(), 3);
    check(&model, &samples, &pixels);
}

#[test]
fn damaged_models_are_refused_by_name() {
    let (_, _, pixels) = digits();
    let model = random_model_in(&[Width::Eight], GENERAL, &[784, 20], [0, 10, 0], rate(), 4);
    let refused = |damage: &dyn Fn(&mut Vec<u8>), expected: &str| {
        let mut damaged = model.to_vec();
        damage(&mut damaged);
        let program = Program::new("classify.c", &damaged, &pixels);
        for run in Program::RUNS {
            let (success, words) = outcome(&mut program.make(run));
            assert!(!success && words.contains(expected), "{run}: {words}");
        }
    };
    let middle = model.len() / 2;
    refused(&|model| model[middle] ^= 1, "model: error 6, the model is damaged");
    refused(&|model| model.truncate(middle), "model: error 5, the model is cut off");
    refused(&|model| model[4] = 2, "model: error 4, the model has another version");
}

/// `boundary.c` tries everything that C can get wrong, and checks what it is told.
#[test]
fn whatever_c_gives_is_answered() {
    let (data, _, pixels) = digits();
    let [model] = trained(&data, CellName::Src, [Width::Eight]);
    let program = Program::new("../tests/boundary.c", &model, &pixels);
    for run in Program::RUNS {
        succeed(&mut program.make(run));
    }
}

/// What the linker has left in the image: all of the library, no way to panic, no heap, nothing of floating point.
#[test]
fn the_linked_program_has_no_panic_heap_or_float() {
    let (_, _, pixels) = digits();
    let model = random_model_in(&[Width::Eight], GENERAL, &[784, 20], [0, 10, 0], rate(), 4);
    let symbols = Program::new("../tests/boundary.c", &model, &pixels).symbols();
    for function in ["spikelet_open", "spikelet_infer", "spikelet_encode", "spikelet_step"] {
        assert!(symbols.iter().any(|name| name == function), "{symbols:?}");
    }
    let bad = symbols.iter().filter(|name| {
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let starts = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
        // Arm's names of what computes with floats, and the compilers'.
        has(&["panic", "_fail", "unwrap_failed", "alloc", "float"])
            || ["sf2", "df2", "sf3", "df3"].iter().any(|end| name.ends_with(end))
            || starts(&["__aeabi_f", "__aeabi_d", "__aeabi_cf", "__aeabi_cd", "__aeabi_i2", "__aeabi_ui2"])
            || ["malloc", "free"].contains(&name.as_str())
    });
    assert_eq!(bad.collect::<Vec<_>>(), Vec::<&String>::new());
}

/// ARMv7-M is what the example is built for.
#[test]
#[ignore = "builds it for three cores more: cargo test -p spikelet-tests --test c_library -- --ignored"]
fn the_library_builds_for_every_core() {
    for target in ["thumbv6m-none-eabi", "thumbv7em-none-eabihf", "thumbv8m.main-none-eabihf"] {
        ensure_target(target).unwrap();
        let arguments = ["build", "--release", "--locked", "--target", target];
        succeed(command(env!("CARGO"), &library()).args(arguments));
        assert!(library().join("target").join(target).join("release/libspikelet.a").is_file());
    }
}

/// The library's own: that its header is what its sources say, and that it keeps to its memory.
#[test]
fn the_libraries_own_tests_pass() {
    succeed(command(env!("CARGO"), &library()).args(["test", "--locked"]));
}

/// README.md's program, as C99; the header alone, as C++.
#[test]
fn the_readmes_program_and_the_header_compile() {
    ensure_arm_gcc().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let readme = fs::read_to_string(library().join("README.md")).unwrap();
    let program = readme.split("```c\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(program.contains("spikelet_infer("), "{program}");
    fs::write(folder.path().join("program.c"), program).unwrap();
    fs::write(folder.path().join("header.cpp"), "#include \"spikelet.h\"\n").unwrap();
    let flags = ["-ffreestanding", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I"];
    for (compiler, standard, source) in
        [("arm-none-eabi-gcc", "-std=c99", "program.c"), ("arm-none-eabi-g++", "-std=c++11", "header.cpp")]
    {
        let mut compile = command(compiler, folder.path());
        succeed(compile.arg(standard).args(flags).arg(library().join("include")).arg(source));
    }
}
