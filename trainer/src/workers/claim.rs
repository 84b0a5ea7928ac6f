//! Claims: of several processes that work in one folder, only one trains a run.
//!
//! A claim is a lock of the operating system on a file beside the run's folder. The system lets go of it when its holder
//! ends, however it ends, so that a killed worker's run is free at once. The file itself stays: removing it would let two
//! processes hold locks on two files of the same name.

use anyhow::{Context, Result};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// A run that is this process's alone until the value is dropped.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

impl Claim {
    /// Claims `run`, the folder of a run; `None` while another process holds it.
    ///
    /// # Errors
    /// If the folder above cannot be written to, or its file system has no locks.
    pub fn take(run: &Path) -> Result<Option<Self>> {
        let mut name = run.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let open = || {
            fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
            File::options().create(true).write(true).truncate(false).open(&path)
        };
        let lock = open().with_context(|| format!("cannot make {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| {
                format!("cannot lock {}: choose a folder on a file system with locks", path.display())
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_holder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("deep/run");
        let first = Claim::take(&run).unwrap().unwrap();
        assert!(Claim::take(&run).unwrap().is_none());
        assert!(Claim::take(&folder.path().join("deep/other")).unwrap().is_some());
        drop(first);
        assert!(Claim::take(&run).unwrap().is_some());
        assert!(!run.exists(), "a claim makes no run");
    }
}
