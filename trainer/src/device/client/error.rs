//! What can go wrong between host and board, a sentence for each.

use spikelet_export::FileError;
use spikelet_export::link::LinkError;

/// Why a board did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The stream broke.
    #[error("the connection to the board broke ({0}): plug it in again, and run the command again")]
    Io(#[from] std::io::Error),
    /// Nothing came back, however often it was asked.
    #[error(
        "the board does not answer, after {seconds} s: see that it is powered and connected and runs Spikelet's firmware"
    )]
    Silent {
        /// How long it was waited for.
        seconds: u64,
    },
    /// Something came back, but nothing that is whole, however often it was asked.
    #[error(
        "everything from or to the board arrives damaged: see to the cable and the baud rate, and that the board runs Spikelet's \
         firmware"
    )]
    Damaged,
    /// The board has refused.
    #[error("the board refuses: {0}")]
    Refused(LinkError),
    /// An answer to something else.
    #[error(
        "the board answers something else than it was asked: flash the firmware of this program, with `spikelet flash`"
    )]
    Unexpected,
    /// The board's count of timesteps is another one.
    #[error("the board has made {made} timesteps of the {sent} that it was sent: run it again")]
    Steps {
        /// Since the train's begin.
        sent: usize,
        /// By the board's count.
        made: u16,
    },
    /// A timestep has more spikes than a request can carry.
    #[error(
        "a timestep has more spikes than the link can carry, about 1,000: send pixels with --input pixels, or train with more \
         --steps"
    )]
    TooManySpikes,
    /// An image has more pixels than a request can carry.
    #[error("an image has more pixels than the link can carry, about 1,000: send spikes instead")]
    TooManyPixels,
    /// The board's version of the link is older than any that this program speaks.
    #[error(
        "the board's firmware speaks version {board} of the link, and this program versions {oldest} to {host}: flash the firmware \
         of this program, with `spikelet flash`"
    )]
    Version {
        /// The board's.
        board: u16,
        /// The oldest that a board may have.
        oldest: u16,
        /// The host's.
        host: u16,
    },
    /// The board is too old for this one request.
    #[error(
        "the board's firmware cannot {what}: it speaks version {board} of the link, and that came with version {needed}; flash the \
         firmware of this program, with `spikelet flash`"
    )]
    TooOld {
        /// The board's version.
        board: u16,
        /// The first version that has it.
        needed: u16,
        /// What it cannot do.
        what: &'static str,
    },
    /// What should be sent is no model.
    #[error("the model cannot be sent: {0}")]
    Model(#[from] FileError),
    /// The board runs the model of its firmware and no other.
    #[error(
        "the board has no flash set apart for models: build the firmware with the model, with `spikelet flash`"
    )]
    NoSlots,
    /// The board has started with the model that it had.
    #[error(
        "the board kept the model that it had, since the new one failed its own test there: export it again"
    )]
    KeptOld,
}
