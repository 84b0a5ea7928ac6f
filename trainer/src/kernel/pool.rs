//! Large blocks, used again from batch to batch: fresh ones cost a page fault for every 4 KB.

use super::Real;
use aligned_vec::{AVec, ConstAlign};
use std::sync::{Mutex, PoisonError};

/// Bytes of a line of the processor's cache, and of the longest vector. A vector that lies across two lines is read twice.
const LINE: usize = 64;

/// Numbers that begin where a line of the cache does.
pub type Block<R> = AVec<R, ConstAlign<LINE>>;

/// A block of zeros.
pub fn zeros<R: Real>(length: usize) -> Block<R> {
    let mut block = Block::new(LINE);
    block.resize(length, R::ZERO);
    block
}

/// Blocks that are not in use.
#[derive(Debug, Default)]
pub struct Pool<R>(Mutex<Vec<Block<R>>>);

impl<R: Real> Pool<R> {
    /// A block of `length` numbers, whose values are whatever they were.
    pub fn take(&self, length: usize) -> Block<R> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest that fits: a larger one may be wanted for what only it can hold.
        let fits = (0..free.len()).filter(|&index| free[index].capacity() >= length);
        let smallest = fits.min_by_key(|&index| free[index].capacity());
        let mut block = smallest.map_or_else(|| Block::new(LINE), |index| free.swap_remove(index));
        drop(free);
        block.resize(length, R::ZERO);
        block
    }

    /// Gives a block back.
    pub fn give(&self, block: Block<R>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_used_again() {
        let pool = Pool::<f32>::default();
        let block = pool.take(100);
        let place = block.as_ptr();
        pool.give(block);
        let larger = pool.take(101);
        let smaller = pool.take(50);
        assert!(larger.as_ptr().addr().is_multiple_of(LINE));
        assert_ne!(larger.as_ptr(), place);
        assert_eq!(smaller.as_ptr(), place);
        assert_eq!((larger.len(), smaller.len()), (101, 50));
    }
}
