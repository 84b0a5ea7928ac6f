//! A board under QEMU.

use super::port::READ;
use super::{Board, Client, ensure_qemu};
use crate::interrupt;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a board may take to start, or to answer: a slow one takes a second for its largest model.
const PATIENCE: Duration = Duration::from_secs(60);

/// After this time firmware has started that logs nothing.
const SILENCE: Duration = Duration::from_secs(5);

/// Semihosting, and the same where the firmware is to talk through standard input and output: firmware/src/channel.rs looks for the word.
const SEMIHOSTING: &str = "enable=on,target=native";
const CHANNEL: &str = "enable=on,target=native,arg=channel";

/// The emulator's standard streams.
struct Standard {
    input: Stdio,
    output: Stdio,
    error: Stdio,
}

impl Standard {
    /// Where the UART is the wire: what the firmware prints, which for the application is its log in defmt's encoding, and QEMU's own words.
    fn of_uart(folder: &TempDir) -> Result<Self> {
        let file = |name: &str| File::create(folder.path().join(name));
        Ok(Self { input: Stdio::null(), output: file("log")?.into(), error: file("words")?.into() })
    }
}

/// What carries frames between the host and an emulated board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wire {
    /// The emulated UART, byte by byte, as on a board.
    #[default]
    Uart,
    /// The emulator's own channel: the same answers and counts, many times as fast.
    Channel,
}

/// A running emulation; ended when dropped.
#[derive(Debug)]
pub struct Qemu {
    process: Child,
    folder: TempDir,
}

impl Qemu {
    /// Starts the application and connects to its UART. QEMU is installed if it is missing.
    ///
    /// # Errors
    /// If QEMU is missing and cannot be installed, or does not start.
    pub fn start(board: Board, elf: &Path) -> Result<(Self, Client<UnixStream>)> {
        Self::start_with_flash(board, elf, None)
    }

    /// The same with any wire.
    ///
    /// # Errors
    /// As [`Qemu::start`].
    pub fn start_by(wire: Wire, board: Board, elf: &Path) -> Result<(Self, Client<UnixStream>)> {
        if wire == Wire::Uart {
            return Self::start(board, elf);
        }
        let folder = tempfile::tempdir()?;
        let (stream, theirs) = UnixStream::pair()?;
        stream.set_read_timeout(Some(READ))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let log = File::create(folder.path().join("log"))?;
        let standard = Standard {
            input: OwnedFd::from(theirs.try_clone()?).into(),
            output: OwnedFd::from(theirs).into(),
            error: log.into(),
        };
        let qemu = Self::spawn(board, elf, folder, None, &["-semihosting-config", CHANNEL], standard)?;
        Ok((qemu, Client::new(stream).with_patience(PATIENCE / 3, 2)))
    }

    /// The same with the flash for models in a file, which is made if it is not there, and holds what was written to it
    /// however the emulation ends. Without a file that flash is empty at each start.
    ///
    /// # Errors
    /// As [`Qemu::start`]; also if the board's flash cannot be kept in a file.
    pub fn start_with_flash(
        board: Board,
        elf: &Path,
        flash: Option<&Path>,
    ) -> Result<(Self, Client<UnixStream>)> {
        let (qemu, stream) = Self::start_stream(board, elf, flash, &[])?;
        // Nothing is lost on the way, so nothing is asked again while the board may still be at work.
        Ok((qemu, Client::new(stream).with_patience(PATIENCE / 3, 2)))
    }

    /// The same with its UART as a stream whose reads time out soon, and with more of QEMU's own options.
    ///
    /// # Errors
    /// As [`Qemu::start_with_flash`].
    pub fn start_stream(
        board: Board,
        elf: &Path,
        flash: Option<&Path>,
        options: &[&str],
    ) -> Result<(Self, UnixStream)> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("uart");
        let uart = format!("socket,id=u0,path={},server=on,wait=off", socket.display());
        let serial = ["-chardev", &uart, "-serial", "chardev:u0"];
        let standard = Standard::of_uart(&folder)?;
        let options = [&serial[..], &["-semihosting-config", SEMIHOSTING], options].concat();
        let mut qemu = Self::spawn(board, elf, folder, flash, &options, standard)?;
        let stream = qemu.connect(&socket)?;
        stream.set_read_timeout(Some(READ))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok((qemu, stream))
    }

    /// Starts a program that only prints. QEMU is installed if it is missing.
    ///
    /// # Errors
    /// As [`Qemu::start`].
    pub fn start_alone(board: Board, elf: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let standard = Standard::of_uart(&folder)?;
        Self::spawn(board, elf, folder, None, &["-semihosting-config", SEMIHOSTING], standard)
    }

    /// Every instruction takes the same emulated time, so that the board's timer counts them exactly; whatever else the
    /// machine does, the counts are the same. While the firmware sleeps, the time is the real one.
    fn spawn(
        board: Board,
        elf: &Path,
        folder: TempDir,
        flash: Option<&Path>,
        options: &[&str],
        standard: Standard,
    ) -> Result<Self> {
        ensure_qemu()?;
        let mut command = Command::new("qemu-system-arm");
        if interrupt::is_handled() {
            // Ctrl-C would end it before this program is done with it.
            command.process_group(0);
        }
        match flash {
            None => command.args(["-M", board.machine()]),
            Some(flash) => {
                ensure!(board.has_flash_file(), "{board} has no flash that can be kept in a file");
                let path = flash.to_str().context("the path of the flash's file is no text")?;
                let memory = format!(
                    "memory-backend-file,id=flash,size={},share=on,mem-path={}",
                    16 << 20,
                    // A comma would end the path.
                    path.replace(',', ",,")
                );
                command.args(["-M", &format!("{},memory-backend=flash", board.machine()), "-object", &memory])
            }
        };
        let process = command
            .args(["-nodefaults", "-display", "none"])
            .args(["-icount", &format!("shift={},sleep=on", board.shift())])
            .args(options)
            .arg("-kernel")
            .arg(elf)
            .stdin(standard.input)
            .stdout(standard.output)
            .stderr(standard.error)
            .spawn()
            .context("qemu-system-arm does not start")?;
        Ok(Self { process, folder })
    }

    /// Connects to the UART, but not before the firmware has started it, which its first words in the log tell: QEMU drops what
    /// comes earlier on some boards, and on others never begins to give it.
    fn connect(&mut self, socket: &Path) -> Result<UnixStream> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.process.try_wait()? {
                bail!("QEMU ended with {status} before the board could start: {}", self.words());
            }
            // Firmware without a log is given some time.
            if (!self.log().is_empty() || start.elapsed() > SILENCE)
                && let Ok(stream) = UnixStream::connect(socket)
            {
                return Ok(stream);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("the board did not start within {} s", PATIENCE.as_secs())
    }

    /// Ends the emulation at once; whoever waits for the board's answer hears that it has gone.
    pub fn kill(&mut self) {
        // It fails if it has ended already, which is as well.
        let _ = self.process.kill();
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

    /// What QEMU itself has said on stderr; of a channel it is in the log.
    pub fn words(&self) -> String {
        let file = |name: &str| std::fs::read(self.folder.path().join(name));
        let words = file("words").or_else(|_| file("log")).unwrap_or_default();
        String::from_utf8_lossy(&words).into_owned()
    }

    /// What the firmware has printed: the application its log in defmt's encoding, which `defmt-print -e ELF` reads.
    pub fn log(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.kill();
        // It fails if that has been waited for already.
        let _ = self.process.wait();
    }
}
