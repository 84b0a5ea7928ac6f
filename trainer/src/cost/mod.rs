//! What a model costs on a board, told before anything is flashed.
//!
//! [`activity`] says what happens in a sequence's timesteps, [`terms`] counts what the runtime's code does for that, [`table`] has the
//! instructions of each such piece of work, measured on an emulated core, [`boards`] what is known of real ones, and [`estimate`] puts
//! all of it together. Instructions are predicted; time and energy are modelled from them: docs/costs.md says how, and how well.

pub mod activity;
pub mod boards;
pub mod estimate;
pub mod table;
pub mod terms;

pub use activity::{Activity, LayerActivity};
pub use boards::{BOARDS, BoardFacts};
pub use estimate::{Costs, costs};
pub use table::Table;
pub use terms::{ModelTerms, Terms};
