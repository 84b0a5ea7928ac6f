//! Your own images: PNG files in a folder per class.

use super::classes::{self, Labelled};
use super::{DataError, Dataset, DatasetName, Images};
use png::{BitDepth, ColorType, Transformations};
use rayon::prelude::*;
use spikelet_runtime::MAX_WIDTH;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// What an image's file may be called.
pub const EXTENSIONS: &[&str] = &["png"];

/// A decoded image.
struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

/// Loads a folder of images.
pub fn load(folder: &Path) -> Result<Dataset, DataError> {
    let files = classes::find(folder, EXTENSIONS)?;
    let train = read_all(&files.train)?;
    let test = read_all(&files.test)?;
    if (train.width, train.height) != (test.width, test.height) {
        let (a, b) = (&files.test[0].0, files.train[0].0.display());
        return Err(other_size(a, (test.width, test.height), &b.to_string(), (train.width, train.height)));
    }
    Ok(Dataset {
        name: DatasetName::Images(folder.to_owned()),
        classes: files.names.len(),
        class_names: files.names,
        train: train.into(),
        test: test.into(),
    })
}

fn other_size(path: &Path, size: (usize, usize), first: &str, expected: (usize, usize)) -> DataError {
    let problem = format!(
        "has {} × {} pixels, but {first} has {} × {}: scale all images to one size",
        size.0, size.1, expected.0, expected.1
    );
    DataError::own(path, problem)
}

fn read_all(files: &Labelled) -> Result<Images, DataError> {
    let pictures: Vec<Picture> = files.par_iter().map(|(path, _)| read(path)).collect::<Result<_, _>>()?;
    let mut images = Images::default();
    for (picture, (path, label)) in pictures.into_iter().zip(files) {
        let size = (picture.width, picture.height);
        if images.is_empty() {
            (images.width, images.height) = size;
        } else if size != (images.width, images.height) {
            let first = files[0].0.display().to_string();
            return Err(other_size(path, size, &first, (images.width, images.height)));
        }
        images.pixels.extend(picture.pixels);
        images.labels.push(*label);
    }
    Ok(images)
}

fn read(path: &Path) -> Result<Picture, DataError> {
    let file = File::open(path).map_err(|error| DataError::Unreadable { path: path.to_owned(), error })?;
    let damaged = |error: png::DecodingError| {
        DataError::own(path, format!("is no sound PNG file ({error}): write it anew, or remove it"))
    };
    let mut decoder = png::Decoder::new(BufReader::new(file));
    // Palettes and few bits become 8 bits a channel, and so do 16.
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    if width.saturating_mul(height) > MAX_WIDTH {
        let problem = format!(
            "has {width} × {height} pixels, but a network takes {MAX_WIDTH} inputs: scale the images down"
        );
        return Err(DataError::own(path, problem));
    }
    let length = reader.output_buffer_size();
    let length = length.ok_or_else(|| DataError::own(path, "is too large: scale it down"))?;
    let mut bytes = vec![0; length];
    let info = reader.next_frame(&mut bytes).map_err(damaged)?;
    bytes.truncate(info.buffer_size());
    debug_assert_eq!(info.bit_depth, BitDepth::Eight);
    let pixels = match info.color_type {
        ColorType::Grayscale => bytes,
        ColorType::GrayscaleAlpha => {
            bytes.as_chunks().0.iter().map(|&[grey, alpha]| over(grey, alpha)).collect()
        }
        ColorType::Rgb => bytes.as_chunks().0.iter().map(|&[r, g, b]| grey(r, g, b)).collect(),
        ColorType::Rgba => {
            bytes.as_chunks().0.iter().map(|&[r, g, b, alpha]| over(grey(r, g, b), alpha)).collect()
        }
        ColorType::Indexed => {
            return Err(DataError::own(path, "has a palette that cannot be read: save it as RGB"));
        }
    };
    Ok(Picture { width, height, pixels })
}

/// Brightness of a colour (ITU-R BT.601), rounded to nearest.
const fn grey(r: u8, g: u8, b: u8) -> u8 {
    ((299 * r as u32 + 587 * g as u32 + 114 * b as u32 + 500) / 1000) as u8
}

/// What is transparent shows the background, 0.
const fn over(grey: u8, alpha: u8) -> u8 {
    ((grey as u32 * alpha as u32 + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn write(path: &Path, color: ColorType, size: (u32, u32), pixels: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut encoder = png::Encoder::new(File::create(path).unwrap(), size.0, size.1);
        encoder.set_color(color);
        encoder.write_header().unwrap().write_image_data(pixels).unwrap();
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(&at("train/a/1.png"), ColorType::Grayscale, (2, 1), &[7, 250]);
        write(&at("train/b/1.png"), ColorType::Rgb, (2, 1), &[255, 0, 0, 0, 255, 255]);
        write(&at("test/a/1.png"), ColorType::Rgba, (2, 1), &[100, 100, 100, 255, 200, 200, 200, 0]);
        write(&at("test/b/1.png"), ColorType::GrayscaleAlpha, (2, 1), &[100, 51, 9, 255]);
        folder
    }

    #[test]
    fn grey_and_coloured_images_load() {
        let folder = folder();
        let data = load(folder.path()).unwrap();
        assert_eq!((data.classes, data.class_names.as_slice()), (2, &["a".to_owned(), "b".to_owned()][..]));
        let sample = |samples: &super::super::Samples, label: u8| {
            let index = samples.labels().iter().position(|&found| found == label).unwrap();
            samples.picture(index)
        };
        assert_eq!(sample(&data.train, 0), [7, 250]);
        // 0.299 × 255 = 76.2 and 0.701 × 255 = 178.8.
        assert_eq!(sample(&data.train, 1), [76, 179]);
        assert_eq!(sample(&data.test, 0), [100, 0]);
        assert_eq!(sample(&data.test, 1), [20, 9]);
    }

    #[test]
    fn images_that_do_not_fit_are_named() {
        let problem = |name: &str, size: (u32, u32)| {
            let folder = folder();
            let pixels = vec![0; (size.0 * size.1) as usize];
            write(&folder.path().join(name), ColorType::Grayscale, size, &pixels);
            load(folder.path()).unwrap_err().to_string()
        };
        let error = problem("train/a/2.png", (3, 1));
        assert!(error.contains("scale all images to one size"), "{error}");
        let error = problem("test/b/1.png", (3, 1));
        assert!(error.contains("scale all images to one size"), "{error}");
        let error = problem("train/a/1.png", (129, 128));
        assert!(error.contains("a/1.png has 129 × 128 pixels, but a network takes 16384"), "{error}");

        let folder = folder();
        let path = folder.path().join("train/b/1.png");
        let bytes = fs::read(&path).unwrap();
        for damaged in [&bytes[..bytes.len() / 2], b"GIF89a", b""] {
            fs::write(&path, damaged).unwrap();
            let error = load(folder.path()).unwrap_err().to_string();
            assert!(error.contains("b/1.png is no sound PNG file"), "{error}");
        }
    }
}
