//! CRC-32 (ISO-HDLC), of model files, frames and records in flash: one table for all.

use crc::{CRC_32_ISO_HDLC, Crc, Table};

pub(crate) static CRC_32: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// CRC-32 of some bytes.
pub fn of_bytes(bytes: &[u8]) -> u32 {
    CRC_32.checksum(bytes)
}

/// CRC-32 of a model file: everything but the four bytes at offset 12 that hold it.
pub fn of_file(bytes: &[u8]) -> u32 {
    let mut digest = CRC_32.digest();
    digest.update(bytes.get(..12).unwrap_or(bytes));
    digest.update(bytes.get(16..).unwrap_or(&[]));
    digest.finalize()
}
