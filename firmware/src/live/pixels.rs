//! Pixels that the board encodes itself, one image after the other.

use super::SpikeSource;
use core::convert::Infallible;
use heapless::VecView;
use spikelet_export::Input;
use spikelet_runtime::encode::Encoder;

/// Where images come from.
pub trait Camera {
    /// Why there is none.
    type Error;

    /// Puts an image's pixels, one per input of the model, into `pixels`. What it leaves there is what was there before.
    ///
    /// # Errors
    /// If there is no image.
    fn image(&mut self, pixels: &mut [u8]) -> Result<(), Self::Error>;
}

/// The same image again and again: the one that is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Still;

impl Camera for Still {
    type Error = Infallible;

    fn image(&mut self, _: &mut [u8]) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Shows images to a model as [`Input`] says: for its whole sequence, blank timesteps included, and then the next one.
///
/// The spikes of image k are those of stream `first_stream` + k, as if the host had asked for it.
#[derive(Debug)]
pub struct PixelSource<'p, C> {
    camera: C,
    pixels: &'p mut [u8],
    input: Input,
    encoder: Encoder,
    stream: u64,
    /// The next timestep of the sequence.
    t: u16,
}

impl<'p, C: Camera> PixelSource<'p, C> {
    /// A source for a model's input; `None` if the model does not take pixels. `pixels` has one byte per input of the model.
    pub fn new(input: Input, camera: C, pixels: &'p mut [u8], first_stream: u64) -> Option<Self> {
        Some(Self { camera, pixels, input, encoder: input.encoder?, stream: first_stream, t: 0 })
    }
}

impl<C: Camera> SpikeSource for PixelSource<'_, C> {
    type Error = C::Error;

    fn timestep(&mut self, spiking: &mut VecView<u16>) -> Result<(), C::Error> {
        // Without a new image the one before is shown again.
        let taken = if self.t == 0 { self.camera.image(self.pixels) } else { Ok(()) };
        self.input.step(&self.encoder, self.stream, self.t, self.pixels, spiking);
        self.t = self.t.wrapping_add(1);
        if self.t >= self.input.sequence() {
            self.t = 0;
            self.stream = self.stream.wrapping_add(1);
        }
        taken
    }
}
