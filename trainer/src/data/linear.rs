//! The simplest classifier, to show how hard a data set is: softmax regression on pixels.

use super::Dataset;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

const EPOCHS: usize = 12;
const BATCH: usize = 64;

/// Test accuracy of a linear classifier after 12 epochs of gradient descent with momentum, 0 to 1. It sees a recording as
/// its events per pixel.
pub fn linear_accuracy(data: &Dataset) -> f64 {
    let (inputs, classes) = (data.train.width() * data.train.height(), data.classes);
    // One weight per input and class, and a bias as if one more input were always 1.
    let mut weights = vec![0f32; (inputs + 1) * classes];
    let mut momentum = weights.clone();
    let mut order: Vec<usize> = (0..data.train.len()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for epoch in 0..EPOCHS {
        let rate = 0.1 * (1.0 - epoch as f32 / EPOCHS as f32);
        order.shuffle(&mut rng);
        for batch in order.chunks(BATCH) {
            momentum.iter_mut().for_each(|m| *m *= 0.9);
            for &index in batch {
                let picture = data.train.picture(index);
                let mut error = softmax(&scores(&weights, &picture, classes));
                error[usize::from(data.train.labels()[index])] -= 1.0;
                for (input, row) in momentum.chunks_exact_mut(classes).enumerate() {
                    let value = pixel(&picture, input);
                    if value != 0.0 {
                        row.iter_mut().zip(&error).for_each(|(m, e)| *m += e * value / batch.len() as f32);
                    }
                }
            }
            weights.iter_mut().zip(&momentum).for_each(|(w, m)| *w -= rate * m);
        }
    }
    let right = (0..data.test.len()).filter(|&index| {
        let scores = scores(&weights, &data.test.picture(index), classes);
        let best = (0..classes).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        best == Some(usize::from(data.test.labels()[index]))
    });
    right.count() as f64 / data.test.len() as f64
}

/// A pixel, 0 to 1, or behind the last one what the bias is multiplied by.
fn pixel(picture: &[u8], input: usize) -> f32 {
    picture.get(input).map_or(1.0, |&value| f32::from(value) / 255.0)
}

fn scores(weights: &[f32], image: &[u8], classes: usize) -> Vec<f32> {
    let (rows, bias) = weights.split_at(image.len() * classes);
    let mut scores = bias.to_vec();
    for (row, &value) in rows.chunks_exact(classes).zip(image) {
        if value != 0 {
            scores.iter_mut().zip(row).for_each(|(s, w)| *s += w * f32::from(value) / 255.0);
        }
    }
    scores
}

fn softmax(scores: &[f32]) -> Vec<f32> {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = scores.iter().map(|s| (s - top).exp()).collect();
    let sum: f32 = weights.iter().sum();
    weights.into_iter().map(|w| w / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DatasetName, Images, Samples};

    #[test]
    fn learns_what_is_linear_and_nothing_else() {
        // Class 1 has its ink on the right: linear. With a random label nothing can be learnt.
        let make = |label: fn(usize) -> u8| {
            let labels: Vec<u8> = (0..400).map(label).collect();
            let side = |index: usize| if index.is_multiple_of(2) { [200, 0] } else { [0, 200] };
            Images { width: 2, height: 1, pixels: (0..400).flat_map(side).collect(), labels }
        };
        let data = |images: Images| Dataset {
            name: DatasetName::Digits,
            classes: 2,
            class_names: vec!["left".into(), "right".into()],
            train: Samples::Images(images.clone()),
            test: Samples::Images(images),
        };
        assert_eq!(linear_accuracy(&data(make(|index| (index % 2) as u8))), 1.0);
        assert!(linear_accuracy(&data(make(|index| (index / 2 % 2) as u8))) < 0.6);
    }
}
