//! Boards: what they need, how the firmware gets onto them, and how to talk to it.

mod client;
mod firmware;
mod qemu;
mod run;
mod setup;

pub use client::{Client, ClientError};
pub use firmware::{Firmware, FirmwareOptions, build};
pub use qemu::Qemu;
pub use run::{Costs, DeviceInference, InputKind, LayerCosts, measure, run_samples};
pub use setup::{ensure_arm_gcc, ensure_qemu, ensure_target};

use std::fmt;
use std::str::FromStr;

/// A board that Spikelet knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Board {
    /// ARM MPS2+ with AN386 (Cortex-M4F) under QEMU.
    Mps2An386,
}

impl Board {
    /// Every board.
    pub const ALL: [Self; 1] = [Self::Mps2An386];

    /// Name of its feature in the firmware, and of QEMU's machine.
    pub const fn machine(self) -> &'static str {
        match self {
            Self::Mps2An386 => "mps2-an386",
        }
    }

    /// Rust's target for its core.
    pub const fn target(self) -> &'static str {
        match self {
            Self::Mps2An386 => "thumbv7em-none-eabihf",
        }
    }

    /// Flash and RAM in bytes.
    pub const fn memory(self) -> (usize, usize) {
        match self {
            Self::Mps2An386 => (4 << 20, 4 << 20),
        }
    }

    /// What is exact and what is not about instructions counted here.
    pub const fn ticks_per_instruction(self) -> f64 {
        match self {
            // -icount shift=7: 128 ns an instruction, at 25 MHz.
            Self::Mps2An386 => 3.2,
        }
    }
}

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "qemu:{}", self.machine())
    }
}

impl FromStr for Board {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(|board| board.to_string()).join(", ");
        Self::ALL
            .into_iter()
            .find(|board| board.to_string() == text)
            .ok_or_else(|| format!("there is no board \"{text}\": choose one of {}", known()))
    }
}
