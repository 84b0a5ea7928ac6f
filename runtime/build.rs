//! Generates the tables of tanh and of the logarithmic latency code from their f64 formulas.

use std::{env, fmt::Write, fs, path::Path};

/// Segments of width 1/32 on [-8, 8).
const SEGMENTS: i32 = 512;
/// Beyond this half LSB of Q15, tanh rounds to 1, which Q15 cannot hold.
const MAX: f64 = 32767.0;

fn knot(index: i32) -> i32 {
    let x = f64::from(index - SEGMENTS / 2) / 32.0;
    (x.tanh() * 32768.0).round().clamp(-MAX, MAX) as i32
}

/// Spike time of a pixel value in snnTorch's logarithmic latency code, as a share of the sequence in 2^-32: with
/// I = value / 255, threshold θ = 0.01 and ε = 1e-7, ln(I / (I - θ)) over its largest value, ln((θ + ε) / ε).
fn latency(value: u8) -> u32 {
    let (threshold, epsilon) = (0.01, 1e-7);
    let intensity = f64::from(value) / 255.0;
    let share = (intensity / (intensity - threshold)).ln() / ((threshold + epsilon) / epsilon).ln();
    (share * 2f64.powi(32)).round() as u32
}

fn main() {
    let mut rows = String::new();
    for segment in 0..SEGMENTS {
        let (left, right) = (knot(segment), knot(segment + 1));
        writeln!(rows, "    {},", (left << 16) + right - left).expect("a string takes any text");
    }
    let table = format!("static SEGMENTS: [i32; {SEGMENTS}] = [\n{rows}];\n");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("tanh_table.rs"), table).expect("OUT_DIR is writable");
    // From the faintest value that spikes, 3, to white.
    let rows: String = (3..=255).map(|value| format!("    {},\n", latency(value))).collect();
    let table = format!("static LOGARITHMIC: [u32; 253] = [\n{rows}];\n");
    fs::write(Path::new(&out).join("latency_table.rs"), table).expect("OUT_DIR is writable");
    println!("cargo::rerun-if-changed=build.rs");
}
