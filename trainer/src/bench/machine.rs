//! What the machine can do: multiply-adds from registers, and a stream from and to memory.

use crate::kernel::{dispatch, simd::Simd};
use pulp::NullaryFnOnce;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::time::Instant;

/// Sums side by side in [`MultiplyAdds`]: enough to hide how long a multiply-add takes, few enough to stay in registers.
const SUMS: usize = 8;
/// Numbers in each of them: a register of AVX-512.
const LANES: usize = 16;
/// Numbers in each of the stream's three blocks: 3 · 64 MB, more than caches hold.
const STREAM: usize = 16 << 20;
/// Each speed is the best of so many.
const TRIES: usize = 5;

/// What all threads together reach with f32, in the instructions that the kernels run with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Threads.
    pub threads: usize,
    /// Instructions of the kernels.
    pub simd: Simd,
    /// 10⁹ floating-point operations per second, a multiply-add being two.
    pub gflops: f64,
    /// 10⁹ bytes per second of the triad a = b + s c: two blocks read, one written.
    pub gigabytes_per_second: f64,
}

impl Machine {
    /// Measures, on the threads of the pool that this is called in: about a quarter of a second.
    pub fn measure() -> Self {
        let threads = rayon::current_num_threads();
        Self { threads, simd: Simd::current(), gflops: gflops(threads), gigabytes_per_second: triad() }
    }
}

/// Runs `work` on every thread at once, [`TRIES`] times, and returns the fewest seconds.
fn seconds(work: impl Fn() + Sync) -> f64 {
    let once = || {
        let start = Instant::now();
        rayon::broadcast(|_| work());
        start.elapsed().as_secs_f64()
    };
    (0..TRIES).map(|_| once()).fold(f64::INFINITY, f64::min)
}

fn gflops(threads: usize) -> f64 {
    // Scalar code is slower by far: it counts its rounds by the time it has.
    let rounds = {
        let start = Instant::now();
        dispatch(MultiplyAdds { rounds: 1000 });
        (1000.0 * 0.02 / start.elapsed().as_secs_f64().max(1e-9)) as usize + 1
    };
    let operations = (2 * SUMS * LANES * rounds * threads) as f64;
    operations / seconds(|| dispatch(MultiplyAdds { rounds })) / 1e9
}

/// Multiply-adds of numbers that never leave the registers.
struct MultiplyAdds {
    rounds: usize,
}

impl NullaryFnOnce for MultiplyAdds {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        // Eight names instead of an array of arrays: so the sums stay in registers.
        let start = |k: usize| [k as f32; LANES];
        let (mut a, mut b, mut c, mut d) = (start(1), start(2), start(3), start(4));
        let (mut e, mut f, mut g, mut h) = (start(5), start(6), start(7), start(8));
        let (scale, add) = black_box((0.999f32, 0.001f32));
        for _ in 0..self.rounds {
            for n in 0..LANES {
                a[n] = a[n].mul_add(scale, add);
                b[n] = b[n].mul_add(scale, add);
                c[n] = c[n].mul_add(scale, add);
                d[n] = d[n].mul_add(scale, add);
                e[n] = e[n].mul_add(scale, add);
                f[n] = f[n].mul_add(scale, add);
                g[n] = g[n].mul_add(scale, add);
                h[n] = h[n].mul_add(scale, add);
            }
        }
        black_box([a, b, c, d, e, f, g, h]);
    }
}

/// Bytes per second of the triad, each thread on blocks of its own part.
fn triad() -> f64 {
    let (b, c) = (vec![1f32; STREAM], vec![2f32; STREAM]);
    let mut a = vec![0f32; STREAM];
    let piece = STREAM.div_ceil(rayon::current_num_threads());
    let mut best = f64::INFINITY;
    for _ in 0..TRIES {
        let start = Instant::now();
        let parts = a.par_chunks_mut(piece).zip(b.par_chunks(piece)).zip(c.par_chunks(piece));
        parts.for_each(|((a, b), c)| dispatch(Triad { a, b, c, scale: black_box(3.0) }));
        best = best.min(start.elapsed().as_secs_f64());
        black_box(&a);
    }
    (3 * 4 * STREAM) as f64 / best / 1e9
}

struct Triad<'a> {
    a: &'a mut [f32],
    b: &'a [f32],
    c: &'a [f32],
    scale: f32,
}

impl NullaryFnOnce for Triad<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for ((a, &b), &c) in self.a.iter_mut().zip(self.b).zip(self.c) {
            *a = self.scale.mul_add(c, b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_does_something() {
        let machine = Machine::measure();
        // Any processor of this century, and no processor of the next decade.
        assert!((0.1..1e5).contains(&machine.gflops), "{machine:?}");
        assert!((0.1..1e4).contains(&machine.gigabytes_per_second), "{machine:?}");
    }
}
