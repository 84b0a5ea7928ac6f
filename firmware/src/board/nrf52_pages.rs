//! The upper part of an nRF52's flash, for models: `memory/` leaves it out of what the program may take.
//!
//! The core waits while a page is erased, 85 ms, and while a word is written.
#![allow(unsafe_code, reason = "writes flash beyond the program, and the registers of its controller")]

use super::chosen::feed;
use super::nrf52::hal::pac::{NVMC, nvmc};

/// Bytes of the chip's flash, and of them what the program may take.
const CHIP: usize = if cfg!(feature = "microbit-v2") { 512 << 10 } else { 1 << 20 };
/// See [`CHIP`].
const PROGRAM: usize = if cfg!(feature = "microbit-v2") { 288 << 10 } else { 512 << 10 };

/// Where the part for models lies.
pub const BASE: usize = PROGRAM;
/// Bytes of it.
pub const CAPACITY: usize = CHIP - PROGRAM;

/// Offset and length of the region for two slots.
pub const SLOTS: (u32, u32) = (0, CAPACITY as u32);

/// The controller; nothing else uses it.
fn controller() -> &'static nvmc::RegisterBlock {
    // SAFETY: the address is that of the chip, and only the one flash for models gets here.
    unsafe { &*NVMC::ptr() }
}

fn wait() {
    while controller().ready.read().ready().bit_is_clear() {}
}

/// Erases a page.
///
/// # Safety
/// The page must lie in the part for models, and nobody may borrow any of it.
pub unsafe fn erase(page: *mut u32, _words: usize) {
    feed();
    controller().config.write(|w| w.wen().een());
    // SAFETY: the caller says that it is such a page.
    controller().erasepage().write(|w| unsafe { w.bits(page as u32) });
    wait();
    controller().config.write(|w| w.wen().ren());
}

/// Clears the bits of a word that are 0 in `value`.
///
/// # Safety
/// The word must lie in the part for models, and nobody may borrow it.
pub unsafe fn write(word: *mut u32, value: u32) {
    controller().config.write(|w| w.wen().wen());
    // SAFETY: as the caller says.
    unsafe { word.write_volatile(value) };
    wait();
    controller().config.write(|w| w.wen().ren());
}
