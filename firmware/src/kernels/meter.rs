//! Counts instructions with SysTick.
//!
//! Under `-icount shift=7` every instruction takes 128 ns of emulated time. SysTick has 24 bits: on the fastest clock it wraps
//! around after 5.2 million instructions, which no measured work takes.

use core::hint::black_box;
use cortex_m::asm;
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use spikelet_firmware::board;

/// SysTick's largest value.
const MOST: u32 = 0xFF_FFFF;
/// Instructions in a second of emulated time.
const INSTRUCTIONS_PER_SECOND: u64 = 7_812_500;

/// A counter of instructions.
#[derive(Debug)]
pub struct Meter {
    /// Of measuring nothing.
    empty: u32,
}

impl Meter {
    /// Starts SysTick.
    ///
    /// # Panics
    /// If a loop of a known number of instructions is measured to have another.
    pub fn start(mut clock: SYST) -> Self {
        clock.set_clock_source(SystClkSource::Core);
        clock.set_reload(MOST);
        clock.clear_current();
        clock.enable_counter();
        let mut meter = Self { empty: 0 };
        meter.empty = meter.instructions(&mut || {});
        // Two instructions a turn.
        let turns = |turns| meter.instructions(&mut || asm::delay(black_box(turns)));
        assert_eq!(turns(30_000) - turns(10_000), 40_000, "SysTick does not count instructions");
        meter
    }

    /// Instructions that `work` takes, its call excluded.
    #[inline(never)]
    pub fn instructions(&self, work: &mut dyn FnMut()) -> u32 {
        let start = SYST::get_current();
        work();
        // It counts down.
        let ticks = start.wrapping_sub(SYST::get_current()) & MOST;
        let core = u64::from(board::CORE_HERTZ);
        // Rounding makes up for where between two ticks the measurement began.
        ((u64::from(ticks) * INSTRUCTIONS_PER_SECOND + core / 2) / core) as u32 - self.empty
    }
}
