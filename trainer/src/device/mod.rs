//! Boards: what they need, how the firmware gets onto them, and how to talk to it.

mod client;
mod firmware;
mod flash;
mod kernels;
mod port;
mod qemu;
mod run;
mod setup;

pub use client::{Client, ClientError, Patience, Sent};
pub use firmware::{Firmware, FirmwareOptions, Platform, build, build_kernels, check_fit};
pub use flash::{RealBoard, ensure_probe_rs, flash, flash_and_log};
pub use kernels::{Compared, KernelCost, Kernels, run_kernels};
pub use port::{Connection, Greeting, Port, PortError, Target};
pub use qemu::{Qemu, Wire};
pub use run::{Costs, DeviceInference, InputKind, LayerCosts, Paired, measure, run_beside_host, run_samples};
pub use setup::{ensure_arm_gcc, ensure_qemu, ensure_target};

use std::fmt;
use std::str::FromStr;

/// A board that Spikelet knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Board {
    /// BBC micro:bit (nRF51822, Cortex-M0) under QEMU.
    Microbit,
    /// TI Stellaris LM3S6965 evaluation board (Cortex-M3) under QEMU.
    Lm3s6965Evb,
    /// ARM MPS2+ with AN385 (Cortex-M3) under QEMU.
    Mps2An385,
    /// ARM MPS2+ with AN386 (Cortex-M4F) under QEMU.
    Mps2An386,
    /// Netduino Plus 2 (STM32F405, Cortex-M4F) under QEMU.
    NetduinoPlus2,
    /// ARM MPS2+ with AN500 (Cortex-M7) under QEMU.
    Mps2An500,
    /// ARM MPS2+ with AN505 (Cortex-M33 with the DSP extension) under QEMU.
    Mps2An505,
}

impl Board {
    /// Every board.
    pub const ALL: [Self; 7] = [
        Self::Microbit,
        Self::Lm3s6965Evb,
        Self::Mps2An385,
        Self::Mps2An386,
        Self::NetduinoPlus2,
        Self::Mps2An500,
        Self::Mps2An505,
    ];

    /// A board of each core: kernels are measured there.
    pub const CORES: [Self; 5] =
        [Self::Microbit, Self::Mps2An385, Self::Mps2An386, Self::Mps2An500, Self::Mps2An505];

    /// Name of its feature in the firmware, and of QEMU's machine.
    pub const fn machine(self) -> &'static str {
        match self {
            Self::Microbit => "microbit",
            Self::Lm3s6965Evb => "lm3s6965evb",
            Self::Mps2An385 => "mps2-an385",
            Self::Mps2An386 => "mps2-an386",
            Self::NetduinoPlus2 => "netduinoplus2",
            Self::Mps2An500 => "mps2-an500",
            Self::Mps2An505 => "mps2-an505",
        }
    }

    /// Its core: M0 is a Cortex-M0.
    pub const fn core(self) -> &'static str {
        match self {
            Self::Microbit => "M0",
            Self::Lm3s6965Evb | Self::Mps2An385 => "M3",
            Self::Mps2An386 | Self::NetduinoPlus2 => "M4",
            Self::Mps2An500 => "M7",
            Self::Mps2An505 => "M33",
        }
    }

    /// Rust's target for its core.
    pub const fn target(self) -> &'static str {
        match self {
            Self::Microbit => "thumbv6m-none-eabi",
            Self::Lm3s6965Evb | Self::Mps2An385 => "thumbv7m-none-eabi",
            Self::Mps2An386 | Self::NetduinoPlus2 | Self::Mps2An500 => "thumbv7em-none-eabihf",
            Self::Mps2An505 => "thumbv8m.main-none-eabihf",
        }
    }

    /// Flash and RAM in bytes.
    pub const fn memory(self) -> (usize, usize) {
        match self {
            Self::Microbit => (256 << 10, 16 << 10),
            Self::Lm3s6965Evb => (256 << 10, 64 << 10),
            Self::NetduinoPlus2 => (1 << 20, 128 << 10),
            Self::Mps2An385 | Self::Mps2An386 | Self::Mps2An500 | Self::Mps2An505 => (4 << 20, 4 << 20),
        }
    }

    /// True if the flash that it keeps models in can be a file of this machine.
    pub const fn has_flash_file(self) -> bool {
        matches!(self, Self::Mps2An385 | Self::Mps2An386 | Self::Mps2An500 | Self::Mps2An505)
    }

    /// QEMU's `-icount shift`: an instruction takes 2^shift ns of emulated time.
    pub const fn shift(self) -> u32 {
        match self {
            Self::NetduinoPlus2 => 3,
            _ => 7,
        }
    }

    /// Ticks of the firmware's clock in an instruction, exactly: 2.048 of the micro:bit, 6.4 of the LM3S6965, 8 of the Netduino Plus
    /// 2, 3.2 of the MPS2 images but for AN505's 2.56.
    pub const fn ticks_per_instruction(self) -> f64 {
        let hertz = match self {
            Self::Microbit => 16e6,
            Self::Lm3s6965Evb => 50e6,
            Self::NetduinoPlus2 => 1e9,
            Self::Mps2An385 | Self::Mps2An386 | Self::Mps2An500 => 25e6,
            Self::Mps2An505 => 20e6,
        };
        hertz * (1_u32 << self.shift()) as f64 / 1e9
    }

    /// A board that kernels are measured on.
    ///
    /// # Errors
    /// A sentence that says which there are.
    pub fn of_kernels(text: &str) -> Result<Self, String> {
        let board: Self = text.parse()?;
        if Self::CORES.contains(&board) {
            Ok(board)
        } else {
            Err(format!(
                "{board} has the core of another one, on which kernels are measured: choose one of {}",
                list(&Self::CORES)
            ))
        }
    }
}

/// Boards by their names.
fn list(boards: &[Board]) -> String {
    boards.iter().map(Board::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "qemu:{}", self.machine())
    }
}

impl FromStr for Board {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.strip_prefix("qemu:").unwrap_or(text);
        Self::ALL
            .into_iter()
            .find(|board| board.machine() == name)
            .ok_or_else(|| format!("there is no board \"{text}\": choose one of {}", list(&Self::ALL)))
    }
}
