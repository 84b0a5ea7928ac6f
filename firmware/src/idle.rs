//! Sleep while there is nothing to do.
#![allow(unsafe_code, reason = "writes the registers of the core's own timer, which nothing else uses")]

/// SysTick's control, reload value and value, and the system's interrupt control.
const SYSTICK: [usize; 3] = [0xE000_E010, 0xE000_E014, 0xE000_E018];
const INTERRUPT_CONTROL: usize = 0xE000_ED04;
/// It counts, on the core's clock, and its end is pending.
const RUN: u32 = 1 | 2 | 4;
/// Its end is no longer pending.
const CLEAR_PENDING: u32 = 1 << 25;
/// Ticks of the core's clock until it ends: a fifth of a second or less, so that a watchdog is fed in time.
const TICKS: u32 = 1 << 22;

fn write(register: usize, value: u32) {
    // SAFETY: only called with the addresses above, which every core of a board here has.
    unsafe { (register as *mut u32).write_volatile(value) }
}

/// Sleeps until an interrupt is pending, or some time has passed, if `nothing` is to be done when no interrupt can come between.
///
/// In a critical section the interrupts are not taken but left pending, which ends the sleep all the same. SysTick counts in
/// here only, so it disturbs no measurement.
pub fn sleep_if(nothing: impl FnOnce() -> bool) {
    critical_section::with(|_| {
        if nothing() {
            let [control, reload, value] = SYSTICK;
            write(reload, TICKS);
            write(value, 0);
            write(control, RUN);
            cortex_m::asm::wfi();
            write(control, 0);
            write(INTERRUPT_CONTROL, CLEAR_PENDING);
        }
    });
}
