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

/// Figure 1: the stimulus, and h for b_h = -6 and -4.
pub fn figure_1() -> (Figure, Vec<Finding>) {
    let x = stimulus();
    let cell = SrcCell::default();
    let traces = [-6.0, -4.0].map(|bias| (bias, simulate(&x, &cell, bias)));
    let mut panels = vec![panel("input", "x", vec![line("x", &x)])];
    for (bias, trace) in &traces {
        panels.push(panel(&format!("b_h = {bias}"), "h", vec![line("h", &trace.h)]));
    }
    // Spikes where x is 0, before and long after the pulses.
    let null = |trace: &NeuronTrace| spikes(&trace.h[..50]).len() + spikes(&trace.h[460..]).len();
    let [low, high] = [null(&traces[0].1), null(&traces[1].1)];
    let driven = spikes(&traces[0].1.h[350..450]).len();
    let findings = vec![
        Finding {
            statement: format!("b_h = -6: silent with null input ({low} spikes in 190 timesteps)"),
            holds: low == 0,
        },
        Finding {
            statement: format!("b_h = -6: spikes when driven ({driven} spikes at x = 2.9)"),
            holds: driven > 0,
        },
        Finding {
            statement: format!("b_h = -4: spikes even with null input ({high} spikes in 190 timesteps)"),
            holds: high > 0,
        },
    ];
    (Figure::new("Figure 1: one SRC neuron for an input and two biases", 1, panels), findings)
}

/// Figure 6: h and its two feedbacks, with z_s fixed at 0.9 and switching.
pub fn figure_6() -> (Figure, Vec<Finding>) {
    let x = stimulus();
    let switching = SrcCell::default();
    let fixed = SrcCell { z_s_dep: switching.z_s_hyp, ..switching.clone() };
    let bias = switching.bias_start;
    let mut panels = vec![panel("input", "x", vec![line("x", &x)])];
    let mut means = Vec::new();
    for (name, cell) in [("z_s fixed at 0.9", &fixed), ("z_s switching", &switching)] {
        let trace = simulate(&x, cell, bias);
        let scaled = |values: &[f64], by: f64| values.iter().map(|value| by * value).collect::<Vec<_>>();
        panels.push(panel(
            &format!("{name}, b_h = {bias}"),
            "",
            vec![
                line("h", &trace.h),
                line("r h", &scaled(&trace.h, cell.r)),
                line("r_s h_s", &scaled(&trace.h_s, cell.r_s)),
            ],
        ));
        let lengths = spikes(&trace.h);
        means.push(lengths.iter().sum::<usize>() as f64 / lengths.len().max(1) as f64);
    }
    let findings = vec![Finding {
        statement: format!(
            "spikes are shorter with switching z_s ({:.2} instead of {:.2} timesteps)",
            means[1], means[0]
        ),
        holds: means[1] > 0.0 && means[1] < means[0],
    }];
    (Figure::new("Figure 6: h and its feedbacks", 1, panels), findings)
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
