//! The built-in data: digits drawn like handwriting.
//!
//! Each image is drawn from a seed of its own: one of several ways to write the digit ([`skeletons`]), bent, slanted,
//! scaled and moved ([`hand`]), inked with a pen of its own, and soiled ([`ink`]). Only additions, multiplications,
//! divisions and square roots are used, which IEEE 754 defines to the bit: the same images on every machine.

mod hand;
mod ink;
mod skeletons;

use super::{Dataset, DatasetName, Images};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Images for training and validation.
pub const TRAIN: usize = 10_000;
/// Images for the test.
pub const TEST: usize = 2_000;
/// Width and height of an image in pixels.
const SIDE: usize = 28;
const CLASSES: usize = 10;
const SEED: u64 = 20_230_705;

/// Draws the data set: 10,000 training and 2,000 test images, as many of each class.
pub fn generate() -> Dataset {
    let images = |start: usize, count: usize| {
        let labels: Vec<u8> = (0..count).map(|index| (index % CLASSES) as u8).collect();
        let draw = |(index, &label): (usize, &u8)| draw(start + index, label);
        let pixels = labels.par_iter().enumerate().flat_map_iter(draw).collect();
        Images { width: SIDE, height: SIDE, pixels, labels }
    };
    Dataset {
        name: DatasetName::Digits,
        classes: CLASSES,
        class_names: (0..CLASSES).map(|class| class.to_string()).collect(),
        train: images(0, TRAIN).into(),
        test: images(TRAIN, TEST).into(),
    }
}

fn draw(index: usize, digit: u8) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    rng.set_stream(index as u64);
    let strokes = hand::write(&mut rng, digit);
    ink::image(&mut rng, &strokes)
}

/// Random numbers in the few forms that drawing takes.
trait Draws {
    /// Uniform in `least..most`.
    fn within(&mut self, least: f32, most: f32) -> f32;
    /// Bell-shaped around 0 with standard deviation `sigma`, never beyond 3.5 of it.
    fn around(&mut self, sigma: f32) -> f32;
    /// True with probability `share`.
    fn chance(&mut self, share: f32) -> bool;
}

impl<R: rand::Rng> Draws for R {
    fn within(&mut self, least: f32, most: f32) -> f32 {
        let unit = (self.next_u32() >> 8) as f32 / (1u32 << 24) as f32;
        least + (most - least) * unit
    }

    fn around(&mut self, sigma: f32) -> f32 {
        // The sum of four uniform numbers has variance 1/3.
        let sum: f32 = (0..4).map(|_| self.within(-0.5, 0.5)).sum();
        sum * 1.732_050_8 * sigma
    }

    fn chance(&mut self, share: f32) -> bool {
        self.within(0.0, 1.0) < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_is_what_it_always_was() {
        let data = generate();
        assert_eq!((data.train.len(), data.test.len()), (TRAIN, TEST));
        assert_eq!(data.train.class_counts(CLASSES), [TRAIN / CLASSES; CLASSES]);
        assert_eq!(data.test.class_counts(CLASSES), [TEST / CLASSES; CLASSES]);
        let mut crc = flate2::Crc::new();
        crc.update(&data.train.images().unwrap().pixels);
        crc.update(&data.test.images().unwrap().pixels);
        assert_eq!(
            crc.sum(),
            PINNED,
            "the images have changed: every figure measured on them must be measured anew"
        );
    }
    const PINNED: u32 = 3_327_720_366;

    #[test]
    fn ink_is_like_that_of_mnist() {
        let data = generate();
        let pixels = &data.train.images().unwrap().pixels;
        let inked = pixels.iter().filter(|&&value| value > 0).count() as f64 / pixels.len() as f64;
        let mean = pixels.iter().map(|&value| f64::from(value)).sum::<f64>() / pixels.len() as f64 / 255.0;
        assert!((0.14..0.26).contains(&inked), "{inked} of the pixels have ink (MNIST: 0.19)");
        assert!((0.09..0.16).contains(&mean), "the mean is {mean} (MNIST: 0.13)");
    }

    #[test]
    fn no_test_image_is_a_training_image() {
        let data = generate();
        let train: std::collections::HashSet<Vec<u8>> =
            (0..data.train.len()).map(|index| data.train.picture(index)).collect();
        assert!((0..data.test.len()).all(|index| !train.contains(&data.test.picture(index))));
    }
}
