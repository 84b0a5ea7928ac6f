//! What is fuzzed, for the fuzzer and for the tests alike: whatever the bytes, these functions return.
#![doc = include_str!("../README.md")]

mod frames;
mod memory;
mod model;

pub use frames::frames;
pub use model::model;
