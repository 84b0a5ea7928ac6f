//! Names of data sets, as on the command line and in configs.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A data set; written as `digits`, `mnist`, `fashion-mnist`, `nmnist`, `images:FOLDER` or `events:FOLDER`.
///
/// ```
/// use spikelet::data::DatasetName;
///
/// let name: DatasetName = "images:leaves".parse().unwrap();
/// assert_eq!(name, DatasetName::Images("leaves".into()));
/// assert_eq!(name.to_string(), "images:leaves");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum DatasetName {
    /// Built in: drawn digits, nothing to fetch.
    Digits,
    /// MNIST, from its four IDX files.
    Mnist,
    /// Fashion-MNIST, from its four IDX files.
    FashionMnist,
    /// N-MNIST: MNIST seen by an event camera, from its two zip files or unpacked.
    Nmnist,
    /// Your own images: a folder with a folder of PNG files per class.
    Images(PathBuf),
    /// Your own recordings of an event camera: a folder with a folder of recordings per class.
    Events(PathBuf),
}

impl DatasetName {
    /// Every data set that has a name of its own.
    pub const ALL: [Self; 4] = [Self::Digits, Self::Mnist, Self::FashionMnist, Self::Nmnist];

    /// Where its files come from; `None` if there is nothing to fetch.
    pub const fn source(&self) -> Option<&'static str> {
        match self {
            Self::Digits | Self::Images(_) | Self::Events(_) => None,
            Self::Mnist => Some("https://ossci-datasets.s3.amazonaws.com/mnist/"),
            Self::FashionMnist => Some("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
            Self::Nmnist => Some("https://www.garrickorchard.com/datasets/n-mnist"),
        }
    }

    /// True if its samples are recordings of events, false if they are images.
    pub const fn has_events(&self) -> bool {
        matches!(self, Self::Nmnist | Self::Events(_))
    }

    /// The name for use in a file name: `images:some/leaves` becomes `images-leaves`.
    pub fn slug(&self) -> String {
        match self {
            Self::Images(folder) | Self::Events(folder) => {
                let kind = if self.has_events() { "events" } else { "images" };
                let last = folder.file_name().map_or_else(|| "data".into(), |name| name.to_string_lossy());
                format!("{kind}-{last}")
            }
            name => name.to_string(),
        }
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digits => f.write_str("digits"),
            Self::Mnist => f.write_str("mnist"),
            Self::FashionMnist => f.write_str("fashion-mnist"),
            Self::Nmnist => f.write_str("nmnist"),
            Self::Images(folder) => write!(f, "images:{}", folder.display()),
            Self::Events(folder) => write!(f, "events:{}", folder.display()),
        }
    }
}

impl FromStr for DatasetName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = Self::ALL.into_iter().find(|name| name.to_string() == text) {
            return Ok(name);
        }
        match text.split_once(':') {
            Some(("images", folder)) if !folder.is_empty() => Ok(Self::Images(folder.into())),
            Some(("events", folder)) if !folder.is_empty() => Ok(Self::Events(folder.into())),
            _ => Err(format!(
                "\"{text}\" is no data set: choose one of digits, mnist, fashion-mnist, nmnist, images:FOLDER and \
                 events:FOLDER"
            )),
        }
    }
}

impl TryFrom<String> for DatasetName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<DatasetName> for String {
    fn from(name: DatasetName) -> Self {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let own = [DatasetName::Images("a/b c".into()), DatasetName::Events("C:/x:y".into())];
        for name in DatasetName::ALL.into_iter().chain(own) {
            assert_eq!(name.to_string().parse(), Ok(name.clone()));
            let json = serde_json::to_string(&name).unwrap();
            assert_eq!(serde_json::from_str::<DatasetName>(&json).unwrap(), name);
        }
        for text in ["", "mnits", "images:", "events", "Digits"] {
            assert!(text.parse::<DatasetName>().unwrap_err().contains("choose one of digits"), "{text}");
        }
        assert_eq!(DatasetName::Images("some/leaves/".into()).slug(), "images-leaves");
        assert_eq!(DatasetName::Events("..".into()).slug(), "events-data");
        assert_eq!(DatasetName::Nmnist.slug(), "nmnist");
    }
}
