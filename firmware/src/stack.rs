//! How deep the stack has been: the start-up code paints it, and what is no longer painted was used.
#![allow(unsafe_code, reason = "reads memory between two of the linker's symbols")]

use cortex_m_rt::STACK_PAINT_VALUE;
use spikelet_export::link::MemoryUse;

unsafe extern "C" {
    static _stack_start: u32;
    static _stack_end: u32;
}

/// Use of the stack since start, at its deepest.
pub fn memory_use() -> MemoryUse {
    let start = (&raw const _stack_start) as usize;
    let end = (&raw const _stack_end) as usize;
    let mut free = 0;
    while end + free < start {
        // SAFETY: the linker script keeps the words from _stack_end to _stack_start for the stack, and reads of
        // a word that the running program changes are made volatile.
        let word = unsafe { ((end + free) as *const u32).read_volatile() };
        if word != STACK_PAINT_VALUE {
            break;
        }
        free += size_of::<u32>();
    }
    MemoryUse { stack_used: (start - end - free) as u32, stack_free: free as u32 }
}
