//! Writing a model file.

use crate::crc;
use crate::file::{FileError, MAGIC, ModelFile, PREFIX, VERSION, padding};
use crate::header::Header;
use crate::self_test::SelfTest;
use spikelet_runtime::formats::{Current, Score};
use spikelet_runtime::{InitialState, MAX_WIDTH, MemoryView, Model, Network, Potentials, Spike};
use std::boxed::Box;
use std::fmt;
use std::vec::Vec;

/// A layer's blocks, as FORMAT.md lays them out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerBlocks {
    /// The row of each input, or 65,535 for a pruned one, if the header says that not all have one; else empty.
    pub rows: Vec<u16>,
    /// Neurons that have a column, if the header says that not all have; else empty.
    pub columns: Vec<u16>,
    /// Packed weights, as [`Shape::pack`](spikelet_runtime::Shape::pack) lays them out.
    pub weights: Vec<u32>,
    /// Two numbers for each neuron: gain, and bias of SRC or threshold and resting potential of LIF.
    pub neurons: Vec<[i32; 2]>,
    /// Initial states of each neuron of SRC, if the header says that there are any; else empty.
    pub initial: Vec<InitialState>,
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

/// Timesteps of self-tests: the least in which every layer spikes, or the last.
const TESTS: [u16; 3] = [12, 24, 48];

/// Writes a model file with its self-test, which is made by running it, and opens it to be sure that a device will.
///
/// # Errors
/// [`WriteError`] if the parts do not make a valid model.
pub fn write_model(header: &Header<'_>, layers: &[LayerBlocks]) -> Result<AlignedBytes, WriteError> {
    // The digest has the same length whatever it is, so it can be put in behind.
    let mut test = SelfTest { seed: 1, steps: TESTS[0], digest: 0 };
    let draft = assemble(header, &test, layers)?;
    make_self_test(&mut test, ModelFile::open(&draft).map_err(WriteError::Model)?.model());
    let file = assemble(header, &test, layers)?;
    ModelFile::open(&file).map_err(WriteError::Model)?;
    Ok(file)
}

/// The bytes of a model file.
fn assemble(
    header: &Header<'_>,
    self_test: &SelfTest,
    layers: &[LayerBlocks],
) -> Result<AlignedBytes, WriteError> {
    let encoded = postcard::to_extend(header, Vec::new()).map_err(|_| WriteError::Header)?;
    let encoded = postcard::to_extend(self_test, encoded).map_err(|_| WriteError::Header)?;
    let header_length = u16::try_from(encoded.len()).map_err(|_| WriteError::Header)?;
    let mut file = Vec::new();
    file.extend(MAGIC);
    file.extend(VERSION.to_le_bytes());
    file.extend(header_length.to_le_bytes());
    file.extend([0; 8]);
    push_padded(&mut file, &encoded);
    for layer in layers {
        push_padded(&mut file, bytemuck::cast_slice(&layer.rows));
        push_padded(&mut file, bytemuck::cast_slice(&layer.columns));
        push_padded(&mut file, bytemuck::cast_slice(&layer.weights));
        push_padded(&mut file, bytemuck::cast_slice(&layer.neurons));
        push_padded(&mut file, bytemuck::cast_slice(&layer.initial));
    }
    let length = u32::try_from(file.len()).map_err(|_| WriteError::Length)?;
    file[8..12].copy_from_slice(&length.to_le_bytes());
    let crc = crc::of_file(&file);
    file[12..PREFIX].copy_from_slice(&crc.to_le_bytes());
    Ok(AlignedBytes::from_slice(&file))
}

/// Runs a model for so many timesteps that the test says something of every layer, and takes down what it computes.
fn make_self_test(test: &mut SelfTest, model: &Model<'_>) {
    let need = model.need();
    let (mut currents, mut potentials) =
        (std::vec![Current::ZERO; need.neurons], std::vec![Potentials::REST; need.potentials]);
    let (mut sums, mut scores, mut votes) =
        (std::vec![0; need.widest], std::vec![Score::ZERO; need.classes], std::vec![0; need.classes]);
    let mut spikes = Box::new(heapless::Vec::<Spike, MAX_WIDTH>::new());
    let mut spiking = Box::new(heapless::Vec::<u16, MAX_WIDTH>::new());
    let memory = MemoryView {
        currents: &mut currents,
        potentials: &mut potentials,
        sums: &mut sums,
        spikes: &mut *spikes,
        scores: &mut scores,
        votes: &mut votes,
    };
    // Neither of these can fail: the memory is as large as the model needs, and no model is wider.
    let Ok(mut network) = Network::new(model, memory) else { return };
    for steps in TESTS {
        test.steps = steps;
        let Ok(digest) = test.run(&mut network, &mut *spiking) else { return };
        test.digest = digest;
        // Then the digest depends on every layer.
        if network.spike_counts().iter().all(|&count| count > 0) {
            return;
        }
    }
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
    use crate::header::{CellHeader, EncoderHeader, LayerHeader, Outline, Provenance, ReadoutHeader};
    use crate::self_test::SelfTestError;
    use spikelet_runtime::formats::{Coefficient, Current, Gate, Loss, Score};
    use spikelet_runtime::{GatedBy, Layer, Memory, Shape, SpikeKind, SrcConstants, Width, lif_neuron};
    use std::vec;

    const CONSTANTS: SrcConstants = SrcConstants {
        rho: Coefficient::lit("3"),
        r: Coefficient::lit("2"),
        r_s: Coefficient::lit("-7"),
        z_s_hyp: Gate::lit("0.9"),
        z_s_dep: Gate::ZERO,
        z: Gate::ZERO,
        gated_by: GatedBy::Current,
        spikes: SpikeKind::Graded,
    };
    const PAPER: CellHeader = CellHeader::of_src(CONSTANTS, false);
    const LIF: CellHeader = CellHeader::Lif {};

    fn lif() -> [i32; 2] {
        lif_neuron(1 << 20, Current::ONE, Current::from_num(-0.5))
    }

    /// SRC with everything that can be switched on.
    fn general() -> CellHeader {
        let constants = SrcConstants {
            z: Gate::from_num(0.25),
            gated_by: GatedBy::Previous,
            spikes: SpikeKind::Binary,
            ..CONSTANTS
        };
        CellHeader::of_src(constants, true)
    }

    /// LIF has 4-bit weights and a pruned input, all else 8-bit weights.
    fn layer(neurons: u16, cell: CellHeader) -> LayerHeader {
        let (bits, rows) = if cell == LIF { (4, Some(4)) } else { (8, None) };
        LayerHeader { neurons, bits, rows, columns: None, decay: 7373, shift: 4, proved: true, cell }
    }

    fn header(layers: &[(u16, CellHeader)]) -> Header<'static> {
        Header {
            outline: Outline {
                width: 3,
                height: 2,
                channels: 1,
                classes: 2,
                blank_before: 4,
                steps: 20,
                blank_after: 5,
                encoder: EncoderHeader::Rate { gain: 1 << 14, seed: 9 },
                readout: ReadoutHeader {
                    loss: Loss::from_num(0.01).to_bits(),
                    excite: Score::ONE.to_bits(),
                    inhibit: Score::from_num(-0.1).to_bits(),
                },
                margin: Some(1 << 14),
            },
            layers: layers.iter().map(|&(neurons, cell)| layer(neurons, cell)).collect(),
            provenance: Provenance { data: "none", tool: "test 1", ..Default::default() },
        }
    }

    fn blocks(inputs: u16, layers: &[(u16, CellHeader)]) -> Vec<LayerBlocks> {
        let mut below = inputs;
        let of = |&(neurons, cell): &(u16, CellHeader)| {
            let head = layer(neurons, cell);
            let mut rows = Vec::new();
            if head.rows.is_some() {
                rows = (0..below)
                    .map(|input| if input == 1 { u16::MAX } else { input - input.min(1) })
                    .collect();
            }
            let shape = Shape {
                rows: head.rows.map(|_| &rows[..]),
                ..Shape::new(below, neurons, Width::from_bits(head.bits).unwrap())
            };
            below = neurons;
            let most = i32::from(shape.width.most());
            let mut weights = vec![0; shape.words()];
            shape.pack(&mut weights, |input, neuron| {
                ((i32::from(input) * 37 + i32::from(neuron) * 5) % (2 * most + 1) - most) as i8
            });
            let count = usize::from(neurons);
            LayerBlocks {
                rows: rows.clone(),
                columns: vec![],
                weights,
                neurons: if cell == LIF { vec![lif(); count] } else { vec![[1 << 20, -6 << 26]; count] },
                initial: if cell == general() { vec![[-9, 10]; count] } else { vec![] },
            }
        };
        layers.iter().map(of).collect()
    }

    /// One layer of each kind.
    fn kinds() -> [(u16, CellHeader); 3] {
        [(5, general()), (3, LIF), (4, PAPER)]
    }

    fn small() -> AlignedBytes {
        write_model(&header(&kinds()), &blocks(6, &kinds())).unwrap()
    }

    #[test]
    fn bytes_are_as_the_format_says() {
        let file = small();
        assert_eq!(file[..4], *b"SPKL");
        assert_eq!(file[4..6], [4, 0]);
        let header_length = usize::from(u16::from_le_bytes([file[6], file[7]]));
        assert_eq!(u32::from_le_bytes(file[8..12].try_into().unwrap()) as usize, file.len());
        // width 3, height 2, channels 1, classes 2, 4 + 20 + 5 steps, rate: gain 16384 as a varint, seed 9
        assert_eq!(file[16..28], [3, 2, 1, 2, 4, 20, 5, 0, 0x80, 0x80, 0x01, 9]);
        // excite 2^14 and inhibit -1638, zigzag; a margin of 2^14; then 3 layers, the first of 5 neurons, 8 bits, no tables, decay 7373 as a
        // varint, shift 4, proved, SRC
        let excite = [0x80, 0x80, 0x02];
        let layers = 16 + file[16..].windows(3).position(|bytes| bytes == excite).unwrap() + 9;
        assert_eq!(file[layers..layers + 10], [3, 5, 8, 0, 0, 0xCD, 0x39, 4, 1, 0]);
        // z = 2^13, zigzag; gate previous, binary spikes, initial states; 3 neurons, 4 bits, 4 rows, LIF; 4 neurons, 8 bits
        let lif = [0x80, 0x80, 0x01, 1, 1, 1, 3, 4, 1, 4, 0, 0xCD, 0x39, 4, 1, 1, 4, 8, 0];
        assert!(file[layers..16 + header_length].windows(lif.len()).any(|bytes| bytes == lif));
        let weights = (16 + header_length).next_multiple_of(16);
        let blocks = blocks(6, &kinds());
        assert_eq!(file[weights..weights + 4], blocks[0].weights[0].to_le_bytes());
        let padded = |bytes: usize| bytes.next_multiple_of(16);
        // 5 neurons of 8 bytes
        let initial = weights + padded(4 * blocks[0].weights.len()) + padded(40);
        assert_eq!(file[initial..initial + 4], [0xF7, 0xFF, 10, 0]);
        // 5 initial states of 4 bytes, 5 rows of 2
        let rows = initial + padded(20);
        assert_eq!(file[rows..rows + 6], [0, 0, 0xFF, 0xFF, 1, 0]);
        let second = rows + padded(10) + padded(4 * blocks[1].weights.len()) + padded(24);
        assert_eq!(file.len(), second + padded(4 * blocks[2].weights.len()) + padded(32));
    }

    #[test]
    fn what_was_written_is_read() {
        let file = small();
        let opened = ModelFile::open(&file).unwrap();
        assert_eq!(opened.header().unwrap(), header(&kinds()));
        let need = opened.model().need();
        assert_eq!((need.neurons, need.potentials), (12, 9));
        assert_eq!((opened.model().steps(), opened.model().margin()), (29, Some(Score::ONE)));
        assert_eq!(
            (opened.input().blank_before, opened.input().steps, opened.input().blank_after),
            (4, 20, 5)
        );
        assert_eq!(opened.id().to_le_bytes(), file[12..16]);
        let [Layer::Src(first), Layer::Lif(second), Layer::Src(third)] = opened.model().layers() else {
            panic!("other cells")
        };
        assert_eq!(first.synapses().weight(1, 2), Some(37 + 10 - 127));
        assert_eq!(*first.integrator(), layer(5, general()).integrator());
        assert_eq!(CellHeader::of_src(*first.constants(), true), general());
        assert_eq!(first.initial(), [[-9, 10]; 5]);
        assert_eq!(second.neurons(), [lif(); 3]);
        assert_eq!((second.synapses().weight(1, 2), second.synapses().weight(4, 2)), (Some(0), Some(1)));
        assert_eq!(CellHeader::of_src(*third.constants(), false), PAPER);
        assert!(third.initial().is_empty());
    }

    /// Runs a file's self-test with room for so many input spikes.
    fn self_test<const ROOM: usize>(file: &[u8]) -> Result<(), SelfTestError> {
        let file = ModelFile::open(file).unwrap();
        let mut memory = Memory::<12, 9, 16, 2>::new();
        let mut network = Network::new(file.model(), memory.view()).unwrap();
        network.step(&[0, 3]);
        let result = file.self_test(&mut network, &mut heapless::Vec::<u16, ROOM>::new());
        assert_eq!(network.spike_counts(), [0; 3], "the network is at rest again");
        assert_eq!(file.self_test(&mut network, &mut heapless::Vec::<u16, ROOM>::new()), result);
        result
    }

    /// Another digest, or another input from another seed.
    #[test]
    fn the_self_test_finds_what_computes_otherwise() {
        let file = small();
        let test = *ModelFile::open(&file).unwrap().test_vector();
        assert!(TESTS.contains(&test.steps) && test.digest != 0, "{test:?}");
        assert_eq!(self_test::<6>(&file), Ok(()));
        assert_eq!(self_test::<5>(&file), Err(SelfTestError::Room));
        // The digest is the last of the header.
        let end = PREFIX + usize::from(u16::from_le_bytes([file[6], file[7]]));
        assert_eq!(file[end - 4..end], test.digest.to_le_bytes());
        for (at, bit) in [(end - 4, 1), (end - 1, 0x80), (end - 6, 2)] {
            let mut other = small();
            other[at] ^= bit;
            let crc = crc::of_file(&other);
            other[12..16].copy_from_slice(&crc.to_le_bytes());
            assert!(matches!(self_test::<6>(&other), Err(SelfTestError::Digest { .. })), "byte {at}");
        }
        let words = std::format!("{}", SelfTestError::Digest { expected: 1, found: 0xFE });
        assert!(words.contains("000000fe in its self-test where 00000001 is right"), "{words}");
    }

    #[test]
    fn self_tests_have_a_bounded_length() {
        let end = PREFIX + usize::from(u16::from_le_bytes([small()[6], small()[7]]));
        // seed, steps and 4 bytes of the digest
        assert_eq!(small()[end - 6], 1);
        assert_eq!(with_crc(|file| file[end - 5] = 0), Err(FileError::Range));
        assert_eq!(with_crc(|file| file[end - 5] = 65), Err(FileError::Range));
        assert_eq!(with_crc(|file| file[end - 5] = 64), Ok(()));
    }

    #[test]
    fn inputs_that_boards_do_not_encode() {
        let encoder = |encoder| {
            let mut header = header(&kinds());
            header.outline.encoder = encoder;
            let file = write_model(&header, &blocks(6, &kinds())).unwrap();
            (ModelFile::open(&file).unwrap().input().encoder, encoder.is_on_boards())
        };
        assert_eq!(encoder(EncoderHeader::Events {}), (None, false));
        assert!(matches!(encoder(EncoderHeader::LatencyLog {}), (Some(_), false)), "the host knows it");
        assert!(matches!(encoder(EncoderHeader::Latency {}), (Some(_), true)));
    }

    /// Every so many bytes or bits are tried: all, but for Miri, which is slow.
    const STRIDE: usize = if cfg!(miri) { 61 } else { 1 };

    #[test]
    fn every_truncation_and_extension_is_refused() {
        let file = small();
        for length in (0..file.len()).step_by(STRIDE) {
            assert!(ModelFile::open(&AlignedBytes::from_slice(&file[..length])).is_err(), "{length} bytes");
        }
        let mut longer = file.to_vec();
        longer.extend([0; 16]);
        assert_eq!(ModelFile::open(&AlignedBytes::from_slice(&longer)).unwrap_err(), FileError::Length);
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let mut file = small();
        for bit in (0..file.len() * 8).step_by(STRIDE) {
            file[bit / 8] ^= 1 << (bit % 8);
            assert!(ModelFile::open(&file).is_err(), "bit {bit}");
            file[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(ModelFile::open(&file).is_ok());
    }

    fn with_crc(change: impl Fn(&mut AlignedBytes)) -> Result<(), FileError> {
        let mut file = small();
        change(&mut file);
        let crc = crc::of_file(&file);
        file[12..16].copy_from_slice(&crc.to_le_bytes());
        ModelFile::open(&file).map(|_| ())
    }

    /// A flipped bit that the CRC was made for changes a value or is refused, and nothing panics.
    #[test]
    fn flipped_bits_with_a_right_crc_do_no_harm() {
        let mut refused = 0;
        for bit in (0..small().len() * 8).step_by(STRIDE) {
            refused += usize::from(with_crc(|file| file[bit / 8] ^= 1 << (bit % 8)).is_err());
        }
        assert!(refused > 300 / STRIDE, "{refused}");
    }

    #[test]
    fn errors_have_their_names() {
        let error = |change: &dyn Fn(&mut AlignedBytes)| with_crc(change).unwrap_err();
        assert_eq!(error(&|f| f[0] = b'X'), FileError::Magic);
        assert_eq!(error(&|f| f[4] = 1), FileError::Version(1));
        assert_eq!(error(&|f| f[4] = 3), FileError::Version(3));
        assert_eq!(error(&|f| f[4] = 5), FileError::Version(5));
        assert_eq!(error(&|f| f[6] -= 1), FileError::Header);
        assert_eq!(error(&|f| f[8] ^= 1), FileError::Length);
        let mut damaged = small();
        damaged[40] ^= 1;
        assert_eq!(ModelFile::open(&damaged).unwrap_err(), FileError::Crc);
        let file = small();
        let off = AlignedBytes::from_slice(&[&[0; 8], &file[..]].concat());
        assert_eq!(ModelFile::open(&off[8..]).unwrap_err(), FileError::Misaligned);
        let words = std::format!("{}", FileError::Version(1));
        assert!(words.contains("version 1") && words.contains("export it again"), "{words}");
    }

    #[test]
    fn impossible_models_are_not_written() {
        let refused = |header: &Header<'_>, blocks: &[LayerBlocks]| match write_model(header, blocks) {
            Err(WriteError::Model(error)) => error,
            other => panic!("{other:?}"),
        };
        let layers = kinds();
        let good = blocks(6, &layers);
        let changed = |change: &dyn Fn(&mut Vec<LayerBlocks>)| {
            let mut blocks = good.clone();
            change(&mut blocks);
            refused(&header(&layers), &blocks)
        };
        assert_eq!(changed(&|blocks| blocks[2].neurons[0][0] = -1), FileError::Range);
        assert_eq!(changed(&|blocks| blocks[2].neurons[0][1] = i32::MAX), FileError::Range);
        assert_eq!(changed(&|blocks| blocks[1].neurons[0][0] = -1), FileError::Range);
        // A resting potential above the threshold.
        assert_eq!(changed(&|blocks| blocks[1].neurons[2][1] = 1 << 16), FileError::Range);
        // A row that is not there.
        assert_eq!(changed(&|blocks| blocks[1].rows[0] = 4), FileError::Blocks);
        assert_eq!(changed(&|blocks| blocks[0].initial[4][1] = i16::MIN), FileError::Range);
        assert_eq!(changed(&|blocks| blocks[2].initial = vec![[0; 2]; 4]), FileError::Blocks);
        assert_eq!(changed(&|blocks| blocks.truncate(2)), FileError::Blocks);
        assert_eq!(refused(&header(&layers[..2]), &good), FileError::Blocks);
        // 5 neurons do not divide between 2 classes
        assert_eq!(refused(&header(&layers[..1]), &good[..1]), FileError::Range);
        let of_cell = |cell| refused(&header(&[(4, cell)]), &blocks(6, &[(4, cell)]));
        let z = Gate::from_bits(-1);
        assert_eq!(of_cell(CellHeader::of_src(SrcConstants { z, ..CONSTANTS }, false)), FileError::Range);
        let of_layer = |change: &dyn Fn(&mut LayerHeader)| {
            let mut header = header(&layers);
            change(&mut header.layers[0]);
            refused(&header, &good)
        };
        assert_eq!(of_layer(&|layer| layer.bits = 7), FileError::Bits(7));
        assert_eq!(of_layer(&|layer| layer.decay = 1 << 13), FileError::Range);
        assert_eq!(of_layer(&|layer| layer.shift = 9), FileError::Range);
        let of_outline = |change: &dyn Fn(&mut Outline)| {
            let mut header = header(&layers);
            change(&mut header.outline);
            refused(&header, &good)
        };
        assert_eq!(of_outline(&|outline| outline.steps = 0), FileError::Range);
        assert_eq!(of_outline(&|outline| outline.margin = Some(0)), FileError::Range);
        assert_eq!(of_outline(&|outline| outline.blank_after = 65_512), FileError::Range);
        let encoder = EncoderHeader::Rate { gain: (1 << 16) + 1, seed: 0 };
        assert_eq!(of_outline(&|outline| outline.encoder = encoder), FileError::Range);
    }
}
