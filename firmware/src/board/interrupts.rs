//! The table of interrupts of emulated boards, up to the only one that is used: a byte that the UART has received. Without a table
//! cortex-m-rt makes room for 240 of them.
#![allow(unsafe_code, reason = "names the table as cortex-m-rt asks, and lets the interrupt happen")]

use super::chosen::{INTERRUPT, received};
use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;

unsafe extern "C" {
    fn DefaultHandler();
}

type Handler = unsafe extern "C" fn();

/// Interrupts before it, and it.
const COUNT: usize = INTERRUPT as usize + 1;

// SAFETY: cortex-m-rt asks for a symbol of this name and in this section, of as many handlers as interrupts are used at most.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
pub static __INTERRUPTS: [Handler; COUNT] = {
    let mut table: [Handler; COUNT] = [DefaultHandler; COUNT];
    table[COUNT - 1] = receive;
    table
};

/// What the core calls.
extern "C" fn receive() {
    received();
}

/// The interrupt of a received byte.
#[derive(Clone, Copy)]
struct Received;

// SAFETY: the number is that of the board's table, and always the same.
unsafe impl InterruptNumber for Received {
    fn number(self) -> u16 {
        INTERRUPT
    }
}

/// Lets it happen.
pub fn enable() {
    // SAFETY: what the handler shares with the rest is behind critical sections, which mask every interrupt.
    unsafe { NVIC::unmask(Received) };
}
