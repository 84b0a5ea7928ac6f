//! The command as cargo builds it for tests. The tests of what it does are in the part `tests`, which run this same file: without a test
//! here cargo would not build it, and they would compile the trainer a second time.

use std::process::Command;

#[test]
fn it_tells_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_spikelet")).arg("--version").output().unwrap();
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        concat!("spikelet ", env!("CARGO_PKG_VERSION"))
    );
}
