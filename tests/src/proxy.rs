//! A wire with faults between host and board: bytes are lost, altered, doubled, delayed and torn apart, whole frames come twice,
//! and all of it at no more than a UART's rate.

use crate::Noise;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often what happens to a byte, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// It is lost.
    pub drop: f64,
    /// Some of its bits are others.
    pub flip: f64,
    /// It comes twice.
    pub double: f64,
    /// It and all behind it come up to 2 ms later.
    pub delay: f64,
    /// Those before it come alone, and it later.
    pub split: f64,
    /// If it ends a frame, that comes twice.
    pub again: f64,
}

impl Faults {
    /// All of those of bytes at one rate.
    pub const fn bytes(rate: f64) -> Self {
        Self { drop: rate, flip: rate, double: rate, delay: rate, split: rate, again: 0.0 }
    }
}

/// How often something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of Faults")]
pub struct Counts {
    /// Bytes that came.
    pub bytes: u64,
    pub dropped: u64,
    pub flipped: u64,
    pub doubled: u64,
    pub delayed: u64,
    pub split: u64,
    pub again: u64,
}

impl Counts {
    /// Faults that damage frames.
    pub const fn damaging(&self) -> u64 {
        self.dropped + self.flipped + self.doubled
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.dropped += other.dropped;
        self.flipped += other.flipped;
        self.doubled += other.doubled;
        self.delayed += other.delayed;
        self.split += other.split;
        self.again += other.again;
    }
}

#[derive(Debug, Default)]
struct Counters([AtomicU64; 7]);

/// Between a host and a board, until either goes.
#[derive(Debug)]
pub struct Proxy {
    counters: Arc<Counters>,
    threads: Vec<JoinHandle<()>>,
}

impl Proxy {
    /// Carries bytes between the two streams in both directions, with `faults` from a seed; at most so many baud, if they are given.
    pub fn between(
        host: &UnixStream,
        board: &UnixStream,
        faults: Faults,
        seed: u64,
        baud: Option<u32>,
    ) -> Self {
        let counters = Arc::new(Counters::default());
        let carry = |from: &UnixStream, to: &UnixStream, seed| {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            from.set_read_timeout(None).unwrap();
            let counters = Arc::clone(&counters);
            let mut wire =
                Wire { faults, noise: Noise(seed), baud, due: Instant::now(), counters, frame: Vec::new() };
            thread::spawn(move || {
                wire.carry(&from, &to);
                // Whoever waits at either end shall know.
                let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
            })
        };
        let threads = vec![carry(host, board, 2 * seed), carry(board, host, 2 * seed + 1)];
        Self { counters, threads }
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        let [bytes, dropped, flipped, doubled, delayed, split, again] =
            self.counters.0.each_ref().map(|count| count.load(Ordering::Relaxed));
        Counts { bytes, dropped, flipped, doubled, delayed, split, again }
    }

    /// Waits until both ends have gone, and says what has happened.
    pub fn join(mut self) -> Counts {
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        self.counts()
    }
}

/// One direction.
struct Wire {
    faults: Faults,
    noise: Noise,
    baud: Option<u32>,
    /// When the line is free for the next byte.
    due: Instant,
    counters: Arc<Counters>,
    /// Bytes since the last zero.
    frame: Vec<u8>,
}

impl Wire {
    fn carry(&mut self, mut from: &UnixStream, to: &UnixStream) {
        let mut bytes = [0; 1024];
        loop {
            let Ok(count @ 1..) = from.read(&mut bytes) else { return };
            if self.pass(&bytes[..count], to).is_err() {
                return;
            }
        }
    }

    fn happens(&mut self, rate: f64, counter: usize) -> bool {
        let happens = rate > 0.0 && self.noise.within(0.0, 1.0) < rate;
        if happens {
            self.counters.0[counter].fetch_add(1, Ordering::Relaxed);
        }
        happens
    }

    fn pass(&mut self, bytes: &[u8], to: &UnixStream) -> std::io::Result<()> {
        self.counters.0[0].fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let faults = self.faults;
        let mut out = Vec::new();
        for &byte in bytes {
            let mut byte = byte;
            if self.happens(faults.delay, 4) {
                self.send(&mut out, to)?;
                let pause = self.noise.within(0.0, 2e-3);
                thread::sleep(Duration::from_secs_f64(pause));
            }
            if self.happens(faults.split, 5) {
                self.send(&mut out, to)?;
                thread::yield_now();
            }
            if self.happens(faults.drop, 1) {
                continue;
            }
            if self.happens(faults.flip, 2) {
                // One bit mostly, as on a wire, and sometimes any.
                let bits = self.noise.bits();
                byte ^= if bits & 0x300 == 0 { (bits as u8).max(1) } else { 1 << (bits % 8) };
            }
            out.push(byte);
            if self.happens(faults.double, 3) {
                out.push(byte);
            }
            if faults.again > 0.0 {
                self.frame.push(byte);
                if byte == 0 {
                    if self.frame.len() > 1 && self.happens(faults.again, 6) {
                        out.extend(&self.frame);
                    }
                    self.frame.clear();
                }
            }
        }
        self.send(&mut out, to)
    }

    /// Sends what is there, each byte when the line has had the time for it.
    fn send(&mut self, out: &mut Vec<u8>, mut to: &UnixStream) -> std::io::Result<()> {
        let Some(baud) = self.baud else {
            to.write_all(out)?;
            out.clear();
            return Ok(());
        };
        // A line that was idle begins now; one that is busy loses no time when this thread wakes late.
        self.due = self.due.max(Instant::now());
        // About a millisecond at once.
        for bytes in out.chunks((baud as usize / 10_000).max(1)) {
            let time = Duration::from_secs_f64(10.0 * bytes.len() as f64 / f64::from(baud));
            self.due += time;
            thread::sleep(self.due.saturating_duration_since(Instant::now()));
            to.write_all(bytes)?;
        }
        out.clear();
        Ok(())
    }
}
