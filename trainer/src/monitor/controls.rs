//! What the one who looks on wants: pause, next sample, end, and the pace.

use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How fast timesteps are shown, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace(usize);

/// Timesteps per second of each pace but the fastest.
const PACES: [u32; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

impl Pace {
    /// As fast as the board.
    pub const MOST: Self = Self(PACES.len());

    /// Slow enough to look on: 50 timesteps per second.
    pub const CALM: Self = Self(5);

    /// The next faster one.
    pub fn faster(self) -> Self {
        Self((self.0 + 1).min(PACES.len()))
    }

    /// The next slower one.
    pub const fn slower(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// Timesteps per second; `None` if the board sets the pace.
    pub fn per_second(self) -> Option<u32> {
        PACES.get(self.0).copied()
    }

    /// From one timestep to the next.
    pub fn period(self) -> Duration {
        self.per_second().map_or(Duration::ZERO, |steps| Duration::from_secs(1) / steps)
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::CALM
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per_second() {
            Some(steps) => write!(f, "{steps}/s"),
            None => f.write_str("as fast as the board"),
        }
    }
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The next timestep.
    Go,
    /// The next sample.
    Next,
    /// Nothing more.
    Quit,
}

/// Wishes, set by one thread and followed by another.
#[derive(Debug)]
pub struct Controls {
    wishes: Mutex<Wishes>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug)]
struct Wishes {
    paused: bool,
    next: bool,
    quit: bool,
    pace: Pace,
}

impl Controls {
    /// Nothing paused, at this pace.
    pub const fn new(pace: Pace) -> Self {
        let wishes = Wishes { paused: false, next: false, quit: false, pace };
        Self { wishes: Mutex::new(wishes), changed: Condvar::new() }
    }

    /// Pauses, or goes on.
    pub fn toggle_pause(&self) {
        self.change(|wishes| wishes.paused = !wishes.paused);
    }

    /// Leaves the sample at hand.
    pub fn next(&self) {
        self.change(|wishes| wishes.next = true);
    }

    /// Ends.
    pub fn quit(&self) {
        self.change(|wishes| wishes.quit = true);
    }

    /// Takes the next faster pace.
    pub fn faster(&self) {
        self.change(|wishes| wishes.pace = wishes.pace.faster());
    }

    /// Takes the next slower pace.
    pub fn slower(&self) {
        self.change(|wishes| wishes.pace = wishes.pace.slower());
    }

    /// True while paused.
    pub fn is_paused(&self) -> bool {
        self.lock().paused
    }

    /// The pace.
    pub fn pace(&self) -> Pace {
        self.lock().pace
    }

    /// Waits until the next timestep is due, a period after `last`, and nothing is paused; or until something else is wanted.
    pub fn wait(&self, last: Instant) -> Signal {
        let mut wishes = self.lock();
        loop {
            if wishes.quit {
                return Signal::Quit;
            }
            if std::mem::take(&mut wishes.next) {
                return Signal::Next;
            }
            let left = wishes.pace.period().saturating_sub(last.elapsed());
            wishes = if wishes.paused {
                self.changed.wait(wishes).unwrap_or_else(PoisonError::into_inner)
            } else if left.is_zero() {
                return Signal::Go;
            } else {
                self.changed.wait_timeout(wishes, left).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }

    fn change(&self, change: impl FnOnce(&mut Wishes)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
