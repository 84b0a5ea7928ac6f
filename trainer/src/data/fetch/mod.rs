//! Downloads of published data sets.
//!
//! A file is written beside its final name as `NAME.part`, goes on from there after an interruption, and gets its name
//! only once its length and checksum are right: whatever happens, under the final name there is the right file or none.

mod sources;
mod transfer;

pub use sources::{Checksum, Remote, files, sources};

use super::{DatasetName, default_folder};
use crate::progress;
use indicatif::ProgressBar;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use transfer::{Trouble, agent, transfer};

/// How long a server is waited for, and how often it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a connection, and for the answer to a request.
    pub answer: Duration,
    /// For the next bytes of a file.
    pub silence: Duration,
    /// Before the second attempt; twice as long before each further one.
    pub pause: Duration,
    /// Attempts at a source that bring nothing new, before the next source is asked.
    pub attempts: u32,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { answer: seconds(15), silence: seconds(20), pause: seconds(1), attempts: 4 }
    }
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was there, and is right.
    Present,
    /// It was fetched.
    Fetched,
}

/// Why a data set cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It has to be fetched by hand.
    #[error(
        "N-MNIST is fetched by hand: put Train.zip and Test.zip from {place} into the folder nmnist of the data folder"
    )]
    ByHand {
        /// Where it is.
        place: &'static str,
    },
    /// It is here already.
    #[error("{name} needs no fetching: it is on this machine")]
    Nothing {
        /// The data set.
        name: DatasetName,
    },
    /// No source has the right file.
    #[error("{path} cannot be fetched: {reasons}{kept}")]
    NoSource {
        /// The file.
        path: PathBuf,
        /// What went wrong at each source.
        reasons: String,
        /// A sentence about what is kept.
        kept: String,
    },
    /// The disk is in the way.
    #[error("{path} cannot be written: {error}")]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Somebody else writes the file.
    #[error("{path} is being written by another fetch: wait until it is done")]
    Busy {
        /// The file.
        path: PathBuf,
    },
}

impl FetchError {
    fn disk(path: &Path, error: std::io::Error) -> Self {
        Self::Disk { path: path.to_owned(), error }
    }
}

/// Fetches what a data set lacks into its folder in `folder`, by default the one of
/// [`default_folder`], from the first of the sources that has the right files; `from` names other
/// sources. Calls `done` with each file.
///
/// # Errors
/// [`FetchError`], one sentence with what went wrong at each source.
pub fn fetch(
    name: &DatasetName,
    folder: Option<&Path>,
    from: &[String],
    patience: Patience,
    mut done: impl FnMut(&Path, Outcome),
) -> Result<(), FetchError> {
    let files = files(name)?;
    let folder = folder.map_or_else(default_folder, Path::to_path_buf).join(name.slug());
    let places = if from.is_empty() { sources(name) } else { from.to_vec() };
    for file in files {
        let outcome = fetch_file(&file, &places, &folder, patience)?;
        done(&folder.join(&file.name), outcome);
    }
    Ok(())
}

/// Fetches one file into a folder, which is made if need be.
///
/// # Errors
/// [`FetchError`].
pub fn fetch_file(
    file: &Remote,
    sources: &[String],
    folder: &Path,
    patience: Patience,
) -> Result<Outcome, FetchError> {
    fs::create_dir_all(folder).map_err(|error| FetchError::disk(folder, error))?;
    let path = folder.join(&file.name);
    if path.is_file() && file.checksum.holds(&path).map_err(|error| FetchError::disk(&path, error))? {
        return Ok(Outcome::Present);
    }
    let part = Part::open(folder.join(format!("{}.part", file.name)))?;
    let bar = progress::bar(&file.name, 0, "bytes");
    let result = from_sources(file, sources, &part, patience, &bar);
    bar.finish_and_clear();
    match result {
        Ok(()) => {
            part.file.sync_all().map_err(|error| FetchError::disk(&part.path, error))?;
            fs::rename(&part.path, &path).map_err(|error| FetchError::disk(&path, error))?;
            Ok(Outcome::Fetched)
        }
        Err(Failure::Disk(error)) => Err(FetchError::disk(&part.path, error)),
        Err(Failure::Sources(reasons)) => {
            let length = part.length();
            let kept = if length > 0 {
                format!("; {length} bytes are kept: run the same command again to go on from there")
            } else {
                // Nothing is left behind that is of no use.
                let _ = fs::remove_file(&part.path);
                String::new()
            };
            Err(FetchError::NoSource { path, reasons: reasons.join("; "), kept })
        }
    }
}

/// The unfinished file, of which only one process at a time is the writer.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn open(path: PathBuf) -> Result<Self, FetchError> {
        let options = || File::options().read(true).append(true).create(true).open(&path);
        let file = options().map_err(|error| FetchError::disk(&path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path, file }),
            Err(TryLockError::WouldBlock) => Err(FetchError::Busy { path }),
            // Some file systems know no locks; a second writer is then found out by the checksum.
            Err(TryLockError::Error(_)) => Ok(Self { path, file }),
        }
    }

    fn length(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    fn clear(&self) -> std::io::Result<()> {
        self.file.set_len(0)
    }
}

/// Why the whole cannot go on.
enum Failure {
    Disk(std::io::Error),
    /// What went wrong at each source.
    Sources(Vec<String>),
}

fn from_sources(
    file: &Remote,
    sources: &[String],
    part: &Part,
    patience: Patience,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let mut reasons = Vec::new();
    for source in sources {
        let slash = if source.ends_with('/') { "" } else { "/" };
        let url = format!("{source}{slash}{}", file.name);
        match from_source(file, &url, part, patience, bar) {
            Ok(()) => return Ok(()),
            Err(Trouble::Disk(error)) => return Err(Failure::Disk(error)),
            Err(trouble) => reasons.push(format!("{url} {trouble}")),
        }
    }
    Err(Failure::Sources(reasons))
}

/// Asks one source, again and again as long as that brings more of the file or patience lasts.
fn from_source(
    file: &Remote,
    url: &str,
    part: &Part,
    patience: Patience,
    bar: &ProgressBar,
) -> Result<(), Trouble> {
    let agent = agent(patience);
    let (mut failures, mut pause) = (0, patience.pause);
    let mut most = part.length();
    loop {
        let before = part.length();
        let trouble = match transfer(&agent, file, url, &part.file, before, bar) {
            Ok(()) if file.checksum.holds(&part.path).map_err(Trouble::Disk)? => return Ok(()),
            Ok(()) => {
                part.clear().map_err(Trouble::Disk)?;
                Trouble::Wrong
            }
            Err(trouble) => trouble,
        };
        // What was begun from another file may be wrong for no fault of the source: it gets one whole attempt.
        let again = match trouble {
            Trouble::Wrong => before > 0,
            Trouble::Refused(_) | Trouble::Misfit(_) | Trouble::Disk(_) => false,
            Trouble::Busy(_) | Trouble::Broken(_) => true,
            Trouble::Stale => {
                part.clear().map_err(Trouble::Disk)?;
                true
            }
        };
        // A slow or flaky line that brings a piece each time is worth going on with.
        let brought_more = part.length() >= most + WORTHWHILE;
        most = most.max(part.length());
        failures = if brought_more { 1 } else { failures + 1 };
        if !again || failures >= patience.attempts {
            return Err(trouble);
        }
        if brought_more {
            pause = patience.pause;
        }
        bar.set_message(format!("{trouble}; trying again"));
        thread::sleep(pause);
        pause *= 2;
    }
}

/// An attempt that brings less than so many bytes counts as one that brought nothing.
const WORTHWHILE: u64 = 1 << 16;
