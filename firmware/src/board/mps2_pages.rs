//! Flash for models on the boards of the MPS2, emulated in their 16 MB of PSRAM.
//!
//! The boards have no flash that a program could write. QEMU can keep the PSRAM in a file, so that what is in it survives the
//! emulation as flash does: `-M mps2-an386,memory-backend=flash -object memory-backend-file,id=flash,size=16M,mem-path=FILE,share=on`.
//! Without that it is zero at each start, and the slots are empty. Writing clears bits and erasing sets them, so whoever forgets
//! to erase finds out here, too.
#![allow(unsafe_code, reason = "writes the board's PSRAM, which nothing else uses")]

/// Where the PSRAM lies.
pub const BASE: usize = if cfg!(feature = "mps2-an500") {
    0x6000_0000
} else if cfg!(feature = "mps2-an505") {
    0x8000_0000
} else {
    0x2100_0000
};

/// Bytes of it.
pub const CAPACITY: usize = 16 << 20;

/// Offset and length of the region for two slots of 1 MB.
pub const SLOTS: (u32, u32) = (0, 2 << 20);

/// Erases a page of so many words. A word is written whole, so that an emulation that is killed leaves it old or new.
///
/// # Safety
/// The page must lie in the PSRAM, and nobody may borrow any of it.
pub unsafe fn erase(page: *mut u32, words: usize) {
    for index in 0..words {
        // SAFETY: the word is one of the page.
        unsafe { page.wrapping_add(index).write_volatile(u32::MAX) };
    }
}

/// Clears the bits of a word that are 0 in `value`.
///
/// # Safety
/// The word must lie in the PSRAM, and nobody may borrow it.
pub unsafe fn write(word: *mut u32, value: u32) {
    // SAFETY: as the caller says.
    unsafe { word.write_volatile(word.read_volatile() & value) };
}
