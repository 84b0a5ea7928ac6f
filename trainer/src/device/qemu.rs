//! A board under QEMU.

use super::{Board, Client, ensure_qemu};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a board may take to start, or to answer: a slow one takes a second for its largest model.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running emulation; ended when dropped.
#[derive(Debug)]
pub struct Qemu {
    process: Child,
    folder: TempDir,
}

impl Qemu {
    /// Starts a firmware image and connects to its UART. QEMU is installed if it is missing.
    ///
    /// Every instruction takes the same emulated time, so that the board's timer counts them exactly; whatever else the
    /// machine does, the counts are the same.
    ///
    /// # Errors
    /// If QEMU is missing and cannot be installed, or does not start.
    pub fn start(board: Board, elf: &Path) -> Result<(Self, Client<UnixStream>)> {
        ensure_qemu()?;
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("uart");
        let listener = UnixListener::bind(&socket)?;
        listener.set_nonblocking(true)?;
        let mut command = Command::new("qemu-system-arm");
        command
            .args(["-M", board.machine(), "-nodefaults", "-display", "none"])
            .args(["-icount", "shift=7,sleep=off"])
            .args(["-semihosting-config", "enable=on,target=native"])
            .arg("-chardev")
            .arg(format!("socket,id=u0,path={}", socket.display()))
            .args(["-serial", "chardev:u0", "-kernel"])
            .arg(elf)
            .stdin(Stdio::null())
            // The firmware's log, in defmt's encoding.
            .stdout(File::create(folder.path().join("log"))?)
            .stderr(File::create(folder.path().join("words"))?);
        let process = command.spawn().context("qemu-system-arm does not start")?;
        let mut qemu = Self { process, folder };
        let stream = qemu.accept(&listener)?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok((qemu, Client::new(stream)))
    }

    fn accept(&mut self, listener: &UnixListener) -> Result<UnixStream> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            match listener.accept() {
                Ok((stream, _)) => return Ok(stream),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("QEMU ended with {status} before the board could start: {}", self.words());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("the board did not start within {} s", PATIENCE.as_secs())
    }

    /// Waits until the emulation has ended by itself.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("the board did not end within {} s", PATIENCE.as_secs())
    }

    /// What QEMU itself has said on stderr.
    pub fn words(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("words")).unwrap_or_default()
    }

    /// The firmware's log in defmt's encoding: `defmt-print -e ELF` reads it.
    pub fn log(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // Both fail if it has ended already, which is as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
