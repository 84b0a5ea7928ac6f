//! One SRC neuron, simulated: figures 1 and 6.

use crate::cell::{Gate, SrcCell};
use crate::plot::{Figure, Line, Lines, Panel};
use serde::Serialize;

/// What a neuron went through, one entry per timestep.
#[derive(Clone, Debug, Default)]
pub struct NeuronTrace {
    /// h.
    pub h: Vec<f64>,
    /// h_s.
    pub h_s: Vec<f64>,
}

/// A statement of the paper, and whether it is so here.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What the paper says, with our numbers.
    pub statement: String,
    /// Whether it is so.
    pub holds: bool,
}

/// The stimulus of both figures: pulses of 1, 2 and 2.9 in 600 timesteps, the last just below ρ.
pub fn stimulus() -> Vec<f64> {
    let pulses = [(50..150, 1.0), (200..300, 2.0), (350..450, 2.9)];
    let at = |t: usize| pulses.iter().find(|(when, _)| when.contains(&t)).map_or(0.0, |pulse| pulse.1);
    (0..600).map(at).collect()
}

/// Eq. 1b and 3c to 3e for one neuron, given x itself.
pub fn simulate(x: &[f64], cell: &SrcCell, bias: f64) -> NeuronTrace {
    let (mut h, mut h_s) = (cell.h0, cell.h_s0);
    let mut trace = NeuronTrace::default();
    for &x in x {
        let next = cell.z * h + (1.0 - cell.z) * (x + cell.r * h + cell.r_s * h_s + bias).tanh();
        let deciding = if cell.gate == Gate::Current { next } else { h };
        let z_s = if deciding > 0.5 { cell.z_s_dep } else { cell.z_s_hyp };
        h_s = z_s * h_s + (1.0 - z_s) * h;
        h = next;
        trace.h.push(h);
        trace.h_s.push(h_s);
    }
    trace
}

/// Lengths of the spikes in `h` in timesteps; a spike is a stretch of h > 0.
pub fn spikes(h: &[f64]) -> Vec<usize> {
    h.split(|&h| h <= 0.0).map(<[f64]>::len).filter(|&length| length > 0).collect()
}

/// What the paper tells and does not tell of its simulations.
const NOTE: &str = "Constants of appendix A: r = 2, r_s = -7, z = 0, z_s = 0.9 and 0. The paper does not print its input; these \
                    pulses are our own. No training, no seeds.";

/// Figure 1: the stimulus, and h for b_h = -6 and -4.
pub fn figure_1() -> (Figure, Vec<Finding>) {
    let x = stimulus();
    let cell = SrcCell::default();
    let [low, high] = [-6.0, -4.0].map(|bias| simulate(&x, &cell, bias));
    // Spikes where x is 0, before and long after the pulses.
    let null = |trace: &NeuronTrace| spikes(&trace.h[..50]).len() + spikes(&trace.h[460..]).len();
    let (silent, spiking) = (null(&low), null(&high));
    let driven = spikes(&low.h[350..450]).len();
    let panels = vec![
        panel("input", "x", vec![line("", &x)]),
        panel(
            &format!("b_h = -6 (the paper's 1a: silent without input; here {silent} spikes where x = 0)"),
            "h",
            vec![line("", &low.h)],
        ),
        panel(
            &format!("b_h = -4 (the paper's 1b: spikes without input; here {spiking} spikes where x = 0)"),
            "h",
            vec![line("", &high.h)],
        ),
    ];
    let findings = vec![
        Finding {
            statement: format!("b_h = -6: silent with null input ({silent} spikes in 190 timesteps)"),
            holds: silent == 0,
        },
        Finding {
            statement: format!("b_h = -6: spikes when driven ({driven} spikes at x = 2.9)"),
            holds: driven > 0,
        },
        Finding {
            statement: format!("b_h = -4: spikes even with null input ({spiking} spikes in 190 timesteps)"),
            holds: spiking > 0,
        },
    ];
    (wide("Figure 1: one SRC neuron for an input and two biases", panels), findings)
}

/// Timesteps of figure 6 that are shown large: the spikes at x = 2.
const CLOSE: std::ops::Range<usize> = 195..265;

/// Figure 6: h and its two feedbacks, with z_s fixed at 0.9 and switching; all of it, and a part in which single spikes
/// can be seen.
pub fn figure_6() -> (Figure, Vec<Finding>) {
    let x = stimulus();
    let switching = SrcCell::default();
    let fixed = SrcCell { z_s_dep: switching.z_s_hyp, ..switching.clone() };
    let bias = switching.bias_start;
    let mut panels = vec![panel("input", "x", vec![line("", &x)])];
    let (mut close, mut means) = (Vec::new(), Vec::new());
    for (name, cell) in [("z_s fixed at 0.9", &fixed), ("z_s switching between 0.9 and 0", &switching)] {
        let trace = simulate(&x, cell, bias);
        let scaled = |values: &[f64], by: f64| values.iter().map(|value| by * value).collect::<Vec<_>>();
        let lines = vec![
            line("h", &trace.h),
            line("r h, positive feedback", &scaled(&trace.h, cell.r)),
            line("r_s h_s, negative feedback", &scaled(&trace.h_s, cell.r_s)),
        ];
        let part =
            lines.iter().map(|line| Line { points: line.points[CLOSE].to_vec(), ..line.clone() }).collect();
        let lengths = spikes(&trace.h);
        let mean = lengths.iter().sum::<usize>() as f64 / lengths.len().max(1) as f64;
        let title =
            format!("{name}, b_h = {bias}: {} spikes of {mean:.2} timesteps on average", lengths.len());
        panels.push(panel(&title, "", lines));
        close.push(panel(&format!("{name}, the same close to"), "", part));
        means.push(mean);
    }
    panels.extend(close);
    let findings = vec![Finding {
        statement: format!(
            "spikes are shorter with switching z_s ({:.2} instead of {:.2} timesteps)",
            means[1], means[0]
        ),
        holds: means[1] > 0.0 && means[1] < means[0],
    }];
    (wide("Figure 6: h and its feedbacks (the paper: shorter spikes with switching z_s)", panels), findings)
}

/// A figure of wide panels, one below the other.
fn wide(title: &str, panels: Vec<Panel>) -> Figure {
    let mut figure = Figure::new(title, 1, panels);
    figure.size = (1000, 260);
    figure.note = NOTE.to_owned();
    figure
}

fn line(name: &str, values: &[f64]) -> Line {
    let points = values.iter().enumerate().map(|(t, &value)| (t as f64, value)).collect();
    Line { name: name.to_owned(), points, spread: Vec::new() }
}

fn panel(title: &str, y: &str, lines: Vec<Line>) -> Panel {
    Panel::Lines(Lines { title: title.to_owned(), x: "timestep".to_owned(), y: y.to_owned(), lines })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_show_what_the_paper_says() {
        for (_, findings) in [figure_1(), figure_6()] {
            for finding in findings {
                assert!(finding.holds, "{}", finding.statement);
            }
        }
        assert_eq!(spikes(&[0.0, 0.1, 0.2, -1.0, 0.3]), [2, 1]);
    }
}
