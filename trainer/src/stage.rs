//! Where the time of a training goes: nanoseconds per stage and layer, added up over all threads.
//!
//! Whoever works on a stage holds a [`Timer`] meanwhile. Timers that begin while another of the same thread runs take their
//! time out of that one's, so each nanosecond is counted once, also where a thread that waits takes up other work. Timers
//! cost nothing but one look at a flag unless a [`Watch`] is on; while it is, two looks at the clock each: they stand
//! around a sample's whole way through a layer, not around its timesteps.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a batch goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Samples become spikes.
    Encoding,
    /// A layer's forward pass (Eq. 1 or 3).
    Forward,
    /// ∂L/∂s of a layer: the product of ∂L/∂i of the layer above with its weights.
    Product,
    /// A layer's way back through time, from ∂L/∂s to ∂L/∂i.
    Scan,
    /// A layer's ∂L/∂W.
    WeightGradient,
    /// Readout and loss, there and back.
    Loss,
    /// Clipping and Adam.
    Optimiser,
}

/// Number of stages.
const STAGES: usize = 7;

/// Layers that are told apart; those above share the last place.
pub const LAYERS: usize = 64;

static ON: AtomicBool = AtomicBool::new(false);
static SPENT: [[AtomicU64; LAYERS]; STAGES] = [const { [const { AtomicU64::new(0) }; LAYERS] }; STAGES];
static BATCHES: Mutex<Vec<(usize, Instant)>> = Mutex::new(Vec::new());

thread_local! {
    /// Nanoseconds that timers within this thread's innermost running timer have taken.
    static WITHIN: Cell<u64> = const { Cell::new(0) };
}

/// Counts the time until it is dropped.
#[derive(Debug)]
pub struct Timer {
    place: &'static AtomicU64,
    start: Instant,
    /// What the timer around this one has from others so far.
    around: u64,
}

/// A timer of a stage of layer `layer`, counted from 0 (0 also where a stage is of no layer); `None` unless somebody
/// watches.
#[inline]
pub fn time(stage: Stage, layer: usize) -> Option<Timer> {
    ON.load(Ordering::Relaxed).then(|| Timer {
        place: &SPENT[stage as usize][layer.min(LAYERS - 1)],
        start: Instant::now(),
        around: WITHIN.replace(0),
    })
}

impl Drop for Timer {
    fn drop(&mut self) {
        let all = self.start.elapsed().as_nanos() as u64;
        self.place.fetch_add(all.saturating_sub(WITHIN.get()), Ordering::Relaxed);
        WITHIN.set(self.around + all);
    }
}

/// Says that a batch of so many samples is learnt from.
pub fn batch_done(samples: usize) {
    if ON.load(Ordering::Relaxed) {
        BATCHES.lock().unwrap_or_else(PoisonError::into_inner).push((samples, Instant::now()));
    }
}

/// Watches stages and batches from its beginning to its end; a second one waits until the first is over.
#[derive(Debug)]
pub struct Watch {
    start: Instant,
    _only: MutexGuard<'static, ()>,
}

/// What a [`Watch`] has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Samples of each batch, and how long after the one before it, or after the beginning, it was done.
    pub batches: Vec<(usize, Duration)>,
    /// From the beginning to the end.
    pub wall: Duration,
    spent: Vec<Vec<Duration>>,
}

impl Watch {
    /// Begins, with all counters at 0.
    pub fn start() -> Self {
        static ONLY: Mutex<()> = Mutex::new(());
        let only = ONLY.lock().unwrap_or_else(PoisonError::into_inner);
        SPENT.iter().flatten().for_each(|place| place.store(0, Ordering::Relaxed));
        BATCHES.lock().unwrap_or_else(PoisonError::into_inner).clear();
        ON.store(true, Ordering::Relaxed);
        Self { start: Instant::now(), _only: only }
    }

    /// Ends.
    pub fn stop(self) -> Seen {
        ON.store(false, Ordering::Relaxed);
        let wall = self.start.elapsed();
        let mut before = self.start;
        let batches = std::mem::take(&mut *BATCHES.lock().unwrap_or_else(PoisonError::into_inner));
        let batches = batches.into_iter().map(|(samples, at)| {
            let took = at.duration_since(before);
            before = at;
            (samples, took)
        });
        let of = |place: &AtomicU64| Duration::from_nanos(place.load(Ordering::Relaxed));
        let spent = SPENT.iter().map(|layers| layers.iter().map(of).collect()).collect();
        Seen { batches: batches.collect(), wall, spent }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        ON.store(false, Ordering::Relaxed);
    }
}

impl Seen {
    /// Time of all threads in a stage of a layer.
    pub fn spent(&self, stage: Stage, layer: usize) -> Duration {
        self.spent[stage as usize][layer.min(LAYERS - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In layers that no network of another test has: they may run meanwhile.
    #[test]
    fn inner_time_is_counted_once() {
        let watch = Watch::start();
        {
            let _outer = time(Stage::Optimiser, 40).unwrap();
            std::thread::sleep(Duration::from_millis(20));
            {
                let _inner = time(Stage::Encoding, 41).unwrap();
                std::thread::sleep(Duration::from_millis(60));
            }
            {
                let _inner = time(Stage::Forward, 42).unwrap();
                std::thread::sleep(Duration::from_millis(30));
            }
        }
        batch_done(5);
        let seen = watch.stop();
        let spent = |stage, layer| seen.spent(stage, layer).as_millis();
        assert!(spent(Stage::Encoding, 41) >= 60 && spent(Stage::Forward, 42) >= 30);
        let outer = spent(Stage::Optimiser, 40);
        assert!(outer >= 20 && outer + 85 < seen.wall.as_millis(), "{outer} of {:?}", seen.wall);
        assert_eq!(seen.batches.iter().filter(|(samples, _)| *samples == 5).count(), 1);
        assert_eq!(seen.spent(Stage::Forward, 43), Duration::ZERO);
        assert!(time(Stage::Forward, 42).is_none(), "nobody watches");
    }
}
