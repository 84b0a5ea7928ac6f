//! Writing a model file.

use crate::crc;
use crate::file::{FileError, MAGIC, ModelFile, PREFIX, VERSION, padding};
use crate::header::Header;
use spikelet_runtime::NeuronConstants;
use std::fmt;
use std::vec::Vec;

/// A layer's blocks, as FORMAT.md lays them out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerBlocks {
    /// One row per input, padded to a multiple of 4.
    pub weights: Vec<i8>,
    /// Gain and bias of each neuron.
    pub neurons: Vec<NeuronConstants>,
}

/// Why a model cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The header is longer than 65,535 bytes: a text in it is.
    Header,
    /// The file would be longer than 4 GiB.
    Length,
    /// Header and blocks do not make a model that a device would run.
    Model(FileError),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("the model's header is longer than 65,535 bytes: shorten its texts"),
            Self::Length => f.write_str("the model is larger than 4 GiB: use fewer or narrower layers"),
            Self::Model(error) => write!(f, "no device would run this model: {error}"),
        }
    }
}

impl std::error::Error for WriteError {}

/// Writes a model file, and opens it to be sure that a device will.
///
/// # Errors
/// [`WriteError`] if the parts do not make a valid model.
pub fn write_model(header: &Header<'_>, layers: &[LayerBlocks]) -> Result<AlignedBytes, WriteError> {
    let encoded = postcard::to_extend(header, Vec::new()).map_err(|_| WriteError::Header)?;
    let header_length = u16::try_from(encoded.len()).map_err(|_| WriteError::Header)?;
    let mut file = Vec::new();
    file.extend(MAGIC);
    file.extend(VERSION.to_le_bytes());
    file.extend(header_length.to_le_bytes());
    file.extend([0; 8]);
    push_padded(&mut file, &encoded);
    for layer in layers {
        push_padded(&mut file, bytemuck::cast_slice(&layer.weights));
        push_padded(&mut file, bytemuck::cast_slice(&layer.neurons));
    }
    let length = u32::try_from(file.len()).map_err(|_| WriteError::Length)?;
    file[8..12].copy_from_slice(&length.to_le_bytes());
    let crc = crc::of_file(&file);
    file[12..PREFIX].copy_from_slice(&crc.to_le_bytes());

    let file = AlignedBytes::from_slice(&file);
    ModelFile::open(&file).map_err(WriteError::Model)?;
    Ok(file)
}

fn push_padded(file: &mut Vec<u8>, block: &[u8]) {
    file.extend(block);
    file.resize(file.len() + padding(block.len()), 0);
}

/// Bytes on the heap that start at a multiple of 16, as a model file must.
#[derive(Clone, PartialEq, Eq)]
pub struct AlignedBytes {
    chunks: Vec<u128>,
    length: usize,
}

const _: () = assert!(align_of::<u128>() >= PREFIX, "this host needs another way to align model files");

impl AlignedBytes {
    /// An aligned copy of `bytes`.
    pub fn from_slice(bytes: &[u8]) -> Self {
        let mut chunks = std::vec![0u128; bytes.len().div_ceil(PREFIX)];
        bytemuck::cast_slice_mut(&mut chunks)[..bytes.len()].copy_from_slice(bytes);
        Self { chunks, length: bytes.len() }
    }
}

impl core::ops::Deref for AlignedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.chunks)[..self.length]
    }
}

impl core::ops::DerefMut for AlignedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.chunks)[..self.length]
    }
}

impl fmt::Debug for AlignedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedBytes({} bytes)", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{EncoderHeader, LayerHeader, Provenance, ReadoutHeader};
    use spikelet_runtime::formats::{Coefficient, Gate, Loss, Score};
    use spikelet_runtime::{GatedBy, SpikeKind, SrcConstants, Synapses};
    use std::vec;

    fn header(widths: &[u16]) -> Header<'static> {
        let constants = SrcConstants {
            loss: Loss::from_num(0.1),
            rho: Coefficient::from_num(3),
            r: Coefficient::from_num(2),
            r_s: Coefficient::from_num(-7),
            z_s_hyp: Gate::from_num(0.9),
            z_s_dep: Gate::ZERO,
            z: Gate::ZERO,
            gated_by: GatedBy::Current,
            spikes: SpikeKind::Graded,
        };
        Header {
            width: 3,
            height: 2,
            channels: 1,
            classes: 2,
            steps: 20,
            encoder: EncoderHeader::Rate { gain: 1 << 14, seed: 9 },
            readout: ReadoutHeader {
                loss: Loss::from_num(0.01).to_bits(),
                excite: Score::ONE.to_bits(),
                inhibit: Score::from_num(-0.1).to_bits(),
            },
            layers: widths
                .iter()
                .map(|&neurons| LayerHeader { neurons, bits: 8, cell: constants.into() })
                .collect(),
            provenance: Provenance { data: "none", tool: "test 1", ..Default::default() },
        }
    }

    fn blocks(inputs: u16, widths: &[u16]) -> Vec<LayerBlocks> {
        let mut below = inputs;
        widths
            .iter()
            .map(|&neurons| {
                let length = usize::from(below) * Synapses::stride(neurons);
                below = neurons;
                let weight = |k: usize| ((k * 37) % 255) as i16 - 127;
                LayerBlocks {
                    weights: (0..length).map(|k| weight(k) as i8).collect(),
                    neurons: vec![[1 << 26, -6 << 14]; usize::from(neurons)],
                }
            })
            .collect()
    }

    fn small() -> AlignedBytes {
        write_model(&header(&[5, 4]), &blocks(6, &[5, 4])).unwrap()
    }

    #[test]
    fn bytes_are_as_the_format_says() {
        let file = small();
        assert_eq!(file[..4], *b"SPKL");
        assert_eq!(file[4..6], [1, 0]);
        let header_length = usize::from(u16::from_le_bytes([file[6], file[7]]));
        assert_eq!(u32::from_le_bytes(file[8..12].try_into().unwrap()) as usize, file.len());
        // width 3, height 2, channels 1, classes 2, steps 20, rate: gain 16384 as a varint, seed 9
        assert_eq!(file[16..26], [3, 2, 1, 2, 20, 0, 0x80, 0x80, 0x01, 9]);
        let weights = (16 + header_length).next_multiple_of(16);
        assert_eq!(file[weights..weights + 3], [-127i8 as u8, (37 - 127i8) as u8, (74 - 127i8) as u8]);
        // 6 rows of 8 bytes, 5 neurons of 8 bytes in 48, 5 rows of 4 in 32, 4 neurons
        assert_eq!(file.len(), weights + 48 + 48 + 32 + 32);
    }

    #[test]
    fn what_was_written_is_read() {
        let file = small();
        let opened = ModelFile::open(&file).unwrap();
        assert_eq!(opened.header().unwrap(), header(&[5, 4]));
        assert_eq!(opened.model().need().neurons, 9);
        assert_eq!(opened.id().to_le_bytes(), file[12..16]);
        let row = opened.model().layers()[0].synapses().row(1).unwrap();
        assert_eq!(row, &blocks(6, &[5, 4])[0].weights[8..13]);
    }

    #[test]
    fn every_truncation_and_extension_is_refused() {
        let file = small();
        for length in 0..file.len() {
            assert!(ModelFile::open(&AlignedBytes::from_slice(&file[..length])).is_err(), "{length} bytes");
        }
        let mut longer = file.to_vec();
        longer.extend([0; 16]);
        assert_eq!(ModelFile::open(&AlignedBytes::from_slice(&longer)).unwrap_err(), FileError::Length);
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let mut file = small();
        for bit in 0..file.len() * 8 {
            file[bit / 8] ^= 1 << (bit % 8);
            assert!(ModelFile::open(&file).is_err(), "bit {bit}");
            file[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(ModelFile::open(&file).is_ok());
    }

    #[test]
    fn errors_have_their_names() {
        let with_crc = |change: &dyn Fn(&mut AlignedBytes)| {
            let mut file = small();
            change(&mut file);
            let crc = crc::of_file(&file);
            file[12..16].copy_from_slice(&crc.to_le_bytes());
            ModelFile::open(&file).unwrap_err()
        };
        assert_eq!(with_crc(&|f| f[0] = b'X'), FileError::Magic);
        assert_eq!(with_crc(&|f| f[4] = 2), FileError::Version(2));
        assert_eq!(with_crc(&|f| f[6] -= 1), FileError::Header);
        assert_eq!(with_crc(&|f| f[8] ^= 1), FileError::Length);
        let mut damaged = small();
        damaged[40] ^= 1;
        assert_eq!(ModelFile::open(&damaged).unwrap_err(), FileError::Crc);
        let file = small();
        let off = AlignedBytes::from_slice(&[&[0; 8], &file[..]].concat());
        assert_eq!(ModelFile::open(&off[8..]).unwrap_err(), FileError::Misaligned);
    }

    #[test]
    fn impossible_models_are_not_written() {
        let refused = |header: &Header<'_>, blocks: &[LayerBlocks]| match write_model(header, blocks) {
            Err(WriteError::Model(error)) => error,
            other => panic!("{other:?}"),
        };
        let good = blocks(6, &[5, 4]);
        let mut lowest = good.clone();
        lowest[0].weights[0] = -128;
        assert_eq!(refused(&header(&[5, 4]), &lowest), FileError::Range);
        let mut negative = good.clone();
        negative[1].neurons[0][0] = -1;
        assert_eq!(refused(&header(&[5, 4]), &negative), FileError::Range);
        assert_eq!(refused(&header(&[5, 4]), &good[..1]), FileError::Blocks);
        assert_eq!(refused(&header(&[5]), &good), FileError::Blocks);
        // 5 neurons do not divide between 2 classes
        assert_eq!(refused(&header(&[5]), &good[..1]), FileError::Range);
        let mut narrow = header(&[5, 4]);
        narrow.layers[1].bits = 4;
        assert_eq!(refused(&narrow, &good), FileError::Bits(4));
        assert_eq!(refused(&Header { steps: 0, ..header(&[5, 4]) }, &good), FileError::Range);
        let encoder = EncoderHeader::Rate { gain: (1 << 16) + 1, seed: 0 };
        assert_eq!(refused(&Header { encoder, ..header(&[5, 4]) }, &good), FileError::Range);
    }
}
