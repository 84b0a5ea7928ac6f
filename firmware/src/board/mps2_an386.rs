//! ARM MPS2+ with the AN386 image, a Cortex-M4F, as QEMU emulates it.
//!
//! UART 0 and timer 0 are those of the CMSDK. Under `-icount shift=7` QEMU advances the 25 MHz timer by exactly 3.2
//! ticks per instruction, so that ticks count instructions.
#![allow(
    unsafe_code,
    reason = "names the interrupts, and reads and writes the registers of UART 0 and timer 0"
)]

use core::convert::Infallible;
use cortex_m_semihosting::debug;
use embedded_io::{ErrorType, Read, Write};
use spikelet_export::link::MemoryUse;
use spikelet_firmware::{Board, Clock};

unsafe extern "C" {
    fn DefaultHandler();
}

/// The interrupts of the CMSDK, none of which is used: without this table cortex-m-rt makes room for 240 of them, 832 B more.
// SAFETY: cortex-m-rt asks for a symbol of this name and in this section, of as many handlers as the chip has interrupts.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
pub static __INTERRUPTS: [unsafe extern "C" fn(); 32] = [DefaultHandler; 32];

const UART: usize = 0x4000_4000;
const DATA: usize = UART;
const STATE: usize = UART + 0x04;
const CONTROL: usize = UART + 0x08;
const BAUD_DIVIDER: usize = UART + 0x10;
const TIMER: usize = 0x4000_0000;
const TIMER_CONTROL: usize = TIMER;
const TIMER_VALUE: usize = TIMER + 0x04;
const TIMER_RELOAD: usize = TIMER + 0x08;

const TX_FULL: u32 = 1;
const RX_FULL: u32 = 2;

fn read(register: usize) -> u32 {
    // SAFETY: only called with the addresses above, registers of this board that may be read at any time.
    unsafe { (register as *const u32).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: only called with the addresses above, registers of this board that may be written at any time.
    unsafe { (register as *mut u32).write_volatile(value) }
}

/// The board.
#[derive(Debug)]
pub struct Mps2An386;

/// UART 0, 8 data bits, no parity.
#[derive(Debug)]
pub struct Uart;

/// Starts the clock and the UART.
pub fn start() -> (Mps2An386, Uart) {
    write(TIMER_RELOAD, u32::MAX);
    write(TIMER_VALUE, u32::MAX);
    write(TIMER_CONTROL, 1);
    write(BAUD_DIVIDER, 16);
    write(CONTROL, 3);
    // Without a first read the emulated UART may never begin to receive.
    read(DATA);
    (Mps2An386, Uart)
}

/// Ends the emulation, with status 0 or 1.
pub fn exit(success: bool) -> ! {
    loop {
        debug::exit(if success { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
    }
}

/// Reads where nothing is.
#[cfg(feature = "fault")]
pub fn fault() {
    // SAFETY: none; the access is meant to fault, and nothing after it runs.
    unsafe { (0xF000_0000 as *const u32).read_volatile() };
}

impl Clock for Mps2An386 {
    const TICKS_PER_SECOND: u32 = 25_000_000;

    fn ticks(&self) -> u32 {
        // The timer counts down.
        !read(TIMER_VALUE)
    }
}

impl Board for Mps2An386 {
    const NAME: &'static str = "mps2-an386";
    const EMULATED: bool = true;

    fn memory_use(&self) -> MemoryUse {
        crate::stack::memory_use()
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl Read for Uart {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let Some(first) = bytes.first_mut() else { return Ok(0) };
        while read(STATE) & RX_FULL == 0 {}
        *first = read(DATA) as u8;
        Ok(1)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for &byte in bytes {
            while read(STATE) & TX_FULL != 0 {}
            write(DATA, byte.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
