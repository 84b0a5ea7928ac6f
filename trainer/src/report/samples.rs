//! Samples in a report: some ways through the network, and mistakes.

use super::class_name;
use crate::data::Dataset;
use crate::deploy::Trained;
use crate::evaluate::Evaluation;
use crate::spike_train::Show;
use crate::trace::{self, Choice, Trace};
use anyhow::{Context, Result};
use base64::Engine;
use serde::Serialize;

/// A sample as a picture.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// A PNG file as a `data:` address.
    pub address: String,
}

/// A sample's way through the network.
#[derive(Clone, Debug)]
pub struct Example {
    /// Which test sample it is.
    pub index: usize,
    /// Its class.
    pub label: usize,
    /// The sample.
    pub picture: Picture,
    /// What it does.
    pub trace: Trace,
}

/// A test sample that was taken for another class.
#[derive(Clone, Debug, Serialize)]
pub struct Mistake {
    /// Which test sample it is.
    pub index: usize,
    /// Its class.
    pub label: String,
    /// The class that it was taken for.
    pub answer: String,
    /// The sample.
    #[serde(skip)]
    pub picture: Picture,
}

/// The first test sample of each class, until there are `count` of them.
///
/// # Errors
/// If the samples do not fit the network, or a picture cannot be made.
pub fn examples(trained: &Trained, data: &Dataset, count: usize) -> Result<Vec<Example>> {
    let labels = data.test.labels();
    let first_of = |class: usize| labels.iter().position(|&label| usize::from(label) == class);
    let indices = (0..data.classes).filter_map(first_of).take(count);
    let encoding = trained.config.encoding();
    let example = |index: usize| {
        let train = encoding.train(&data.test, index, Show::Evaluation);
        let trace = trace::trace(&trained.network, train, data.test.inputs(), &Choice::Most(1))?;
        Ok(Example { index, label: usize::from(labels[index]), picture: picture(data, index)?, trace })
    };
    indices.map(example).collect()
}

/// The first `count` samples that were not taken for what they are.
///
/// # Errors
/// If a picture cannot be made.
pub fn mistakes(data: &Dataset, test: &Evaluation, count: usize) -> Result<Vec<Mistake>> {
    let both = data.test.labels().iter().zip(&test.chosen).enumerate();
    let wrong = both.filter(|(_, (label, answer))| label != answer).take(count);
    let mistake = |(index, (&label, &answer)): (usize, (&u8, &u8))| {
        Ok(Mistake {
            index,
            label: class_name(data, label.into()),
            answer: class_name(data, answer.into()),
            picture: picture(data, index)?,
        })
    };
    wrong.map(mistake).collect()
}

/// A test sample, dark on white.
fn picture(data: &Dataset, index: usize) -> Result<Picture> {
    let (width, height) = (data.test.width(), data.test.height());
    let ink = data.test.picture(index);
    let pixels: Vec<u8> = ink.iter().map(|&ink| 255 - ink).collect();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().context("a picture cannot be made")?;
    writer.write_image_data(&pixels).context("a picture cannot be made")?;
    writer.finish().context("a picture cannot be made")?;
    let text = base64::engine::general_purpose::STANDARD.encode(&file);
    Ok(Picture { width, height, address: format!("data:image/png;base64,{text}") })
}
