//! The emulator's own channel to the host, in the UART's place: its standard input and output, through semihosting.
//!
//! An emulated UART takes a byte at a time, for each of which the emulator leaves the core: 40 µs where an inference takes some hundred.
//! Here a frame crosses at once. The core stands still while it waits, and its clock with it.
#![allow(unsafe_code, reason = "semihosting calls are given addresses")]

use core::convert::Infallible;
use core::fmt;
use cortex_m::singleton;
use cortex_m_semihosting::hio::{self, HostStream};
use cortex_m_semihosting::{nr, syscall, syscall1};
use embedded_io::{ErrorType, Read, ReadReady, Write};

/// What the emulator's command line says if the host talks through the channel.
const ASKED: &[u8; 7] = b"channel";

/// Bytes that are taken from the host at once.
const ROOM: usize = 64;

/// True if the host talks through the channel: standard output is not the log's then.
pub fn is_asked() -> bool {
    let mut line = [0; ASKED.len() + 1];
    let mut block = [line.as_mut_ptr() as usize, line.len()];
    // SAFETY: the block has the line's address and its length, to which the emulator keeps: it refuses a longer one.
    let refused = unsafe { syscall1!(GET_CMDLINE, block.as_mut_ptr()) };
    refused == 0 && line.strip_suffix(&[0]) == Some(ASKED)
}

/// Both directions.
#[derive(Debug)]
pub struct Channel {
    input: Input,
    /// Bytes taken from the host and not read yet: `buffer[read..taken]`.
    buffer: [u8; ROOM],
    read: usize,
    taken: usize,
    output: Output,
}

/// A handle of standard input.
#[derive(Debug)]
struct Input(usize);

/// A handle of standard output.
struct Output(HostStream);

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output")
    }
}

impl Channel {
    /// Opens it, once, if the host asks for it. Apart from `main`, whose stack is in use for ever.
    #[inline(never)]
    pub fn open() -> Option<&'static mut Self> {
        if !is_asked() {
            return None;
        }
        let (input, output) = (Input::open()?, Output(hio::hstdout().ok()?));
        singleton!(: Channel = Channel { input, buffer: [0; ROOM], read: 0, taken: 0, output })
    }
}

impl Input {
    fn open() -> Option<Self> {
        const NAME: &[u8; 4] = b":tt\0";
        // SAFETY: the name's address and its length without the zero behind it.
        let handle = unsafe { syscall!(OPEN, NAME.as_ptr(), nr::open::R, NAME.len() - 1) };
        (handle != usize::MAX).then_some(Self(handle))
    }

    /// Waits for bytes, and gives their number: 0 at the end.
    fn read(&self, buffer: &mut [u8]) -> usize {
        // SAFETY: the buffer's address and its length, to which the emulator keeps.
        let left = unsafe { syscall!(READ, self.0, buffer.as_mut_ptr(), buffer.len()) };
        // An error is more than was asked for, and ends the stream.
        buffer.len().saturating_sub(left)
    }
}

impl ErrorType for Channel {
    type Error = Infallible;
}

impl Read for Channel {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        if self.read >= self.taken {
            self.taken = self.input.read(&mut self.buffer);
            self.read = 0;
        }
        let waiting = self.buffer.get(self.read..self.taken).unwrap_or(&[]);
        let mut count = 0;
        for (place, byte) in bytes.iter_mut().zip(waiting) {
            *place = *byte;
            count += 1;
        }
        self.read += count;
        Ok(count)
    }
}

impl ReadReady for Channel {
    /// Always: nobody can be asked whether a read would wait.
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(true)
    }
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        // A host that has gone takes nothing, which the next read tells.
        let _ = self.output.0.write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
