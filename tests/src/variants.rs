//! Models made from others: with another header, with pruned inputs and neurons.

use spikelet_export::{AlignedBytes, Header, LayerBlocks, ModelFile, write_model};
use spikelet_runtime::{Layer, Shape};

/// A model's layers as they are written.
fn blocks(file: &ModelFile<'_>) -> Vec<LayerBlocks> {
    let of = |layer: &Layer<'_>| {
        let shape = layer.synapses().shape();
        let (neurons, initial) = match layer {
            Layer::Src(layer) => (layer.neurons(), layer.initial()),
            Layer::Lif(layer) => (layer.neurons(), &[][..]),
        };
        LayerBlocks {
            rows: shape.rows.unwrap_or_default().to_vec(),
            columns: shape.columns.unwrap_or_default().to_vec(),
            weights: layer.synapses().block().to_vec(),
            neurons: neurons.to_vec(),
            initial: initial.to_vec(),
        }
    };
    file.model().layers().iter().map(of).collect()
}

/// The same model with another header.
pub fn with_header(model: &[u8], change: impl FnOnce(&mut Header<'_>)) -> AlignedBytes {
    let file = ModelFile::open(model).unwrap();
    let mut header = file.header().unwrap();
    change(&mut header);
    write_model(&header, &blocks(&file)).unwrap()
}

/// The same model without every third of the inputs and neurons of each layer from the `first` on.
pub fn pruned(model: &[u8], first: usize) -> AlignedBytes {
    let file = ModelFile::open(model).unwrap();
    let mut header = file.header().unwrap();
    let mut layers = blocks(&file);
    let kept = |index: &u16| index % 3 != 1;
    for ((layer, head), blocks) in
        file.model().layers().iter().zip(&mut header.layers).zip(&mut layers).skip(first)
    {
        let synapses = layer.synapses();
        let mut next = 0;
        blocks.rows = (0..synapses.inputs())
            .map(|input| {
                next += u16::from(kept(&input));
                if kept(&input) { next - 1 } else { Shape::PRUNED }
            })
            .collect();
        blocks.columns = (0..synapses.neurons()).filter(kept).collect();
        let shape = Shape {
            rows: Some(&blocks.rows),
            columns: Some(&blocks.columns),
            ..Shape::new(synapses.inputs(), synapses.neurons(), synapses.width())
        };
        blocks.weights = vec![0; shape.words()];
        shape.pack(&mut blocks.weights, |input, neuron| synapses.weight(input, neuron).unwrap_or(0));
        (head.rows, head.columns) = (Some(next), Some(blocks.columns.len() as u16));
    }
    write_model(&header, &layers).unwrap()
}
