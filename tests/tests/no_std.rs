//! The runtime alone cannot panic. Whole images, and that the device's crates build for every core, are image.rs's and c_library.rs's.

use object::read::archive::ArchiveFile;
use object::{Object, ObjectSymbol};
use spikelet::device::ensure_target;
use spikelet_tests::root;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn build(target: &str, arguments: &[&str]) -> PathBuf {
    ensure_target(target).unwrap();
    let folder = root().join("target/no_std");
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["build", "--locked", "--no-default-features", "--target", target, "--target-dir"])
        .arg(&folder)
        .args(arguments)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{target} {arguments:?}: {words}");
    folder.join(target)
}

/// Symbols that a library's code needs and does not define.
fn undefined(library: &Path) -> Vec<String> {
    let bytes = fs::read(library).unwrap();
    let archive = ArchiveFile::parse(&*bytes).unwrap();
    let mut names = Vec::new();
    for member in archive.members() {
        // Beside object files there is the compiler's own metadata.
        let Ok(file) = object::File::parse(member.unwrap().data(&*bytes).unwrap()) else { continue };
        let undefined = file.symbols().filter(|symbol| symbol.is_undefined());
        names.extend(undefined.filter_map(|symbol| symbol.name().ok().map(str::to_owned)));
    }
    names
}

/// As the compiler sees it: nothing in the optimised runtime refers to a way to panic, on the poorest core and on a
/// rich one.
#[test]
fn the_runtime_has_no_way_to_panic() {
    for target in ["thumbv6m-none-eabi", "thumbv7em-none-eabihf"] {
        let folder = build(target, &["--release", "--features", "all-widths", "-p", "spikelet-runtime"]);
        let symbols = undefined(&folder.join("release/libspikelet_runtime.rlib"));
        assert!(
            symbols.iter().any(|name| name.contains("spikelet_runtime")),
            "these are not its symbols: {symbols:?}"
        );
        let panics = symbols
            .iter()
            .filter(|name| ["panic", "_fail", "expect", "unwrap"].iter().any(|word| name.contains(word)));
        assert_eq!(panics.collect::<Vec<_>>(), Vec::<&String>::new(), "{target}");
    }
}
