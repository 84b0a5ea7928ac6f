//! Samples as they run on a board, timestep by timestep.
//!
//! [`play`] shows samples to the board and tells each thing that happens as an [`Update`]; a [`State`] takes them in; [`view`]
//! draws it; [`terminal`] puts that on a screen and has the keys steer [`play`] through [`Controls`].

mod controls;
mod play;
mod raster;
mod state;
pub mod terminal;
pub mod view;

pub use controls::{Controls, Pace, Signal};
pub use play::{layers_of, play};
pub use raster::Raster;
pub use state::{Run, Sample, State, Update};
