//! Replies as boards write them: from where the results lie, and in the bytes that postcard makes of a [`Reply`], which a test
//! compares. postcard's own code could panic as far as the compiler can tell when it makes programs small.

use super::cobs::Cobs;
use super::{FrameError, Inferred, MAX_CLASSES, Observed, Reply, ReplyBody, StoredModel};
use crate::crc::CRC_32;
use postcard::ser_flavors::Flavor;
use postcard::ser_flavors::crc::CrcModifier;
use spikelet_runtime::formats::Score;

/// Results that lie in a board's network.
pub type BoardInferred<'n> = Inferred<&'n [Score], &'n [u32]>;

/// What lies in a board's network after a timestep.
pub type BoardObserved<'n> = Observed<&'n [Score], &'n [u8]>;

/// A reply on a board.
pub type BoardReply<'n> = Reply<'static, BoardInferred<'n>, BoardObserved<'n>>;

/// What a board answers.
pub type BoardReplyBody<'n> = ReplyBody<'static, BoardInferred<'n>, BoardObserved<'n>>;

/// Encodes a reply into `buffer`, the final zero included.
///
/// # Errors
/// [`FrameError::Oversized`] if the buffer is too short.
pub fn encode_reply<'b>(reply: &BoardReply<'_>, buffer: &'b mut [u8]) -> Result<&'b [u8], FrameError> {
    let mut message = Message(CrcModifier::new(Cobs::new(buffer), CRC_32.digest()));
    let written = message.reply(reply).and_then(|()| message.0.finalize());
    written.map_err(|_| FrameError::Oversized)
}

/// A message being written.
struct Message<F>(F);

impl<F: Flavor> Message<F> {
    fn reply(&mut self, reply: &BoardReply<'_>) -> postcard::Result<()> {
        match reply.sequence {
            None => self.byte(0)?,
            Some(sequence) => {
                self.byte(1)?;
                self.number(sequence.into())?;
            }
        }
        match &reply.body {
            ReplyBody::Hello(hello) => {
                self.byte(0)?;
                self.number(hello.version.into())?;
                self.number(hello.model)?;
                self.text(hello.board)?;
                self.text(hello.firmware)?;
                let counts = [hello.inputs, hello.classes, hello.layers, hello.steps];
                counts.into_iter().try_for_each(|count| self.number(count.into()))?;
                self.number(hello.neurons)?;
                self.number(hello.request.into())?;
                self.number(hello.ticks_per_second)
            }
            ReplyBody::Done { steps, decided } => {
                self.byte(1)?;
                self.number((*steps).into())?;
                self.byte((*decided).into())
            }
            ReplyBody::Inferred(inferred) => {
                self.byte(2)?;
                self.number(inferred.class.into())?;
                self.number(inferred.steps.into())?;
                self.scores(inferred.scores)?;
                self.number(inferred.spike_counts.len() as u32)?;
                inferred.spike_counts.iter().try_for_each(|&count| self.number(count))?;
                self.number(inferred.ticks)?;
                self.number(inferred.ticks_encoding)
            }
            ReplyBody::Measured(measured) => {
                self.byte(3)?;
                self.number(measured.empty)?;
                self.number(measured.synapses)?;
                self.number(measured.neurons)
            }
            ReplyBody::Memory(memory) => {
                self.byte(4)?;
                self.number(memory.stack_used)?;
                self.number(memory.stack_free)
            }
            ReplyBody::Error(error) => {
                self.byte(5)?;
                self.byte(*error as u8)
            }
            ReplyBody::Health(health) => {
                self.byte(6)?;
                self.number(health.uptime)?;
                self.number(health.resets)?;
                self.byte(health.cause as u8)?;
                let counts = [health.frames_good, health.frames_bad, health.overruns, health.saturations];
                counts.into_iter().try_for_each(|count| self.number(count))?;
                let live = [health.live_steps, health.live_missed, health.live_errors];
                live.into_iter().try_for_each(|count| self.number(count))?;
                self.number(health.stack_free)
            }
            ReplyBody::Observed(observed) => {
                self.byte(7)?;
                self.number(observed.steps)?;
                self.number(observed.class.into())?;
                self.byte(observed.decided.into())?;
                self.scores(observed.scores)?;
                self.number(observed.spiking.len() as u32)?;
                observed.spiking.iter().try_for_each(|&byte| self.byte(byte))
            }
            ReplyBody::Models(models) => {
                self.byte(8)?;
                match models.active {
                    None => self.byte(0)?,
                    Some(slot) => {
                        self.byte(1)?;
                        self.byte(slot)?;
                    }
                }
                self.number(models.room)?;
                models.slots.iter().try_for_each(|slot| self.stored(slot.as_ref()))
            }
            ReplyBody::Received { bytes } => {
                self.byte(9)?;
                self.number(*bytes)
            }
        }
    }

    fn scores(&mut self, scores: &[Score]) -> postcard::Result<()> {
        let scores = scores.get(..MAX_CLASSES).unwrap_or(scores);
        self.number(scores.len() as u32)?;
        scores.iter().try_for_each(|score| self.signed(score.to_bits()))
    }

    fn stored(&mut self, model: Option<&StoredModel>) -> postcard::Result<()> {
        match model {
            None => self.byte(0),
            Some(model) => {
                self.byte(1)?;
                [model.model, model.length, model.generation]
                    .into_iter()
                    .try_for_each(|number| self.number(number))
            }
        }
    }

    fn byte(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.try_push(byte)
    }

    /// A varint.
    fn number(&mut self, mut number: u32) -> postcard::Result<()> {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80)?;
            number >>= 7;
        }
        self.byte(number as u8)
    }

    /// A varint of a zigzag.
    fn signed(&mut self, number: i32) -> postcard::Result<()> {
        self.number(((number << 1) ^ (number >> 31)) as u32)
    }

    fn text(&mut self, text: &str) -> postcard::Result<()> {
        self.number(text.len() as u32)?;
        text.bytes().try_for_each(|byte| self.byte(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        Health, Hello, LinkError, MAX_CLASSES, Measured, MemoryUse, Models, OBSERVED, REPLY, ResetCause,
        encode,
    };
    use super::*;
    use heapless::Vec;

    /// The same reply twice, as a board has it and as a host does.
    fn equal(sequence: Option<u16>, board: BoardReplyBody<'_>, host: ReplyBody<'_>) {
        let (mut written, mut expected) = ([0; REPLY + 1], [0; REPLY + 1]);
        let written = encode_reply(&Reply { sequence, body: board }, &mut written).unwrap();
        assert_eq!(written, encode(&Reply { sequence, body: host }, &mut expected).unwrap());
    }

    #[test]
    fn bytes_are_those_of_postcard() {
        let hello = Hello {
            version: 3,
            model: 0xFEDC_BA98,
            board: "a board",
            firmware: "1.2.3",
            inputs: 784,
            classes: 10,
            layers: 2,
            steps: 65_535,
            neurons: 612,
            request: 1040,
            ticks_per_second: 25_000_000,
        };
        equal(Some(77), ReplyBody::Hello(hello), ReplyBody::Hello(hello));
        for (steps, decided) in [(0, false), (127, true), (128, false), (65_535, true)] {
            equal(Some(steps), ReplyBody::Done { steps, decided }, ReplyBody::Done { steps, decided });
        }
        let measured = Measured { empty: 0, synapses: 300, neurons: u32::MAX };
        equal(None, ReplyBody::Measured(measured), ReplyBody::Measured(measured));
        let memory = MemoryUse { stack_used: 1, stack_free: 1 << 21 };
        equal(Some(1), ReplyBody::Memory(memory), ReplyBody::Memory(memory));
        for active in [None, Some(0), Some(1)] {
            let slot = StoredModel { model: 0x8000_0001, length: 300_000, generation: 7 };
            let models = Models { active, room: 1 << 20, slots: [None, Some(slot)] };
            equal(Some(2), ReplyBody::Models(models), ReplyBody::Models(models));
        }
        for cause in [ResetCause::Power, ResetCause::Watchdog, ResetCause::Fault, ResetCause::Model] {
            let health = Health {
                uptime: 1,
                resets: 200,
                cause,
                frames_good: 3,
                frames_bad: 4,
                overruns: 5,
                saturations: 6,
                live_steps: 7,
                live_missed: 8,
                live_errors: 9,
                stack_free: u32::MAX,
            };
            equal(Some(3), ReplyBody::Health(health), ReplyBody::Health(health));
        }
        equal(Some(4), ReplyBody::Received { bytes: 70_000 }, ReplyBody::Received { bytes: 70_000 });
        use LinkError::{
            Damaged, Flash, Layer, Live, Model, NoEncoder, NoModel, NotBegun, Offset, Oversized, PixelCount,
            Spikes, TooLarge, TooLong, Unknown, Unsupported,
        };
        for error in [
            Damaged,
            Oversized,
            Unknown,
            NotBegun,
            PixelCount,
            Spikes,
            Layer,
            TooLong,
            Unsupported,
            NoEncoder,
            Live,
            TooLarge,
            Offset,
            Model,
            NoModel,
            Flash,
        ] {
            equal(None, ReplyBody::Error(error), ReplyBody::Error(error));
        }
    }

    /// Numbers of every length, as many scores as fit, and more.
    #[test]
    fn results_are_those_of_postcard() {
        for classes in [0, 1, MAX_CLASSES, MAX_CLASSES + 9] {
            let scores: Vec<i32, 200> = (0..classes as i32)
                .map(|n| (1 << (n % 32)) ^ -(n % 2))
                .chain([i32::MIN])
                .take(classes)
                .collect();
            let counts: Vec<u32, 16> = (0..16).map(|n| u32::MAX >> (2 * n)).collect();
            let (class, steps, ticks, ticks_encoding) = (9, 200, u32::MAX, 128);
            let bits: Vec<Score, 200> = scores.iter().map(|&bits| Score::from_bits(bits)).collect();
            let board = Inferred {
                class,
                steps,
                scores: &bits[..],
                spike_counts: &counts[..],
                ticks,
                ticks_encoding,
            };
            let scores = scores.iter().copied().take(MAX_CLASSES).collect();
            let host = Inferred { class, steps, scores, spike_counts: counts.clone(), ticks, ticks_encoding };
            equal(Some(5), ReplyBody::Inferred(board), ReplyBody::Inferred(host));
        }
    }

    /// The longest of them, which has to fit.
    #[test]
    fn what_is_observed_is_that_of_postcard() {
        let scores: Vec<i32, MAX_CLASSES> = [i32::MIN; MAX_CLASSES].into_iter().collect();
        let bits: Vec<Score, MAX_CLASSES> = scores.iter().map(|&bits| Score::from_bits(bits)).collect();
        let bytes: Vec<u8, OBSERVED> = (0..OBSERVED).map(|n| n as u8).collect();
        let (steps, class, decided) = (u32::MAX, u16::MAX, true);
        let board = Observed { steps, class, decided, scores: &bits[..], spiking: &bytes[..] };
        let host = Observed { steps, class, decided, scores, spiking: bytes.clone() };
        equal(Some(u16::MAX), ReplyBody::Observed(board), ReplyBody::Observed(host));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let reply = Reply { sequence: Some(1), body: ReplyBody::Done { steps: 1, decided: false } };
        let length = encode_reply(&reply, &mut [0; 32]).unwrap().len();
        for short in 0..length {
            assert_eq!(encode_reply(&reply, &mut [0; 32][..short]), Err(FrameError::Oversized));
        }
    }
}
