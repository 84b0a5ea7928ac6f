//! Every way in which a call can fail, and a sentence for each.

use core::ffi::CStr;
use spikelet_export::{FileError, PresentError};

/// What comes of a call: 0, or why nothing was done. `spikelet_error_text` has a sentence for each.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// All is well.
    None = 0,
    /// A pointer is NULL, or is not aligned for what it points to.
    Pointer = 1,
    /// The model does not start at an address divisible by 16.
    Alignment = 2,
    /// The bytes are no model: they do not start with "SPKL".
    Magic = 3,
    /// The model has another version of the format.
    Version = 4,
    /// The model is shorter or longer than it says.
    Length = 5,
    /// The model is damaged: its CRC-32 does not fit.
    Crc = 6,
    /// The model's header cannot be decoded.
    Header = 7,
    /// The library was built without kernels for the width of the model's weights.
    Width = 8,
    /// The model's weights do not fill it as its header says.
    Blocks = 9,
    /// The model holds a value out of its range.
    Range = 10,
    /// The working memory is too small: `spikelet_inspect` tells how much the model needs.
    Memory = 11,
    /// There are more or fewer pixels than inputs, or there is less room than for all results.
    Count = 12,
    /// The list of spikes names an input that does not exist, does not ascend, or is longer than any timestep's.
    Spikes = 13,
    /// The model's spikes are not made from pixels here: recordings, and the logarithmic latency code.
    Encoder = 14,
}

const TEXTS: [(Error, &CStr); 15] = [
    (Error::None, c"all is well"),
    (Error::Pointer, c"a pointer is NULL or not aligned for what it points to"),
    (Error::Alignment, c"the model does not start at an address divisible by 16: align it"),
    (Error::Magic, c"this is no Spikelet model: it does not start with \"SPKL\""),
    (Error::Version, c"the model has another version of the format than this library reads: export it again"),
    (Error::Length, c"the model is cut off or has bytes behind its end: copy it again"),
    (Error::Crc, c"the model is damaged (its CRC-32 does not fit): copy it again"),
    (Error::Header, c"the model's header cannot be decoded: export it again"),
    (
        Error::Width,
        c"the model's weights have a width that this library has no kernels for: build it with that width",
    ),
    (Error::Blocks, c"the model's weights do not fill it as its header says: export it again"),
    (Error::Range, c"the model holds a value out of its range: export it again"),
    (Error::Memory, c"the working memory is too small for the model: spikelet_inspect tells what it needs"),
    (Error::Count, c"there are more or fewer pixels than inputs, or there is no room for all results"),
    (Error::Spikes, c"the spikes do not ascend, or name an input that does not exist"),
    (Error::Encoder, c"the model is not for pixels: make its spikes elsewhere and step with them"),
];

/// A sentence for an error, whatever number C gives.
pub fn text(error: i32) -> &'static CStr {
    let found = TEXTS.iter().find(|(known, _)| *known as i32 == error);
    found.map_or(c"this number is no error of Spikelet", |(_, text)| text)
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Misaligned => Self::Alignment,
            FileError::Magic => Self::Magic,
            FileError::Version(_) => Self::Version,
            FileError::Length => Self::Length,
            FileError::Crc => Self::Crc,
            FileError::Header => Self::Header,
            FileError::Bits(_) => Self::Width,
            FileError::Blocks => Self::Blocks,
            FileError::Range => Self::Range,
        }
    }
}

impl From<PresentError> for Error {
    fn from(error: PresentError) -> Self {
        match error {
            PresentError::NoEncoder => Self::Encoder,
            PresentError::PixelCount => Self::Count,
        }
    }
}
