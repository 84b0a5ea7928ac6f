//! Boots the application on a board.
#![no_std]
#![no_main]

use core::mem::MaybeUninit;
use core::panic::PanicInfo;
use cortex_m_rt::{ExceptionFrame, entry, exception};
use spikelet_export::link::ResetCause;
use spikelet_export::{ModelFile, link};
#[cfg(not(feature = "slots"))]
use spikelet_firmware::BuiltIn;
#[cfg(feature = "slots")]
use spikelet_firmware::Stored;
#[cfg(feature = "slots")]
use spikelet_firmware::slots::{SlotError, Slots};
use spikelet_firmware::{Application, Buffers, Stop, board, start};
#[cfg(feature = "slots")]
use spikelet_runtime::{InputSpikes, Need};
use spikelet_runtime::{Memory, MemoryView, Network};

include!(concat!(env!("OUT_DIR"), "/model.rs"));

/// Puts the model at an address divisible by 16, as its format asks.
#[repr(align(16))]
pub struct Aligned<T>(T);

/// The memory that there is for a model.
#[cfg(feature = "slots")]
const ROOM: Need = Need {
    inputs: INPUTS,
    layers: spikelet_runtime::MAX_LAYERS,
    neurons: NEURONS,
    potentials: POTENTIALS,
    widest: WIDEST,
    classes: CLASSES,
};

#[entry]
fn main() -> ! {
    // cortex-m-rt makes local statics of an entry point exclusive references.
    static mut FILE: MaybeUninit<ModelFile<'static>> = MaybeUninit::uninit();
    static mut NETWORK: MaybeUninit<Network<'static, 'static>> = MaybeUninit::uninit();
    static mut MEMORY: Memory<NEURONS, POTENTIALS, WIDEST, CLASSES> = Memory::new();
    static mut REQUEST: [u8; link::REQUEST] = [0; link::REQUEST];
    static mut REPLY: [u8; link::REPLY + 1] = [0; link::REPLY + 1];
    static mut SPIKING: heapless::Vec<u16, INPUTS> = heapless::Vec::new();
    static mut OBSERVED: heapless::Vec<u8, { link::OBSERVED }> = heapless::Vec::new();

    let (board, mut uart) = board::start();
    #[cfg(feature = "hang")]
    if start::resets().0 == 0 {
        loop {
            core::hint::spin_loop();
        }
    }
    #[cfg(feature = "panic")]
    panic!("on purpose");
    #[cfg(feature = "fault")]
    board::fault();

    #[cfg(feature = "slots")]
    let mut slots = slots();
    #[cfg(feature = "slots")]
    let bytes = slots.boot(|bytes| is_usable(bytes, FILE, MEMORY.view(), SPIKING)).unwrap_or(&MODEL.0);
    #[cfg(feature = "slots")]
    let models = Stored::new(slots, ROOM);
    #[cfg(not(feature = "slots"))]
    let (bytes, models) = (&MODEL.0, BuiltIn);
    let file = open(FILE, bytes);
    let network = put_to_work(NETWORK, file, MEMORY.view());
    defmt::info!("model {=u32:08x} of {=usize} neurons is ready", file.id(), NEURONS);
    #[cfg(feature = "float")]
    defmt::info!("{=f32}", network.probability(0));
    #[cfg(feature = "recursion")]
    defmt::info!("{=u32}", ackermann(file.id(), file.id()));
    let buffers = Buffers { request: REQUEST, reply: REPLY, spiking: SPIKING, observed: OBSERVED };
    let live = board::live(file.model());
    let mut application = Application::new(file, network, board, models, live);
    if cfg!(feature = "live") {
        application.begin_live();
    }
    let stop = application.serve(&mut uart, buffers);
    if stop == Stop::Restart {
        start::announce(ResetCause::Model);
        cortex_m::peripheral::SCB::sys_reset();
    }
    board::exit(stop == Stop::Shutdown)
}

/// The slots for models; ends if the board has no room for them.
#[cfg(feature = "slots")]
#[inline(never)]
fn slots() -> Slots<board::flash::Flash> {
    let (offset, length) = board::flash::SLOTS;
    match board::flash::take().ok_or(SlotError::Flash).and_then(|flash| Slots::new(flash, offset, length)) {
        Ok(slots) => slots,
        Err(error) => {
            defmt::error!("the slots cannot be used: {}", error);
            board::exit(false)
        }
    }
}

/// True if a model from a slot can be opened, has enough memory, and passes its self-test.
#[cfg(feature = "slots")]
#[inline(never)]
fn is_usable(
    bytes: &'static [u8],
    place: &mut MaybeUninit<ModelFile<'static>>,
    memory: MemoryView<'_>,
    spiking: &mut InputSpikes,
) -> bool {
    let file = match ModelFile::open_in(place, bytes) {
        Ok(file) => file,
        Err(error) => {
            defmt::error!("a model in a slot cannot be used: {}", error);
            return false;
        }
    };
    let Ok(mut network) = Network::new(file.model(), memory) else {
        defmt::error!("the memory is too small for model {=u32:08x}", file.id());
        return false;
    };
    let tested = file.self_test(&mut network, spiking);
    if let Err(error) = tested {
        defmt::error!("model {=u32:08x} does not pass its self-test: {}", file.id(), error);
    }
    tested.is_ok()
}

/// Opens the model; ends if it is none. Like [`put_to_work`] not part of `main`, whose stack is in use for ever.
#[inline(never)]
fn open(
    place: &'static mut MaybeUninit<ModelFile<'static>>,
    bytes: &'static [u8],
) -> &'static ModelFile<'static> {
    match ModelFile::open_in(place, bytes) {
        Ok(file) => file,
        Err(error) => {
            defmt::error!("the model cannot be used: {}", error);
            board::exit(false)
        }
    }
}

/// Puts the network to work; ends if the memory is too small.
#[inline(never)]
fn put_to_work(
    place: &'static mut MaybeUninit<Network<'static, 'static>>,
    file: &'static ModelFile<'static>,
    memory: MemoryView<'static>,
) -> &'static mut Network<'static, 'static> {
    match Network::new(file.model(), memory) {
        Ok(network) => place.write(network),
        Err(error) => {
            defmt::error!("the memory is too small for the model: {}", error);
            board::exit(false)
        }
    }
}

/// Without bound as far as anyone can tell.
#[cfg(feature = "recursion")]
fn ackermann(m: u32, n: u32) -> u32 {
    match (m, n) {
        (0, n) => n.wrapping_add(1),
        (m, 0) => ackermann(m - 1, 1),
        (m, n) => ackermann(m - 1, ackermann(m, n - 1)),
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    board::fail(|| defmt::error!("panic"))
}

#[exception]
#[allow(
    unsafe_code,
    reason = "cortex-m-rt asks for it: after a fault nothing can be relied on, and this only ends"
)]
unsafe fn HardFault(_: &ExceptionFrame) -> ! {
    board::fail(|| defmt::error!("hard fault"))
}

defmt::timestamp!("{=u32}", 0);
