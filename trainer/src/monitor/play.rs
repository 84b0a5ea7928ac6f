//! Shows samples to a board, timestep by timestep.

use super::{Controls, Signal, Update};
use crate::data::Samples;
use crate::device::{Client, ClientError};
use crate::simulate::Stop;
use crate::spike_train::{Encoding, Show};
use spikelet_export::ModelFile;
use spikelet_export::link::{Observed, unpack_step};
use spikelet_runtime::MAX_WIDTH;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::time::Instant;

/// Shows samples to a board one after the other, each in its evaluation stream and until `stop`, as `controls` say; tells
/// `show` what happens, until it wants no more.
///
/// # Errors
/// [`ClientError`] of the first timestep that fails.
///
/// # Panics
/// If the samples do not fit the model.
pub fn play<S: Read + Write>(
    client: &mut Client<S>,
    file: &ModelFile<'_>,
    samples: &Samples,
    stop: Stop,
    controls: &Controls,
    mut show: impl FnMut(Update) -> ControlFlow<()>,
) -> Result<(), ClientError> {
    let encoding = Encoding::of_model(file);
    let widths: Vec<u16> = file.model().layers().iter().map(|layer| layer.synapses().neurons()).collect();
    let mut last = Instant::now();
    'samples: for (index, &label) in samples.labels().iter().enumerate() {
        if show(Update::Begin { index, label }).is_break() {
            return Ok(());
        }
        let train = encoding.train(samples, index, Show::Evaluation);
        client.begin(stop)?;
        for t in 0..train.steps() {
            match controls.wait(last) {
                Signal::Go => {}
                Signal::Next => continue 'samples,
                Signal::Quit => return Ok(()),
            }
            last = Instant::now();
            let observed = client.observe(train.at(t))?;
            if observed.steps as usize != t + 1 {
                return Err(ClientError::Unexpected);
            }
            let layers = layers_of(&observed, &widths)?;
            let Observed { class, decided, scores, .. } = observed;
            let (input, scores) = (train.at(t).to_vec(), scores.to_vec());
            if show(Update::Step { input, layers, scores, class, decided }).is_break() {
                return Ok(());
            }
            if decided && stop == Stop::WhenDecided {
                break;
            }
        }
        client.finish()?;
        if show(Update::End).is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// The spiking neurons of each layer; `None` of a layer that had no room in the reply.
///
/// # Errors
/// [`ClientError::Unexpected`] if what was observed is of other layers than those of these widths.
pub fn layers_of(observed: &Observed, widths: &[u16]) -> Result<Vec<Option<Vec<u16>>>, ClientError> {
    let mut packed = &observed.spiking[..];
    let mut spiking = Box::new(heapless::Vec::<u16, MAX_WIDTH>::new());
    let mut layer = |&width: &u16| -> Result<_, ClientError> {
        if packed.is_empty() {
            return Ok(None);
        }
        unpack_step(&mut packed, width, &mut *spiking).map_err(|_| ClientError::Unexpected)?;
        Ok(Some(spiking.to_vec()))
    };
    let layers = widths.iter().map(&mut layer).collect::<Result<_, ClientError>>()?;
    if packed.is_empty() { Ok(layers) } else { Err(ClientError::Unexpected) }
}
