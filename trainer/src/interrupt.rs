//! Signals: long work is ended between two of its steps instead of in the middle of anything.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::io::Result;
use std::os::raw::c_int;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

/// Set by a signal that is handled.
static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Ctrl-C is handled.
static HANDLED: AtomicBool = AtomicBool::new(false);

/// Has Ctrl-C heard by [`is_stopped`] from now on; it does nothing else any more.
pub fn stop_on_ctrl_c() {
    // Where it cannot be handled it ends the program, as it did before.
    let _ = handle(SIGINT);
}

/// The same of whatever asks a program to end. A program that has changed its terminal has to hear all of them.
///
/// # Errors
/// If the system does not let them be handled.
pub fn stop_on_any_signal() -> Result<()> {
    [SIGINT, SIGTERM, SIGHUP].into_iter().try_for_each(handle)
}

fn handle(signal: c_int) -> Result<()> {
    flag::register(signal, Arc::clone(&STOP))?;
    HANDLED.store(true, Ordering::Relaxed);
    Ok(())
}

/// True once a handled signal has come.
pub fn is_stopped() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// True if Ctrl-C is handled. A terminal sends it to the programs that this one has started too: those that this one still
/// needs then belong in a group of their own.
pub fn is_handled() -> bool {
    HANDLED.load(Ordering::Relaxed)
}
