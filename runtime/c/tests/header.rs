//! The header is what the sources say.

use std::path::Path;
use std::{env, fs};

/// SPIKELET_WRITE_HEADER=1 writes it anew.
#[test]
fn the_header_is_generated() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let mut generated = Vec::new();
    cbindgen::generate_with_config(folder, config).unwrap().write(&mut generated);
    let path = folder.join("include/spikelet.h");
    if env::var_os("SPIKELET_WRITE_HEADER").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "include/spikelet.h is not what the sources say: write it with SPIKELET_WRITE_HEADER=1"
    );
}
