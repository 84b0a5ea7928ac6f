//! The upper part of an nRF52's flash, for models: `memory/` leaves it out of what the program may take.
//!
//! The core waits while a page is erased, 85 ms, and while a word is written.
#![allow(
    unsafe_code,
    reason = "reads and writes flash beyond the program, and the registers of its controller"
)]

use super::chosen::feed;
use super::nrf52::hal::pac::{NVMC, nvmc};
use crate::slots::Mapped;
use core::sync::atomic::{AtomicBool, Ordering};
use embedded_storage::nor_flash::{self, ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};

/// Bytes of the chip's flash, and of them what the program may take.
const CHIP: u32 = if cfg!(feature = "microbit-v2") { 512 << 10 } else { 1 << 20 };
/// See [`CHIP`].
const PROGRAM: u32 = if cfg!(feature = "microbit-v2") { 288 << 10 } else { 512 << 10 };

/// Offset and length of the region for two slots.
pub const SLOTS: (u32, u32) = (0, CHIP - PROGRAM);

/// Where it lies.
const BASE: usize = PROGRAM as usize;
/// Bytes of it.
const CAPACITY: usize = (CHIP - PROGRAM) as usize;
/// Bytes of a page.
const PAGE: usize = 4096;

/// The flash for models, of which there is one.
#[derive(Debug)]
pub struct Flash(());

/// The board's flash for models; `None` if somebody has it already.
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
        // SAFETY: the range lies in the chip's flash, behind the program. Nothing but the one `Flash` writes to it: not while a
        // slice borrows that, nor, as `Mapped` promises, to what was asked for to last.
        Some(end) if end <= CAPACITY => unsafe {
            core::slice::from_raw_parts((BASE + offset) as *const u8, length)
        },
        _ => &[],
    }
}

/// The controller; nothing else uses it.
fn controller() -> &'static nvmc::RegisterBlock {
    // SAFETY: the address is that of the chip, and only the one `Flash` gets here.
    unsafe { &*NVMC::ptr() }
}

fn wait() {
    while controller().ready.read().ready().bit_is_clear() {}
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
        for (to, from) in to.iter_mut().zip(bytes(offset, to.len() as u32)) {
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
        controller().config.write(|w| w.wen().een());
        for page in 0..to.wrapping_sub(from) as usize / PAGE {
            feed();
            let address = BASE + from as usize + page * PAGE;
            // SAFETY: the page lies in the flash for models.
            controller().erasepage().write(|w| unsafe { w.bits(address as u32) });
            wait();
        }
        controller().config.write(|w| w.wen().ren());
        Ok(())
    }

    fn write(&mut self, offset: u32, from: &[u8]) -> Result<(), NorFlashErrorKind> {
        nor_flash::check_write(self, offset, from.len())?;
        let (words, _) = from.as_chunks();
        controller().config.write(|w| w.wen().wen());
        for (index, &word) in words.iter().enumerate() {
            let place = (BASE + offset as usize + 4 * index) as *mut u32;
            // SAFETY: the word lies in the flash for models, and no slice of it is borrowed while `self` is.
            unsafe { place.write_volatile(u32::from_le_bytes(word)) };
            wait();
        }
        controller().config.write(|w| w.wen().ren());
        Ok(())
    }
}
