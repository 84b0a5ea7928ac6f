//! A board's byte stream: what its UART's interrupt has received, and what it sends.

use crate::receive::{INBOX, Inbox};
use core::convert::Infallible;
use embedded_io::{ErrorType, Read, ReadReady, Write};

/// The half of a UART that sends.
pub trait Send {
    /// Sends a byte, as soon as there is room for it.
    fn send(&mut self, byte: u8);
}

/// A UART whose interrupt fills [`INBOX`].
#[derive(Debug)]
pub struct Uart<S> {
    received: &'static Inbox,
    sender: S,
}

impl<S: Send> Uart<S> {
    /// Reads from [`INBOX`] and writes to `sender`.
    pub const fn new(sender: S) -> Self {
        Self { received: &INBOX, sender }
    }
}

impl<S> ErrorType for Uart<S> {
    type Error = Infallible;
}

impl<S> Read for Uart<S> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.received.wait();
        let mut count = 0;
        for place in bytes {
            let Some(byte) = self.received.take() else { break };
            *place = byte;
            count += 1;
        }
        Ok(count)
    }
}

impl<S> ReadReady for Uart<S> {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!self.received.is_empty())
    }
}

impl<S: Send> Write for Uart<S> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for &byte in bytes {
            self.sender.send(byte);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
