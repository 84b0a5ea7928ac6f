//! Compares every kernel of the runtime with its plain form on this core, and counts what they cost in instructions.
//!
//! It needs no model. `spikelet bench device` builds it, runs it under QEMU and reads what it prints: a line of JSON for each
//! measured kernel. A difference ends it with a failing status and a line that says where it is.
#![no_std]
#![no_main]

mod costs;
mod lif;
mod meter;
mod neurons;
mod noise;
mod sums;

use core::panic::PanicInfo;
use cortex_m::Peripherals;
use cortex_m_rt::{ExceptionFrame, entry, exception};
use cortex_m_semihosting::hprintln;
use meter::Meter;
use spikelet_firmware::board;

#[entry]
fn main() -> ! {
    let peripherals = Peripherals::take().expect("nothing has taken them before");
    let meter = Meter::start(peripherals.SYST);
    compared("sums", sums::compare());
    compared("SRC", neurons::compare());
    compared("LIF", lif::compare());
    costs::measure(&meter);
    board::exit(true)
}

fn compared(kernels: &str, count: u32) {
    hprintln!("{{\"compared\":\"{}\",\"count\":{}}}", kernels, count);
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("{}", info.message());
    board::exit(false)
}

#[exception]
#[allow(
    unsafe_code,
    reason = "cortex-m-rt asks for it: after a fault nothing can be relied on, and this only ends"
)]
unsafe fn HardFault(_: &ExceptionFrame) -> ! {
    hprintln!("hard fault");
    board::exit(false)
}
