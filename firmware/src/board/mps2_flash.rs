//! NOR flash for models on the boards of the MPS2, emulated in their 16 MB of PSRAM.
//!
//! The boards have no flash that a program could write. QEMU can keep the PSRAM in a file, so that what is in it survives the
//! emulation as flash does: `-M mps2-an386,memory-backend=flash -object memory-backend-file,id=flash,size=16M,mem-path=FILE,share=on`.
//! Without that it is zero at each start, and the slots are empty. Writing clears bits and erasing sets them, so whoever forgets
//! to erase finds out here, too.
#![allow(unsafe_code, reason = "reads and writes the board's PSRAM, which nothing else uses")]

use crate::slots::Mapped;
use core::sync::atomic::{AtomicBool, Ordering};
use embedded_storage::nor_flash::{
    self, ErrorType, MultiwriteNorFlash, NorFlash, NorFlashErrorKind, ReadNorFlash,
};

/// Where the PSRAM lies.
const BASE: usize = if cfg!(feature = "mps2-an500") {
    0x6000_0000
} else if cfg!(feature = "mps2-an505") {
    0x8000_0000
} else {
    0x2100_0000
};

/// Bytes of it.
const CAPACITY: usize = 16 << 20;

/// Bytes of a page.
const PAGE: usize = 4096;

/// Offset and length of the region for two slots of 1 MB.
pub const SLOTS: (u32, u32) = (0, 2 << 20);

/// The emulated flash, of which there is one.
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
        // SAFETY: the range lies in the PSRAM, which is there from the start and holds bytes of any value. Nothing but the one
        // `Flash` writes to it: not while a slice borrows that, nor, as `Mapped` promises, to what was asked for to last.
        Some(end) if end <= CAPACITY => unsafe {
            core::slice::from_raw_parts((BASE + offset) as *const u8, length)
        },
        _ => &[],
    }
}

/// Brings the words from `offset` on to new values, which are made of those there.
fn change(offset: u32, count: usize, mut value: impl FnMut(u32) -> u32) {
    for index in 0..count {
        let word = (BASE + offset as usize + 4 * index) as *mut u32;
        // SAFETY: both callers have checked that the words lie in the PSRAM; a word is written whole, so that an emulation that
        // is killed leaves it old or new.
        unsafe { word.write_volatile(value(word.read_volatile())) };
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
        change(from, to.wrapping_sub(from) as usize / 4, |_| u32::MAX);
        Ok(())
    }

    fn write(&mut self, offset: u32, from: &[u8]) -> Result<(), NorFlashErrorKind> {
        nor_flash::check_write(self, offset, from.len())?;
        let (words, _) = from.as_chunks();
        let mut words = words.iter();
        change(offset, from.len() / 4, |old| {
            old & words.next().map_or(u32::MAX, |&word| u32::from_le_bytes(word))
        });
        Ok(())
    }
}

// Further bits of a word may be cleared at any time.
impl MultiwriteNorFlash for Flash {}
