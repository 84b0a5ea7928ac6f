//! Boots the application on a board.
#![no_std]
#![no_main]

use core::mem::MaybeUninit;
use core::panic::PanicInfo;
use cortex_m_rt::{ExceptionFrame, entry, exception};
use embedded_io::{Read, ReadReady, Write};
use spikelet_export::link::ResetCause;
use spikelet_export::{ModelFile, link};
#[cfg(not(feature = "slots"))]
use spikelet_firmware::BuiltIn;
#[cfg(feature = "slots")]
use spikelet_firmware::Stored;
use spikelet_firmware::live::{Live, Outputs, SpikeSource};
#[cfg(feature = "slots")]
use spikelet_firmware::slots::Slots;
use spikelet_firmware::{Application, Board, Buffers, ModelStore, Stop, board, start};
#[cfg(feature = "slots")]
use spikelet_runtime::{InputSpikes, Need};
use spikelet_runtime::{Memory, MemoryView, Model, Network};

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
#[allow(clippy::too_many_arguments, reason = "cortex-m-rt makes arguments of the local statics")]
fn main() -> ! {
    // cortex-m-rt makes local statics of an entry point exclusive references.
    static mut FILE: MaybeUninit<ModelFile<'static>> = MaybeUninit::uninit();
    static mut NETWORK: MaybeUninit<Network<'static, 'static>> = MaybeUninit::uninit();
    static mut MEMORY: Memory<NEURONS, POTENTIALS, WIDEST, CLASSES> = Memory::new();
    static mut REQUEST: [u8; link::REQUEST] = [0; link::REQUEST];
    static mut REPLY: [u8; link::REPLY + 1] = [0; link::REPLY + 1];
    static mut SPIKING: heapless::Vec<u16, INPUTS> = heapless::Vec::new();
    static mut OBSERVED: heapless::Vec<u8, { link::OBSERVED }> = heapless::Vec::new();

    static mut APPLICATION: Place = MaybeUninit::uninit();
    #[cfg(feature = "slots")]
    static mut MODELS: MaybeUninit<Stored<board::flash::Flash>> = MaybeUninit::uninit();

    let (board, mut wire) = board::start();
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
    let (bytes, models) = choose(MODELS, FILE, &mut *MEMORY, SPIKING, APPLICATION);
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
    run(APPLICATION, file, network, board, models, &mut wire, buffers)
}

/// Memory of the application, whose type depends on the board, and which would else be on the stack for ever.
type Place = MaybeUninit<[u64; 48]>;

/// Makes the application where it is to stay.
#[inline(never)]
#[allow(unsafe_code, reason = "takes memory that is of no type for that of the application")]
fn keep<B: Board + 'static, M: ModelStore + 'static, S: SpikeSource + 'static, O: Outputs + 'static>(
    place: &'static mut Place,
    file: &'static ModelFile<'static>,
    network: &'static mut Network<'static, 'static>,
    board: B,
    models: M,
    live: impl FnOnce(&Model<'_>) -> Live<S, O>,
) -> &'static mut Application<'static, 'static, B, M, S, O> {
    const {
        let (size, alignment) = (
            size_of::<Application<'static, 'static, B, M, S, O>>(),
            align_of::<Application<'static, 'static, B, M, S, O>>(),
        );
        assert!(size <= size_of::<Place>() && alignment <= align_of::<Place>(), "make it larger");
    }
    let application = Application::new(file, network, board, models, live(file.model()));
    let place = place.as_mut_ptr().cast::<Application<'static, 'static, B, M, S, O>>();
    // SAFETY: the memory is large enough and aligned, as asserted above, and nothing else has it: it was given away for ever.
    unsafe {
        place.write(application);
        &mut *place
    }
}

/// Answers the host, and ends or starts anew as it says. Not part of `main`, so that its stack is not in use while models are tried.
#[inline(never)]
fn run<B: Board + 'static, W: Read + ReadReady + Write>(
    place: &'static mut Place,
    file: &'static ModelFile<'static>,
    network: &'static mut Network<'static, 'static>,
    board: B,
    models: impl ModelStore + 'static,
    wire: &mut W,
    buffers: Buffers<'_>,
) -> ! {
    let application = keep(place, file, network, board, models, board::live);
    if cfg!(feature = "live") {
        application.begin_live();
    }
    let stop = application.serve(wire, buffers);
    if matches!(stop, Stop::Restart) {
        start::announce(ResetCause::Model);
        cortex_m::peripheral::SCB::sys_reset();
    }
    board::exit(matches!(stop, Stop::Shutdown))
}

/// The model to run: that of a slot, or the one that is built in. Ends if the board has no room for slots.
#[cfg(feature = "slots")]
#[inline(never)]
fn choose(
    place: &'static mut MaybeUninit<Stored<board::flash::Flash>>,
    file: &mut MaybeUninit<ModelFile<'static>>,
    memory: &mut Memory<NEURONS, POTENTIALS, WIDEST, CLASSES>,
    spiking: &mut InputSpikes,
    scratch: &mut Place,
) -> (&'static [u8], &'static mut Stored<board::flash::Flash>) {
    let models = stored(place);
    let usable = |bytes| opened(bytes, file).is_some_and(|file| works(file, memory, spiking, scratch));
    (models.slots().boot(usable).unwrap_or(&MODEL.0), models)
}

/// The slots for models. Apart from [`choose`], so that its stack is not in use while models are tried.
#[cfg(feature = "slots")]
#[inline(never)]
fn stored(
    place: &'static mut MaybeUninit<Stored<board::flash::Flash>>,
) -> &'static mut Stored<board::flash::Flash> {
    let (offset, length) = board::flash::SLOTS;
    match board::flash::take().map(|flash| Slots::new(flash, offset, length)) {
        Some(Ok(slots)) => place.write(Stored::new(slots, ROOM)),
        Some(Err(error)) => {
            defmt::error!("the slots cannot be used: {}", error);
            board::exit(false)
        }
        None => board::exit(false),
    }
}

/// A model from a slot, if it can be opened. Apart from [`works`], so that the stack of both is not in use at once.
#[cfg(feature = "slots")]
#[inline(never)]
fn opened<'p>(
    bytes: &'static [u8],
    place: &'p mut MaybeUninit<ModelFile<'static>>,
) -> Option<&'p ModelFile<'static>> {
    let opened = ModelFile::open_in(place, bytes);
    if let Err(error) = opened {
        defmt::error!("a model in a slot cannot be used: {}", error);
    }
    opened.ok()
}

/// True if there is memory for a model and it passes its self-test.
#[cfg(feature = "slots")]
#[inline(never)]
fn works(
    file: &ModelFile<'_>,
    memory: &mut Memory<NEURONS, POTENTIALS, WIDEST, CLASSES>,
    spiking: &mut InputSpikes,
    scratch: &mut Place,
) -> bool {
    let Some(network) = network_in(scratch, file, memory.view()) else {
        defmt::error!("the memory is too small for model {=u32:08x}", file.id());
        return false;
    };
    let tested = file.self_test(network, spiking);
    if let Err(error) = tested {
        defmt::error!("model {=u32:08x} does not pass its self-test: {}", file.id(), error);
    }
    tested.is_ok()
}

/// A network for a test, in memory that is used otherwise later; `None` if the memory for its states is too small.
#[cfg(feature = "slots")]
#[inline(never)]
#[allow(unsafe_code, reason = "takes memory that is of no type for that of the network")]
fn network_in<'p>(
    scratch: &'p mut Place,
    file: &'p ModelFile<'p>,
    memory: MemoryView<'p>,
) -> Option<&'p mut Network<'p, 'p>> {
    const {
        assert!(size_of::<Network<'_, '_>>() <= size_of::<Place>());
        assert!(align_of::<Network<'_, '_>>() <= align_of::<Place>());
    }
    let place = scratch.as_mut_ptr().cast::<MaybeUninit<Network<'p, 'p>>>();
    // SAFETY: the memory is large enough and aligned, as asserted above, and is borrowed for as long as the network is.
    let place = unsafe { &mut *place };
    Network::new_in(place, file.model(), memory).ok()
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
    match Network::new_in(place, file.model(), memory) {
        Ok(network) => network,
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
