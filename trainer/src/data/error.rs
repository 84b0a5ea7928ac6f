//! What can be wrong with a data set.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

/// Why a data set cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file is not there.
    #[error("{path} is missing: {advice}")]
    Missing {
        /// The file or folder.
        path: PathBuf,
        /// How to get it.
        advice: String,
    },
    /// A file cannot be read.
    #[error("{path} cannot be read: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: Error,
    },
    /// A published file is not what it should be.
    #[error("{path} {problem}: fetch it again")]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// One of the user's own files is not what it should be.
    #[error("{path} {problem}")]
    Own {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
}

impl DataError {
    /// A published file that is not what it should be.
    pub(super) fn bad(path: &Path, problem: impl Into<String>) -> Self {
        Self::Bad { path: path.to_owned(), problem: problem.into() }
    }

    /// A file of the user that is not what it should be.
    pub(super) fn own(path: &Path, problem: impl Into<String>) -> Self {
        Self::Own { path: path.to_owned(), problem: problem.into() }
    }

    /// A file that cannot be opened or read; `advice` says how to get it if it is not there.
    pub(super) fn unread(path: &Path, error: Error, advice: impl FnOnce() -> String) -> Self {
        let path = path.to_owned();
        match error.kind() {
            ErrorKind::NotFound => Self::Missing { path, advice: advice() },
            _ => Self::Unreadable { path, error },
        }
    }
}
