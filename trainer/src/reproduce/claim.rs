//! Claims: of several processes that work in one folder, only one trains a run.
//!
//! A claim is a file beside the run's folder. While it is looked at and made, a lock of the operating system on a file
//! that is never removed keeps other processes out, so that two of them never take up the same stale claim.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A claim whose file was not touched for so long is stale.
const STALE: Duration = Duration::from_secs(300);
/// How often a holder touches it.
const HEARTBEAT: Duration = Duration::from_secs(20);

#[derive(Serialize, Deserialize)]
struct Holder {
    pid: u32,
    host: String,
    /// Seconds since 1970.
    since: u64,
}

/// A run that is this process's alone until the value is dropped.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    stop: Option<Sender<()>>,
    heart: Option<JoinHandle<()>>,
}

impl Claim {
    /// Claims `run`, the folder of a run; `None` while another process holds it.
    ///
    /// # Errors
    /// If the folder above cannot be written to.
    pub fn take(run: &Path) -> Result<Option<Self>> {
        let mut name = run.as_os_str().to_owned();
        name.push(".claim");
        let path = PathBuf::from(name);
        let folder = path.parent().unwrap_or(Path::new("."));
        let taken = || -> std::io::Result<bool> {
            fs::create_dir_all(folder)?;
            let guard = File::create(folder.join(".claims"))?;
            guard.lock()?;
            if path.exists() {
                if is_held(&path) {
                    return Ok(false);
                }
                fs::remove_file(&path)?;
            }
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let holder = Holder { pid: std::process::id(), host: host(), since };
            let file = File::create_new(&path)?;
            serde_json::to_writer(&file, &holder)?;
            Ok(true)
        };
        if !taken().with_context(|| format!("cannot claim {}", path.display()))? {
            return Ok(None);
        }
        let (stop, stopped) = mpsc::channel::<()>();
        let touched = path.clone();
        let heart = std::thread::spawn(move || {
            while stopped.recv_timeout(HEARTBEAT) == Err(mpsc::RecvTimeoutError::Timeout) {
                // If this fails the claim grows stale, which is all that can be done about it.
                let _ = File::options()
                    .write(true)
                    .open(&touched)
                    .and_then(|file| file.set_modified(SystemTime::now()));
            }
        });
        Ok(Some(Self { path, stop: Some(stop), heart: Some(heart) }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(heart) = self.heart.take() {
            let _ = heart.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

/// False if the holder is dead or silent for too long.
fn is_held(path: &Path) -> bool {
    let age = fs::metadata(path).and_then(|file| file.modified()).map(|when| when.elapsed());
    if age.is_ok_and(|age| age.is_ok_and(|age| age > STALE)) {
        return false;
    }
    let holder = fs::read(path).ok().and_then(|text| serde_json::from_slice::<Holder>(&text).ok());
    // Only Linux tells which processes live without unsafe code; elsewhere the heartbeat decides.
    let processes = Path::new("/proc/self");
    holder.is_none_or(|holder| {
        holder.host != host()
            || !processes.exists()
            || Path::new("/proc").join(holder.pid.to_string()).exists()
    })
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_holder_and_the_dead_hold_none() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let first = Claim::take(&run).unwrap().unwrap();
        assert!(Claim::take(&run).unwrap().is_none());
        drop(first);
        let path = folder.path().join("run.claim");
        assert!(!path.exists());

        // No process has so high an id.
        let dead = Holder { pid: u32::MAX, host: host(), since: 0 };
        fs::write(&path, serde_json::to_vec(&dead).unwrap()).unwrap();
        assert_eq!(Claim::take(&run).unwrap().is_some(), Path::new("/proc/self").exists());

        let silent = Holder { pid: std::process::id(), host: "elsewhere".to_owned(), since: 0 };
        fs::write(&path, serde_json::to_vec(&silent).unwrap()).unwrap();
        assert!(Claim::take(&run).unwrap().is_none());
        let old = SystemTime::now() - 2 * STALE;
        File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        assert!(Claim::take(&run).unwrap().is_some());
    }
}
