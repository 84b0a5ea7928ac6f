//! The functions that C calls: pointers become references here, and nowhere else.
//!
//! Every pointer is checked for NULL and alignment, every length against what the model asks for. What cannot be checked is
//! C's to keep, and stands in the documentation of `spikelet_open`: that a pointer leads to as many bytes as is said, that
//! model and working memory stay what they are, and that one network is used from one place at a time.
#![allow(
    unsafe_code,
    reason = "turns C's pointers into references, and carves up the memory that they lead to"
)]
#![allow(clippy::missing_safety_doc, reason = "these are for C; the contract stands at spikelet_open")]

use crate::error::{self, Error};
use crate::network::{Info, Spikelet, spiking_room};
use crate::plan::{Plan, SPIKELET_MEMORY_ALIGNMENT};
use core::ffi::{c_char, c_void};
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::slice;
use heapless::{Vec, VecView};
use spikelet_export::{ModelFile, PREFIX};
use spikelet_runtime::formats::{Current, Score};
use spikelet_runtime::{MemoryView, Network, Potentials, Spike};

/// Alignment in bytes that a model must have.
pub const SPIKELET_MODEL_ALIGNMENT: usize = 16;

const _: () = assert!(SPIKELET_MODEL_ALIGNMENT == PREFIX);

/// Checks a model and tells what it is and needs, without any working memory.
///
/// `model` points to the `length` bytes of a model file, at an address divisible by SPIKELET_MODEL_ALIGNMENT. All of it is
/// read once, for its CRC. Nothing is written to `info` if the model is refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spikelet_inspect(model: *const u8, length: usize, info: *mut Info) -> Error {
    // SAFETY: C's pointers lead to what the documentation says.
    answer(|| unsafe {
        let (model, info) = (list(model, length)?, place(info)?);
        info.write(Info::of(&ModelFile::open(model)?));
        Ok(())
    })
}

/// Opens a model and puts a network of it, at rest, into working memory.
///
/// `model` points to the `length` bytes of a model file, at an address divisible by SPIKELET_MODEL_ALIGNMENT: it is used
/// where it lies, in flash. `memory` points to `bytes` bytes of RAM, at an address divisible by SPIKELET_MEMORY_ALIGNMENT;
/// they need not be cleared. `SPIKELET_MEMORY` tells at compile time how many suffice, and `spikelet_inspect` at run time
/// how many are needed. `*net` becomes the network, or NULL if the model is refused.
///
/// As long as the network is used, the model's bytes must not change, the working memory must be used for nothing else and
/// stay where it is, and no two calls may work on the same network at once. Several networks may share a model, each with
/// working memory of its own, and run in different threads or interrupts. There is nothing to close: to end, use the memory
/// for something else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spikelet_open(
    model: *const u8,
    length: usize,
    memory: *mut c_void,
    bytes: usize,
    net: *mut *mut Spikelet,
) -> Error {
    // SAFETY: C's pointers lead to what the documentation says, as long as the network is used.
    answer(|| unsafe {
        let net = place(net)?;
        net.write(ptr::null_mut());
        net.write(open(list(model, length)?, memory, bytes)?.as_ptr());
        Ok(())
    })
}

/// Tells what the model of a network is and needs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spikelet_describe(net: *const Spikelet, info: *mut Info) -> Error {
    // SAFETY: C's pointers lead to what the documentation says.
    answer(|| unsafe {
        place(info)?.write(shared(net)?.info());
        Ok(())
    })
}

/// Puts a network back to rest, as it was before its first timestep; scores and counts become 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spikelet_reset(net: *mut Spikelet) -> Error {
    // SAFETY: C gives a network that spikelet_open has made, uses it nowhere else at the time.
    answer(|| unsafe {
        exclusive(net)?.reset();
        Ok(())
    })
}

/// Advances a network by one timestep in which `count` inputs spike.
///
/// `spikes` lists them in ascending order, from 0 to inputs - 1; it may be NULL if `count` is 0. An input that is listed
/// twice counts twice: scores then mean something only if the model was trained on such input. A timestep without a spike is
/// nearly free once the network rests.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spikelet_step(net: *mut Spikelet, spikes: *const u16, count: usize) -> Error {
    // SAFETY: C gives a network that spikelet_open has made, uses it nowhere else at the time, and `count` spikes.
    answer(|| unsafe { exclusive(net)?.step(list(spikes, count)?) })
}

/// Lists the pixels that spike at timestep `t` of a sequence, with the model's own encoder, ready for `spikelet_step`.
///
/// `pixels` are as many grey values as the model has inputs, row by row, 0 = background; blank timesteps have no spikes.
/// `stream` names the random numbers of the rate code: the same image in the same stream gives the same spikes, and a host
/// shows test image number k in stream k. `spikes` has room for `room` entries, at least as many as the model has inputs;
/// `*count` becomes the number of those that are written. Does not touch the network's states.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spikelet_encode(
    net: *mut Spikelet,
    stream: u64,
    t: u16,
    pixels: *const u8,
    pixel_count: usize,
    spikes: *mut u16,
    room: usize,
    count: *mut usize,
) -> Error {
    // SAFETY: C gives a network that spikelet_open has made, uses it nowhere else at the time, and as many pixels and as much
    // room as it says.
    answer(|| unsafe {
        let (net, count) = (exclusive(net)?, place(count)?);
        // Room for the most that there can be: no call fails only because of what the image shows.
        if room < pixel_count {
            return Err(Error::Count);
        }
        let spiking = net.encode(stream, t, list(pixels, pixel_count)?)?;
        fill(spiking.iter().copied(), spikes, room)?;
        count.write(spiking.len());
        Ok(())
    })
}

/// Shows an image to a network, from rest to the end of the sequence, or with `early` until it has decided.
///
/// `pixels` and `stream` are those of `spikelet_encode`. `*chosen` becomes the class; scores, counts and timesteps stay to be
/// read. Equal in every bit to what `cargo spikelet eval` finds on a host.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spikelet_infer(
    net: *mut Spikelet,
    stream: u64,
    early: bool,
    pixels: *const u8,
    pixel_count: usize,
    chosen: *mut u16,
) -> Error {
    // SAFETY: C gives a network that spikelet_open has made, uses it nowhere else at the time, and as many pixels as it says.
    answer(|| unsafe {
        let (net, chosen) = (exclusive(net)?, place(chosen)?);
        net.infer(stream, early, list(pixels, pixel_count)?)?;
        chosen.write(net.class());
        Ok(())
    })
}

/// The class with the highest score, of equal ones the first; 65535 if `net` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spikelet_class(net: *const Spikelet) -> u16 {
    // SAFETY: C gives a network that spikelet_open has made.
    unsafe { shared(net) }.map_or(u16::MAX, Spikelet::class)
}

/// True if the best score leads by the model's margin: more timesteps are not expected to change the class. Never true of a
/// model without a margin, nor of NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spikelet_has_decided(net: *const Spikelet) -> bool {
    // SAFETY: C gives a network that spikelet_open has made.
    unsafe { shared(net) }.is_ok_and(Spikelet::has_decided)
}

/// Timesteps since the last reset; 0 if `net` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spikelet_steps(net: *const Spikelet) -> u32 {
    // SAFETY: C gives a network that spikelet_open has made.
    unsafe { shared(net) }.map_or(0, Spikelet::steps)
}

/// Writes the score of each class, in 2^-14. `room` entries fit: at least as many as there are classes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spikelet_scores(net: *const Spikelet, scores: *mut i32, room: usize) -> Error {
    // SAFETY: C gives a network that spikelet_open has made, and as much room as it says.
    answer(|| unsafe { fill(shared(net)?.scores(), scores, room) })
}

/// Writes for each layer how many times its neurons have spiked since the last reset. `room` entries fit: at least as many as
/// there are layers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spikelet_spike_counts(net: *const Spikelet, counts: *mut u32, room: usize) -> Error {
    // SAFETY: C gives a network that spikelet_open has made, and as much room as it says.
    answer(|| unsafe { fill(shared(net)?.spike_counts(), counts, room) })
}

/// A sentence for an error, which stays valid for ever; any number may be given.
#[unsafe(no_mangle)]
pub extern "C" fn spikelet_error_text(error: i32) -> *const c_char {
    error::text(error).as_ptr()
}

/// What a call comes to.
fn answer(call: impl FnOnce() -> Result<(), Error>) -> Error {
    call().err().unwrap_or(Error::None)
}

/// Puts a network of a model into working memory.
///
/// # Safety
/// `memory` must lead to `bytes` bytes that nothing else uses from now on.
unsafe fn open(model: &'static [u8], memory: *mut c_void, bytes: usize) -> Result<NonNull<Spikelet>, Error> {
    let memory: NonNull<u8> = NonNull::new(memory.cast()).ok_or(Error::Pointer)?;
    if !memory.addr().get().is_multiple_of(SPIKELET_MEMORY_ALIGNMENT) {
        return Err(Error::Pointer);
    }
    if bytes < Plan::SMALLEST.end {
        return Err(Error::Memory);
    }
    // SAFETY: the file has the same place in every plan, and the smallest ends before the memory does.
    let file = unsafe { open_file(model, memory)? };
    let need = file.model().need();
    let room = spiking_room(file);
    let plan = Plan::of(&need, room);
    if bytes < plan.end {
        return Err(Error::Memory);
    }
    // SAFETY: the parts of the plan follow each other without overlap, each aligned for what it holds, and end before the
    // memory does. References to them last as long as C uses the network, for which the memory is the network's alone.
    unsafe {
        let parts = MemoryView {
            currents: values(memory, plan.currents, need.neurons, Current::ZERO),
            potentials: values(memory, plan.potentials, need.potentials, Potentials::REST),
            sums: values(memory, plan.sums, need.widest, 0),
            spikes: empty_list::<Spike>(memory, plan.spikes, need.widest),
            scores: values(memory, plan.scores, need.classes, Score::ZERO),
            votes: values(memory, plan.votes, need.classes, 0),
        };
        let network = Network::new(file.model(), parts).map_err(|_| Error::Memory)?;
        let spiking = empty_list(memory, plan.spiking, room);
        Ok(write(memory, plan.network, Spikelet::new(file, network, spiking)))
    }
}

/// Opens a model's file where it is to stay in working memory. Apart from what follows, so that the stack it needs is free
/// again by then.
///
/// # Safety
/// `memory` must lead to room for the smallest plan, which nothing else uses from now on.
#[inline(never)]
unsafe fn open_file(model: &'static [u8], memory: NonNull<u8>) -> Result<&'static ModelFile<'static>, Error> {
    // SAFETY: there is room for the file, and nothing else uses it, as the caller sees to.
    let place = unsafe { memory.add(Plan::SMALLEST.file).cast::<MaybeUninit<ModelFile<'static>>>().as_mut() };
    Ok(ModelFile::open_in(place, model)?)
}

/// Writes a value into working memory.
///
/// # Safety
/// There must be room for it at `offset`, aligned.
unsafe fn write<T>(memory: NonNull<u8>, offset: usize, value: T) -> NonNull<T> {
    // SAFETY: there is room at `offset`, as the caller sees to.
    unsafe {
        let place = memory.add(offset).cast();
        place.write(value);
        place
    }
}

/// Writes `count` copies of a value into working memory.
///
/// # Safety
/// There must be room for them at `offset`, aligned, for as long as the result is used, and nothing else may use it.
unsafe fn values<T: Copy>(memory: NonNull<u8>, offset: usize, count: usize, value: T) -> &'static mut [T] {
    // SAFETY: there is room for all of them, as the caller sees to, and each is written before they are lent.
    unsafe {
        let first: NonNull<T> = memory.add(offset).cast();
        for index in 0..count {
            first.add(index).write(value);
        }
        slice::from_raw_parts_mut(first.as_ptr(), count)
    }
}

/// Makes an empty list in working memory.
///
/// # Safety
/// There must be room at `offset`, aligned, for a `Vec<T, 0>` and `capacity` values, for as long as the result is used, and
/// nothing else may use it.
unsafe fn empty_list<T>(memory: NonNull<u8>, offset: usize, capacity: usize) -> &'static mut VecView<T> {
    const {
        let (none, some) = (size_of::<Vec<T, 0>>(), size_of::<Vec<T, 1024>>());
        assert!(some == none + 1024 * size_of::<T>(), "a list is its length, and then its values");
    }
    // SAFETY: a Vec of any capacity coerces to a VecView, so that they share one layout: what a Vec of capacity 0 holds, its
    // length, and then the values. That is written here; values behind the length need not be.
    unsafe {
        let place = write(memory, offset, Vec::<T, 0>::new());
        let view = ptr::slice_from_raw_parts_mut(place.cast::<T>().as_ptr(), capacity) as *mut VecView<T>;
        &mut *view
    }
}

/// A network to read.
///
/// # Safety
/// `net` must be NULL, or what `spikelet_open` has given, which nothing changes meanwhile.
unsafe fn shared<'a>(net: *const Spikelet) -> Result<&'a Spikelet, Error> {
    // SAFETY: the network was written by `open`; a pointer that cannot be one is refused.
    if net.is_aligned() { unsafe { net.as_ref() }.ok_or(Error::Pointer) } else { Err(Error::Pointer) }
}

/// A network to work with.
///
/// # Safety
/// `net` must be NULL, or what `spikelet_open` has given, which nothing else uses meanwhile.
unsafe fn exclusive<'a>(net: *mut Spikelet) -> Result<&'a mut Spikelet, Error> {
    // SAFETY: the network was written by `open`; a pointer that cannot be one is refused.
    if net.is_aligned() { unsafe { net.as_mut() }.ok_or(Error::Pointer) } else { Err(Error::Pointer) }
}

/// A list that C has made; of no entries, it may be NULL.
///
/// # Safety
/// `first` must lead to `count` values, which nothing changes meanwhile.
unsafe fn list<'a, T>(first: *const T, count: usize) -> Result<&'a [T], Error> {
    if first.is_null() && count == 0 {
        return Ok(&[]);
    }
    if first.is_null() || !first.is_aligned() {
        return Err(Error::Pointer);
    }
    if count > isize::MAX as usize / size_of::<T>() {
        return Err(Error::Count);
    }
    // SAFETY: the pointer is aligned and not NULL, the list no longer than any can be, and the caller sees to the rest.
    Ok(unsafe { slice::from_raw_parts(first, count) })
}

/// Where C wants a result.
///
/// # Safety
/// `place` must be NULL, or lead to room for it that nothing else uses meanwhile.
unsafe fn place<'a, T>(place: *mut T) -> Result<&'a mut MaybeUninit<T>, Error> {
    if place.is_null() || !place.is_aligned() {
        return Err(Error::Pointer);
    }
    // SAFETY: the place is aligned and not NULL, and the caller sees to the rest.
    Ok(unsafe { &mut *place.cast() })
}

/// Writes results to where C wants them; nothing if not all fit.
///
/// # Safety
/// `first` must be NULL, or lead to room for `room` values.
unsafe fn fill<T>(values: impl ExactSizeIterator<Item = T>, first: *mut T, room: usize) -> Result<(), Error> {
    if first.is_null() || !first.is_aligned() {
        return Err(Error::Pointer);
    }
    if values.len() > room {
        return Err(Error::Count);
    }
    for (index, value) in values.enumerate() {
        // SAFETY: `index` is below `room`, the pointer aligned and not NULL, and the caller sees to the rest.
        unsafe { first.add(index).write(value) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use spikelet_export::quantise::{FloatCell, FloatLayer, FloatSrc, LayerInput, quantise};
    use spikelet_export::{
        AlignedBytes, EncoderHeader, Header, Outline, Provenance, ReadoutHeader, write_model,
    };
    use spikelet_runtime::Width;
    use spikelet_runtime::formats::Loss;
    use std::vec;

    /// Four pixels, two layers of as many neurons, two classes, 32 timesteps.
    fn model() -> AlignedBytes {
        let weight: [f32; 16] = core::array::from_fn(|k| if k % 5 == 0 { 40.0 } else { 0.0 });
        let layer = |input| {
            let cell = FloatCell::Src { constants: FloatSrc::PAPER, bias: &[-5.0; 4], initial: None };
            quantise(&FloatLayer { weight: &weight, neurons: 4, width: Width::Eight, input, cell }).unwrap()
        };
        let (first, second) = (layer(LayerInput::First), layer(LayerInput::Graded));
        let outline = Outline {
            width: 2,
            height: 2,
            channels: 1,
            classes: 2,
            blank_before: 1,
            steps: 30,
            blank_after: 1,
            encoder: EncoderHeader::Rate { gain: 1 << 16, seed: 1 },
            readout: ReadoutHeader {
                loss: Loss::from_num(0.01).to_bits(),
                excite: Score::ONE.to_bits(),
                inhibit: Score::from_num(-0.1).to_bits(),
            },
            margin: None,
        };
        let layers = [first.header, second.header].into_iter().collect();
        let header = Header { outline, layers, provenance: Provenance::default() };
        write_model(&header, &[first.blocks, second.blocks]).unwrap()
    }

    /// Every call, in memory that is exactly as large as it must be: under Miri, that no access leaves it or breaks a borrow.
    #[test]
    fn a_network_keeps_to_its_memory() {
        let model = model();
        let mut info = Info::of(&ModelFile::open(&model).unwrap());
        let mut memory = vec![u64::MAX; info.memory / 8];
        let (mut net, mut chosen, mut count) = (ptr::null_mut(), 9, 9);
        let (mut spikes, mut scores, mut counts) = ([9; 4], [9; 2], [9; 2]);
        let pixels = [255, 255, 0, 0];
        // SAFETY: the model lives as long as this test, and every pointer leads to what is said beside it.
        let results = unsafe {
            [
                spikelet_open(model.as_ptr(), model.len(), memory.as_mut_ptr().cast(), info.memory, &mut net),
                spikelet_infer(net, 0, false, pixels.as_ptr(), 4, &mut chosen),
                spikelet_scores(net, scores.as_mut_ptr(), 2),
                spikelet_reset(net),
                spikelet_encode(net, 0, 1, pixels.as_ptr(), 4, spikes.as_mut_ptr(), 4, &mut count),
                (0..20)
                    .map(|_| spikelet_step(net, spikes.as_ptr(), count))
                    .max_by_key(|&error| error as i32)
                    .unwrap(),
                spikelet_spike_counts(net, counts.as_mut_ptr(), 2),
                spikelet_describe(net, &mut info),
            ]
        };
        assert_eq!(results, [Error::None; 8]);
        assert_eq!((chosen, count, &spikes[..2]), (0, 2, &[0, 1][..]));
        assert!(scores[0] > 0 && scores[1] < 0 && counts[0] > 0, "{scores:?}, {counts:?}");
        // SAFETY: the network is the one that was opened.
        assert_eq!(unsafe { (spikelet_steps(net), spikelet_class(net)) }, (20, 0));
    }
}
