//! When timesteps are due.

/// A clock of timesteps, made from ticks that wrap around at 2^32.
///
/// Timestep k is due at the tick start + ⌈k ticks / timesteps⌉, however late the ones before it were: nothing drifts.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Whole ticks of a timestep, and what is left over of `ticks` for `timesteps` of them.
    whole: u32,
    rest: u32,
    timesteps: u32,
    /// The tick at which the last timestep was due, and by how much of a tick, in 1/`timesteps`, that was too late.
    last: u32,
    late: u32,
    missed: u32,
}

impl Pace {
    /// A clock by which `timesteps` timesteps take `ticks` ticks, at least one each: 1,000 in a second are
    /// `Pace::new(B::TICKS_PER_SECOND, 1000)`. 0 of either counts as 1.
    pub const fn new(ticks: u32, timesteps: u32) -> Self {
        let timesteps = if timesteps == 0 { 1 } else { timesteps };
        let (whole, rest) = if ticks < timesteps { (1, 0) } else { (ticks / timesteps, ticks % timesteps) };
        Self { whole, rest, timesteps, last: 0, late: 0, missed: 0 }
    }

    /// Begins to count at the tick `now`: the first timestep is due one timestep later.
    pub const fn start(&mut self, now: u32) {
        self.last = now;
        self.late = 0;
    }

    /// Timesteps that have become due since the last call. It has to be called more often than the ticks wrap around.
    ///
    /// One of them can still be made; the others have been missed, and are counted.
    pub fn due(&mut self, now: u32) -> u32 {
        let mut due = 0u32;
        loop {
            // ⌈⌉ of the exact time: `late` is how much of it has been spent in advance.
            let (length, late) = if self.late >= self.rest {
                (self.whole, self.late - self.rest)
            } else {
                // Cannot overflow: both are below `timesteps`.
                (self.whole.wrapping_add(1), self.timesteps - self.rest + self.late)
            };
            if now.wrapping_sub(self.last) < length {
                break;
            }
            self.last = self.last.wrapping_add(length);
            self.late = late;
            due = due.wrapping_add(1);
        }
        self.missed = self.missed.wrapping_add(due.saturating_sub(1));
        due
    }

    /// Timesteps missed so far, wrapping around.
    pub const fn missed(&self) -> u32 {
        self.missed
    }
}
