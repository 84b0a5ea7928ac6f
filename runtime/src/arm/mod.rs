//! Assembly for Arm's cores. All unsafe code of the runtime is in this module; each block says why it is sound.
//!
//! A kernel here gives the same bits as its plain form, which the tests of the `kernels` program compare on every core.
#![allow(unsafe_code, reason = "calls assembly and passes it pointers to checked slices")]

pub(crate) mod neurons;
pub(crate) mod sums;
