//! Reading a model file in place. FORMAT.md draws it.

use crate::crc;
use crate::header::{CellHeader, EncoderHeader, Header, LayerHeader, Outline, RawProvenance};
use crate::input::Input;
use crate::self_test::{MOST_STEPS, SelfTest, SelfTestError};
use core::fmt;
use core::mem::MaybeUninit;
use serde::Deserialize;
use spikelet_runtime::formats::{Coefficient, Gate, Score};
use spikelet_runtime::{
    GatedBy, InputSpikes, Layer, LifLayer, LifNeuron, MAX_WIDTH, Model, Network, NeuronConstants, Shape,
    SpikeKind, SrcConstants, SrcLayer, Synapses, SynapsesError, Width,
};

/// The first four bytes of a model file.
pub const MAGIC: [u8; 4] = *b"SPKL";

/// Version of the format. Raised when an older reader would misread a newer file: a field added, moved or given
/// another meaning, or a block laid out differently.
pub const VERSION: u16 = 4;

/// Bytes before the header; also the alignment of the file and of every block in it.
pub const PREFIX: usize = 16;

/// An opened model file: checked, borrowing its weights.
#[derive(Clone, Debug)]
pub struct ModelFile<'m> {
    bytes: &'m [u8],
    input: Input,
    self_test: SelfTest,
    model: Model<'m>,
}

/// Why a file is no model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FileError {
    /// The bytes do not start at a multiple of 16.
    Misaligned,
    /// They do not start with [`MAGIC`].
    Magic,
    /// Another version of the format.
    Version(u16),
    /// The file is shorter or longer than it says.
    Length,
    /// The CRC does not fit the bytes.
    Crc,
    /// The header cannot be decoded, or has something behind it.
    Header,
    /// A layer's weights have a width that this version cannot run.
    Bits(u8),
    /// A block ends behind the file, or the file behind the last block.
    Blocks,
    /// A value is out of its range, or the layers do not fit together.
    Range,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned => f.write_str("the model does not start at an address divisible by 16"),
            Self::Magic => f.write_str("this is no Spikelet model: it does not start with \"SPKL\""),
            Self::Version(found) => write!(
                f,
                "the model has format version {found} and this program reads version {VERSION}: export it again"
            ),
            Self::Length => f.write_str("the model is cut off or has bytes behind its end: copy it again"),
            Self::Crc => f.write_str("the model is damaged (its CRC-32 does not fit): copy it again"),
            Self::Header => f.write_str("the model's header cannot be decoded: export it again"),
            Self::Bits(bits) => {
                write!(
                    f,
                    "the model has {bits}-bit weights, for which this program has no kernels: build it for this model, with the \
                     feature width-{bits} if that is a width"
                )
            }
            Self::Blocks => {
                f.write_str("the model's weights do not fill the file as its header says: export it again")
            }
            Self::Range => f.write_str("the model holds a value out of its range: export it again"),
        }
    }
}

impl core::error::Error for FileError {}

impl<'m> ModelFile<'m> {
    /// Checks a file and opens it without copying.
    ///
    /// Takes some kilobytes of stack; boards have [`ModelFile::open_in`].
    ///
    /// # Errors
    /// [`FileError`] for the first thing that is wrong; nothing of such a file is used.
    pub fn open(bytes: &'m [u8]) -> Result<Self, FileError> {
        Self::open_in(&mut MaybeUninit::uninit(), bytes).cloned()
    }

    /// The same, writing what is known of the file where it is to stay: takes some hundred bytes of stack.
    ///
    /// # Errors
    /// As [`ModelFile::open`].
    pub fn open_in<'p>(place: &'p mut MaybeUninit<Self>, bytes: &'m [u8]) -> Result<&'p Self, FileError> {
        let (mut header, blocks) = split(bytes)?;
        let outline: Outline = decode(&mut header)?;
        let input = Input::of(&outline).ok_or(FileError::Range)?;
        let self_test = SelfTest::default();
        let file = place.write(Self { bytes, input, self_test, model: Model::empty() });
        let mut header = assemble(&mut file.model, &outline, header, input.sequence(), blocks)?;
        skip_provenance(&mut header)?;
        file.self_test = self_test_of(header)?;
        Ok(file)
    }

    /// CRC-32 of the file, its identity.
    pub fn id(&self) -> u32 {
        word(self.bytes, 12).unwrap_or(0)
    }

    /// Size of the file in bytes.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// False: a model is never empty.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// The network.
    pub const fn model(&self) -> &Model<'m> {
        &self.model
    }

    /// How the network is shown its input.
    pub const fn input(&self) -> &Input {
        &self.input
    }

    /// What the network has to compute to be right.
    pub const fn test_vector(&self) -> &SelfTest {
        &self.self_test
    }

    /// Runs the self-test on a network of this model: at most [`crate::MOST_SELF_TEST_STEPS`] timesteps, and the stack of one. The
    /// network is at rest behind it. `spiking` needs room for a spike of each input.
    ///
    /// # Errors
    /// [`SelfTestError`] if the network computes something else than it did where the file was written.
    pub fn self_test(
        &self,
        network: &mut Network<'_, '_>,
        spiking: &mut InputSpikes,
    ) -> Result<(), SelfTestError> {
        let expected = self.self_test.digest;
        let found = self.self_test.run(network, spiking)?;
        network.reset();
        if found == expected { Ok(()) } else { Err(SelfTestError::Digest { expected, found }) }
    }

    /// Decodes the whole header: boards that never ask for it keep no copy.
    ///
    /// # Errors
    /// [`FileError::Header`] if a text in it is no UTF-8: all else was checked by [`ModelFile::open`].
    pub fn header(&self) -> Result<Header<'m>, FileError> {
        decode(&mut split(self.bytes)?.0)
    }
}

/// Checks everything up to the CRC and gives the encoded header and the blocks behind it.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), FileError> {
    if !(bytes.as_ptr() as usize).is_multiple_of(PREFIX) {
        return Err(FileError::Misaligned);
    }
    if bytes.get(..4) != Some(&MAGIC) {
        return Err(FileError::Magic);
    }
    let lengths = word(bytes, 4).ok_or(FileError::Length)?;
    let (version, header_length) = (lengths as u16, (lengths >> 16) as usize);
    if version != VERSION {
        return Err(FileError::Version(version));
    }
    if word(bytes, 8).map(|length| length as usize) != Some(bytes.len()) {
        return Err(FileError::Length);
    }
    let (header, blocks) =
        bytes.get(PREFIX..).and_then(|rest| rest.split_at_checked(header_length)).ok_or(FileError::Length)?;
    if word(bytes, 12) != Some(crc::of_file(bytes)) {
        return Err(FileError::Crc);
    }
    let blocks = blocks.get(padding(header_length)..).ok_or(FileError::Blocks)?;
    Ok((header, blocks))
}

/// Decodes the next part of the header. Apart from what follows, so that the stack it needs is free again by then.
#[inline(never)]
fn decode<'m, T: Deserialize<'m>>(header: &mut &'m [u8]) -> Result<T, FileError> {
    let (part, rest) = postcard::take_from_bytes(header).map_err(|_| FileError::Header)?;
    *header = rest;
    Ok(part)
}

/// Puts the model together from its outline, what is left of the header, and its blocks, checking every range that the
/// runtime relies on. Layers are decoded one by one: all of them at once would take a kilobyte of a board's stack. Gives what is
/// left of the header.
#[inline(never)]
fn assemble<'m>(
    model: &mut Model<'m>,
    outline: &Outline,
    mut header: &'m [u8],
    steps: u16,
    blocks: &'m [u8],
) -> Result<&'m [u8], FileError> {
    let mut inputs = in_width(outline.inputs())?;
    if let EncoderHeader::Rate { gain, .. } = outline.encoder
        && gain > 1 << 16
    {
        return Err(FileError::Range);
    }
    let mut blocks = Blocks(blocks);
    // The number of layers, a varint: below 128 that is a byte.
    for _ in 0..decode::<u8>(&mut header)? {
        let layer = layer_of(&decode(&mut header)?, inputs, &mut blocks)?;
        inputs = layer.synapses().neurons();
        model.push(layer).map_err(|_| FileError::Range)?;
    }
    if !blocks.0.is_empty() {
        return Err(FileError::Blocks);
    }
    let readout = outline.readout.readout(inputs, outline.classes).map_err(|_| FileError::Range)?;
    model.finish(readout, steps).map_err(|_| FileError::Range)?;
    if let Some(margin) = outline.margin {
        model.set_margin(Score::from_bits(margin)).map_err(|_| FileError::Range)?;
    }
    Ok(header)
}

/// Passes over what only the host reads. Not part of the functions beside it, so that it does not add to their stack.
#[inline(never)]
fn skip_provenance(header: &mut &[u8]) -> Result<(), FileError> {
    decode::<RawProvenance<'_>>(header).map(drop)
}

/// The last part of the header.
#[inline(never)]
fn self_test_of(mut header: &[u8]) -> Result<SelfTest, FileError> {
    let test: SelfTest = decode(&mut header)?;
    if !header.is_empty() {
        return Err(FileError::Header);
    }
    if test.steps == 0 || test.steps > MOST_STEPS {
        return Err(FileError::Range);
    }
    Ok(test)
}

fn in_width(count: u64) -> Result<u16, FileError> {
    u16::try_from(count).ok().filter(|&n| usize::from(n) <= MAX_WIDTH).ok_or(FileError::Range)
}

/// Takes a layer's blocks and puts it together.
fn layer_of<'m>(layer: &LayerHeader, inputs: u16, blocks: &mut Blocks<'m>) -> Result<Layer<'m>, FileError> {
    let width = Width::from_bits(layer.bits).ok_or(FileError::Bits(layer.bits))?;
    let neurons = in_width(layer.neurons.into())?;
    let mut shape = Shape::new(inputs, neurons, width);
    if layer.rows.is_some() {
        shape.rows = Some(blocks.take(usize::from(inputs))?);
    }
    if let Some(kept) = layer.columns {
        shape.columns = Some(blocks.take(usize::from(kept))?);
    }
    let weights = blocks.take(shape.words())?;
    let synapses = Synapses::new(weights, shape).map_err(|error| match error {
        SynapsesError::Unbuilt => FileError::Bits(layer.bits),
        _ => FileError::Range,
    })?;
    let integrator = layer.integrator();
    match layer.cell {
        CellHeader::Src { rho, r, r_s, z_s_hyp, z_s_dep, z, previous, binary, initial } => {
            let of_neurons: &[NeuronConstants] = blocks.take(usize::from(neurons))?;
            let constants = SrcConstants {
                rho: Coefficient::from_bits(rho),
                r: Coefficient::from_bits(r),
                r_s: Coefficient::from_bits(r_s),
                z_s_hyp: Gate::from_bits(z_s_hyp),
                z_s_dep: Gate::from_bits(z_s_dep),
                z: Gate::from_bits(z),
                gated_by: if previous { GatedBy::Previous } else { GatedBy::Current },
                spikes: if binary { SpikeKind::Binary } else { SpikeKind::Graded },
            };
            let mut layer =
                SrcLayer::new(synapses, of_neurons, integrator, constants).map_err(|_| FileError::Range)?;
            if initial {
                let initial = blocks.take(usize::from(neurons))?;
                layer = layer.with_initial(initial).map_err(|_| FileError::Range)?;
            }
            Ok(layer.into())
        }
        CellHeader::Lif {} => {
            let of_neurons: &[LifNeuron] = blocks.take(usize::from(neurons))?;
            let layer = LifLayer::new(synapses, of_neurons, integrator);
            Ok(layer.map_err(|_| FileError::Range)?.into())
        }
    }
}

/// What is left of a file's blocks.
struct Blocks<'m>(&'m [u8]);

impl<'m> Blocks<'m> {
    /// The next block, of `count` values, and its padding.
    fn take<T: bytemuck::AnyBitPattern>(&mut self, count: usize) -> Result<&'m [T], FileError> {
        let length = count.checked_mul(size_of::<T>()).ok_or(FileError::Blocks)?;
        let (block, rest) = self.0.split_at_checked(length).ok_or(FileError::Blocks)?;
        let (zeros, rest) = rest.split_at_checked(padding(length)).ok_or(FileError::Blocks)?;
        if zeros.iter().any(|&byte| byte != 0) {
            return Err(FileError::Blocks);
        }
        self.0 = rest;
        // Blocks start at multiples of 16, so only a big-endian machine could misread them.
        bytemuck::try_cast_slice(block).map_err(|_| FileError::Misaligned)
    }
}

#[cfg(target_endian = "big")]
compile_error!("model files are read in place and are little endian: this target is big endian");

/// Bytes from a length to the next multiple of 16.
pub(crate) const fn padding(length: usize) -> usize {
    length.wrapping_neg() % PREFIX
}

/// The little-endian word at an offset.
fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}
