//! What boards to flash share: the log by RTT, the end of a program, which is a reset or a wait, and what is known of resets.
#![allow(
    unsafe_code,
    reason = "keeps words in memory that no start clears, and takes the core's cycle counter"
)]

use super::{CORE_HERTZ, chosen};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};
use cortex_m::asm;
use cortex_m::peripheral::SCB;
use defmt_rtt as _;
use spikelet_export::link::ResetCause;

/// Time after which a watchdog that was not fed resets the board [s].
pub const WATCHDOG_SECONDS: u32 = 8;

/// What outlives a reset.
#[derive(Clone, Copy)]
#[repr(C)]
struct Record {
    /// Starts since power came on, without the first.
    count: u32,
    /// Why the last one was.
    cause: u32,
    /// Why the next one will be, if the program knows.
    next: u32,
    /// Tells the record from what memory holds when power comes on.
    sum: u32,
}

/// [`Record::cause`] and [`Record::next`].
const NOT_KNOWN: u32 = 0;
const WATCHDOG: u32 = 1;
const FAULT: u32 = 2;
const MODEL: u32 = 3;

impl Record {
    const fn new(count: u32, cause: u32, next: u32) -> Self {
        let sum = 0x5B1C_E1E7 ^ count ^ cause.rotate_left(8) ^ next.rotate_left(16);
        Self { count, cause, next, sum }
    }

    const fn is_one(self) -> bool {
        Self::new(self.count, self.cause, self.next).sum == self.sum
    }
}

struct Kept(UnsafeCell<MaybeUninit<Record>>);

// SAFETY: this core is the only one, and interrupts do not use it.
unsafe impl Sync for Kept {}

// SAFETY: the section is one that the start-up code leaves as it is.
#[unsafe(link_section = ".uninit.resets")]
static KEPT: Kept = Kept(UnsafeCell::new(MaybeUninit::uninit()));

fn read() -> Record {
    // SAFETY: four words of memory are there, whatever they hold, and the read is of that memory.
    unsafe { KEPT.0.get().cast::<Record>().read_volatile() }
}

fn write(record: Record) {
    // SAFETY: as above; no reference to it exists.
    unsafe { KEPT.0.get().cast::<Record>().write_volatile(record) }
}

/// Counts this start; `by_watchdog` is what the chip says of it.
pub fn begin(by_watchdog: bool) {
    let last = read();
    write(if last.is_one() {
        let cause = if last.next == NOT_KNOWN && by_watchdog { WATCHDOG } else { last.next };
        Record::new(last.count.wrapping_add(1), cause, NOT_KNOWN)
    } else {
        Record::new(0, NOT_KNOWN, NOT_KNOWN)
    });
}

/// Starts since power came on without the first one, and why the last one was.
pub fn resets() -> (u32, ResetCause) {
    let record = read();
    let cause = match record.cause {
        WATCHDOG => ResetCause::Watchdog,
        FAULT => ResetCause::Fault,
        MODEL => ResetCause::Model,
        _ => ResetCause::Power,
    };
    (record.count, cause)
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

/// Starts again after a panic or a fault, which `log` tells.
pub fn fail(log: impl FnOnce()) -> ! {
    static FAILING: AtomicBool = AtomicBool::new(false);
    // What broke into a log, or into this, must not log: defmt-rtt panics then.
    if !FAILING.load(Ordering::Relaxed) {
        FAILING.store(true, Ordering::Relaxed);
        log();
    }
    reset(FAULT)
}

/// Starts again, for another model.
pub fn restart() -> ! {
    reset(MODEL)
}

/// Resets the chip as soon as a probe has had the time to take the log, 0.1 s.
fn reset(next: u32) -> ! {
    let Record { count, cause, .. } = read();
    write(Record::new(count, cause, next));
    asm::delay(CORE_HERTZ / 10);
    SCB::sys_reset()
}
