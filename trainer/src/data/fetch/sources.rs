//! What is fetched from where, and how it is known to be right.

use super::FetchError;
use crate::data::DatasetName;
use flate2::read::GzDecoder;
use md5::Md5;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A file to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its name at the source and here.
    pub name: String,
    /// Its length in bytes, where every source has the same file.
    pub length: Option<u64>,
    /// How it is verified.
    pub checksum: Checksum,
}

/// A checksum in lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// md5 of the file.
    Md5(String),
    /// sha256 of what is in the gzip file: sources have packed the same bytes differently.
    Sha256OfContent(String),
}

/// No file is believed to be longer, packed or not: the longest has 47 MB.
pub(super) const LONGEST: u64 = 1 << 28;

impl Checksum {
    /// Whether a file is right; damaged gzip data is not.
    ///
    /// # Errors
    /// If the file cannot be read at all.
    pub fn holds(&self, path: &Path) -> io::Result<bool> {
        let file = File::open(path)?;
        Ok(match self {
            Self::Md5(sum) => hash::<Md5>(file)? == *sum,
            Self::Sha256OfContent(sum) => {
                // One byte changed in the packed data is an error of the decoder, as often as it is another sum.
                hash::<Sha256>(GzDecoder::new(io::BufReader::new(file))).is_ok_and(|found| found == *sum)
            }
        })
    }
}

fn hash<D: Digest>(from: impl Read) -> io::Result<String> {
    let mut digest = D::new();
    let mut from = from.take(LONGEST);
    let mut piece = vec![0; 1 << 16];
    loop {
        match from.read(&mut piece)? {
            0 => break,
            count => digest.update(&piece[..count]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

const MNIST: [(&str, &str); 4] = [
    ("train-images-idx3", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    ("train-labels-idx1", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    ("t10k-images-idx3", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    ("t10k-labels-idx1", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
];

const FASHION_MNIST: [(&str, u64, &str); 4] = [
    ("train-images-idx3", 26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
    ("train-labels-idx1", 29_515, "25c81989df183df01b3e8a0aad5dffbe"),
    ("t10k-images-idx3", 4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
    ("t10k-labels-idx1", 5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
];

/// The files of a data set.
///
/// # Errors
/// A sentence if there is nothing to fetch, or only by hand.
pub fn files(name: &DatasetName) -> Result<Vec<Remote>, FetchError> {
    let file = |name: &str| format!("{name}-ubyte.gz");
    match name {
        DatasetName::Mnist => Ok(MNIST
            .map(|(name, sum)| Remote {
                name: file(name),
                length: None,
                checksum: Checksum::Sha256OfContent(sum.to_owned()),
            })
            .into()),
        DatasetName::FashionMnist => Ok(FASHION_MNIST
            .map(|(name, length, sum)| Remote {
                name: file(name),
                length: Some(length),
                checksum: Checksum::Md5(sum.to_owned()),
            })
            .into()),
        DatasetName::Nmnist => Err(FetchError::ByHand { place: name.source().unwrap_or_default() }),
        DatasetName::Digits | DatasetName::Images(_) | DatasetName::Events(_) => {
            Err(FetchError::Nothing { name: name.clone() })
        }
    }
}

/// Addresses in front of the files' names: the official place, then mirrors.
pub fn sources(name: &DatasetName) -> Vec<String> {
    let mirror = match name {
        DatasetName::Mnist => Some("https://storage.googleapis.com/cvdf-datasets/mnist/"),
        DatasetName::FashionMnist => {
            Some("https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/")
        }
        _ => None,
    };
    name.source().into_iter().chain(mirror).map(str::to_owned).collect()
}
