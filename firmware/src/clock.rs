//! What the application asks of a board beside its byte stream.

use spikelet_export::link::MemoryUse;

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

    /// Received bytes that were lost because nothing read them in time.
    fn overruns(&self) -> u32 {
        0
    }
}
