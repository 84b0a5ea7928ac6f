//! Trains networks of Spiking Recurrent Cells, quantises them, and runs them on microcontrollers.
//!
//! The way of a sample: [`data`] → [`spike_train`] → [`layer`] (with its [`kernel`]s) → [`readout`], put together in
//! [`network`], trained by [`train`], measured by [`evaluate`]; then [`simulate`] runs the quantised model in the code
//! of the device.

pub mod augment;
pub mod bench;
pub mod cell;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod cost;
pub mod data;
pub mod deploy;
pub mod device;
pub mod early_exit;
pub mod evaluate;
pub mod forecast;
pub mod import;
pub mod interrupt;
pub mod kernel;
pub mod layer;
pub mod loss;
pub mod monitor;
pub mod network;
pub mod optimiser;
pub mod plot;
mod progress;
pub mod rate;
pub mod readout;
pub mod recurrent;
pub mod report;
pub mod reproduce;
pub mod rounding;
pub mod simulate;
pub mod spike_train;
pub mod stage;
pub mod sweep;
pub mod trace;
pub mod train;
pub mod widths;
pub mod workers;
