//! The two slots for models, on simulated flash whose power is cut in every write and erasure.

use embedded_storage::nor_flash::NorFlash;
use proptest::prelude::*;
use spikelet_export::{AlignedBytes, ModelFile};
use spikelet_firmware::slots::{Mapped, Model, NoFlash, Slot, SlotError, SlotState, Slots};
use spikelet_runtime::Width;
use spikelet_tests::flash::SimulatedFlash;
use spikelet_tests::{Noise, PAPER, random_model_in, rate};
use std::sync::OnceLock;

/// Models of 1 to 5 KB.
fn models() -> &'static [AlignedBytes; 3] {
    static MODELS: OnceLock<[AlignedBytes; 3]> = OnceLock::new();
    MODELS.get_or_init(|| {
        [[36, 20], [64, 60], [16, 50]].map(|widths| {
            random_model_in(&[Width::Eight], PAPER, &widths, [0, 9, 0], rate(), widths[0].into())
        })
    })
}

fn length(model: &[u8]) -> u32 {
    model.len() as u32
}

fn crc(model: &AlignedBytes) -> u32 {
    ModelFile::open(model).unwrap().id()
}

/// Where the slots begin, in pages: what lies before them is none of theirs.
const FIRST: u32 = 1;
/// Pages of a slot of 1 KB pages: one head and room for the largest model.
const PAGES: u32 = 7;

type Flash = SimulatedFlash<4, 1024>;

/// Flash that was used for something else.
fn used<const WRITE: usize, const ERASE: usize>() -> SimulatedFlash<WRITE, ERASE> {
    let mut noise = Noise(3);
    let pages = (FIRST + 2 * PAGES + 1) as usize;
    SimulatedFlash::new(&(0..pages * ERASE).map(|_| noise.bits() as u8).collect::<Vec<_>>())
}

fn open<F: NorFlash + Mapped>(flash: F) -> Slots<F> {
    let page = F::ERASE_SIZE as u32;
    Slots::new(flash, FIRST * page, 2 * PAGES * page).unwrap()
}

/// Starts the active model, as a board does.
fn start<F: NorFlash + Mapped>(slots: &mut Slots<F>) -> Option<&'static [u8]> {
    let active = slots.active();
    active.map(|active| slots.start(&active))
}

/// An update, as a board does it: chunks of a few sizes, and a model that is tried before it is sealed.
fn update<F: NorFlash + Mapped>(slots: &mut Slots<F>, model: &AlignedBytes) -> Result<Model, SlotError> {
    let mut held = slots.offer(length(model), crc(model))?;
    for size in [16, 100, 7, 256].into_iter().cycle() {
        let rest = &model[held as usize..];
        if rest.is_empty() {
            break;
        }
        let end = held + size.min(rest.len()) as u32;
        assert_eq!(slots.write(held, &rest[..(end - held) as usize])?, end);
        held = end;
    }
    assert_eq!(slots.verify()?, &model[..]);
    slots.seal()
}

/// The active model is one of these, whole.
fn check_active(flash: &Flash, may_be: &[&AlignedBytes], what: &str) -> Option<usize> {
    let mut slots = open(flash.clone());
    let bytes = start(&mut slots);
    let found = may_be.iter().position(|model| bytes == Some(&model[..]));
    assert!(found.is_some() || bytes.is_none() && may_be.is_empty(), "{what}: {:?}", slots.list());
    found
}

/// A model in the flash, and a second one that runs.
fn with_two(first: &AlignedBytes, second: &AlignedBytes) -> Flash {
    let mut slots = open(used::<4, 1024>());
    slots.start_built_in();
    assert_eq!(update(&mut slots, first).unwrap().slot, Slot::First);
    start(&mut slots);
    assert_eq!(update(&mut slots, second).unwrap().slot, Slot::Second);
    let mut flash = slots.into_flash();
    flash.restart();
    flash
}

/// Cuts the power in each operation of an update, in several ways; what is active then is the old model or the new one. Then
/// the update is made again, and a cut in that one is survived, too.
fn cut_everywhere<const WRITE: usize, const ERASE: usize>(tears: u64) {
    let [old, older, new] = models();
    let before = {
        let mut slots = open(used::<WRITE, ERASE>());
        update(&mut slots, older).unwrap();
        start(&mut slots);
        update(&mut slots, old).unwrap();
        let mut flash = slots.into_flash();
        flash.restart();
        flash
    };
    let run = |flash: SimulatedFlash<WRITE, ERASE>| {
        let mut slots = open(flash);
        start(&mut slots);
        let result = update(&mut slots, new);
        (slots.into_flash(), result)
    };
    let operations = run(before.clone()).0.operations();
    assert!(operations > 20, "{operations}");
    let (mut olds, mut news) = (0, 0);
    for operation in 0..operations {
        // The one that activates is of most interest.
        let tears = if operation == operations - 1 { 100 } else { tears };
        for tear in 0..tears {
            let seed = operation as u64 * 100 + tear;
            let mut flash = before.clone();
            flash.cut_at(operation, seed);
            let (mut flash, result) = run(flash);
            assert_eq!(result, Err(SlotError::Flash), "{operation}");
            assert!(!flash.is_powered());
            flash.restart();
            let mut slots = open(flash);
            let bytes = start(&mut slots).expect("one is active");
            let is_new = bytes == &new[..];
            assert!(is_new || bytes == &old[..], "cut in {operation}, {tear}: {:?}", slots.list());
            assert!(!is_new || operation == operations - 1, "{operation} is not the one that activates");
            if is_new {
                news += 1;
                assert_eq!(update(&mut slots, new), Err(SlotError::Active));
            } else {
                olds += 1;
                // Another cut, anywhere behind the first.
                let mut again = slots.flash().clone();
                again.cut_at(seed as usize % 7, !seed);
                slots = open(again);
                start(&mut slots);
                let second = update(&mut slots, new);
                let mut flash = slots.into_flash();
                flash.restart();
                slots = open(flash);
                assert!(start(&mut slots).is_some_and(|bytes| bytes == &new[..] || bytes == &old[..]));
                if second.is_err() && slots.active().unwrap().crc != crc(new) {
                    update(&mut slots, new).unwrap();
                }
                assert_eq!(start(&mut slots), Some(&new[..]));
            }
            // And back, since nothing was lost of the old one.
            slots.rollback().unwrap();
            assert_eq!(start(&mut slots), Some(&old[..]));
        }
    }
    assert!(olds > 0 && news > 0, "{olds} old, {news} new");
}

#[test]
fn a_cut_in_any_write_leaves_the_old_model_or_the_new_one() {
    cut_everywhere::<4, 1024>(12);
}

#[test]
fn whatever_the_units_of_the_flash() {
    cut_everywhere::<1, 2048>(3);
    cut_everywhere::<8, 4096>(3);
    cut_everywhere::<16, 1024>(3);
}

#[test]
fn a_cut_in_a_rollback_leaves_either_model() {
    let [old, new, _] = models();
    let before = with_two(old, new);
    let mut both = [0; 2];
    for tear in 0..200 {
        let mut flash = before.clone();
        flash.cut_at(0, tear);
        let mut slots = open(flash);
        start(&mut slots);
        assert_eq!(slots.rollback(), Err(SlotError::Flash));
        let mut flash = slots.into_flash();
        flash.restart();
        let active = check_active(&flash, &[old, new], "after the cut").unwrap();
        both[active] += 1;
        let mut slots = open(flash);
        if active == 1 {
            slots.rollback().unwrap();
        }
        assert_eq!(start(&mut slots), Some(&old[..]));
    }
    assert!(both.iter().all(|&count| count > 10), "{both:?}");
}

/// Something that a user does, and when the power is cut in it.
#[derive(Clone, Debug)]
enum Deed {
    Update(usize),
    Break { model: usize, behind: usize },
    Rollback,
    Discard(usize),
}

fn deeds() -> impl Strategy<Value = Vec<(Deed, Option<usize>, u64)>> {
    let deed = prop_oneof![
        4 => (0..3usize).prop_map(Deed::Update),
        2 => (0..3usize, 0..6000usize).prop_map(|(model, behind)| Deed::Break { model, behind }),
        2 => Just(Deed::Rollback),
        1 => (0..3usize).prop_map(Deed::Discard),
    ];
    proptest::collection::vec((deed, proptest::option::of(0..60usize), any::<u64>()), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// However often and wherever the power is cut: what is active is what was active before, or what was to become so.
    #[test]
    fn any_history_leaves_a_whole_model(deeds in deeds()) {
        let models = models();
        let mut flash = used::<4, 1024>();
        let mut active: Option<usize> = None;
        for (deed, cut, seed) in deeds {
            if let Some(operation) = cut {
                flash.cut_at(operation, seed);
            }
            let mut slots = open(flash);
            start(&mut slots);
            let other = slots.models()[1].and_then(|model| models.iter().position(|m| crc(m) == model.crc));
            let (done, target) = match deed {
                Deed::Update(model) => (update(&mut slots, &models[model]).map(drop), Some(model)),
                Deed::Break { model, behind } => {
                    let model = &models[model];
                    let broken = slots.offer(length(model), crc(model)).and_then(|held| {
                        let (from, end) = (held as usize, behind.min(model.len()).max(held as usize));
                        slots.write(held, &model[from..end])
                    });
                    (broken.map(drop), None)
                }
                Deed::Rollback => (slots.rollback().map(drop), other),
                Deed::Discard(model) => {
                    let model = &models[model];
                    let offered = slots.offer(length(model), crc(model));
                    (offered.and_then(|_| slots.discard()), None)
                }
            };
            flash = slots.into_flash();
            flash.restart();
            let now = open(flash.clone()).active().map(|now| models.iter().position(|m| crc(m) == now.crc).unwrap());
            match done {
                Ok(()) => prop_assert_eq!(now, target.or(active)),
                Err(SlotError::Active) => prop_assert_eq!((now, target.or(active)), (active, active)),
                Err(SlotError::NoOther) => prop_assert_eq!(now, active),
                Err(SlotError::Flash) => prop_assert!(now == active || now == target, "{:?}", now),
                Err(other) => prop_assert!(false, "{other}"),
            }
            if let Some(now) = now {
                prop_assert_eq!(start(&mut open(flash.clone())), Some(&models[now][..]));
            }
            active = now;
        }
    }

    /// A broken transfer goes on from the last whole stretch of what was there, whatever the size of the chunks.
    #[test]
    fn a_broken_transfer_goes_on(breaks in proptest::collection::vec(1..3000usize, 1..6), chunk in 1..700usize) {
        let model = &models()[1];
        let mut flash = used::<4, 1024>();
        let mut sent = 0;
        for length_of_run in breaks {
            let mut slots = open(flash);
            let mut held = slots.offer(length(model), crc(model)).unwrap() as usize;
            prop_assert!(held <= sent && sent - held < 1024, "{held} of {sent}");
            let end = (held + length_of_run).min(model.len());
            while held < end {
                let next = (held + chunk).min(end);
                prop_assert_eq!(slots.write(held as u32, &model[held..next]), Ok(next as u32));
                held = next;
            }
            // The same offer again, without a break, is answered alike.
            sent = held;
            flash = slots.into_flash();
            flash.restart();
        }
        let mut slots = open(flash);
        update(&mut slots, model).unwrap();
        prop_assert_eq!(start(&mut slots), Some(&model[..]));
    }
}

/// A region that reads as zeros, as memory without a file behind it, is empty.
#[test]
fn whatever_the_flash_held_is_no_model() {
    for fill in [0x00, 0xFF, 0x5A] {
        let flash = Flash::new(&[fill; 1024 * (FIRST + 2 * PAGES) as usize]);
        let mut slots = open(flash);
        assert_eq!((slots.active(), slots.models()), (None, [None; 2]));
        assert!(slots.list().iter().all(|info| info.state == SlotState::Empty && info.length == 0));
        assert_eq!(slots.rollback(), Err(SlotError::NoOther));
        assert_eq!(slots.flash().operations(), 0, "nothing is written until something is asked for");
        update(&mut slots, &models()[0]).unwrap();
        assert_eq!(start(&mut slots), Some(&models()[0][..]));
    }
}

#[test]
fn what_cannot_be_done_has_its_name() {
    let model = &models()[0];
    let (length, crc) = (length(model), crc(model));
    let mut slots = open(used::<4, 1024>());
    let capacity = slots.capacity();
    assert_eq!(capacity, 1024 * (PAGES - 1));
    assert_eq!(slots.offer(capacity + 1, crc), Err(SlotError::TooLong { capacity }));
    assert_eq!(slots.write(0, &[0]), Err(SlotError::NoOffer));
    assert_eq!(slots.verify(), Err(SlotError::NoOffer));
    assert_eq!(slots.seal(), Err(SlotError::NoOffer));
    assert_eq!(slots.discard(), Err(SlotError::NoOffer));
    assert_eq!(slots.flash().operations(), 0, "what is refused is refused before anything is erased");
    assert_eq!(slots.offer(length, crc), Ok(0));
    assert_eq!(slots.write(1, &[0]), Err(SlotError::Order { expected: 0 }));
    assert_eq!(slots.write(0, &vec![0; model.len() + 1]), Err(SlotError::Excess));
    assert_eq!(slots.write(0, &model[..30]), Ok(30));
    assert_eq!(slots.write(0, &model[..30]), Err(SlotError::Order { expected: 30 }));
    assert_eq!(slots.verify(), Err(SlotError::Incomplete { held: 30 }));
    assert_eq!(slots.seal(), Err(SlotError::Incomplete { held: 30 }));
    let [info, other] = slots.list();
    assert_eq!((info.state, info.length, info.held, info.crc), (SlotState::Partial, length, 30, crc));
    assert_eq!(other.state, SlotState::Empty);
    assert_eq!(slots.write(30, &model[30..]), Ok(length));
    assert_eq!(slots.seal(), Err(SlotError::Unverified));
    assert_eq!(slots.active(), None);
    slots.verify().unwrap();
    let sealed = slots.seal().unwrap();
    assert_eq!(sealed, Model { slot: Slot::First, generation: 1, length, crc });
    assert_eq!(slots.seal(), Err(SlotError::NoOffer));
    assert_eq!(slots.active(), Some(sealed));
    assert_eq!(slots.offer(length, crc), Err(SlotError::Active));
    assert_eq!(slots.rollback(), Err(SlotError::NoOther));
    assert_eq!(Slots::new(NoFlash, 0, 1 << 20).unwrap_err(), SlotError::Region);
    for (offset, length) in [(512, 8192), (0, 3072), (1024 * 14, 1024 * 4), (u32::MAX - 1023, 4096)] {
        assert_eq!(Slots::new(used::<4, 1024>(), offset, length).unwrap_err(), SlotError::Region, "{offset}");
    }
    let words = SlotError::TooLong { capacity }.to_string();
    assert!(words.contains("longer than a slot, which holds 6144 B"), "{words}");
}

/// Bytes that are not those of the offered model are never sealed, and are received anew.
#[test]
fn damaged_bytes_are_found_before_anything_is_activated() {
    let [old, new, _] = models();
    let mut slots = open(used::<4, 1024>());
    update(&mut slots, old).unwrap();
    start(&mut slots);
    for at in [0, 9, 13, 700, new.len() - 1] {
        let mut damaged = new.to_vec();
        damaged[at] ^= 4;
        slots.offer(length(new), crc(new)).unwrap();
        slots.write(0, &damaged).unwrap();
        assert_eq!(slots.verify(), Err(SlotError::Damaged), "byte {at}");
        assert_eq!(slots.seal(), Err(SlotError::NoOffer));
        assert_eq!(slots.offer(length(new), crc(new)), Ok(0), "from the first byte");
    }
    assert_eq!(slots.active().unwrap().crc, crc(old));
    update(&mut slots, new).unwrap();
    assert_eq!(start(&mut slots), Some(&new[..]));
}

/// Flash that loses a bit of the active model, or of its seal, leaves the other one; then the update is made again.
#[test]
fn a_lost_bit_makes_the_other_model_active() {
    let [old, new, _] = models();
    let sound = with_two(old, new);
    let head = 1024 * (FIRST + PAGES) as usize;
    let seal = head + 32 + 16 * 16;
    for (at, state) in [(head + 1024 + 300, SlotState::Damaged), (seal + 9, SlotState::Partial)] {
        let mut flash = sound.clone();
        flash.flip(at, 3);
        let mut slots = open(flash);
        assert_eq!(slots.list().map(|info| info.state), [SlotState::Whole, state]);
        assert_eq!(start(&mut slots), Some(&old[..]));
        assert_eq!(slots.rollback(), Err(SlotError::NoOther));
        match update(&mut slots, new) {
            // Its bytes were there and are not what they were: they are sent again.
            Err(SlotError::Damaged) => assert_eq!(state, SlotState::Damaged),
            other => assert!(other.is_ok() && state == SlotState::Partial, "{other:?}"),
        }
        if state == SlotState::Damaged {
            update(&mut slots, new).unwrap();
        }
        assert_eq!(start(&mut slots), Some(&new[..]));
    }
}

/// A model goes to the slot that does not run, whatever the seals say; one that is sealed is not active before it is started.
#[test]
fn the_running_model_is_never_written_to() {
    let [a, b, c] = models();
    let mut slots = open(with_two(a, b));
    // The newer one could not be opened, say: its format is another.
    let [newest, older] = slots.models().map(Option::unwrap);
    assert_eq!((newest.crc, older.crc), (crc(b), crc(a)));
    slots.start(&newest);
    assert_eq!(slots.start(&older), &a[..]);
    assert_eq!(update(&mut slots, c).unwrap().slot, newest.slot);
    // The old one still runs, and the next model takes the place of the one that never ran.
    assert_eq!(update(&mut slots, b).unwrap().slot, newest.slot);
    assert_eq!(slots.list().map(|info| info.running), [true, false]);
    slots.rollback().unwrap();
    assert_eq!(slots.active().unwrap().crc, crc(a));
}

/// As [`update`], but the next start tries the model.
fn propose<F: NorFlash + Mapped>(slots: &mut Slots<F>, model: &AlignedBytes) -> Result<(), SlotError> {
    let held = slots.offer(length(model), crc(model))?;
    slots.write(held, &model[held as usize..])?;
    slots.verify()?;
    slots.propose()
}

/// A model that the next start tries is active if it passes, and gone if it does not; with a cut in any write of the update or of the
/// start, a whole model that passes is started all the same.
#[test]
fn a_proposed_model_is_tried_before_it_is_active() {
    let [old, older, new] = models();
    let before = with_two(older, old);
    for passes in [true, false] {
        let usable = |bytes: &[u8]| passes || bytes != &new[..];
        // Two starts on end: of the update and of the trial.
        let run = |flash: Flash, cut: Option<usize>, seed: u64| {
            let mut slots = open(flash);
            assert_eq!(slots.boot(usable), Some(&old[..]));
            let first = propose(&mut slots, new).err();
            let mut flash = slots.into_flash();
            let operations = flash.operations();
            flash.restart();
            if let Some(operation) = cut.and_then(|cut| cut.checked_sub(operations)) {
                flash.cut_at(operation, seed);
            }
            let mut slots = open(flash);
            let active = slots.active().unwrap();
            assert_eq!(active.crc, crc(old), "nothing is active before it was tried");
            let started = slots.boot(usable).unwrap();
            let flash = slots.into_flash();
            (operations + flash.operations(), first, started, flash)
        };
        let (operations, first, started, flash) = run(before.clone(), None, 0);
        assert_eq!((first, started), (None, if passes { &new[..] } else { &old[..] }));
        let [first, second] = open(flash).models();
        assert_eq!(first.map(|model| model.crc), Some(if passes { crc(new) } else { crc(old) }));
        assert_eq!(second.map(|model| model.crc), passes.then(|| crc(old)));
        for cut in 0..operations {
            for seed in 0..12 {
                let mut flash = before.clone();
                flash.cut_at(cut, seed);
                let (_, _, started, mut flash) = run(flash, Some(cut), seed);
                assert!(usable(started) && (started == &old[..] || started == &new[..]));
                flash.restart();
                let mut slots = open(flash);
                let again = slots.boot(usable).unwrap();
                assert!(started == &old[..] || again == started, "what ran is not lost: {cut}, {seed}");
                match propose(&mut slots, new) {
                    Err(SlotError::Active) => assert!(passes && again == &new[..]),
                    done => done.unwrap(),
                }
                let mut flash = slots.into_flash();
                flash.restart();
                assert_eq!(open(flash).boot(usable), Some(if passes { &new[..] } else { &old[..] }));
            }
        }
    }
}

/// Going back counts more than a model that waits for its trial; what is sealed and no longer usable is left out.
#[test]
fn starts_take_the_newest_that_is_usable() {
    let [a, b, c] = models();
    let mut slots = open(with_two(a, b));
    start(&mut slots);
    propose(&mut slots, c).unwrap();
    assert_eq!(slots.proposed().unwrap().crc, crc(c));
    assert_eq!(slots.rollback(), Err(SlotError::NoOther), "it would be the one that is overwritten");
    assert_eq!(slots.boot(|bytes| bytes != &c[..]), Some(&b[..]));
    assert_eq!(slots.proposed(), None);
    propose(&mut slots, a).unwrap();
    assert_eq!(slots.boot(|_| true), Some(&a[..]));
    propose(&mut slots, b).unwrap();
    assert_eq!(slots.proposed().unwrap().crc, crc(b));
    slots.rollback().unwrap();
    assert_eq!((slots.proposed(), slots.active().unwrap().crc), (None, crc(b)));
    assert_eq!(slots.boot(|bytes| bytes == &a[..]), Some(&a[..]));
    assert_eq!(slots.running(), Some(Slot::First));
    assert_eq!((slots.boot(|_| false), slots.running()), (None, None));
}

/// The model before, sent again, is there already; a head that is full of seals is erased then, and not before.
#[test]
fn going_back_and_forth_ends_with_a_full_head() {
    let [old, new, _] = models();
    let mut slots = open(with_two(old, new));
    start(&mut slots);
    assert_eq!(slots.offer(length(old), crc(old)), Ok(length(old)), "it is all there");
    slots.verify().unwrap();
    assert_eq!(slots.seal().unwrap().generation, 3);
    let mut times = 0;
    let error = loop {
        match slots.rollback() {
            Ok(_) => times += 1,
            Err(error) => break error,
        }
    };
    // 23 seals fit a page of 1 KB.
    assert_eq!((error, times), (SlotError::Full, 2 * 23 - 3));
    start(&mut slots);
    let full = if slots.active().unwrap().crc == crc(new) { old } else { new };
    assert_eq!(slots.offer(length(full), crc(full)), Ok(0));
    update(&mut slots, full).unwrap();
    assert_eq!(start(&mut slots), Some(&full[..]));
}
