//! What boards to flash share: the log by RTT, and the end of a program, which is a reset or a wait.
#![allow(unsafe_code, reason = "takes the core's cycle counter")]

use super::{CORE_HERTZ, chosen};
use crate::start;
use core::sync::atomic::{AtomicBool, Ordering};
use cortex_m::asm;
use cortex_m::peripheral::SCB;
use defmt_rtt as _;
use spikelet_export::link::ResetCause;

/// Time after which a watchdog that was not fed resets the board [s].
pub const WATCHDOG_SECONDS: u32 = 8;

/// Counts this start; `by_watchdog` is what the chip says of it.
pub fn begin(by_watchdog: bool) {
    start::count(if by_watchdog { ResetCause::Watchdog } else { ResetCause::Power });
}

/// Starts the counter of the core's cycles.
#[cfg(not(feature = "pico"))]
pub fn count_cycles() {
    // SAFETY: called once, at the start, before anything else uses the core's peripherals.
    let mut core = unsafe { cortex_m::Peripherals::steal() };
    core.DCB.enable_trace();
    core.DWT.enable_cycle_counter();
}

/// Waits: there is nothing to go on with, and a start would not help.
pub fn exit(_success: bool) -> ! {
    loop {
        chosen::feed();
    }
}

/// Starts again after a panic or a fault, which `log` tells, as soon as a probe has had the time to take the log: 0.1 s.
pub fn fail(log: impl FnOnce()) -> ! {
    static FAILING: AtomicBool = AtomicBool::new(false);
    // What broke into a log, or into this, must not log: defmt-rtt panics then.
    if !FAILING.load(Ordering::Relaxed) {
        FAILING.store(true, Ordering::Relaxed);
        log();
    }
    start::announce(ResetCause::Fault);
    asm::delay(CORE_HERTZ / 10);
    SCB::sys_reset()
}
