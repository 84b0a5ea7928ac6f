//! Boards to flash: what they have, and how the firmware gets onto them.

use super::firmware::Platform;
use anyhow::{Context, Result, ensure};
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;

/// A board that the firmware is flashed onto through a debug probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealBoard {
    /// Nordic nRF52840 DK.
    Nrf52840Dk,
    /// BBC micro:bit v2 (nRF52833).
    MicrobitV2,
    /// ST Nucleo-F446RE.
    NucleoF446re,
    /// Raspberry Pi Pico (RP2040).
    Pico,
    /// Raspberry Pi Pico 2 (RP2350).
    Pico2,
}

const KB: u64 = 1 << 10;

impl RealBoard {
    /// Every one of them.
    pub const ALL: [Self; 5] =
        [Self::Nrf52840Dk, Self::MicrobitV2, Self::NucleoF446re, Self::Pico, Self::Pico2];

    /// Its name: its feature in the firmware.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nrf52840Dk => "nrf52840-dk",
            Self::MicrobitV2 => "microbit-v2",
            Self::NucleoF446re => "nucleo-f446re",
            Self::Pico => "pico",
            Self::Pico2 => "pico-2",
        }
    }

    /// Rust's target for its core.
    pub const fn target(self) -> &'static str {
        match self {
            Self::Nrf52840Dk | Self::MicrobitV2 | Self::NucleoF446re => "thumbv7em-none-eabihf",
            Self::Pico => "thumbv6m-none-eabi",
            Self::Pico2 => "thumbv8m.main-none-eabihf",
        }
    }

    /// Bytes of flash that the program may take, with its model, and of RAM. Chips of Nordic's have more flash, which is for models
    /// that come over the link.
    pub const fn memory(self) -> (u64, u64) {
        match self {
            Self::Nrf52840Dk => (512 * KB, 256 * KB),
            Self::MicrobitV2 => (288 * KB, 128 * KB),
            Self::NucleoF446re => (512 * KB, 128 * KB),
            Self::Pico => (2048 * KB, 256 * KB),
            Self::Pico2 => (4096 * KB, 512 * KB),
        }
    }

    /// What probe-rs calls its chip.
    pub const fn chip(self) -> &'static str {
        match self {
            Self::Nrf52840Dk => "nRF52840_xxAA",
            Self::MicrobitV2 => "nRF52833_xxAA",
            Self::NucleoF446re => "STM32F446RETx",
            Self::Pico => "RP2040",
            Self::Pico2 => "RP235x",
        }
    }
}

impl fmt::Display for RealBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for RealBoard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|board| board.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("there is no board \"{text}\" to flash: choose one of {known}")
        })
    }
}

impl From<RealBoard> for Platform {
    fn from(board: RealBoard) -> Self {
        let (flash, ram) = board.memory();
        Self { name: board.to_string(), feature: board.name(), target: board.target(), flash, ram }
    }
}

/// Makes sure that probe-rs is there.
///
/// # Errors
/// One sentence that says what to install.
pub fn ensure_probe_rs() -> Result<()> {
    let version = Command::new("probe-rs")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ensure!(
        version.is_ok_and(|status| status.success()),
        "probe-rs is missing: install it with `cargo install probe-rs-tools --locked`, or as https://probe.rs says"
    );
    Ok(())
}

/// Flashes an image and lets the board start it; `probe` is one of those that `probe-rs list` shows, and needed where there are
/// several. What probe-rs says goes to stderr.
///
/// # Errors
/// One sentence, behind the words of probe-rs.
pub fn flash(board: RealBoard, elf: &Path, probe: Option<&str>) -> Result<()> {
    probe_rs("download", board, probe, Some(elf))?;
    probe_rs("reset", board, probe, None)
}

/// Flashes an image, lets the board start it, and shows its log until Ctrl-C.
///
/// # Errors
/// As [`flash`].
pub fn flash_and_log(board: RealBoard, elf: &Path, probe: Option<&str>) -> Result<()> {
    probe_rs("run", board, probe, Some(elf))
}

fn probe_rs(what: &str, board: RealBoard, probe: Option<&str>, elf: Option<&Path>) -> Result<()> {
    let mut command = Command::new("probe-rs");
    command.args([what, "--chip", board.chip()]);
    if let Some(probe) = probe {
        command.args(["--probe", probe]);
    }
    let status = command
        .args(elf)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .context("probe-rs does not run")?;
    ensure!(
        status.success(),
        "`probe-rs {what}` failed, as it says above: connect {board} by USB and look for its probe with `probe-rs list`"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::boards::BOARDS;

    #[test]
    fn memory_is_not_more_than_the_cost_model_has() {
        let mut known = 0;
        for board in RealBoard::ALL {
            assert_eq!(board.name().parse(), Ok(board));
            if let Some(facts) = BOARDS.iter().find(|facts| facts.name == board.name()) {
                let (flash, ram) = board.memory();
                assert!(flash <= facts.flash && ram == facts.ram, "{board}");
                known += 1;
            }
        }
        assert!(known >= 2);
    }
}
