//! N-MNIST (Orchard et al. 2015), as in the official archives, zipped or unpacked.
//!
//! `Train/LABEL/NNNNN.bin` and `Test/LABEL/NNNNN.bin`, NNNNN being the number of the image in MNIST, counted from 1.

use super::DataError;
use super::recordings::{Event, Recording, Recordings, Sensor};
use rayon::prelude::*;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;
use zip::result::ZipError;

/// The sensor: the middle of an ATIS camera.
pub const SENSOR: Sensor = Sensor { width: 34, height: 34, polarities: 2 };
/// Digits.
pub const CLASSES: usize = 10;
/// Recordings of the whole set for training.
pub const TRAIN: usize = 60_000;
/// Recordings of the whole set for testing.
pub const TEST: usize = 10_000;

/// Bytes of an event.
const EVENT: usize = 5;
/// This row marks no event but an overflow of the clock.
const OVERFLOW_ROW: u8 = 240;
/// Microseconds by which an overflow sets the clock forward.
const OVERFLOW: u64 = 1 << 13;
/// No recording that claims to be longer is believed: real ones have 20 KB.
const MOST_BYTES: u64 = 1 << 26;

/// Reads 40-bit events: x, y, then one bit of polarity and 23 bits of microseconds, big endian.
///
/// A row of 240 is no event: the camera so tells that its clock has overflowed by 8,192 µs, as Tonic reads it. None of
/// N-MNIST's recordings is long enough to hold one.
///
/// # Errors
/// The end of a sentence about the file, if it ends within an event.
pub fn decode(bytes: &[u8]) -> Result<Vec<Event>, String> {
    let (events, rest) = bytes.as_chunks::<EVENT>();
    if !rest.is_empty() {
        return Err(format!("ends within an event: its {} bytes are no multiple of {EVENT}", bytes.len()));
    }
    let mut overflows = 0;
    let event = |&[x, y, high, middle, low]: &[u8; EVENT]| {
        if y == OVERFLOW_ROW {
            overflows += OVERFLOW;
            return None;
        }
        let time = u32::from_be_bytes([0, high & 0x7F, middle, low]);
        Some(Event { x: x.into(), y: y.into(), p: u16::from(high >> 7), t: u64::from(time) + overflows })
    };
    Ok(events.iter().filter_map(event).collect())
}

/// Where the recordings of a part are.
enum Source {
    /// In folders.
    Files(Vec<(PathBuf, u8)>),
    /// In a zip file, by index.
    Zip(PathBuf, Vec<(usize, String, u8)>),
}

/// Loads `Train` or `Test` of a folder, in the order of MNIST.
pub fn load(folder: &Path, part: &str, place: &str) -> Result<Recordings, DataError> {
    let recordings: Vec<(Recording, u8)> = match find(folder, part, place)? {
        Source::Files(files) => {
            let read = |(path, label): &(PathBuf, u8)| {
                let bytes =
                    fs::read(path).map_err(|error| DataError::Unreadable { path: path.clone(), error })?;
                Ok((pack(&bytes).map_err(|problem| DataError::bad(path, problem))?, *label))
            };
            files.par_iter().map(read).collect::<Result<_, _>>()?
        }
        Source::Zip(path, entries) => {
            // Each thread reads the archive on its own.
            let piece = entries.len().div_ceil(rayon::current_num_threads()).max(1);
            let pieces = entries.par_chunks(piece).map(|entries| read_zip(&path, entries));
            pieces.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect()
        }
    };
    let (recordings, labels) = recordings.into_iter().unzip();
    Ok(Recordings { sensor: SENSOR, labels, recordings })
}

/// How many recordings a part holds, without reading them.
pub fn count(folder: &Path, part: &str, place: &str) -> Result<usize, DataError> {
    Ok(match find(folder, part, place)? {
        Source::Files(files) => files.len(),
        Source::Zip(_, entries) => entries.len(),
    })
}

fn pack(bytes: &[u8]) -> Result<Recording, String> {
    Recording::pack(&decode(bytes)?, SENSOR)
}

fn find(folder: &Path, part: &str, place: &str) -> Result<Source, DataError> {
    let (unpacked, zip) = (folder.join(part), folder.join(format!("{part}.zip")));
    let source = if unpacked.is_dir() {
        Source::Files(find_files(&unpacked)?)
    } else if zip.is_file() {
        let entries = find_entries(&zip)?;
        Source::Zip(zip, entries)
    } else {
        let advice = format!(
            "N-MNIST is fetched by hand: put Train.zip and Test.zip from {place} there, or name the folder above with --data \
             or SPIKELET_DATA"
        );
        return Err(DataError::Missing { path: zip, advice });
    };
    let (none, path) = match &source {
        Source::Files(files) => (files.is_empty(), &unpacked),
        Source::Zip(path, entries) => (entries.is_empty(), path),
    };
    if none {
        return Err(DataError::bad(path, format!("holds no recordings {part}/LABEL/NNNNN.bin")));
    }
    Ok(source)
}

fn find_files(folder: &Path) -> Result<Vec<(PathBuf, u8)>, DataError> {
    let mut files = Vec::new();
    for label in 0..CLASSES as u8 {
        let folder = folder.join(label.to_string());
        // A subset may lack a class.
        if folder.is_dir() {
            let unreadable = |error| DataError::Unreadable { path: folder.clone(), error };
            for entry in fs::read_dir(&folder).map_err(unreadable)? {
                let path = entry.map_err(unreadable)?.path();
                if path.extension().is_some_and(|extension| extension == "bin") {
                    files.push((path, label));
                }
            }
        }
    }
    files.sort_by(|(a, _), (b, _)| (a.file_name(), a).cmp(&(b.file_name(), b)));
    Ok(files)
}

fn open_zip(path: &Path) -> Result<ZipArchive<BufReader<File>>, DataError> {
    let file = File::open(path).map_err(|error| DataError::Unreadable { path: path.to_owned(), error })?;
    ZipArchive::new(BufReader::new(file)).map_err(|error| zip_error(path, "", error))
}

fn zip_error(path: &Path, entry: &str, error: ZipError) -> DataError {
    let of_entry = if entry.is_empty() { String::new() } else { format!(" in {entry}") };
    DataError::bad(path, format!("is no sound zip file{of_entry} ({error})"))
}

fn find_entries(path: &Path) -> Result<Vec<(usize, String, u8)>, DataError> {
    let archive = open_zip(path)?;
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let Some(name) = archive.name_for_index(index) else { continue };
        let name = name.map_err(|error| zip_error(path, "", error))?;
        let mut parts = name.rsplit('/');
        let (file, label) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        // macOS adds entries of its own, whose names begin with dots.
        if file.ends_with(".bin") && !file.starts_with('.') {
            let label = label.parse::<u8>().ok().filter(|&label| usize::from(label) < CLASSES);
            let label = label
                .ok_or_else(|| DataError::bad(path, format!("holds {name} outside the folders 0 to 9")))?;
            entries.push((index, name.into_owned(), label));
        }
    }
    let file = |name: &str| name.rsplit('/').next().unwrap_or("").to_owned();
    entries.sort_by_cached_key(|(_, name, label)| (file(name), *label));
    Ok(entries)
}

fn read_zip(path: &Path, entries: &[(usize, String, u8)]) -> Result<Vec<(Recording, u8)>, DataError> {
    let mut archive = open_zip(path)?;
    let mut bytes = Vec::new();
    let mut read = |(index, name, label): &(usize, String, u8)| {
        let entry = archive.by_index(*index).map_err(|error| zip_error(path, name, error))?;
        bytes.clear();
        let read = entry.take(MOST_BYTES).read_to_end(&mut bytes);
        read.map_err(|error| zip_error(path, name, ZipError::Io(error)))?;
        let packed = pack(&bytes).map_err(|problem| DataError::bad(&path.join(name), problem))?;
        Ok((packed, *label))
    };
    entries.iter().map(&mut read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::write::SimpleFileOptions;

    /// Two events 1000 µs apart.
    const GOOD: [u8; 10] = [3, 4, 0x80, 0x01, 0x00, 33, 33, 0x00, 0x04, 0xE8];

    fn files() -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("Train/5/00002.bin", GOOD.into()),
            ("Train/0/00001.bin", GOOD.into()),
            ("Train/0/readme.txt", vec![1]),
        ]
    }

    fn unpacked(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn zipped(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut zip = zip::ZipWriter::new(File::create(folder.path().join("Train.zip")).unwrap());
        for (name, bytes) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        folder
    }

    fn error(folder: &tempfile::TempDir) -> String {
        load(folder.path(), "Train", "the web").unwrap_err().to_string()
    }

    #[test]
    fn events_are_decoded_bit_by_bit() {
        let events = decode(&GOOD).unwrap();
        assert_eq!(events, [Event { x: 3, y: 4, p: 1, t: 256 }, Event { x: 33, y: 33, p: 0, t: 1256 }]);
        let longest = decode(&[0, 0, 0xFF, 0xFF, 0xFF]).unwrap();
        assert_eq!(longest, [Event { x: 0, y: 0, p: 1, t: (1 << 23) - 1 }]);
        let overflowing = decode(&[0, 240, 0, 0, 0, 1, 2, 0, 0, 7]).unwrap();
        assert_eq!(overflowing, [Event { x: 1, y: 2, p: 0, t: 8199 }]);
        assert!(decode(&GOOD[..9]).unwrap_err().contains("its 9 bytes are no multiple of 5"));
    }

    #[test]
    fn both_layouts_load_alike_in_the_order_of_mnist() {
        let folder = unpacked(&files());
        let recordings = load(folder.path(), "Train", "the web").unwrap();
        assert_eq!((recordings.labels.as_slice(), recordings.sensor.inputs()), (&[0, 5][..], 2312));
        let expected = [((34 + 4) * 34 + 3, 0), (33 * 34 + 33, 1000)];
        assert_eq!(recordings.recordings[0].events().collect::<Vec<_>>(), expected);
        let mut more = files();
        more.push(("__MACOSX/Train/0/._00001.bin", vec![1, 2, 3]));
        let zip = zipped(&more);
        assert_eq!(load(zip.path(), "Train", "the web").unwrap(), recordings);
        assert_eq!(count(zip.path(), "Train", "the web").unwrap(), 2);
        assert_eq!(count(folder.path(), "Train", "the web").unwrap(), 2);
    }

    #[test]
    fn damage_is_named_with_its_file() {
        let outside = vec![34, 0, 0, 0, 0];
        let backwards = [&GOOD[5..], &GOOD[..5]].concat();
        let cases: [(Vec<u8>, &str); 4] = [
            (GOOD[..7].into(), "ends within an event"),
            (outside, "outside the sensor of 34 × 34"),
            (backwards, "times must not run backwards"),
            (vec![], "holds no events"),
        ];
        for (bytes, sentence) in cases {
            let mut files = files();
            files[0].1 = bytes;
            for folder in [unpacked(&files), zipped(&files)] {
                let error = error(&folder);
                assert!(error.contains("Train") && error.contains("5/00002.bin"), "{error}");
                assert!(
                    error.contains(sentence) && error.contains("fetch it again"),
                    "{error} should tell {sentence}"
                );
            }
        }
    }

    #[test]
    fn missing_and_damaged_archives_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = error(&folder);
        assert!(missing.contains("Train.zip is missing") && missing.contains("by hand: put"), "{missing}");
        fs::write(folder.path().join("Train.zip"), "no zip at all").unwrap();
        assert!(error(&folder).contains("Train.zip is no sound zip file"));
        let zip = zipped(&files());
        let path = zip.path().join("Train.zip");
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.windows(4).position(|window| window == b".bin").unwrap() + 8;
        bytes[at] ^= 0xFF;
        fs::write(&path, &bytes).unwrap();
        let damaged = error(&zip);
        assert!(damaged.contains("Train.zip is no sound zip file in Train/5/00002.bin"), "{damaged}");
        assert!(error(&zipped(&[("Train/x/1.bin", GOOD.into())])).contains("outside the folders 0 to 9"));
        fs::create_dir(folder.path().join("Train")).unwrap();
        assert!(error(&folder).contains("holds no recordings Train/LABEL/NNNNN.bin"));
    }
}
