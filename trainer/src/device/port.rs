//! Where a board is that somebody else has started: at a serial port, or behind an emulator or a bridge.

use super::{Board, Client, ClientError, Patience};
use anyhow::{bail, ensure};
use serialport::{ClearBuffer, SerialPort, TTYPort};
use spikelet_export::ModelFile;
use spikelet_export::link::Hello;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Baud rate of boards, unless another one is named.
const BAUD: u32 = 115_200;

/// After this time a read without bytes ends, so that a client sees what time it is.
pub(super) const READ: Duration = Duration::from_millis(50);
/// A bridge that takes no bytes for this time is silent.
const WRITE: Duration = Duration::from_secs(5);
/// What listens does so at once, or nearly.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a board may be silent when it is greeted for the first time: some start anew when their port is opened.
const GREETING: Patience = Patience { first: Duration::from_secs(1), attempts: 3 };

/// Where a board is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// At a serial port.
    Serial {
        /// Its file.
        path: String,
        /// Its rate, 8 data bits, no parity.
        baud: u32,
    },
    /// Behind a TCP port, as `HOST:PORT`.
    Tcp(String),
    /// Behind a Unix socket.
    Unix(PathBuf),
}

/// Why there is no way to a board.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// No such serial port.
    #[error("there is no serial port {path}: {there}")]
    NoPort {
        /// What was named.
        path: String,
        /// What there is.
        there: String,
    },
    /// Another program has opened it.
    #[error(
        "{0} is in use by another program: close that first, be it a terminal, a debugger or another spikelet"
    )]
    InUse(String),
    /// The user may not open it.
    #[error(
        "{0} may not be opened by this user: join its group with `sudo usermod -a -G dialout $USER`, and log in again"
    )]
    Permission(String),
    /// A file that is no serial port.
    #[error("{path} is no serial port: {there}")]
    NotSerial {
        /// What was named.
        path: String,
        /// What there is.
        there: String,
    },
    /// A rate that this port does not have.
    #[error("{path} cannot be set to {baud} baud: name another rate, as in serial:{path}@115200")]
    Baud {
        /// The port.
        path: String,
        /// The rate.
        baud: u32,
    },
    /// Nobody has opened the socket.
    #[error("nothing listens on {0}: start the emulator or the bridge first, or name another address")]
    NothingListens(String),
    /// The host's name or the port's number is wrong.
    #[error("{0} cannot be found: name a host and a port, as in tcp:localhost:4000")]
    NoHost(String),
    /// Anything else.
    #[error("{0} cannot be opened: {1}")]
    Other(String, io::Error),
}

impl Port {
    /// What a user may write.
    pub const FORMS: &str = "serial:PATH, serial:PATH@BAUD, tcp:HOST:PORT or unix:PATH";

    /// True if a user means a port, well written or not.
    pub fn is_meant(text: &str) -> bool {
        text.split_once(':').is_some_and(|(kind, _)| ["serial", "tcp", "unix"].contains(&kind))
    }

    /// Opens it. A serial port is locked until it is closed.
    ///
    /// # Errors
    /// [`PortError`].
    pub fn open(&self) -> Result<Connection, PortError> {
        let name = self.to_string();
        let other = |error: io::Error| match error.kind() {
            ErrorKind::PermissionDenied => PortError::Permission(name.clone()),
            ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::TimedOut => {
                PortError::NothingListens(name.clone())
            }
            _ => PortError::Other(name.clone(), error),
        };
        match self {
            Self::Serial { path, baud } => open_serial(path, *baud).map(Connection::Serial),
            Self::Tcp(address) => {
                let addresses = address.to_socket_addrs().map_err(|_| PortError::NoHost(name.clone()))?;
                let mut failed = PortError::NoHost(name.clone());
                for address in addresses {
                    match TcpStream::connect_timeout(&address, CONNECT) {
                        Ok(stream) => {
                            let times = stream
                                .set_read_timeout(Some(READ))
                                .and_then(|()| stream.set_write_timeout(Some(WRITE)))
                                .and_then(|()| stream.set_nodelay(true));
                            return times.map(|()| Connection::Tcp(stream)).map_err(other);
                        }
                        Err(error) => failed = other(error),
                    }
                }
                Err(failed)
            }
            Self::Unix(path) => {
                let stream = UnixStream::connect(path).map_err(other)?;
                let times =
                    stream.set_read_timeout(Some(READ)).and_then(|()| stream.set_write_timeout(Some(WRITE)));
                times.map(|()| Connection::Unix(stream)).map_err(other)
            }
        }
    }

    /// Opens it and greets the board there.
    ///
    /// # Errors
    /// One sentence about what is not there: a port, a board, its firmware, or firmware that this program understands.
    pub fn connect(&self) -> anyhow::Result<(Client<Connection>, Greeting)> {
        let mut client = Client::new(self.open()?);
        if let Self::Serial { baud, .. } = self {
            client = client.at_baud(*baud);
        }
        let patience = client.patience();
        client.set_patience(GREETING);
        let greeting = match client.hello() {
            Ok(hello) => Greeting::from(hello),
            Err(ClientError::Silent { .. }) => bail!(
                "nothing answers on {self}: see that the board is powered and {}, and flash Spikelet's firmware if it has none, with \
                 `spikelet flash MODEL --board BOARD`",
                self.talks()
            ),
            Err(ClientError::Damaged | ClientError::Unexpected) => bail!(
                "what answers on {self} is not Spikelet's firmware: see that the board {}, and flash the firmware if it has none, \
                 with `spikelet flash MODEL --board BOARD`",
                self.talks()
            ),
            Err(error) => return Err(error.into()),
        };
        client.set_patience(patience);
        Ok((client, greeting))
    }

    fn talks(&self) -> String {
        match self {
            Self::Serial { baud, .. } => format!("talks at {baud} baud"),
            Self::Tcp(_) | Self::Unix(_) => "is behind it".to_owned(),
        }
    }
}

/// The slowest rate that a serial port is opened with.
const LEAST_BAUD: u32 = 110;

fn open_serial(path: &str, baud: u32) -> Result<TTYPort, PortError> {
    use serialport::ErrorKind as Kind;
    // Slower ones are typing errors, which some drivers take.
    if baud < LEAST_BAUD {
        return Err(PortError::Baud { path: path.to_owned(), baud });
    }
    let open = serialport::new(path, baud).timeout(READ).open_native();
    let port = open.map_err(|error| match error.kind {
        // No other process can have opened a file that is none.
        Kind::Io(ErrorKind::NotFound) => PortError::NoPort { path: path.to_owned(), there: there() },
        Kind::Io(ErrorKind::PermissionDenied) => PortError::Permission(path.to_owned()),
        Kind::NoDevice => PortError::InUse(path.to_owned()),
        Kind::InvalidInput => PortError::Baud { path: path.to_owned(), baud },
        _ if !is_terminal(path) => PortError::NotSerial { path: path.to_owned(), there: there() },
        _ => PortError::Other(path.to_owned(), error.into()),
    })?;
    // What came before belongs to nobody.
    let _ = port.clear(ClearBuffer::All);
    Ok(port)
}

fn is_terminal(path: &str) -> bool {
    use std::io::IsTerminal;
    std::fs::File::open(path).is_ok_and(|file| file.is_terminal())
}

/// The serial ports that there are, in words.
fn there() -> String {
    // The crate panics on a Linux without this folder.
    let listed = if cfg!(target_os = "linux") && !Path::new("/sys/class/tty").is_dir() {
        Vec::new()
    } else {
        serialport::available_ports().unwrap_or_default()
    };
    let mut names: Vec<String> = listed.into_iter().map(|port| port.port_name).collect();
    names.sort();
    match names.len() {
        0 => "there is none at all, so plug the board in".to_owned(),
        _ => format!("there are {}", names.join(", ")),
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial { path, baud: BAUD } => write!(f, "serial:{path}"),
            Self::Serial { path, baud } => write!(f, "serial:{path}@{baud}"),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no port: write {}", Self::FORMS);
        let (kind, place) = text.split_once(':').ok_or_else(wrong)?;
        match kind {
            _ if place.is_empty() => Err(wrong()),
            "serial" => {
                let (path, baud) = match place.rsplit_once('@') {
                    Some((path, baud)) => {
                        let baud: Option<u32> = baud.parse().ok().filter(|&baud| baud > 0);
                        (path, baud.ok_or_else(|| format!("\"{text}\" has no baud rate behind its @: write one, as in serial:{path}@115200"))?)
                    }
                    None => (place, BAUD),
                };
                Ok(Self::Serial { path: path.to_owned(), baud })
            }
            "tcp" if place.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) => {
                Ok(Self::Tcp(place.to_owned()))
            }
            "unix" => Ok(Self::Unix(place.into())),
            _ => Err(wrong()),
        }
    }
}

/// A port that has been opened.
#[derive(Debug)]
pub enum Connection {
    /// Of a serial port.
    Serial(TTYPort),
    /// Of a TCP port.
    Tcp(TcpStream),
    /// Of a Unix socket.
    Unix(UnixStream),
}

impl Read for Connection {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Serial(port) => port.read(bytes),
            Self::Tcp(stream) => stream.read(bytes),
            Self::Unix(stream) => stream.read(bytes),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Serial(port) => port.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    /// Does nothing: no bytes are kept back, and to wait until a serial port has sent all could last for ever.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a board has said of itself, as [`Hello`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[allow(missing_docs, reason = "the fields are those of Hello")]
pub struct Greeting {
    pub version: u16,
    pub model: u32,
    pub board: String,
    pub firmware: String,
    pub inputs: u16,
    pub classes: u16,
    pub layers: u16,
    pub steps: u16,
    pub neurons: u32,
    pub ticks_per_second: u32,
}

impl From<Hello<'_>> for Greeting {
    fn from(hello: Hello<'_>) -> Self {
        let Hello { version, model, inputs, classes, layers, steps, neurons, ticks_per_second, .. } = hello;
        let (board, firmware) = (hello.board.to_owned(), hello.firmware.to_owned());
        Self { version, model, board, firmware, inputs, classes, layers, steps, neurons, ticks_per_second }
    }
}

impl Greeting {
    /// Refuses a board on `port` that does not run the model in the file at `path`.
    ///
    /// # Errors
    /// One sentence that says what the board runs, and how it gets this model.
    pub fn ensure_runs(&self, file: &ModelFile<'_>, path: &Path, port: &Port) -> anyhow::Result<()> {
        let need = file.model().need();
        let send = format!("send it first, with `spikelet flash {} --board {port}`", path.display());
        let (inputs, classes) = (usize::from(self.inputs), usize::from(self.classes));
        ensure!(
            (inputs, classes) == (need.inputs, need.classes),
            "the model on the board takes {inputs} inputs and {classes} classes, and {} takes {} and {}: {send}",
            path.display(),
            need.inputs,
            need.classes
        );
        ensure!(
            self.model == file.id(),
            "the board runs another model, {:08x}, than {}, {:08x}: {send}",
            self.model,
            path.display(),
            file.id()
        );
        Ok(())
    }
}

/// Where a command finds its board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Under QEMU, started for the command.
    Emulated(Board),
    /// Where somebody else has started it.
    Attached(Port),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Emulated(board) => board.fmt(f),
            Self::Attached(port) => port.fmt(f),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if Port::is_meant(text) {
            return text.parse().map(Self::Attached);
        }
        let board: Result<Board, String> = text.parse();
        board.map(Self::Emulated).map_err(|error| format!("{error}, or an attached one: {}", Port::FORMS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_and_written() {
        let serial = |path: &str, baud| Port::Serial { path: path.to_owned(), baud };
        for (text, port) in [
            ("serial:/dev/ttyACM0", serial("/dev/ttyACM0", 115_200)),
            ("serial:/dev/ttyACM0@1000000", serial("/dev/ttyACM0", 1_000_000)),
            ("serial:/dev/by@id/x@9600", serial("/dev/by@id/x", 9_600)),
            ("tcp:localhost:4000", Port::Tcp("localhost:4000".to_owned())),
            ("tcp:[::1]:4000", Port::Tcp("[::1]:4000".to_owned())),
            ("unix:/tmp/uart", Port::Unix("/tmp/uart".into())),
        ] {
            assert_eq!(text.parse(), Ok(port.clone()));
            assert_eq!(port.to_string(), text);
            assert_eq!(text.parse(), Ok(Target::Attached(port)));
        }
        for text in [
            "serial:",
            "serial:/dev/x@",
            "serial:/dev/x@fast",
            "serial:x@0",
            "tcp:host",
            "tcp:host:",
            "tcp:h:70000",
            "usb:1",
            "",
        ] {
            let error = text.parse::<Port>().unwrap_err();
            assert!(error.contains("write"), "{error}");
        }
        assert_eq!("mps2-an386".parse(), Ok(Target::Emulated(Board::Mps2An386)));
        let error = "nothing".parse::<Target>().unwrap_err();
        assert!(error.contains("qemu:mps2-an386") && error.contains("serial:PATH"), "{error}");
    }
}
