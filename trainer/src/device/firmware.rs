//! Builds the firmware: the application with a model in it, and the program that measures the kernels.

use super::{Board, ensure_target};
use anyhow::{Context, Result, bail, ensure};
use object::elf::{SHF_ALLOC, SHF_WRITE};
use object::{Object, ObjectSection, SectionFlags, SectionKind};
use spikelet_export::{AlignedBytes, ModelFile};
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Bytes of stack that the application may take: tests/image.rs proves that it takes less.
const STACK: u64 = 1024;

/// A linked firmware image.
#[derive(Clone, Debug)]
pub struct Firmware {
    /// The ELF file.
    pub elf: PathBuf,
    /// Bytes of flash: code, constants, the model, and the start values of variables.
    pub flash: u64,
    /// Bytes of RAM for variables; the stack comes on top.
    pub ram: u64,
}

/// What it is built for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// The board, as the user calls it.
    pub name: String,
    /// Its feature in the firmware.
    pub feature: &'static str,
    /// Rust's target for its core.
    pub target: &'static str,
    /// Bytes of flash.
    pub flash: u64,
    /// Bytes of RAM.
    pub ram: u64,
}

impl From<Board> for Platform {
    fn from(board: Board) -> Self {
        let (flash, ram) = board.memory();
        let (flash, ram) = (flash as u64, ram as u64);
        Self { name: board.to_string(), feature: board.machine(), target: board.target(), flash, ram }
    }
}

/// How to build it.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirmwareOptions<'a> {
    /// Features beside the board's.
    pub features: &'a [&'a str],
    /// Folder for what the compiler makes; by default the firmware's own.
    pub target_dir: Option<&'a Path>,
    /// Rust's target; by default that of the board's core. Of another core the program can be looked at, but not run.
    pub target: Option<&'a str>,
}

/// Builds the application for a board with the model file inside; what is missing for it is installed.
///
/// # Errors
/// One sentence that says what is wrong, behind the compiler's own words.
pub fn build(board: impl Into<Platform>, model: &Path, options: FirmwareOptions<'_>) -> Result<Firmware> {
    let board = board.into();
    let model = model.canonicalize().with_context(|| format!("cannot find the model {}", model.display()))?;
    let widths = widths(&model)?;
    let widths: Vec<&str> = widths.iter().map(String::as_str).collect();
    let features = [options.features, &widths].concat();
    let options = FirmwareOptions { features: &features, ..options };
    let firmware = compile(&board, "spikelet-firmware", options, Some(&model))?;
    ensure_room(&board, firmware.flash, firmware.ram)?;
    Ok(firmware)
}

/// Refuses a model that certainly does not fit a board, before anything is built: what it takes alone is more than there is.
///
/// # Errors
/// One sentence that says what it needs.
pub fn check_fit(board: impl Into<Platform>, file: &ModelFile<'_>) -> Result<()> {
    let need = file.model().need();
    ensure_room(&board.into(), file.len() as u64, (need.ram() + 3 * need.inputs) as u64)
}

/// Refuses what needs more than so many bytes of flash, or of RAM for its variables, on top of which the stack comes.
fn ensure_room(board: &Platform, flash: u64, variables: u64) -> Result<()> {
    let ram = variables + STACK;
    let lacks = |need: u64, most: u64, what: &str| {
        (need > most).then(|| format!("{need} B of {what} where there are {most}"))
    };
    let flash = lacks(flash, board.flash, "flash");
    let ram = lacks(ram, board.ram, "RAM, stack included,");
    let lacking: Vec<String> = flash.into_iter().chain(ram).collect();
    ensure!(
        lacking.is_empty(),
        "{} is too small for this model, which needs {}: train a smaller one, export it with fewer --bits, or choose another --board",
        board.name,
        lacking.join(" and ")
    );
    Ok(())
}

/// Builds the program that compares and measures the kernels of all widths; what is missing for it is installed.
///
/// # Errors
/// As [`build`].
pub fn build_kernels(board: Board) -> Result<Firmware> {
    let board = Platform::from(board);
    let options = FirmwareOptions { features: &["kernels", "all-widths"], ..FirmwareOptions::default() };
    compile(&board, "spikelet-kernels", options, None)
}

/// By how many bytes what is linked is larger than a region of memory, 0 if it is not, in the linker's words.
fn overflow(words: &str, region: &str) -> u64 {
    let before = format!("will not fit in region '{region}': overflowed by ");
    let bytes = words.split(&before).skip(1).filter_map(|rest| rest.split(' ').next()?.parse().ok());
    bytes.max().unwrap_or(0)
}

/// Compiles one of the firmware's programs.
fn compile(
    board: &Platform,
    program: &str,
    options: FirmwareOptions<'_>,
    model: Option<&Path>,
) -> Result<Firmware> {
    let target = options.target.unwrap_or(board.target);
    ensure_target(target)?;
    let folder = folder()?;
    let target_dir = options.target_dir.map_or_else(|| folder.join("target"), Path::to_path_buf);
    let features = [&[board.feature], options.features].concat().join(",");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(&folder)
        .args(["build", "--release", "--locked", "--bin", program])
        .args(["--no-default-features", "--features", &features])
        .args(["--target", target, "--target-dir"])
        .arg(&target_dir)
        .env_remove("SPIKELET_MODEL")
        // Set for the host's crates when this runs under cargo; the firmware has its own.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .stdin(Stdio::null());
    if let Some(model) = model {
        cargo.env("SPIKELET_MODEL", model);
    }
    let output = cargo.output().context("cargo does not run: install Rust from https://rustup.rs")?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let [flash, ram] = ["FLASH", "RAM"].map(|region| overflow(&words, region));
        // What is not said to overflow fits.
        let need = |most: u64, over: u64| if over > 0 { most + over } else { 0 };
        ensure_room(board, need(board.flash, flash), need(board.ram, ram))?;
        eprint!("{words}");
        bail!("the firmware for {} does not build: the compiler says why above", board.name);
    }
    let elf = target_dir.join(target).join("release").join(program);
    let (flash, ram) = sizes(&elf)?;
    Ok(Firmware { elf, flash, ram })
}

/// The features for the widths of a model's weights.
fn widths(model: &Path) -> Result<Vec<String>> {
    let bytes = std::fs::read(model).with_context(|| format!("cannot read the model {}", model.display()))?;
    let aligned = AlignedBytes::from_slice(&bytes);
    let file = ModelFile::open(&aligned).with_context(|| format!("{} cannot be used", model.display()))?;
    let mut bits: Vec<u8> =
        file.model().layers().iter().map(|layer| layer.synapses().width().bits()).collect();
    bits.sort_unstable();
    bits.dedup();
    Ok(bits.iter().map(|bits| format!("width-{bits}")).collect())
}

/// The folder of the firmware's sources: `SPIKELET_FIRMWARE`, or `firmware` here, in a folder above, or in the one that
/// this program was built from.
fn folder() -> Result<PathBuf> {
    let here = env::current_dir()?;
    let named = env::var_os("SPIKELET_FIRMWARE").map(PathBuf::from);
    let above = here.ancestors().map(|folder| folder.join("firmware"));
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware");
    named
        .into_iter()
        .chain(above)
        .chain([built])
        .find(|folder| folder.join("Cargo.toml").is_file() && folder.join("memory").is_dir())
        .context("the firmware's sources are not here: run in Spikelet's repository, or name them in SPIKELET_FIRMWARE")
}

/// Flash and RAM of a linked image.
fn sizes(elf: &Path) -> Result<(u64, u64)> {
    let bytes = std::fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
    let file = object::File::parse(&*bytes).with_context(|| format!("{} is no ELF file", elf.display()))?;
    let (mut flash, mut ram) = (0, 0);
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
            continue;
        };
        if !sh_flags.contains(SHF_ALLOC) {
            continue;
        }
        let stored = section.kind() != SectionKind::UninitializedData;
        let variable = sh_flags.contains(SHF_WRITE);
        flash += if stored { section.size() } else { 0 };
        ram += if variable { section.size() } else { 0 };
    }
    Ok((flash, ram))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_board_lacks_is_said() {
        let microbit = Platform::from(Board::Microbit);
        let of = |flash, variables| ensure_room(&microbit, flash, variables).unwrap_err().to_string();
        ensure_room(&microbit, 256 << 10, 15 << 10).unwrap();
        let words = "rust-lld: error: section '.text' will not fit in region 'FLASH': overflowed by 12 bytes\n\
             rust-lld: error: section '.rodata' will not fit in region 'FLASH': overflowed by 56789 bytes\n";
        assert_eq!([overflow(words, "FLASH"), overflow(words, "RAM")], [56_789, 0]);
        let sentence = of(0, (15 << 10) + 1);
        assert!(
            sentence.contains("needs 16385 B of RAM, stack included, where there are 16384: "),
            "{sentence}"
        );
        let sentence = of((256 << 10) + 1, 1 << 20);
        assert!(
            sentence.contains("262145 B of flash where there are 262144 and 1049600 B of RAM"),
            "{sentence}"
        );
    }
}
