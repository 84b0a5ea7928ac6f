//! Boots the application on a board.
#![no_std]
#![no_main]

use core::mem::MaybeUninit;
use core::panic::PanicInfo;
use cortex_m_rt::{ExceptionFrame, entry, exception};
use spikelet_export::{ModelFile, link};
use spikelet_firmware::{Application, Buffers, Stop, board};
use spikelet_runtime::{Memory, Network};

include!(concat!(env!("OUT_DIR"), "/model.rs"));

/// Puts the model at an address divisible by 16, as its format asks.
#[repr(align(16))]
pub struct Aligned<T>(T);

#[entry]
fn main() -> ! {
    // cortex-m-rt makes local statics of an entry point exclusive references.
    static mut FILE: MaybeUninit<ModelFile<'static>> = MaybeUninit::uninit();
    static mut MEMORY: Memory<NEURONS, POTENTIALS, WIDEST, CLASSES> = Memory::new();
    static mut REQUEST: [u8; link::REQUEST] = [0; link::REQUEST];
    static mut REPLY: [u8; link::REPLY + 1] = [0; link::REPLY + 1];
    static mut SPIKING: heapless::Vec<u16, INPUTS> = heapless::Vec::new();

    let (board, mut uart) = board::start();
    #[cfg(feature = "panic")]
    panic!("on purpose");
    #[cfg(feature = "fault")]
    board::fault();

    let file = open(FILE);
    let Ok(network) = Network::new(file.model(), MEMORY.view()) else {
        defmt::error!("the memory is too small for the model");
        board::exit(false)
    };
    defmt::info!("model {=u32:08x} of {=usize} neurons is ready", file.id(), NEURONS);
    let buffers = Buffers { request: REQUEST, reply: REPLY, spiking: SPIKING };
    let stop = Application::new(file, network, board).serve(&mut uart, buffers);
    board::exit(stop == Stop::Shutdown)
}

/// Opens the model; ends if it is none. Not part of `main`, so that the stack it needs is free again afterwards.
#[inline(never)]
fn open(place: &'static mut MaybeUninit<ModelFile<'static>>) -> &'static ModelFile<'static> {
    match ModelFile::open(&MODEL.0) {
        Ok(file) => place.write(file),
        Err(error) => {
            defmt::error!("the model cannot be used: {}", error);
            board::exit(false)
        }
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    defmt::error!("panic");
    board::exit(false)
}

#[exception]
#[allow(
    unsafe_code,
    reason = "cortex-m-rt asks for it: after a fault nothing can be relied on, and this only ends"
)]
unsafe fn HardFault(_: &ExceptionFrame) -> ! {
    defmt::error!("hard fault");
    board::exit(false)
}

defmt::timestamp!("{=u32}", 0);
