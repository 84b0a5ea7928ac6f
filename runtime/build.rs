//! Generates the tables of tanh and of the logarithmic latency code from their f64 formulas.

use std::{env, fmt::Write, fs, path::Path};

/// Entries of tanh on each side of 0, 1/128 apart: up to ±8.
const SIDE: i32 = 1024;
/// What 1 becomes in Q15: of the multiples of 8 below it the greatest, so that h_s, which is rounded to such multiples,
/// never becomes 1, which Q15 cannot hold.
const MAX: f64 = 32760.0;

fn tanh(entry: i32) -> i32 {
    let x = f64::from(entry) / 128.0;
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
    for entry in -SIDE..=SIDE {
        writeln!(rows, "    {},", tanh(entry)).expect("a string takes any text");
    }
    let table = format!("pub(crate) static TANH: [i16; {}] = [\n{rows}];\n", 2 * SIDE + 1);
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("tanh_table.rs"), table).expect("OUT_DIR is writable");
    // From the faintest value that spikes, 3, to white.
    let rows: String = (3..=255).map(|value| format!("    {},\n", latency(value))).collect();
    let table = format!("static LOGARITHMIC: [u32; 253] = [\n{rows}];\n");
    fs::write(Path::new(&out).join("latency_table.rs"), table).expect("OUT_DIR is writable");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(dsp, thumb, thumb2)");
    // Stable Rust tells crates nothing of the DSP extension. Every core of ARMv7E-M has it; on ARMv8-M it is optional.
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let optional = target.starts_with("thumbv8m.main") && env::var_os("CARGO_FEATURE_DSP").is_some();
    if target.starts_with("thumbv7em") || optional {
        println!("cargo::rustc-cfg=dsp");
    }
    // The assembler takes instructions of an optional extension only for a core that has it.
    let core = if optional { ".cpu cortex-m33" } else { "" };
    println!("cargo::rustc-env=SPIKELET_ASSEMBLER={core}");
    if ["thumbv7", "thumbv8m.main"].iter().any(|family| target.starts_with(family)) {
        println!("cargo::rustc-cfg=thumb");
        println!("cargo::rustc-cfg=thumb2");
    }
    // Cores without Thumb-2: M0, M0+ and M1.
    if target.starts_with("thumbv6m") {
        println!("cargo::rustc-cfg=thumb");
    }
}
