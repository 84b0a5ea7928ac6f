//! CRC-32 (ISO-HDLC), of model files and of frames: one table for both.

use crc::{CRC_32_ISO_HDLC, Crc, Table};

pub(crate) static CRC_32: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// CRC-32 of a file: everything but the four bytes at offset 12 that hold it.
pub(crate) fn of_file(bytes: &[u8]) -> u32 {
    let mut digest = CRC_32.digest();
    digest.update(bytes.get(..12).unwrap_or(bytes));
    digest.update(bytes.get(16..).unwrap_or(&[]));
    digest.finalize()
}
