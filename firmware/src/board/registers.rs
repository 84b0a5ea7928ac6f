//! Registers of boards that have no crate of their own for them.
#![allow(unsafe_code, reason = "reads and writes the registers of peripherals that boards name")]

/// The registers of a peripheral.
#[derive(Clone, Copy, Debug)]
pub struct Registers(usize);

impl Registers {
    /// Those that begin at an address.
    ///
    /// # Safety
    /// From there on this board has 4 KB of peripherals, which may be read and written at any time and are no memory of the program.
    pub const unsafe fn at(address: usize) -> Self {
        Self(address)
    }

    /// The address of one of them.
    const fn address(self, offset: usize) -> usize {
        self.0 + (offset & 0xFFC)
    }

    /// What the register at an offset says.
    pub fn read(self, offset: usize) -> u32 {
        // SAFETY: the address is in what `at` was told of, and divisible by 4.
        unsafe { (self.address(offset) as *const u32).read_volatile() }
    }

    /// Puts a value into the register at an offset.
    pub fn write(self, offset: usize, value: u32) {
        // SAFETY: as in `read`.
        unsafe { (self.address(offset) as *mut u32).write_volatile(value) }
    }

    /// Replaces the bits of `mask` in the register at an offset.
    #[allow(dead_code, reason = "not every board has registers that it shares with others")]
    pub fn change(self, offset: usize, mask: u32, value: u32) {
        self.write(offset, self.read(offset) & !mask | value);
    }
}
