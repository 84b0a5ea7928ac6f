//! A network as C sees it: every number that comes in is checked.

use crate::error::Error;
use crate::plan::Plan;
use spikelet_export::{Input, ModelFile};
use spikelet_runtime::formats::Score;
use spikelet_runtime::{InputSpikes, MAX_WIDTH, Network};

/// A model at work, in the working memory that `spikelet_open` was given.
#[derive(Debug)]
pub struct Spikelet {
    file: &'static ModelFile<'static>,
    network: Network<'static, 'static>,
    /// Input spikes of a timestep, where they are made here.
    spiking: &'static mut InputSpikes,
    /// Timesteps since the last reset.
    steps: u32,
}

/// What a model is and needs.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Working memory that it needs, in bytes.
    pub memory: usize,
    /// Its identity: the CRC-32 of its file, as `cargo spikelet inspect` prints it.
    pub id: u32,
    /// Inputs: pixels of an image.
    pub inputs: u16,
    /// Classes.
    pub classes: u16,
    /// Layers.
    pub layers: u16,
    /// Timesteps of a whole sequence, blank ones included.
    pub steps: u16,
    /// Its spikes are made from pixels here; if not, `spikelet_step` takes them from elsewhere.
    pub encodes: bool,
    /// It has a margin for early decisions.
    pub decides: bool,
}

/// How much room a model needs for input spikes that are made here.
pub fn spiking_room(file: &ModelFile<'_>) -> usize {
    file.input().encoder.map_or(0, |_| file.model().inputs().into())
}

impl Info {
    /// What `file` is and needs.
    pub fn of(file: &ModelFile<'_>) -> Self {
        let need = file.model().need();
        Self {
            memory: Plan::of(&need, spiking_room(file)).end,
            id: file.id(),
            inputs: file.model().inputs(),
            classes: need.classes as u16,
            layers: need.layers as u16,
            steps: file.model().steps(),
            encodes: file.input().encoder.is_some(),
            decides: file.model().margin().is_some(),
        }
    }
}

impl Spikelet {
    /// A network of a file's model; `spiking` has [`spiking_room`].
    pub const fn new(
        file: &'static ModelFile<'static>,
        network: Network<'static, 'static>,
        spiking: &'static mut InputSpikes,
    ) -> Self {
        Self { file, network, spiking, steps: 0 }
    }

    pub fn info(&self) -> Info {
        Info::of(self.file)
    }

    pub fn reset(&mut self) {
        self.network.reset();
        self.steps = 0;
    }

    pub fn step(&mut self, spiking: &[u16]) -> Result<(), Error> {
        let inputs = self.network.model().inputs();
        // An input may be listed twice, as in recordings.
        let mut last = 0;
        let ascends = spiking.iter().all(|&input| {
            let fits = last <= input && input < inputs;
            last = input;
            fits
        });
        if spiking.len() > MAX_WIDTH || !ascends {
            return Err(Error::Spikes);
        }
        self.network.step(spiking);
        self.steps = self.steps.saturating_add(1);
        Ok(())
    }

    /// The spikes of timestep `t`.
    pub fn encode(&mut self, stream: u64, t: u16, pixels: &[u8]) -> Result<&[u16], Error> {
        let input: &Input = self.file.input();
        let encoder = input.encoder.ok_or(Error::Encoder)?;
        if pixels.len() != usize::from(self.network.model().inputs()) {
            return Err(Error::Count);
        }
        input.step(&encoder, stream, t, pixels, self.spiking);
        Ok(self.spiking)
    }

    pub fn infer(&mut self, stream: u64, early: bool, pixels: &[u8]) -> Result<(), Error> {
        let input = self.file.input();
        let steps = input.present(&mut self.network, stream, early, pixels, self.spiking, |_| {})?;
        self.steps = steps.into();
        Ok(())
    }

    pub fn class(&self) -> u16 {
        self.network.class()
    }

    pub fn scores(&self) -> impl ExactSizeIterator<Item = i32> {
        self.network.scores().iter().map(|score: &Score| score.to_bits())
    }

    pub fn spike_counts(&self) -> impl ExactSizeIterator<Item = u32> {
        self.network.spike_counts().iter().copied()
    }

    pub const fn steps(&self) -> u32 {
        self.steps
    }

    pub fn has_decided(&self) -> bool {
        self.network.has_decided()
    }
}
