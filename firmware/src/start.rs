//! Starts since power came on, and why the last one was: kept in memory that the start-up code leaves as it is.
#![allow(unsafe_code, reason = "reads and writes memory that nothing initialises")]

use core::mem::MaybeUninit;
use spikelet_export::link::ResetCause;

/// What outlives a reset.
#[derive(Clone, Copy)]
#[repr(C)]
struct Kept {
    /// [`KNOWN`] if the rest was written since power came on.
    known: u32,
    resets: u32,
    /// Why the last reset was: a number of [`CAUSES`].
    cause: u32,
    /// The same of the one to come; 0 unless it is announced.
    next: u32,
}

/// No memory holds this by chance when power comes on, or one in four billion.
const KNOWN: u32 = 0x5391_CE1D;

/// Causes as they are kept.
const CAUSES: [(u32, ResetCause); 4] =
    [(1, ResetCause::Watchdog), (2, ResetCause::Fault), (3, ResetCause::Model), (4, ResetCause::Power)];

#[unsafe(link_section = ".uninit.KEPT")]
static mut KEPT: MaybeUninit<Kept> = MaybeUninit::uninit();

fn read() -> Kept {
    // SAFETY: any bits are whole numbers; reads of memory that nothing has written are made volatile, and nothing else is
    // running: neither interrupts nor another core look at it.
    unsafe { (&raw const KEPT).cast::<Kept>().read_volatile() }
}

fn write(kept: Kept) {
    // SAFETY: as in `read`.
    unsafe { (&raw mut KEPT).cast::<Kept>().write_volatile(kept) }
}

/// To be called once, before anything else. A reset that was not announced had the cause `silent`: on a board with a watchdog, mostly that.
pub fn count(silent: ResetCause) {
    let Kept { known, resets, next, .. } = read();
    if known != KNOWN {
        write(Kept { known: KNOWN, resets: 0, cause: 0, next: 0 });
    } else {
        write(Kept {
            known,
            resets: resets.wrapping_add(1),
            cause: if next == 0 { number(silent) } else { next },
            next: 0,
        });
    }
}

/// Starts since power came on without the first one, and why the last one was.
pub fn resets() -> (u32, ResetCause) {
    let Kept { resets, cause, .. } = read();
    let cause = CAUSES.into_iter().find(|&(number, _)| resets > 0 && number == cause);
    (resets, cause.map_or(ResetCause::Power, |(_, cause)| cause))
}

/// Says why the reset that follows will be.
pub fn announce(cause: ResetCause) {
    write(Kept { next: number(cause), ..read() });
}

fn number(cause: ResetCause) -> u32 {
    CAUSES.into_iter().find(|&(_, known)| known == cause).map_or(0, |(number, _)| number)
}
