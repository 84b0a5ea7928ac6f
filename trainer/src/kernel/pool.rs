//! Large blocks, used again from batch to batch: fresh ones cost a page fault for every 4 KB.

use super::Real;
use std::sync::{Mutex, PoisonError};

/// Blocks that are not in use.
#[derive(Debug, Default)]
pub struct Pool<R>(Mutex<Vec<Vec<R>>>);

impl<R: Real> Pool<R> {
    /// A block of `length` numbers, whose values are whatever they were.
    pub fn take(&self, length: usize) -> Vec<R> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = free.iter().position(|block| block.capacity() >= length);
        let mut block = fits.map_or_else(Vec::new, |index| free.swap_remove(index));
        drop(free);
        block.resize(length, R::ZERO);
        block
    }

    /// Gives a block back.
    pub fn give(&self, block: Vec<R>) {
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
        assert_ne!(larger.as_ptr(), place);
        assert_eq!(smaller.as_ptr(), place);
        assert_eq!((larger.len(), smaller.len()), (101, 50));
    }
}
