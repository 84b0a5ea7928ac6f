//! Generates the tanh table from the f64 formula.

use std::{env, fmt::Write, fs, path::Path};

/// Segments of width 1/32 on [-8, 8).
const SEGMENTS: i32 = 512;
/// Beyond this half LSB of Q15, tanh rounds to 1, which Q15 cannot hold.
const MAX: f64 = 32767.0;

fn knot(index: i32) -> i32 {
    let x = f64::from(index - SEGMENTS / 2) / 32.0;
    (x.tanh() * 32768.0).round().clamp(-MAX, MAX) as i32
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
    println!("cargo::rerun-if-changed=build.rs");
}
