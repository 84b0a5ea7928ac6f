//! Any bytes as a model file.

use crate::memory::Memory;
use crc::{CRC_32_ISO_HDLC, Crc};
use spikelet_export::{AlignedBytes, MAGIC, ModelFile, PREFIX, SelfTestError, VERSION};
use spikelet_runtime::{MAX_WIDTH, Network};

/// Timesteps that an opened model is run for at most, and neurons times timesteps.
const STEPS: u16 = 12;
const WORK: usize = 40_000;

/// Opens the bytes as a model file; then again with magic, version, length and CRC put right, so that what is behind them is
/// read. What opens is run.
///
/// # Panics
/// If a network breaks what the runtime promises: that is a finding.
pub fn model(bytes: &[u8]) {
    let mut file = AlignedBytes::from_slice(bytes);
    open(&file);
    if file.len() < PREFIX {
        return;
    }
    file[..4].copy_from_slice(&MAGIC);
    file[4..6].copy_from_slice(&VERSION.to_le_bytes());
    let length = (file.len() as u32).to_le_bytes();
    file[8..12].copy_from_slice(&length);
    let crc = Crc::<u32>::new(&CRC_32_ISO_HDLC);
    let mut digest = crc.digest();
    digest.update(&file[..12]);
    digest.update(&file[PREFIX..]);
    file[12..PREFIX].copy_from_slice(&digest.finalize().to_le_bytes());
    open(&file);
}

fn open(bytes: &[u8]) {
    let Ok(file) = ModelFile::open(bytes) else { return };
    let _ = file.header();
    assert_eq!(file.len(), bytes.len());
    let model = file.model();
    let need = model.need();
    assert!(need.is_possible() && need.layers > 0 && need.classes > 0 && model.steps() > 0);
    let mut memory = Memory::new(need);
    let first = run(&file, &mut memory);
    memory.check(need);
    assert_eq!(run(&file, &mut memory), first, "another run in used memory is another one");
    memory.check(need);
    if WORK / (need.neurons + need.inputs) >= usize::from(file.test_vector().steps) {
        let mut network =
            Network::new(model, memory.view()).expect("the memory is as large as the model needs");
        let mut spiking = Box::new(heapless::Vec::<u16, MAX_WIDTH>::new());
        let result = file.self_test(&mut network, spiking.as_mut_view());
        assert!(matches!(result, Ok(()) | Err(SelfTestError::Digest { .. })), "{result:?}");
        assert_eq!(file.self_test(&mut network, spiking.as_mut_view()), result);
        memory.check(need);
    }
}

/// Runs some timesteps; gives scores, spike counts and class.
fn run(file: &ModelFile<'_>, memory: &mut Memory) -> (Vec<i32>, Vec<u32>, u16) {
    let model = file.model();
    let need = model.need();
    let mut network = Network::new(model, memory.view()).expect("the memory is as large as the model needs");
    let pixels: Vec<u8> = (0..need.inputs).map(|n| (n * 37) as u8).collect();
    let mut spiking = Box::new(heapless::Vec::<u16, MAX_WIDTH>::new());
    let steps = STEPS.min(model.steps()).min((WORK / (need.neurons + need.inputs)).max(1) as u16);
    for t in 0..steps {
        match &file.input().encoder {
            Some(encoder) => file.input().step(encoder, 3, t, &pixels, &mut *spiking),
            // Every third input, and one that does not exist.
            None => *spiking = (0..=need.inputs as u16).step_by(3).take(MAX_WIDTH).collect(),
        }
        assert!(
            spiking.iter().all(|&input| file.input().encoder.is_none() || usize::from(input) < need.inputs)
        );
        network.step_observed(&spiking, |layer, spikes| {
            let neurons = model.layers()[layer].neurons();
            assert!(spikes.iter().is_sorted_by_key(|spike| spike.neuron));
            assert!(spikes.iter().all(|spike| usize::from(spike.neuron) < neurons));
        });
        assert!(usize::from(network.class()) < need.classes);
        let _ = (network.has_decided(), network.lead(), network.probability(0));
    }
    let scores = network.scores().iter().map(|score| score.to_bits()).collect();
    (scores, network.spike_counts().to_vec(), network.class())
}
