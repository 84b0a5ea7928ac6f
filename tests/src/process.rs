//! Processes that a test watches, stops and kills.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Sends a process a signal by its name: "-INT", "-STOP". One that was stopped can be killed, and meanwhile
/// does nothing, however fast it is.
pub fn signal(process: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap();
    assert!(sent.success(), "kill {signal} failed");
}

/// Waits until something is so, and fails with `what` if it is not after five minutes.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(300), "{what} does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}
