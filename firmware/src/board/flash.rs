//! The part of a board's memory that keeps models: flash that the core reads like memory, in pages of 4 KB and words of 4 B.
//!
//! The board's module `pages` says where it lies, and erases a page and writes a word.
#![allow(unsafe_code, reason = "reads memory that is no part of the program")]

pub use super::pages::SLOTS;

use super::pages::{self, BASE, CAPACITY};
use crate::slots::Mapped;
use core::sync::atomic::{AtomicBool, Ordering};
use embedded_storage::nor_flash::{self, ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};

/// Bytes of a page.
const PAGE: usize = 4096;

/// The board's flash for models, of which there is one.
#[derive(Debug)]
pub struct Flash(());

/// The board's flash; `None` if somebody has it already.
pub fn take() -> Option<Flash> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    cortex_m::interrupt::free(|_| {
        let taken = TAKEN.load(Ordering::Relaxed);
        TAKEN.store(true, Ordering::Relaxed);
        (!taken).then_some(Flash(()))
    })
}

/// The bytes from `offset` on, as far as they are in the flash.
fn bytes(offset: u32, length: u32) -> &'static [u8] {
    let (offset, length) = (offset as usize, length as usize);
    match offset.checked_add(length) {
        // SAFETY: the range lies in memory that is there from the start, is no part of the program and holds bytes of any value.
        // Nothing but the one `Flash` writes to it: not while a slice borrows that, nor, as `Mapped` promises, to what was asked
        // for to last.
        Some(end) if end <= CAPACITY => unsafe {
            core::slice::from_raw_parts((BASE + offset) as *const u8, length)
        },
        _ => &[],
    }
}

impl Mapped for Flash {
    fn bytes(&self, offset: u32, length: u32) -> &[u8] {
        bytes(offset, length)
    }

    fn lasting(&self, offset: u32, length: u32) -> &'static [u8] {
        bytes(offset, length)
    }
}

impl ErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, to: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        nor_flash::check_read(self, offset, to.len())?;
        let from = bytes(offset, to.len() as u32);
        for (to, from) in to.iter_mut().zip(from) {
            *to = *from;
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        CAPACITY
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        nor_flash::check_erase(self, from, to)?;
        for page in 0..to.wrapping_sub(from) as usize / PAGE {
            // SAFETY: as was checked, the page lies in the flash.
            unsafe { pages::erase((BASE + from as usize + page * PAGE) as *mut u32, PAGE / 4) };
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, from: &[u8]) -> Result<(), NorFlashErrorKind> {
        nor_flash::check_write(self, offset, from.len())?;
        let (words, _) = from.as_chunks();
        for (index, &word) in words.iter().enumerate() {
            // SAFETY: as was checked, the word lies in the flash.
            unsafe {
                pages::write((BASE + offset as usize + 4 * index) as *mut u32, u32::from_le_bytes(word));
            }
        }
        Ok(())
    }
}
