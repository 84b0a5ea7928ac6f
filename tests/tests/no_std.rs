//! The device's crates build for every Cortex-M core, without std.

use spikelet::device::ensure_target;
use spikelet_tests::root;
use std::process::Command;

#[test]
fn the_runtime_and_the_model_reader_build_for_every_core() {
    let folder = root().join("target/no_std");
    for target in
        ["thumbv6m-none-eabi", "thumbv7m-none-eabi", "thumbv7em-none-eabihf", "thumbv8m.main-none-eabihf"]
    {
        ensure_target(target).unwrap();
        for features in ["", "spikelet-export/defmt,spikelet-runtime/defmt"] {
            let output = Command::new(env!("CARGO"))
                .current_dir(root())
                .args([
                    "build",
                    "--locked",
                    "--no-default-features",
                    "--target",
                    target,
                    "--features",
                    features,
                ])
                .args(["-p", "spikelet-runtime", "-p", "spikelet-export", "--target-dir"])
                .arg(&folder)
                .output()
                .unwrap();
            let words = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{target} {features}: {words}");
        }
    }
}
