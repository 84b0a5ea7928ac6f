#![no_std]
#![doc = include_str!("../README.md")]

#[cfg(any(test, feature = "std"))]
extern crate std;

pub mod crc;
mod file;
mod header;
mod input;
pub mod link;
#[cfg(feature = "std")]
pub mod quantise;
#[cfg(feature = "std")]
pub mod rest;
mod self_test;
#[cfg(feature = "std")]
mod write;

pub use file::{FileError, MAGIC, ModelFile, PREFIX, VERSION};
pub use header::{CellHeader, EncoderHeader, Header, LayerHeader, Outline, Provenance, ReadoutHeader};
pub use input::{Input, PresentError, Stage};
pub use self_test::{MOST_STEPS as MOST_SELF_TEST_STEPS, SelfTest, SelfTestError};
#[cfg(feature = "std")]
pub use write::{AlignedBytes, LayerBlocks, WriteError, write_model};
