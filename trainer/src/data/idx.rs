//! IDX files, the format of MNIST and its likes: big-endian dimensions, then bytes; here always gzipped.

use super::{DataError, Images};
use flate2::read::GzDecoder;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Classes of MNIST and Fashion-MNIST.
pub const CLASSES: usize = 10;

const IMAGES_MAGIC: u32 = 0x0803;
const LABELS_MAGIC: u32 = 0x0801;

/// No header that asks for more than this is believed: MNIST's training images are 47 MB.
const MOST_BYTES: usize = 1 << 30;

/// Classes' names.
pub fn class_names() -> Vec<String> {
    (0..CLASSES).map(|class| class.to_string()).collect()
}

/// The files of a part, `train` or `t10k`: images, then labels.
pub fn files(folder: &Path, part: &str) -> [PathBuf; 2] {
    ["images-idx3", "labels-idx1"].map(|kind| folder.join(format!("{part}-{kind}-ubyte.gz")))
}

/// Loads the files of a part of the data set `name`, which is told to whoever lacks them.
pub fn load(folder: &Path, part: &str, name: &str) -> Result<Images, DataError> {
    let [path, labels_path] = files(folder, part);
    let ([count, height, width], pixels) = read::<3>(&path, IMAGES_MAGIC, name)?;
    let ([label_count], labels) = read::<1>(&labels_path, LABELS_MAGIC, name)?;
    if (height, width) != (28, 28) {
        return Err(bad(&path, format!("holds images of {width} × {height} pixels instead of 28 × 28")));
    }
    if count != label_count {
        let images = path.file_name().unwrap_or_default().to_string_lossy();
        return Err(bad(
            &labels_path,
            format!("holds {label_count} labels for the {count} images of {images}"),
        ));
    }
    if let Some(index) = labels.iter().position(|&label| usize::from(label) >= CLASSES) {
        return Err(bad(
            &labels_path,
            format!("labels image {index} as {}, but classes are 0 to 9", labels[index]),
        ));
    }
    Ok(Images { width, height, pixels, labels })
}

/// How many images a part holds, from the beginnings of its files.
pub fn count(folder: &Path, part: &str, name: &str) -> Result<usize, DataError> {
    let [path, labels_path] = files(folder, part);
    let (dimensions, _) = open::<3>(&path, IMAGES_MAGIC, name)?;
    open::<1>(&labels_path, LABELS_MAGIC, name)?;
    Ok(dimensions[0])
}

fn bad(path: &Path, problem: impl Into<String>) -> DataError {
    DataError::bad(path, problem)
}

/// Opens a file of `D` dimensions and reads them; what follows is its data.
fn open<const D: usize>(
    path: &Path,
    magic: u32,
    name: &str,
) -> Result<([usize; D], GzDecoder<File>), DataError> {
    let file = File::open(path).map_err(|error| {
        DataError::unread(path, error, || {
            format!(
                "fetch it with `spikelet data fetch --dataset {name}`, or name the folder above with --data or SPIKELET_DATA"
            )
        })
    })?;
    let mut content = GzDecoder::new(file);
    let mut word = || -> Result<u32, DataError> {
        let mut bytes = [0; 4];
        content.read_exact(&mut bytes).map_err(|error| damaged(path, &error))?;
        Ok(u32::from_be_bytes(bytes))
    };
    let found = word()?;
    if found != magic {
        return Err(bad(
            path,
            match found {
                IMAGES_MAGIC => "is mislabelled: it holds images where labels were expected".to_owned(),
                LABELS_MAGIC => "is mislabelled: it holds labels where images were expected".to_owned(),
                _ => {
                    format!("is no IDX file of bytes (it starts with {found:#010x} instead of {magic:#010x})")
                }
            },
        ));
    }
    let mut dimensions = [0; D];
    for dimension in &mut dimensions {
        *dimension = word()? as usize;
    }
    Ok((dimensions, content))
}

/// Reads a file of `D` dimensions and exactly as many bytes as they say.
fn read<const D: usize>(path: &Path, magic: u32, name: &str) -> Result<([usize; D], Vec<u8>), DataError> {
    let (dimensions, content) = open::<D>(path, magic, name)?;
    let length = dimensions.iter().try_fold(1usize, |product, &d| product.checked_mul(d));
    let length = length.filter(|&length| length > 0 && length <= MOST_BYTES);
    let length = length.ok_or_else(|| bad(path, format!("has impossible dimensions {dimensions:?}")))?;
    let mut bytes = Vec::new();
    // One byte more than there should be shows what is behind the end.
    let read = content.take(length as u64 + 1).read_to_end(&mut bytes).map_err(|error| damaged(path, &error));
    read?;
    match bytes.len() {
        read if read < length => {
            Err(bad(path, format!("is truncated: it holds {read} of {length} bytes of data")))
        }
        read if read > length => Err(bad(path, format!("goes on behind its {length} bytes of data"))),
        _ => Ok((dimensions, bytes)),
    }
}

fn damaged(path: &Path, error: &std::io::Error) -> DataError {
    match error.kind() {
        ErrorKind::UnexpectedEof => bad(path, "is truncated"),
        _ => bad(path, format!("is not a sound gzip file ({error})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    const NAME: &str = "mnist";

    fn idx(magic: u32, dimensions: &[u32], data: &[u8]) -> Vec<u8> {
        let words = std::iter::once(magic).chain(dimensions.iter().copied());
        words.flat_map(u32::to_be_bytes).chain(data.iter().copied()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn two_images() -> Vec<u8> {
        let pixels: Vec<u8> = (0..2 * 784u32).map(|k| ((k * 37) >> 3) as u8).collect();
        gzip(&idx(IMAGES_MAGIC, &[2, 28, 28], &pixels))
    }

    fn two_labels() -> Vec<u8> {
        gzip(&idx(LABELS_MAGIC, &[2], &[3, 9]))
    }

    fn load_files(images: Option<&[u8]>, labels: Option<&[u8]>) -> Result<Images, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [("train-images-idx3-ubyte.gz", images), ("train-labels-idx1-ubyte.gz", labels)]
        {
            if let Some(bytes) = bytes {
                std::fs::write(folder.path().join(name), bytes).unwrap();
            }
        }
        load(folder.path(), "train", NAME).map_err(|error| error.to_string())
    }

    #[test]
    fn good_files_load() {
        let images = load_files(Some(&two_images()), Some(&two_labels())).unwrap();
        assert_eq!((images.len(), images.width, images.height), (2, 28, 28));
        assert_eq!(images.labels, [3, 9]);
        assert_eq!(images.image(1)[0], ((784u32 * 37) >> 3) as u8);
    }

    #[test]
    fn every_bad_file_is_named_with_its_problem() {
        let images = two_images();
        let labels = two_labels();
        let cut = &images[..images.len() - 40];
        let mut flipped = images.clone();
        let last = flipped.len() - 6;
        flipped[last] ^= 0xFF;
        let short = gzip(&idx(IMAGES_MAGIC, &[3, 28, 28], &[0; 2 * 784]));
        let long = gzip(&idx(IMAGES_MAGIC, &[2, 28, 28], &[0; 2 * 784 + 1]));
        let small = gzip(&idx(IMAGES_MAGIC, &[2, 10, 10], &[0; 200]));
        let none = gzip(&idx(IMAGES_MAGIC, &[0, 28, 28], &[]));
        let huge = gzip(&idx(IMAGES_MAGIC, &[u32::MAX, u32::MAX, u32::MAX], &[]));
        let three = gzip(&idx(LABELS_MAGIC, &[3], &[1, 2, 3]));
        let ten = gzip(&idx(LABELS_MAGIC, &[2], &[1, 10]));
        type Bytes<'b> = Option<&'b [u8]>;
        let cases: [(Bytes<'_>, Bytes<'_>, &str, &str); 13] = [
            (
                None,
                Some(&labels),
                "train-images-idx3-ubyte.gz",
                "is missing: fetch it with `spikelet data fetch --dataset mnist`",
            ),
            (Some(&images), None, "train-labels-idx1-ubyte.gz", "is missing"),
            (Some(b"not gzip at all"), Some(&labels), "train-images", "is not a sound gzip file"),
            (Some(cut), Some(&labels), "train-images", "is truncated"),
            (Some(&images[..5]), Some(&labels), "train-images", "is truncated"),
            (Some(&flipped), Some(&labels), "train-images", "is not a sound gzip file"),
            (Some(&labels), Some(&labels), "train-images", "is mislabelled: it holds labels where images"),
            (Some(&images), Some(&images), "train-labels", "is mislabelled: it holds images where labels"),
            (Some(&short), Some(&labels), "train-images", "is truncated: it holds 1568 of 2352 bytes"),
            (Some(&long), Some(&labels), "train-images", "goes on behind its 1568 bytes"),
            (Some(&small), Some(&labels), "train-images", "10 × 10 pixels instead of 28 × 28"),
            (Some(&images), Some(&three), "train-labels", "holds 3 labels for the 2 images of train-images"),
            (Some(&images), Some(&ten), "train-labels", "labels image 1 as 10"),
        ];
        for (images, labels, file, problem) in cases {
            let error = load_files(images, labels).unwrap_err();
            assert!(error.contains(file) && error.contains(problem), "{error} should tell: {file} {problem}");
        }
        for bytes in [&none, &huge] {
            let error = load_files(Some(bytes), Some(&labels)).unwrap_err();
            assert!(error.contains("has impossible dimensions"), "{error}");
        }
        let text = gzip(b"just some text, long enough");
        assert!(load_files(Some(&text), Some(&labels)).unwrap_err().contains("is no IDX file"));
    }
}
