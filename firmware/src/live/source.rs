//! Where the spikes of a timestep come from.

use heapless::VecView;

/// Inputs of a network in continuous operation.
pub trait SpikeSource {
    /// False of [`NoSource`] alone: a board that has it needs none of the continuous operation in its program.
    const PRESENT: bool = true;

    /// Why the inputs could not be read.
    type Error;

    /// Lists the inputs that spike in the timestep at hand, ascending, each once and below the model's inputs. The list is
    /// cleared first; what does not fit into it is left out.
    ///
    /// # Errors
    /// If the inputs could not be read, or not all of them. The list then holds those that were: the timestep is made with them.
    fn timestep(&mut self, spiking: &mut VecView<u16>) -> Result<(), Self::Error>;

    /// Spikes left out so far because they named no input of the model, wrapping around.
    fn dropped(&self) -> u32 {
        0
    }
}

/// The source of a board that has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSource;

impl SpikeSource for NoSource {
    const PRESENT: bool = false;
    type Error = core::convert::Infallible;

    fn timestep(&mut self, spiking: &mut VecView<u16>) -> Result<(), Self::Error> {
        spiking.clear();
        Ok(())
    }
}

/// Lists the inputs of the bits that are set, of which the lowest is `first`.
pub(super) fn list(first: u16, mut bits: u32, spiking: &mut VecView<u16>) {
    while bits != 0 {
        let bit = bits.trailing_zeros() as u16;
        if spiking.push(first.wrapping_add(bit)).is_err() {
            return;
        }
        bits &= bits - 1;
    }
}
