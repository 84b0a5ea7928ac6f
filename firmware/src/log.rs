//! The log: defmt's frames, written to the debugger or emulator through semihosting.
#![allow(unsafe_code, reason = "defmt asks for it: a logger must be used by one writer at a time")]

use crate::channel;
use core::cell::UnsafeCell;
use cortex_m_semihosting::hio::{self, HostStream};

#[defmt::global_logger]
struct Log;

/// What is used by one writer at a time.
struct Shared<T>(UnsafeCell<T>);

// SAFETY: this core is the only one, no interrupt is used, and what faults or panics logs and ends without returning to the
// writer it broke into.
unsafe impl<T> Sync for Shared<T> {}

static ENCODER: Shared<defmt::Encoder> = Shared(UnsafeCell::new(defmt::Encoder::new()));
static HOST: Shared<Option<HostStream>> = Shared(UnsafeCell::new(None));

/// Writes to the host, if there is one.
fn write(bytes: &[u8]) {
    // SAFETY: see `Shared`; the reference ends with this function, which calls nothing that logs.
    let host = unsafe { &mut *HOST.0.get() };
    if host.is_none() {
        // Standard output is the channel's if there is one.
        *host = if channel::is_asked() { hio::hstderr() } else { hio::hstdout() }.ok();
    }
    if let Some(host) = host {
        // A log that nobody takes is lost.
        let _ = host.write_all(bytes);
    }
}

// SAFETY: see `Shared`: frames do not interleave, since one ends before the next begins.
unsafe impl defmt::Logger for Log {
    fn acquire() {
        // SAFETY: see `Shared`.
        unsafe { (*ENCODER.0.get()).start_frame(write) }
    }

    unsafe fn flush() {}

    unsafe fn release() {
        // SAFETY: see `Shared`.
        unsafe { (*ENCODER.0.get()).end_frame(write) }
    }

    unsafe fn write(bytes: &[u8]) {
        // SAFETY: see `Shared`.
        unsafe { (*ENCODER.0.get()).write(bytes, write) }
    }
}
