//! The cell in f64, as plainly as the paper writes it: what the tests hold the fixed-point code against.

use crate::formats::{Coefficient, Gate};
use crate::src_layer::{GatedBy, SpikeKind, SrcConstants};

pub(crate) struct Cell {
    pub rho: f64,
    pub r: f64,
    pub r_s: f64,
    pub z_s_hyp: f64,
    pub z_s_dep: f64,
    pub z: f64,
    pub gated_by: GatedBy,
    pub spikes: SpikeKind,
}

pub(crate) struct State {
    pub h: f64,
    pub h_s: f64,
    pub s: f64,
}

impl Cell {
    pub const PAPER: Self = Self {
        rho: 3.0,
        r: 2.0,
        r_s: -7.0,
        z_s_hyp: 0.9,
        z_s_dep: 0.0,
        z: 0.0,
        gated_by: GatedBy::Current,
        spikes: SpikeKind::Graded,
    };

    pub fn to_fixed(&self) -> SrcConstants {
        SrcConstants {
            rho: Coefficient::from_num(self.rho),
            r: Coefficient::from_num(self.r),
            r_s: Coefficient::from_num(self.r_s),
            z_s_hyp: Gate::from_num(self.z_s_hyp),
            z_s_dep: Gate::from_num(self.z_s_dep),
            z: Gate::from_num(self.z),
            gated_by: self.gated_by,
            spikes: self.spikes,
        }
    }
}

/// Eq. 1b and 3b to 3f for one neuron with integrated current `i`.
pub(crate) fn step(cell: &Cell, i: f64, h: f64, h_s: f64, bias: f64) -> State {
    let x = cell.rho * (i / cell.rho).tanh();
    let next = cell.z * h + (1.0 - cell.z) * (x + cell.r * h + cell.r_s * h_s + bias).tanh();
    let gate = if cell.gated_by == GatedBy::Previous { h } else { next };
    let z_s = if gate > 0.5 { cell.z_s_dep } else { cell.z_s_hyp };
    let s = if cell.spikes == SpikeKind::Graded { next.max(0.0) } else { f64::from(u8::from(next > 0.5)) };
    State { h: next, h_s: z_s * h_s + (1.0 - z_s) * h, s }
}
