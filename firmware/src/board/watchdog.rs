//! The CMSDK's watchdog of the MPS2 images: it starts the board anew if the application no longer comes round.
#![allow(unsafe_code, reason = "names the watchdog's registers")]

use super::CORE_HERTZ;
use super::registers::Registers;

/// That of AN505 is the secure state's.
const ADDRESS: usize = if cfg!(feature = "mps2-an505") { 0x5008_1000 } else { 0x4000_8000 };

// SAFETY: the addresses are those of the images' application notes.
const WATCHDOG: Registers = unsafe { Registers::at(ADDRESS) };

const LOAD: usize = 0x00;
const CONTROL: usize = 0x08;
const CLEAR: usize = 0x0C;

/// Much longer than a timestep, or than to check the largest model.
const SECONDS: u32 = 4;

/// Starts it. If nobody feeds it for four seconds it raises an interrupt, which nothing handles, and four seconds later it resets the
/// board.
pub fn start() {
    WATCHDOG.write(LOAD, SECONDS * CORE_HERTZ);
    WATCHDOG.write(CONTROL, 3);
}

/// Begins the time anew.
pub fn feed() {
    WATCHDOG.write(CLEAR, 1);
}
