//! The cells that layers are made of: their constants, and which of them are learnt (paper, sections 2.2 and 3).

use crate::kernel::Real;
use crate::kernel::src_layer::Constants;
use anyhow::ensure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// Kind and constants of a network's cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cell {
    /// Spiking Recurrent Cells (Eq. 1 and 3).
    Src(SrcCell),
    /// Leaky integrate-and-fire neurons (section 2.2), the baseline.
    Lif(LifCell),
    /// Gated Recurrent Units (section 3.1), which do not spike.
    Gru,
    /// Bistable Recurrent Cells (section 3.1), which do not spike.
    Brc,
}

/// The kinds of [`Cell`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, clap::ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum CellName {
    /// Spiking Recurrent Cells.
    Src,
    /// Leaky integrate-and-fire neurons.
    Lif,
    /// Gated Recurrent Units.
    Gru,
    /// Bistable Recurrent Cells.
    Brc,
}

/// Which h decides about z_s in Eq. 3c (PAPER-NOTES 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// h\[t\], as the equation is printed.
    #[default]
    Current,
    /// h\[t-1\], as the authors' hardware does it.
    Previous,
}

/// What a spike says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpikeKind {
    /// s = ReLU(h) (Eq. 3f).
    #[default]
    Graded,
    /// s = 1 while h > 0.5, else 0, as the authors' hardware does it.
    Binary,
}

/// A constant that training may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Learnable {
    /// α of SRC, one per layer.
    Alpha,
    /// ρ of SRC, one per layer.
    Rho,
    /// z of SRC, one per layer.
    Z,
    /// r of SRC, one per layer.
    R,
    /// r_s of SRC, one per layer.
    #[value(name = "r-s")]
    RS,
    /// z_s^hyp and z_s^dep of SRC, one each per layer.
    #[value(name = "z-s")]
    ZS,
    /// h\[0\] of SRC, one per neuron.
    H0,
    /// h_s\[0\] of SRC, one per neuron.
    #[value(name = "h-s0")]
    HS0,
    /// α_V of LIF, one per layer.
    Leak,
    /// V_thresh of LIF, one per layer.
    Threshold,
}

/// A learnt parameter of a layer besides its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct CellParameter {
    /// Its name in checkpoints, behind `layers.L.`.
    pub name: &'static str,
    /// Number of its values.
    pub length: usize,
    /// Its values at the start of training.
    pub start: f64,
    /// Values that training keeps it within.
    pub bounds: (f64, f64),
}

/// The constants of Spiking Recurrent Cells (paper, Eq. 1, Eq. 3 and appendix A).
///
/// ```text
/// i[t]   = α i[t-1] + W s_in[t]                                              (3a)
/// x[t]   = ρ tanh(i[t] / ρ)                                                  (3b)
/// h[t]   = z h[t-1] + (1 - z) tanh(x[t] + r h[t-1] + r_s h_s[t-1] + b_h)     (1b, 3d)
/// z_s    = z_s^dep if h > 0.5, else z_s^hyp; h as `gate` says                (3c)
/// h_s[t] = z_s h_s[t-1] + (1 - z_s) h[t-1]                                   (3e)
/// s[t]   = ReLU(h[t]), or as `spikes` says                                   (3f)
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SrcCell {
    /// α, leak of the integrator, 0 to 1. The paper takes 0.99 for latency coding.
    pub alpha: f64,
    /// ρ, bound of the input x.
    pub rho: f64,
    /// z, inertia of h; 0 in the experiments.
    pub z: f64,
    /// r, positive feedback.
    pub r: f64,
    /// r_s, negative feedback.
    pub r_s: f64,
    /// z_s where h is at most 0.5.
    pub z_s_hyp: f64,
    /// z_s where h is above 0.5.
    pub z_s_dep: f64,
    /// Which h decides about z_s.
    pub gate: Gate,
    /// What a spike says.
    pub spikes: SpikeKind,
    /// h before the first timestep, at the start of training.
    pub h0: f64,
    /// h_s before the first timestep, at the start of training.
    pub h_s0: f64,
    /// Upper bound of the bias b_h.
    pub bias_most: f64,
    /// Bias b_h at the start of training.
    pub bias_start: f64,
    /// What is learnt besides the weights and b_h.
    pub learn: BTreeSet<Learnable>,
    /// States are rounded as the device rounds them. No setting of its own: so it is where weights are, with
    /// [`Config::bits`](crate::config::Config::bits).
    #[serde(skip)]
    pub rounded: bool,
}

impl Default for SrcCell {
    fn default() -> Self {
        Self {
            alpha: 0.9,
            rho: 3.0,
            z: 0.0,
            r: 2.0,
            r_s: -7.0,
            z_s_hyp: 0.9,
            z_s_dep: 0.0,
            gate: Gate::Current,
            spikes: SpikeKind::Graded,
            h0: 0.0,
            h_s0: 0.0,
            bias_most: -4.0,
            bias_start: -6.0,
            learn: BTreeSet::new(),
            rounded: false,
        }
    }
}

/// The constants of leaky integrate-and-fire neurons (paper, section 2.2 and appendix A).
///
/// ```text
/// V[t] = α_V V[t-1] + W s_in[t]
/// s[t] = 1 and V[t] = V_rest if V[t] > V_thresh, else s[t] = 0
/// ```
///
/// The gradient of s is the ATan surrogate 1 / (1 + (π (V - V_thresh))²), and none goes through the reset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LifCell {
    /// α_V, leak of the membrane, 0 to 1. The paper takes 0.99 for latency coding.
    pub leak: f64,
    /// V_thresh, above which a neuron spikes.
    pub threshold: f64,
    /// V_rest, the potential after a spike.
    pub rest: f64,
    /// What is learnt besides the weights.
    pub learn: BTreeSet<Learnable>,
}

impl Default for LifCell {
    fn default() -> Self {
        let learn = [Learnable::Leak, Learnable::Threshold].into();
        Self { leak: 0.9, threshold: 1.0, rest: 0.0, learn }
    }
}

impl Default for Cell {
    fn default() -> Self {
        Self::Src(SrcCell::default())
    }
}

impl Cell {
    /// Cells of a kind, with the paper's constants.
    pub fn named(name: CellName) -> Self {
        match name {
            CellName::Src => Self::Src(SrcCell::default()),
            CellName::Lif => Self::Lif(LifCell::default()),
            CellName::Gru => Self::Gru,
            CellName::Brc => Self::Brc,
        }
    }

    /// Which kind it is.
    pub const fn name(&self) -> CellName {
        match self {
            Self::Src(_) => CellName::Src,
            Self::Lif(_) => CellName::Lif,
            Self::Gru => CellName::Gru,
            Self::Brc => CellName::Brc,
        }
    }

    /// True if they spike: those that do not cannot run on a device.
    pub const fn spikes(&self) -> bool {
        matches!(self, Self::Src(_) | Self::Lif(_))
    }

    /// The constants of SRC cells; `None` for other kinds.
    pub const fn src(&self) -> Option<&SrcCell> {
        match self {
            Self::Src(cell) => Some(cell),
            _ => None,
        }
    }

    /// Sets the leak of integrator or membrane; cells without one stay as they are.
    pub const fn set_leak(&mut self, leak: f64) {
        match self {
            Self::Src(cell) => cell.alpha = leak,
            Self::Lif(cell) => cell.leak = leak,
            Self::Gru | Self::Brc => {}
        }
    }

    /// The learnt parameters of a layer of `neurons` besides its weights, in the order in which kernels take them. Cells
    /// that do not spike have others: see [`crate::recurrent`].
    pub fn parameters(&self, neurons: usize) -> Vec<CellParameter> {
        match self {
            Self::Src(cell) => cell.parameters(neurons),
            Self::Lif(cell) => cell.parameters(),
            Self::Gru | Self::Brc => Vec::new(),
        }
    }

    /// What is learnt besides weights and biases; `None` for cells whose every parameter is learnt anyway.
    pub const fn learn_mut(&mut self) -> Option<&mut BTreeSet<Learnable>> {
        match self {
            Self::Src(cell) => Some(&mut cell.learn),
            Self::Lif(cell) => Some(&mut cell.learn),
            Self::Gru | Self::Brc => None,
        }
    }

    /// Refuses constants that no cell can have.
    ///
    /// # Errors
    /// One sentence about the first that is wrong.
    pub fn check(&self, bypass: bool, detach: bool) -> anyhow::Result<()> {
        match self {
            Self::Src(cell) => cell.check(bypass, detach),
            Self::Lif(cell) => cell.check(),
            Self::Gru | Self::Brc => Ok(()),
        }
    }
}

fn unit(value: f64) -> bool {
    (0.0..=1.0).contains(&value)
}

impl Learnable {
    /// How many numbers it takes in a layer of `neurons`.
    pub const fn numbers(self, neurons: usize) -> usize {
        match self {
            Self::H0 | Self::HS0 => neurons,
            Self::ZS => 2,
            _ => 1,
        }
    }
}

impl SrcCell {
    /// The constants in the numbers of the kernels.
    pub fn constants<R: Real>(&self) -> Constants<R> {
        Constants {
            alpha: R::of(self.alpha),
            rho: R::of(self.rho),
            rho_inverse: R::of(1.0 / self.rho),
            z: R::of(self.z),
            r: R::of(self.r),
            r_s: R::of(self.r_s),
            z_s_hyp: R::of(self.z_s_hyp),
            z_s_dep: R::of(self.z_s_dep),
            gate: self.gate,
            spikes: self.spikes,
            rounded: self.rounded,
        }
    }

    /// The learnt parameters of a layer besides its weights: b_h, and what [`Self::learn`] names, in its order.
    pub fn parameters(&self, neurons: usize) -> Vec<CellParameter> {
        let one = |name, start, least, most| CellParameter { name, length: 1, start, bounds: (least, most) };
        let of_neurons =
            |name, start, least, most| CellParameter { name, length: neurons, start, bounds: (least, most) };
        let mut parameters = vec![of_neurons("bias", self.bias_start, f64::NEG_INFINITY, self.bias_most)];
        for learnt in &self.learn {
            match learnt {
                Learnable::Alpha => parameters.push(one("alpha", self.alpha, 0.0, LEAK_MOST)),
                Learnable::Rho => parameters.push(one("rho", self.rho, 0.1, 100.0)),
                Learnable::Z => parameters.push(one("z", self.z, 0.0, 0.99)),
                Learnable::R => parameters.push(one("r", self.r, -100.0, 100.0)),
                Learnable::RS => parameters.push(one("r_s", self.r_s, -100.0, 100.0)),
                Learnable::ZS => parameters
                    .extend([one("z_s_hyp", self.z_s_hyp, 0.0, 1.0), one("z_s_dep", self.z_s_dep, 0.0, 1.0)]),
                Learnable::H0 => parameters.push(of_neurons("h0", self.h0, -STATE_MOST, STATE_MOST)),
                Learnable::HS0 => parameters.push(of_neurons("h_s0", self.h_s0, -STATE_MOST, STATE_MOST)),
                // Refused by `check`.
                Learnable::Leak | Learnable::Threshold => {}
            }
        }
        parameters
    }

    fn check(&self, bypass: bool, detach: bool) -> anyhow::Result<()> {
        ensure!(unit(self.alpha) && self.alpha < 1.0, "alpha must be at least 0 and below 1");
        ensure!(self.rho.is_finite() && self.rho > 0.0, "rho must be above 0");
        ensure!(unit(self.z) && self.z < 1.0, "z must be at least 0 and below 1");
        ensure!(unit(self.z_s_hyp) && unit(self.z_s_dep), "z_s_hyp and z_s_dep must be 0 to 1");
        ensure!(
            [self.r, self.r_s, self.bias_most, self.bias_start].iter().all(|value| value.is_finite()),
            "the constants of the cell must be finite numbers"
        );
        ensure!([self.h0, self.h_s0].iter().all(|h| h.abs() < 1.0), "h0 and h_s0 must be between -1 and 1");
        ensure!(
            bypass || self.spikes == SpikeKind::Graded,
            "binary spikes have no derivative of their own: train them with the ReLU bypass"
        );
        for learnt in &self.learn {
            ensure!(
                !matches!(learnt, Learnable::Leak | Learnable::Threshold),
                "SRC has no {learnt} to learn: it belongs to --cell lif"
            );
            ensure!(
                !detach || *learnt != Learnable::ZS,
                "z_s acts through h_s alone, which is detached: learn it with --no-detach"
            );
        }
        Ok(())
    }
}

/// Slowest leak that training may come to: time constants beyond this outlast any sequence.
const LEAK_MOST: f64 = 0.9999;
/// States of SRC lie within ±1.
const STATE_MOST: f64 = 0.999;

impl LifCell {
    /// The learnt parameters of a layer besides its weights, as [`Self::learn`] names them, in its order.
    pub fn parameters(&self) -> Vec<CellParameter> {
        let one = |name, start, bounds| CellParameter { name, length: 1, start, bounds };
        let parameter = |learnt: &Learnable| match learnt {
            Learnable::Leak => Some(one("leak", self.leak, (0.0, LEAK_MOST))),
            Learnable::Threshold => {
                let least = self.rest + 0.01 * (self.threshold - self.rest);
                Some(one("threshold", self.threshold, (least, f64::INFINITY)))
            }
            _ => None,
        };
        self.learn.iter().filter_map(parameter).collect()
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(unit(self.leak) && self.leak < 1.0, "the leak must be at least 0 and below 1");
        ensure!(self.threshold.is_finite() && self.threshold > 0.0, "the threshold must be above 0");
        ensure!(
            self.rest.is_finite() && self.rest < self.threshold,
            "the resting potential must be below the threshold"
        );
        for learnt in &self.learn {
            ensure!(
                matches!(learnt, Learnable::Leak | Learnable::Threshold),
                "LIF has no {learnt} to learn: it belongs to --cell src"
            );
        }
        Ok(())
    }
}

impl fmt::Display for CellName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Src => "src",
            Self::Lif => "lif",
            Self::Gru => "gru",
            Self::Brc => "brc",
        })
    }
}

impl fmt::Display for Learnable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alpha => "alpha",
            Self::Rho => "rho",
            Self::Z => "z",
            Self::R => "r",
            Self::RS => "r-s",
            Self::ZS => "z-s",
            Self::H0 => "h0",
            Self::HS0 => "h-s0",
            Self::Leak => "leak",
            Self::Threshold => "threshold",
        })
    }
}
