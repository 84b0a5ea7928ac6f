//! Received bytes on their way from the UART's interrupt to the main loop.

use core::cell::RefCell;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};
use critical_section::Mutex;
use heapless::spsc::Queue;

/// Bytes that an [`Inbox`] has room for, and one: a power of two, so that no division is needed to go round.
///
/// QEMU's UARTs are faster than any wire, and than the main loop: there a whole request must fit.
const PLACES: usize = if cfg!(feature = "emulated") { 2048 } else { 256 };

/// Where the interrupt leaves what the UART has received, and where the main loop takes it from.
///
/// Each byte goes in or out in a critical section of a dozen instructions. The queue's own two ends would do without, but they
/// know its length at run time only: they would divide by it, and could panic as far as the compiler can tell.
pub struct Inbox {
    queue: Mutex<RefCell<Queue<u8, PLACES>>>,
    overruns: AtomicU32,
}

/// The board's.
pub static INBOX: Inbox = Inbox::new();

impl Inbox {
    /// Bytes that it has room for.
    pub const CAPACITY: usize = PLACES - 1;

    /// An empty one.
    pub const fn new() -> Self {
        Self { queue: Mutex::new(RefCell::new(Queue::new())), overruns: AtomicU32::new(0) }
    }

    /// Does something with the queue. It is never in use when this is called: a critical section is not interrupted.
    fn with<R>(&self, work: impl FnOnce(&mut Queue<u8, PLACES>) -> R) -> Option<R> {
        critical_section::with(|section| {
            self.queue.borrow(section).try_borrow_mut().ok().map(|mut q| work(&mut q))
        })
    }

    /// Takes a byte in; one that finds no room is dropped and counted.
    pub fn put(&self, byte: u8) {
        if !matches!(self.with(|queue| queue.enqueue(byte)), Some(Ok(()))) {
            self.lost();
        }
    }

    /// Counts a byte that was lost, here or in the UART. Called by the interrupt alone: cores without compare-and-swap can load
    /// and store only.
    pub fn lost(&self) {
        self.overruns.store(self.overruns.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Gives the first byte.
    pub fn take(&self) -> Option<u8> {
        self.with(Queue::dequeue).flatten()
    }

    /// True without a byte.
    pub fn is_empty(&self) -> bool {
        self.with(|queue| queue.is_empty()).unwrap_or(true)
    }

    /// Sleeps until there is a byte.
    ///
    /// An interrupt that comes between the look and the sleep is not missed: in a critical section it is left pending, which ends
    /// the sleep at once, and is taken behind it. Under QEMU this takes `-icount sleep=on`, with which instructions are counted
    /// as exactly as without a sleep; with `sleep=off` a sleep jumps to where the board's timer next comes round, again and again.
    pub fn wait(&self) {
        while self.is_empty() {
            #[cfg(target_os = "none")]
            critical_section::with(|_| {
                if self.is_empty() {
                    cortex_m::asm::wfi();
                }
            });
        }
    }

    /// Bytes lost since start, wrapping around at 2^32.
    pub fn overruns(&self) -> u32 {
        self.overruns.load(Ordering::Relaxed)
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("overruns", &self.overruns()).finish_non_exhaustive()
    }
}
