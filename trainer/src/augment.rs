//! Random changes to training images: shift, rotation, scale, an elastic distortion, and left for right.
//!
//! The changes to an image come from the seed, the epoch and the image's number alone, so they are the same whatever the
//! number of threads and after an interruption.

use crate::config::Augmentation;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Pixels between the knots of the elastic distortion: it is about as smooth as noise under a Gaussian of 4 pixels,
/// which Simard et al. (2003) use for MNIST.
const SPACING: usize = 7;

/// Standard deviation of cubic B-splines over knots of standard deviation 1: 151/315, the mean of the squared weights,
/// once for each axis, and the root of it.
const SPLINE_DEVIATION: f32 = 151.0 / 315.0;

/// Draws changes, and makes them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augmenter {
    most: Augmentation,
    seed: u64,
}

impl Augmenter {
    /// Changes of at most the given sizes; `None` if there are none to make.
    pub fn new(most: Augmentation, seed: u64) -> Option<Self> {
        (most != Augmentation::default()).then_some(Self { most, seed })
    }

    /// An image of `width` columns as it is shown in a stream, which names epoch and image.
    ///
    /// Shift, rounded if whole pixels are wanted, and angle, in `± most`, and the factor, in `1 ± scale`, are uniform; the elastic distortion is a smooth
    /// field of displacements, normal with standard deviation `elastic` in pixels along each axis. Pixels are
    /// interpolated between their four neighbours; what comes in from outside the image is background, 0.
    ///
    /// Half of the images are mirrored, if any are.
    ///
    /// Takes about 30 µs for 28 × 28 pixels with all of them.
    pub fn image(&self, pixels: &[u8], width: usize, stream: u64) -> Vec<u8> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(stream);
        let Augmentation { shift, whole_pixels, rotation, scale, elastic, mirror } = self.most;
        let mut within = |most: f64| most as f32 * (2.0 * unit(&mut rng) - 1.0);
        let mut along_axis = || {
            let shift = within(shift);
            if whole_pixels { shift.round() } else { shift }
        };
        let map = Map {
            shift: [along_axis(), along_axis()],
            angle: within(rotation).to_radians(),
            factor: 1.0 + within(scale),
        };
        let height = pixels.len() / width;
        let field = (elastic > 0.0).then(|| Field::draw(width, height, elastic as f32, &mut rng));
        let mut image = map.apply(pixels, width, field.as_ref());
        if mirror && unit(&mut rng) < 0.5 {
            image.chunks_exact_mut(width).for_each(<[u8]>::reverse);
        }
        image
    }
}

/// Uniform in 0..1.
fn unit(rng: &mut ChaCha8Rng) -> f32 {
    (rng.next_u32() >> 8) as f32 / (1u32 << 24) as f32
}

/// A movement of the whole image.
struct Map {
    /// Pixels to the right, and down.
    shift: [f32; 2],
    /// Radians, clockwise, about the middle.
    angle: f32,
    /// By which the image grows.
    factor: f32,
}

impl Map {
    /// Looks up, for every pixel, where it comes from.
    fn apply(&self, pixels: &[u8], width: usize, field: Option<&Field>) -> Vec<u8> {
        let height = pixels.len() / width;
        let middle = [(width - 1) as f32 / 2.0, (height - 1) as f32 / 2.0];
        let (sin, cos) = self.angle.sin_cos();
        let (sin, cos) = (sin / self.factor, cos / self.factor);
        let mut row_field = vec![[0.0; 2]; width];
        let mut out = Vec::with_capacity(pixels.len());
        for y in 0..height {
            if let Some(field) = field {
                field.row(y, &mut row_field);
            }
            let dy = y as f32 - middle[1] - self.shift[1];
            for (x, bend) in row_field.iter().enumerate() {
                let dx = x as f32 - middle[0] - self.shift[0];
                let from_x = cos * dx + sin * dy + middle[0] + bend[0];
                let from_y = cos * dy - sin * dx + middle[1] + bend[1];
                out.push(interpolate(pixels, width, height, from_x, from_y));
            }
        }
        out
    }
}

/// The image between its pixels; outside it is 0.
fn interpolate(pixels: &[u8], width: usize, height: usize, x: f32, y: f32) -> u8 {
    let (left, top) = (x.floor(), y.floor());
    // Also keeps what is far outside from wrapping around.
    if left < -1.0 || top < -1.0 || left >= width as f32 || top >= height as f32 {
        return 0;
    }
    let (right_share, low_share) = (x - left, y - top);
    let (left, top) = (left as isize, top as isize);
    let at = |x: isize, y: isize| {
        let inside = x >= 0 && y >= 0 && x < width as isize && y < height as isize;
        if inside { f32::from(pixels[y as usize * width + x as usize]) } else { 0.0 }
    };
    let across = |y| {
        let (a, b) = (at(left, y), at(left + 1, y));
        a + (b - a) * right_share
    };
    let (upper, lower) = (across(top), across(top + 1));
    (upper + (lower - upper) * low_share + 0.5) as u8
}

/// A smooth field of displacements: cubic B-splines over random knots.
struct Field {
    /// Knots in a row.
    columns: usize,
    /// Row after row, along x and along y.
    knots: Vec<[f32; 2]>,
}

impl Field {
    fn draw(width: usize, height: usize, deviation: f32, rng: &mut ChaCha8Rng) -> Self {
        // Each pixel lies between the second and the third of four knots.
        let knots = |pixels: usize| (pixels - 1) / SPACING + 4;
        let (columns, rows) = (knots(width), knots(height));
        // The sum of twelve uniform numbers has variance 1, and is normal enough; no logarithm is needed.
        let mut normal = || {
            let sum: f32 = (0..12).map(|_| unit(rng)).sum();
            (sum - 6.0) * deviation / SPLINE_DEVIATION
        };
        Self { columns, knots: (0..columns * rows).map(|_| [normal(), normal()]).collect() }
    }

    /// The displacements of a row of pixels.
    fn row(&self, y: usize, out: &mut [[f32; 2]]) {
        let weights = spline(y);
        let first = y / SPACING * self.columns;
        let column = |column: usize| {
            let mut sum = [0.0; 2];
            for (row, weight) in weights.iter().enumerate() {
                let knot = self.knots[first + row * self.columns + column];
                sum = [sum[0] + weight * knot[0], sum[1] + weight * knot[1]];
            }
            sum
        };
        let columns: Vec<[f32; 2]> = (0..self.columns).map(column).collect();
        for (x, out) in out.iter_mut().enumerate() {
            let knots = &columns[x / SPACING..][..4];
            let weights = spline(x);
            *out =
                [0, 1].map(|axis| knots.iter().zip(weights).map(|(knot, weight)| weight * knot[axis]).sum());
        }
    }
}

/// Weights of the four knots about a pixel.
fn spline(pixel: usize) -> [f32; 4] {
    let u = (pixel % SPACING) as f32 / SPACING as f32;
    let v = 1.0 - u;
    let near = |d: f32| (4.0 - 6.0 * d * d + 3.0 * d * d * d) / 6.0;
    [v * v * v / 6.0, near(u), near(v), u * u * u / 6.0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    const SIDE: usize = 28;

    /// Every change there is, but for whole pixels.
    const ALL: Augmentation = Augmentation {
        shift: 2.0,
        whole_pixels: false,
        rotation: 10.0,
        scale: 0.1,
        elastic: 1.0,
        mirror: true,
    };

    fn image() -> Vec<u8> {
        (0..SIDE * SIDE).map(|k| (k * 73 % 251) as u8).collect()
    }

    fn map(shift: [f32; 2], angle: f32, factor: f32) -> Vec<u8> {
        Map { shift, angle: angle.to_radians(), factor }.apply(&image(), SIDE, None)
    }

    fn at(pixels: &[u8], x: usize, y: usize) -> u8 {
        pixels[y * SIDE + x]
    }

    #[test]
    fn known_movements_move_pixels_where_they_belong() {
        assert_eq!(map([0.0; 2], 0.0, 1.0), image());
        let shifted = map([3.0, -2.0], 0.0, 1.0);
        let turned = map([0.0; 2], 90.0, 1.0);
        for y in 0..SIDE {
            for x in 0..SIDE {
                let inside = x >= 3 && y + 2 < SIDE;
                assert_eq!(at(&shifted, x, y), if inside { at(&image(), x - 3, y + 2) } else { 0 });
                assert_eq!(at(&turned, SIDE - 1 - y, x), at(&image(), x, y), "{x}, {y}");
            }
        }
        // Half a pixel mixes two neighbours; twice as large, the middle four pixels have the middle of the image.
        let half = map([0.5, 0.0], 0.0, 1.0);
        let mean = (u32::from(at(&image(), 4, 9)) + u32::from(at(&image(), 5, 9))).div_ceil(2);
        assert_eq!(u32::from(at(&half, 5, 9)), mean);
        let large = map([0.0; 2], 0.0, 2.0);
        let near = |x: usize| 0.75 * f32::from(at(&image(), x, 13)) + 0.25 * f32::from(at(&image(), x, 14));
        let expected = 0.75 * near(13) + 0.25 * near(14);
        assert!((f32::from(at(&large, 13, 13)) - expected).abs() <= 0.5);
    }

    #[test]
    fn the_field_is_as_strong_as_asked_for_and_smooth() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (mut squares, mut steps, mut count) = (0.0, 0.0, 0.0);
        let mut row = vec![[0.0f32; 2]; SIDE];
        for _ in 0..400 {
            let field = Field::draw(SIDE, SIDE, 1.5, &mut rng);
            for y in 0..SIDE {
                field.row(y, &mut row);
                for pair in row.windows(2) {
                    squares += f64::from(pair[0][0].powi(2) + pair[0][1].powi(2)) / 2.0;
                    steps += f64::from((pair[1][0] - pair[0][0]).powi(2));
                    count += 1.0;
                }
            }
        }
        let (deviation, step) = ((squares / count).sqrt(), (steps / count).sqrt());
        assert!((deviation - 1.5).abs() < 0.05, "standard deviation {deviation}");
        assert!(step < 0.25 * deviation, "neighbours differ by {step}");
    }

    #[test]
    fn the_same_stream_gives_the_same_image_and_others_another() {
        let augmenter = Augmenter::new(ALL, 5).unwrap();
        let first = augmenter.image(&image(), SIDE, 9);
        assert_eq!(augmenter.image(&image(), SIDE, 9), first);
        assert_ne!(augmenter.image(&image(), SIDE, 10), first);
        assert_ne!(Augmenter::new(ALL, 6).unwrap().image(&image(), SIDE, 9), first);
        assert_eq!(Augmenter::new(Augmentation::default(), 5), None);
        // Images that are no squares, and tiny ones.
        for (width, height) in [(1, 1), (1, 9), (40, 3)] {
            assert_eq!(augmenter.image(&vec![200; width * height], width, 0).len(), width * height);
        }
        let far = Augmenter::new(Augmentation { shift: 1e9, ..ALL }, 0).unwrap();
        assert_eq!(far.image(&image(), SIDE, 1), [0; SIDE * SIDE]);
    }

    /// Every image is the one before, its rows and columns moved.
    #[test]
    fn whole_pixels_change_no_grey_value() {
        let most = Augmentation { shift: 1.0, whole_pixels: true, ..Augmentation::default() };
        let augmenter = Augmenter::new(most, 5).unwrap();
        let image = image();
        let moved = |[right, down]: [isize; 2]| -> Vec<u8> {
            let at = |x: isize, y: isize| {
                let inside = (0..SIDE as isize).contains(&x) && (0..SIDE as isize).contains(&y);
                if inside { image[y as usize * SIDE + x as usize] } else { 0 }
            };
            (0..SIDE * SIDE).map(|k| at((k % SIDE) as isize - right, (k / SIDE) as isize - down)).collect()
        };
        let all: Vec<_> = (-1..=1).flat_map(|right| (-1..=1).map(move |down| moved([right, down]))).collect();
        let mut seen = vec![false; all.len()];
        for stream in 0..200 {
            let shown = augmenter.image(&image, SIDE, stream);
            seen[all.iter().position(|moved| *moved == shown).expect("it is none of the nine")] = true;
        }
        assert!(seen.iter().all(|seen| *seen), "{seen:?}");
    }

    #[test]
    fn half_of_the_images_are_mirrored() {
        let augmenter = Augmenter::new(Augmentation { mirror: true, ..Augmentation::default() }, 5).unwrap();
        let mirrored: Vec<u8> = image().chunks(SIDE).flat_map(|row| row.iter().rev().copied()).collect();
        let count = (0..1000).filter(|&stream| {
            let shown = augmenter.image(&image(), SIDE, stream);
            assert!(shown == image() || shown == mirrored, "stream {stream}");
            shown == mirrored
        });
        assert!((450..550).contains(&count.count()));
    }

    #[test]
    fn an_image_takes_less_than_a_hundred_microseconds() {
        let augmenter = Augmenter::new(ALL, 5).unwrap();
        let image = image();
        // The best of many, since others may use the machine.
        let best = (0..200u64).map(|stream| {
            let start = Instant::now();
            std::hint::black_box(augmenter.image(&image, SIDE, stream));
            start.elapsed()
        });
        let best = best.min().unwrap();
        assert!(best < Duration::from_micros(100), "{best:?}");
        eprintln!("{best:?} for an image");
    }
}
