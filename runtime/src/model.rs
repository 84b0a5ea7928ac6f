//! A model: layers and readout, as they lie in flash. What changes while it runs is in [`crate::Memory`].

use crate::formats::Score;
use crate::layer::Layer;
use crate::readout::Readout;
use crate::{MAX_LAYERS, MAX_WIDTH};

/// A network without state.
///
/// It is put together where it lies, layer by layer, since a board's stack has no room to hand it on:
/// [`Model::empty`], [`Model::push`], and [`Model::finish`], after which its parts fit together.
#[derive(Clone, Debug)]
pub struct Model<'m> {
    layers: heapless::Vec<Layer<'m>, MAX_LAYERS>,
    readout: Readout,
    steps: u16,
    margin: Option<Score>,
}

/// Why layers do not make a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ModelError {
    /// A model needs at least one layer.
    NoLayers,
    /// A model has at most [`MAX_LAYERS`] layers.
    ManyLayers,
    /// A layer has another number of inputs than the layer below it has neurons.
    Chain,
    /// The readout expects another number of neurons than the last layer has.
    Readout,
    /// A model needs at least one timestep.
    NoSteps,
    /// The margin of an early decision is not above 0.
    Margin,
}

/// What a model needs of the memory it runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of layers.
    pub layers: usize,
    /// Neurons of all layers together.
    pub neurons: usize,
    /// Those of them that are SRC.
    pub potentials: usize,
    /// Neurons of the widest layer, up to a multiple of 16: kernels write the sums of whole words of weights.
    pub widest: usize,
    /// Number of classes.
    pub classes: usize,
}

impl<'m> Model<'m> {
    /// A model without layers, readout and timesteps: a network of it does nothing.
    #[inline(always)]
    pub const fn empty() -> Self {
        Self { layers: heapless::Vec::new(), readout: Readout::NONE, steps: 0, margin: None }
    }

    /// Puts a layer on top of the others.
    ///
    /// # Errors
    /// [`ModelError::Chain`] if it does not fit the layer below, [`ModelError::ManyLayers`] if there is no room for it.
    pub fn push(&mut self, layer: Layer<'m>) -> Result<(), ModelError> {
        let below = self.layers.last().map(|below| below.synapses().neurons());
        if below.is_some_and(|neurons| neurons != layer.synapses().inputs()) {
            return Err(ModelError::Chain);
        }
        self.layers.push(layer).map_err(|_| ModelError::ManyLayers)
    }

    /// Adds the readout, and the number of timesteps of a whole sequence.
    ///
    /// # Errors
    /// [`ModelError`] if the parts do not fit together.
    pub fn finish(&mut self, readout: Readout, steps: u16) -> Result<(), ModelError> {
        let last = self.layers.last().ok_or(ModelError::NoLayers)?.synapses().neurons();
        let voters = u32::from(readout.classes()) * u32::from(readout.neurons_per_class());
        if voters != u32::from(last) {
            return Err(ModelError::Readout);
        }
        if steps == 0 {
            return Err(ModelError::NoSteps);
        }
        (self.readout, self.steps) = (readout, steps);
        Ok(())
    }

    /// The layers, bottom to top.
    pub fn layers(&self) -> &[Layer<'m>] {
        &self.layers
    }

    /// The readout above the last layer.
    pub const fn readout(&self) -> &Readout {
        &self.readout
    }

    /// Timesteps of a sequence; at least 1 of a finished model.
    pub const fn steps(&self) -> u16 {
        self.steps
    }

    /// Lets the model have decided as soon as its best score leads by at least `margin`.
    ///
    /// # Errors
    /// [`ModelError::Margin`] if it is not above 0.
    pub fn set_margin(&mut self, margin: Score) -> Result<(), ModelError> {
        if margin <= 0 {
            return Err(ModelError::Margin);
        }
        self.margin = Some(margin);
        Ok(())
    }

    /// By how much the best score must lead for an early decision; `None` if the model decides at the end of a sequence only.
    pub const fn margin(&self) -> Option<Score> {
        self.margin
    }

    /// Number of inputs.
    pub fn inputs(&self) -> u16 {
        self.layers.first().map_or(0, |layer| layer.synapses().inputs())
    }

    /// What the model needs of the memory it runs in.
    pub fn need(&self) -> Need {
        let widths = || self.layers.iter().map(Layer::neurons);
        Need {
            inputs: usize::from(self.inputs()),
            layers: self.layers.len(),
            neurons: widths().sum(),
            potentials: self.layers.iter().map(Layer::potentials).sum(),
            widest: widths().max().unwrap_or(0).next_multiple_of(16),
            classes: usize::from(self.readout.classes()),
        }
    }
}

impl Need {
    /// RAM in bytes of a [`crate::Memory`] of this size on a 32-bit core: 2 per neuron, 4 more per neuron of SRC,
    /// 8 per neuron of the widest layer, 8 per class, and a word for the spike list's length.
    pub const fn ram(&self) -> usize {
        2 * self.neurons.next_multiple_of(2) + 4 * self.potentials + 8 * self.widest + 8 * self.classes + 4
    }

    /// True if the widths are within what any network may have.
    pub const fn is_possible(&self) -> bool {
        self.inputs <= MAX_WIDTH && self.widest <= MAX_WIDTH && self.layers <= MAX_LAYERS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{Current, Decay, Loss};
    use crate::{Integrator, LifLayer, Shape, Synapses, Width, lif_neuron};

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let shape = |inputs, neurons| Shape::new(inputs, neurons, Width::Eight);
        let (wide, narrow) = ([0; 3], [0; 2]);
        let neurons = [lif_neuron(1, Current::ONE, Current::ZERO); 2];
        let integrator = Integrator { decay: Decay::from_num(0.5), shift: 0, proved: false };
        let layer = |synapses| Layer::from(LifLayer::new(synapses, &neurons, integrator).unwrap());
        let first = layer(Synapses::new(&wide, shape(3, 2)).unwrap());
        let above = layer(Synapses::new(&narrow, shape(2, 2)).unwrap());
        let readout =
            |neurons| Readout::new(neurons, 2, Loss::from_num(0.1), Score::ONE, Score::ZERO).unwrap();

        let mut model = Model::empty();
        assert_eq!((model.inputs(), model.steps(), model.need().neurons), (0, 0, 0));
        assert_eq!(model.finish(readout(2), 5), Err(ModelError::NoLayers));
        model.push(first).unwrap();
        assert_eq!(model.push(first), Err(ModelError::Chain));
        assert_eq!(model.finish(readout(4), 5), Err(ModelError::Readout));
        assert_eq!(model.finish(readout(2), 0), Err(ModelError::NoSteps));
        assert_eq!(model.set_margin(Score::ZERO), Err(ModelError::Margin));
        for _ in 1..MAX_LAYERS {
            model.push(above).unwrap();
        }
        assert_eq!(model.push(above), Err(ModelError::ManyLayers));
        model.finish(readout(2), 5).unwrap();
        model.set_margin(Score::ONE).unwrap();
        assert_eq!((model.layers().len(), model.inputs(), model.steps()), (MAX_LAYERS, 3, 5));
        assert_eq!(model.margin(), Some(Score::ONE));
    }
}
