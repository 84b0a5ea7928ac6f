//! Flash that is simulated, and whose power can be cut in the middle of any write or erasure.

use crate::Noise;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use spikelet_export::AlignedBytes;
use spikelet_firmware::slots::Mapped;
use std::cell::RefCell;
use std::ops::Range;

/// NOR flash that is written in units of `WRITE` bytes and erased in pages of `ERASE`.
///
/// Writing clears bits and erasing sets them. As on flash with error correction, a unit is written once between two erasures,
/// and nothing may be written to a model that runs: whoever does either has a flaw, which ends the test.
#[derive(Clone, Debug)]
pub struct SimulatedFlash<const WRITE: usize, const ERASE: usize> {
    bytes: AlignedBytes,
    /// Units with a bit that was written since they were erased.
    written: Vec<bool>,
    /// Writes and erasures since the power came.
    operations: usize,
    cut: Option<Cut>,
    powered: bool,
    /// Where the model lies that runs.
    running: RefCell<Option<Range<usize>>>,
}

/// When the power is cut, and what is then done of the operation at hand.
#[derive(Clone, Debug)]
struct Cut {
    operation: usize,
    noise: Noise,
}

/// Why the flash refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashError {
    /// The power is off.
    Off,
    /// Offset or length are no whole units or pages, or behind the end.
    Place(NorFlashErrorKind),
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Off => NorFlashErrorKind::Other,
            Self::Place(kind) => *kind,
        }
    }
}

impl<const WRITE: usize, const ERASE: usize> SimulatedFlash<WRITE, ERASE> {
    /// Flash that holds `bytes` of whatever it was used for before.
    pub fn new(bytes: &[u8]) -> Self {
        assert!(bytes.len().is_multiple_of(ERASE));
        Self {
            bytes: AlignedBytes::from_slice(bytes),
            written: bytes.chunks(WRITE).map(|unit| unit.iter().any(|&byte| byte != 0xFF)).collect(),
            operations: 0,
            cut: None,
            powered: true,
            running: RefCell::new(None),
        }
    }

    /// Cuts the power in the middle of the write or erasure of this number, counted from 0; `seed` says what is done of it.
    pub fn cut_at(&mut self, operation: usize, seed: u64) {
        self.cut = Some(Cut { operation, noise: Noise(seed) });
    }

    /// Switches the power off, if it is on, and on again.
    pub fn restart(&mut self) {
        (self.powered, self.cut, self.operations) = (true, None, 0);
        *self.running.borrow_mut() = None;
    }

    /// False once the power was cut.
    pub const fn is_powered(&self) -> bool {
        self.powered
    }

    /// Writes and erasures since the power came.
    pub const fn operations(&self) -> usize {
        self.operations
    }

    /// Flips a bit, as age and radiation do.
    pub fn flip(&mut self, offset: usize, bit: u8) {
        self.bytes[offset] ^= 1 << bit;
    }

    /// Begins an operation on a range. Some noise if the power is cut in it.
    fn begin(&mut self, range: &Range<usize>, unit: usize) -> Result<Option<Noise>, FlashError> {
        if !self.powered {
            return Err(FlashError::Off);
        }
        if !range.start.is_multiple_of(unit) || !range.end.is_multiple_of(unit) {
            return Err(FlashError::Place(NorFlashErrorKind::NotAligned));
        }
        if range.start > range.end || range.end > self.bytes.len() {
            return Err(FlashError::Place(NorFlashErrorKind::OutOfBounds));
        }
        if let Some(running) = &*self.running.borrow() {
            let apart = range.end <= running.start || running.end <= range.start;
            assert!(apart, "{range:?} is changed while the model at {running:?} runs");
        }
        let cut = self.cut.take_if(|cut| cut.operation == self.operations);
        self.operations += 1;
        self.powered = cut.is_none();
        Ok(cut.map(|cut| cut.noise))
    }

    /// Whoever asked for an operation in which the power was cut knows nothing of its end.
    const fn end(&self) -> Result<(), FlashError> {
        if self.powered { Ok(()) } else { Err(FlashError::Off) }
    }

    /// Brings the bytes of a range to `target`, as far as a cut lets.
    fn bring(&mut self, range: Range<usize>, target: impl Fn(usize) -> u8, cut: Option<Noise>) {
        let mut done = Done::of(cut, range.len());
        for (index, at) in range.enumerate() {
            let changed = self.bytes[at] ^ target(index);
            let now = changed & done.mask(index);
            self.bytes[at] ^= now;
            if now != 0 {
                self.written[at / WRITE] = true;
            }
        }
    }
}

/// What is done of an operation.
enum Done {
    All,
    /// All bits of so many bytes, and of the next byte and those behind it each bit by chance of one in so many.
    Torn {
        whole: usize,
        behind: usize,
        odds: usize,
        noise: Noise,
    },
}

impl Done {
    fn of(cut: Option<Noise>, length: usize) -> Self {
        let Some(mut noise) = cut else { return Self::All };
        // In units that are done one after the other a few bytes are torn; a page that is erased is torn as a whole.
        let whole = if noise.below(2) == 0 { 0 } else { noise.below(length + 1) };
        let behind = if noise.below(2) == 0 { length } else { 16 };
        let odds = [1, 2, 2, 8, 1000][noise.below(5)];
        Self::Torn { whole, behind, odds, noise }
    }

    /// Bits of a byte that are done.
    fn mask(&mut self, index: usize) -> u8 {
        match self {
            Self::All => 0xFF,
            Self::Torn { whole, .. } if index < *whole => 0xFF,
            Self::Torn { whole, behind, .. } if index >= *whole + *behind => 0,
            Self::Torn { odds, noise, .. } => {
                (0..8).fold(0, |mask, bit| mask | u8::from(noise.below(*odds) == 0) << bit)
            }
        }
    }
}

impl<const WRITE: usize, const ERASE: usize> ErrorType for SimulatedFlash<WRITE, ERASE> {
    type Error = FlashError;
}

impl<const WRITE: usize, const ERASE: usize> ReadNorFlash for SimulatedFlash<WRITE, ERASE> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        let offset = offset as usize;
        let there = self.bytes.get(offset..offset + bytes.len());
        bytes.copy_from_slice(there.ok_or(FlashError::Place(NorFlashErrorKind::OutOfBounds))?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const WRITE: usize, const ERASE: usize> NorFlash for SimulatedFlash<WRITE, ERASE> {
    const WRITE_SIZE: usize = WRITE;
    const ERASE_SIZE: usize = ERASE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        let range = from as usize..to as usize;
        let cut = self.begin(&range, ERASE)?;
        self.bring(range.clone(), |_| 0xFF, cut);
        for unit in range.start / WRITE..range.end / WRITE {
            let bytes = &self.bytes[unit * WRITE..][..WRITE];
            self.written[unit] = bytes.iter().any(|&byte| byte != 0xFF);
        }
        self.end()
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let range = offset as usize..offset as usize + bytes.len();
        let cut = self.begin(&range, WRITE)?;
        for unit in range.start / WRITE..range.end / WRITE {
            let new = &bytes[unit * WRITE - range.start..][..WRITE];
            let blank = new.iter().all(|&byte| byte == 0xFF);
            assert!(blank || !self.written[unit], "the unit at {} is written twice", unit * WRITE);
        }
        let old = self.bytes[range.clone()].to_vec();
        self.bring(range, |index| old[index] & bytes[index], cut);
        self.end()
    }
}

impl<const WRITE: usize, const ERASE: usize> Mapped for SimulatedFlash<WRITE, ERASE> {
    fn bytes(&self, offset: u32, length: u32) -> &[u8] {
        self.bytes.get(offset as usize..offset as usize + length as usize).unwrap_or(&[])
    }

    /// A copy: nothing here can point into memory for good.
    fn lasting(&self, offset: u32, length: u32) -> &'static [u8] {
        *self.running.borrow_mut() = Some(offset as usize..offset as usize + length as usize);
        Box::leak(Box::new(AlignedBytes::from_slice(self.bytes(offset, length))))
    }
}
