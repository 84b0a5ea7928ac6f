//! What is known of boards: memory, clock, energy per cycle, and how fast a dense network runs.
//!
//! Energy per cycle is of the whole chip while it computes. From MLPerf Tiny it is the energy of an inference by the cycles it took,
//! on the vendor's board; from a datasheet it is the supply current per MHz times the voltage.

use serde::Serialize;
use std::fmt;

/// A core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Core {
    /// Cortex-M0, ARMv6-M.
    #[serde(rename = "Cortex-M0")]
    M0,
    /// Cortex-M3, ARMv7-M.
    #[serde(rename = "Cortex-M3")]
    M3,
    /// Cortex-M4, ARMv7E-M.
    #[serde(rename = "Cortex-M4")]
    M4,
    /// Cortex-M7, ARMv7E-M.
    #[serde(rename = "Cortex-M7")]
    M7,
    /// Cortex-M33 with the DSP extension, ARMv8-M.
    #[serde(rename = "Cortex-M33")]
    M33,
}

/// What is known of a board.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BoardFacts {
    /// Name for `--board`.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// Its core.
    pub core: Core,
    /// Bytes of flash.
    pub flash: u64,
    /// Bytes of RAM in one piece.
    pub ram: u64,
    /// How fast it runs and what that takes; `None` of emulated boards.
    pub power: Option<Power>,
}

/// Clock and energy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Power {
    /// Clock in MHz.
    pub megahertz: f64,
    /// Energy of a cycle in pJ.
    pub picojoules: f64,
    /// Cycles per multiply-accumulate of a dense int8 network.
    pub dense_cycles: f64,
    /// Where the energy is from, and under which conditions.
    pub source: &'static str,
}

/// Cycles per multiply-accumulate of ST's MLPerf Tiny v1.3 result on a Cortex-M4, the STM32L4R5.
const DENSE_M4: f64 = 2.18;
/// The same on a Cortex-M33, the STM32U575.
const DENSE_M33: f64 = 1.94;

const KB: u64 = 1 << 10;
const MB: u64 = 1 << 20;

/// Every board known, real ones first.
pub static BOARDS: [BoardFacts; 14] = [
    BoardFacts {
        name: "nrf52840-dk",
        what: "Nordic nRF52840 DK",
        core: Core::M4,
        flash: MB,
        ram: 256 * KB,
        power: Some(Power {
            megahertz: 64.0,
            picojoules: 156.0,
            dense_cycles: DENSE_M4,
            source: "datasheet of the nRF52840: 52 µA/MHz at 3 V",
        }),
    },
    BoardFacts {
        name: "nucleo-u575",
        what: "ST NUCLEO-U575ZI-Q (STM32U575)",
        core: Core::M33,
        flash: 2 * MB,
        ram: 768 * KB,
        power: Some(Power {
            megahertz: 160.0,
            picojoules: 150.0,
            dense_cycles: DENSE_M33,
            source: "MLPerf Tiny v1.3 closed, ST, anomaly detection of 264,192 MACs: 77.2 µJ at 160 MHz",
        }),
    },
    BoardFacts {
        name: "nucleo-l4r5",
        what: "ST NUCLEO-L4R5ZI (STM32L4R5)",
        core: Core::M4,
        flash: 2 * MB,
        ram: 640 * KB,
        power: Some(Power {
            megahertz: 120.0,
            picojoules: 279.0,
            dense_cycles: DENSE_M4,
            source: "MLPerf Tiny v1.3 closed, ST, anomaly detection of 264,192 MACs: 160.4 µJ at 120 MHz",
        }),
    },
    BoardFacts {
        name: "nucleo-u385",
        what: "ST NUCLEO-U385RG-Q (STM32U385)",
        core: Core::M33,
        flash: MB,
        ram: 256 * KB,
        power: Some(Power {
            megahertz: 96.0,
            picojoules: 61.0,
            dense_cycles: 1.97,
            source: "MLPerf Tiny v1.3 closed, ST, anomaly detection of 264,192 MACs: 31.8 µJ at 96 MHz",
        }),
    },
    BoardFacts {
        name: "netduinoplus2",
        what: "Netduino Plus 2 (STM32F405)",
        core: Core::M4,
        flash: MB,
        ram: 128 * KB,
        power: Some(Power {
            megahertz: 168.0,
            picojoules: 785.0,
            dense_cycles: DENSE_M4,
            source: "datasheet of the STM32F405: 238 µA/MHz at 3.3 V",
        }),
    },
    BoardFacts {
        name: "nucleo-l476",
        what: "ST NUCLEO-L476RG (STM32L476) with an external SMPS",
        core: Core::M4,
        flash: MB,
        ram: 96 * KB,
        power: Some(Power {
            megahertz: 80.0,
            picojoules: 129.0,
            dense_cycles: DENSE_M4,
            source: "datasheet of the STM32L476, with an external SMPS",
        }),
    },
    BoardFacts {
        name: "pico-2",
        what: "Raspberry Pi Pico 2 (RP2350), one core, flash outside the chip",
        core: Core::M33,
        flash: 4 * MB,
        ram: 512 * KB,
        power: Some(Power {
            megahertz: 150.0,
            picojoules: 258.0,
            dense_cycles: DENSE_M33,
            source: "datasheet of the RP2350: 38.7 mW at 150 MHz, one core",
        }),
    },
    emulated("qemu:mps2-an386", "Arm MPS2+ with AN386, under QEMU", Core::M4, 4 * MB, 4 * MB),
    emulated("qemu:mps2-an385", "Arm MPS2+ with AN385, under QEMU", Core::M3, 4 * MB, 4 * MB),
    emulated("qemu:mps2-an500", "Arm MPS2+ with AN500, under QEMU", Core::M7, 4 * MB, 4 * MB),
    emulated("qemu:mps2-an505", "Arm MPS2+ with AN505, under QEMU", Core::M33, 4 * MB, 4 * MB),
    emulated("qemu:netduinoplus2", "Netduino Plus 2, under QEMU", Core::M4, MB, 128 * KB),
    emulated("qemu:lm3s6965evb", "TI Stellaris LM3S6965, under QEMU", Core::M3, 256 * KB, 64 * KB),
    emulated("qemu:microbit", "BBC micro:bit (nRF51822), under QEMU", Core::M0, 256 * KB, 16 * KB),
];

const fn emulated(name: &'static str, what: &'static str, core: Core, flash: u64, ram: u64) -> BoardFacts {
    BoardFacts { name, what, core, flash, ram, power: None }
}

impl Core {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::M0 => "Cortex-M0",
            Self::M3 => "Cortex-M3",
            Self::M4 => "Cortex-M4",
            Self::M7 => "Cortex-M7",
            Self::M33 => "Cortex-M33",
        }
    }

    /// Cycles per instruction, where instructions are those that QEMU counts on a Cortex-M4: an assumption, by the timings in Arm's
    /// manual of that core and without wait states of the flash; docs/costs.md has the sum. `None` of cores that run other code or
    /// run it otherwise.
    pub const fn cycles_per_instruction(self) -> Option<f64> {
        match self {
            Self::M4 | Self::M33 => Some(1.5),
            Self::M0 | Self::M3 | Self::M7 => None,
        }
    }
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Energy per cycle follows from the energy and the cycles of an inference, as its source states them.
    #[test]
    fn energy_per_cycle_follows_from_its_source() {
        let of = |name| BOARDS.iter().find(|board| board.name == name).unwrap().power.unwrap();
        for (name, microjoules) in [("nucleo-l4r5", 160.4), ("nucleo-u575", 77.2), ("nucleo-u385", 31.8)] {
            let power = of(name);
            let picojoules = microjoules * 1e6 / (264_192.0 * power.dense_cycles);
            assert!((picojoules - power.picojoules).abs() < 1.0, "{name}: {picojoules}");
        }
        for (name, microamperes, volts) in [("nrf52840-dk", 52.0, 3.0), ("netduinoplus2", 238.0, 3.3)] {
            assert!((of(name).picojoules - microamperes * volts).abs() < 1.0, "{name}");
        }
        let pico = of("pico-2");
        assert!((pico.picojoules - 38_700.0 / pico.megahertz).abs() < 1.0);
    }
}
