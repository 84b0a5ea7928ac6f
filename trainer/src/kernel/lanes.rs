//! Loops over neurons in blocks of a fixed number.
//!
//! A block is read into arrays, worked on there, and written back. So the compiler sees that nothing overlaps, and makes
//! vector code of loops over more slices than it would otherwise test for overlap.

/// Runs a body for blocks of 16 entries, the rest in blocks of 4, and of 1. The body knows the block's start and, as a
/// constant, its length.
macro_rules! in_blocks {
    ($count:expr, |$start:ident, $LENGTH:ident| $body:block) => {{
        let count: usize = $count;
        let mut $start = 0;
        crate::kernel::lanes::in_blocks!(@ count, $start, $LENGTH = 16, $body);
        crate::kernel::lanes::in_blocks!(@ count, $start, $LENGTH = 4, $body);
        crate::kernel::lanes::in_blocks!(@ count, $start, $LENGTH = 1, $body);
        let _ = $start;
    }};
    (@ $count:ident, $start:ident, $LENGTH:ident = $length:literal, $body:block) => {
        {
            const $LENGTH: usize = $length;
            while $start + $LENGTH <= $count {
                $body
                $start += $LENGTH;
            }
        }
    };
}
pub(crate) use in_blocks;

/// A block of `from`.
#[inline(always)]
pub fn load<R: Copy, const N: usize>(from: &[R], start: usize) -> [R; N] {
    *view(from, start)
}

/// A block of `from`, where it is.
#[inline(always)]
pub fn view<R, const N: usize>(from: &[R], start: usize) -> &[R; N] {
    from[start..].first_chunk().expect("a block within the slice")
}

/// Writes a block.
#[inline(always)]
pub fn store<R: Copy, const N: usize>(to: &mut [R], start: usize, block: [R; N]) {
    to[start..][..N].copy_from_slice(&block);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_in_one_block() {
        for count in [0, 1, 3, 4, 5, 15, 16, 17, 21, 32, 55, 100] {
            let from: Vec<usize> = (0..count).collect();
            let mut to = vec![0; count];
            in_blocks!(count, |start, N| {
                let block = load::<_, N>(&from, start);
                store(&mut to, start, block.map(|x| x + 1));
            });
            assert!(to.iter().enumerate().all(|(k, &x)| x == k + 1), "{count}: {to:?}");
        }
    }
}
