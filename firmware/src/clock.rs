//! What the application asks of a board beside its byte stream.

use spikelet_export::link::{MemoryUse, ResetCause};

/// A free-running counter.
pub trait Clock {
    /// Ticks in a second.
    const TICKS_PER_SECOND: u32;

    /// Ticks since some moment, wrapping around at 2^32.
    fn ticks(&self) -> u32;
}

/// What a board is.
pub trait Board: Clock {
    /// Its name.
    const NAME: &'static str;
    /// True if the host may end the program.
    const EMULATED: bool;

    /// Use of the stack so far.
    fn memory_use(&self) -> MemoryUse;

    /// Starts since power came on without the first one, and why the last one was.
    fn resets(&self) -> (u32, ResetCause) {
        #[cfg(target_os = "none")]
        return crate::start::resets();
        #[cfg(not(target_os = "none"))]
        (0, ResetCause::Power)
    }

    /// Received bytes that were lost because nothing read them in time.
    fn overruns(&self) -> u32 {
        0
    }

    /// Sleeps until something may have been received, or some time has passed; returns at once on a board that cannot sleep.
    fn sleep(&self) {}

    /// Feeds the watchdog, if the board has one: called whenever the application waits, and between timesteps.
    fn feed(&self) {}
}
