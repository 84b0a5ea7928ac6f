//! Attached boards as a user has them, behind serial ports and sockets: the commands that talk to them, and what these say when
//! something is not as it should be. The boards are the application in a thread, and played ones.

use serde_json::Value;
use serialport::{SerialPort, TTYPort};
use spikelet::device::Port;
use spikelet_export::ModelFile;
use spikelet_export::link::{self, ReplyBody, Request, RequestBody};
use spikelet_tests::host_board::{self, READ, Shelf};
use spikelet_tests::played::{hello, play, reply};
use spikelet_tests::{binary, random_model, rate, spikelet};
use std::fs::{self, Permissions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A board behind a Unix socket, for one host after the other.
fn listen(shelf: &Shelf) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uart");
    let listener = UnixListener::bind(&path).unwrap();
    let shelf = shelf.clone();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            stream.set_read_timeout(Some(READ)).unwrap();
            host_board::serve(stream, &shelf);
        }
    });
    (folder, format!("unix:{}", path.display()))
}

/// A played board behind a Unix socket.
fn listen_played(mut answer: impl FnMut(&Request<'_>) -> Vec<u8> + Send + 'static) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uart");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            play(stream, &mut answer);
        }
    });
    (folder, format!("unix:{}", path.display()))
}

/// A serial port without anything behind it yet: the board's end, and the host's, which has to be kept.
fn serial() -> (TTYPort, TTYPort, String) {
    let (mut board, host) = TTYPort::pair().unwrap();
    board.set_timeout(READ).unwrap();
    let port = format!("serial:{}", host.name().unwrap());
    (board, host, port)
}

/// The one JSON object that a command prints.
fn json(arguments: &[&str]) -> Value {
    let output = spikelet().arg("--json").args(arguments).assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

fn words(arguments: &[&str]) -> String {
    let output = spikelet().args(arguments).assert().success();
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

/// Fails with one sentence on stderr that contains all of `words`.
fn refuses(arguments: &[&str], words: &[&str]) {
    check(&spikelet().args(arguments).output().unwrap(), words);
}

fn check(output: &Output, words: &[&str]) {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!output.status.success() && stderr.starts_with("error: "), "{stderr}");
    // What is wrong with an option is followed by a hint at --help.
    let last = stderr.lines().rev().find(|line| line.starts_with("error: ")).unwrap();
    for word in words {
        assert!(last.contains(word), "\"{word}\" is not in: {stderr}");
    }
}

#[test]
fn ports_that_are_not_there_are_named() {
    refuses(&["health", "--board", "serial:/dev/ttyNOTHING"], &["no serial port /dev/ttyNOTHING", "there"]);
    refuses(&["health", "--board", "serial:/dev/null"], &["/dev/null is no serial port", "there"]);
    let (_board, _host, port) = serial();
    refuses(&["health", "--board", &format!("{port}@7")], &["baud", "name another rate"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nothing");
    refuses(
        &["health", "--board", &format!("unix:{}", path.display())],
        &["nothing listens on unix:", "start the"],
    );
    // The port was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    refuses(&["model", "list", "--board", &format!("tcp:{free}")], &["nothing listens on tcp:127.0.0.1"]);
    refuses(&["health", "--board", "tcp:nowhere"], &["\"tcp:nowhere\" is no port", "serial:PATH"]);
    refuses(&["health", "--board", "mps2-an386"], &["is no port", "serial:PATH"]);
    refuses(&["run", "x.spk", "--board", "serial:"], &["is no port", "serial:PATH"]);
    refuses(
        &["run", "x.spk", "--board", "nothing"],
        &["choose one of qemu:", "an attached one: serial:PATH"],
    );
    refuses(&["flash", "x.spk", "--board", "nothing"], &["nrf52840-dk", "serial:PATH"]);
    refuses(
        &["flash", "x.spk", "--board", "unix:x", "--build-only"],
        &["--build-only, --log and --probe are for boards at a debug probe"],
    );
    let error = json_error(&["health", "--board", "serial:/dev/ttyNOTHING"]);
    assert!(error.contains("no serial port"), "{error}");
}

fn json_error(arguments: &[&str]) -> String {
    let output = spikelet().arg("--json").args(arguments).assert().failure();
    let value: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    value["error"].as_str().unwrap().to_owned()
}

#[test]
fn a_port_in_use_is_named() {
    let (_board, _host, port) = serial();
    let held: Port = port.parse().unwrap();
    let opened = held.open().unwrap();
    refuses(&["health", "--board", &port], &["is in use by another program", "close that first"]);
    assert!(held.open().unwrap_err().to_string().contains("is in use"));
    drop(opened);
    held.open().unwrap();
}

#[test]
fn a_port_that_the_user_may_not_open_is_named() {
    let (_board, _host, port) = serial();
    let path = port.strip_prefix("serial:").unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
    let mut command = Command::new(binary());
    command.args(["health", "--board", &port]);
    // Root may open everything: nobody asks.
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(65_534).gid(65_534);
    }
    match command.output() {
        Ok(output) => check(&output, &["may not be opened by this user", "dialout"]),
        Err(error) => eprintln!("skipped: nobody cannot run {}: {error}", binary().display()),
    }
}

/// Nobody answers, or somebody else.
#[test]
fn a_board_without_firmware_is_named() {
    // What is timed here is not its build.
    binary();
    let silent = thread::spawn(|| {
        let (_board, _host, port) = serial();
        let start = Instant::now();
        refuses(
            &["health", "--board", &port],
            &[
                "nothing answers on serial:",
                "115200 baud",
                "flash Spikelet's firmware",
                "`spikelet flash MODEL",
            ],
        );
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    });
    let (mut board, _host, port) = serial();
    let (quiet, told) = mpsc::channel::<()>();
    let talker = thread::spawn(move || {
        // While nobody reads, there is no room: what is not written then is of no use to anybody.
        while told.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout) {
            let _ = board.write_all(b"temperature 21\r\n");
        }
    });
    refuses(&["health", "--board", &port], &["what answers on serial:", "is not Spikelet's firmware"]);
    silent.join().unwrap();
    drop(quiet);
    talker.join().unwrap();
}

#[test]
fn firmware_of_another_version_is_named() {
    for (version, words) in [
        (2, &["speaks version 2 of the link", "`spikelet flash`"][..]),
        (3, &["cannot tell its health", "version 3 of the link", "`spikelet flash`"]),
    ] {
        let (_folder, port) = listen_played(move |request| reply(Some(request.sequence), hello(version)));
        refuses(&["health", "--board", &port], words);
    }
    let (_folder, port) = listen_played(|request| reply(Some(request.sequence), hello(3)));
    for arguments in [["model", "list"], ["model", "rollback"]] {
        refuses(&[&arguments[..], &["--board", &port]].concat(), &["cannot take models over the link"]);
    }
    // A newer one is no error.
    let (_folder, port) = listen_played(|request| {
        let body = match request.body {
            RequestBody::Hello { .. } => hello(9),
            _ => ReplyBody::Health(link::Health { uptime: 4000, ..link::Health::default() }),
        };
        reply(Some(request.sequence), body)
    });
    assert_eq!(json(&["health", "--board", &port])["link"], 9);
    assert!(words_of_health(&port).contains("1 h 6 min"));
}

fn words_of_health(port: &str) -> String {
    words(&["health", "--board", port])
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

/// The whole way of a model on an attached board: refused, sent, run, listed, left again.
#[test]
fn a_model_goes_to_an_attached_board_and_runs_there() {
    let folder = tempfile::tempdir().unwrap();
    let other = random_model(&[100, 20, 10], 10, rate(), 1);
    let first = random_model(&[784, 20, 10], 10, rate(), 2);
    let second = random_model(&[784, 30, 10], 10, rate(), 3);
    let [other_id, first_id, second_id] =
        [&other, &first, &second].map(|model| format!("{:08x}", ModelFile::open(model).unwrap().id()));
    let [first, second] = [("first.spk", &first), ("second.spk", &second)]
        .map(|(name, model)| write(folder.path(), name, model));
    let shelf = Shelf::new(&other, 100_000);
    let (_folder, port) = listen(&shelf);
    let at = ["--board", &port];
    let run = |model: &str, input: &str| {
        ["run", model, "--dataset", "digits", "--samples", "4", "--input", input].map(str::to_owned)
    };
    let refused = |model: &str, words: &[&str]| {
        let arguments = run(model, "spikes");
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(at).collect();
        refuses(&arguments, words);
    };
    let send = format!("`spikelet flash {first} --board {port}`");
    refused(&first, &["takes 100 inputs and 10 classes", "takes 784 and 10", &send]);

    let sent = json(&["flash", &first, "--board", &port]);
    assert_eq!([&sent["model"], &sent["board"]], [first_id.as_str(), host_board::NAME]);
    assert_eq!([&sent["already"], &sent["resumed"]], [&Value::from(false), &Value::from(0)]);
    assert_eq!(sent["bytes"].as_u64(), Some(fs::metadata(&first).unwrap().len()));
    assert!(words(&["flash", &first, "--board", &port]).contains("already"));
    refused(&second, &["the board runs another model", &first_id, &second_id]);
    for input in ["spikes", "pixels"] {
        let arguments = run(&first, input);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(at).collect();
        let ran = json(&arguments);
        assert_eq!([&ran["samples"], &ran["equal"]], [4, 4], "{ran}");
        assert_eq!(ran["board"], format!("{} on {port}", host_board::NAME));
        assert!(ran["instructions_per_step"].is_null() && ran["costs"].is_null() && ran["flash"].is_null());
        assert!(ran["seconds_per_step"].as_f64().unwrap() > 0.0, "{ran}");
        assert_eq!(ran["encoding_seconds_per_step"].is_null(), input == "spikes");
        let shown = words(&arguments);
        assert!(shown.contains("4 of 4 samples") && shown.contains("by the board's clock"), "{shown}");
        assert!(!shown.contains("instructions"), "{shown}");
    }

    let shown = words(&["flash", &second, "--board", &port]);
    assert!(shown.contains(&format!("runs model {second_id}")) && shown.contains("B sent in"), "{shown}");
    let listed = json(&["model", "list", "--board", &port]);
    assert_eq!([&listed["running"], &listed["board"]], [second_id.as_str(), host_board::NAME]);
    assert_eq!(listed["slots"][0]["model"], second_id.as_str());
    assert_eq!(listed["slots"][1]["model"], first_id.as_str());
    assert_eq!([&listed["slots"][0]["runs"], &listed["slots"][1]["runs"]], [true, false]);
    assert!(listed["slots"][0]["generation"].as_u64() > listed["slots"][1]["generation"].as_u64());
    let shown = words(&["model", "list", "--board", &port]);
    assert!(
        shown.contains(&second_id) && shown.contains(&first_id) && shown.contains("100,000 B"),
        "{shown}"
    );
    assert!(!shown.contains(&other_id), "it was in the slot that the second one took");

    let back = json(&["model", "rollback", "--board", &port]);
    assert_eq!([&back["before"], &back["running"]], [second_id.as_str(), first_id.as_str()]);
    assert!(words(&["model", "rollback", "--board", &port]).contains("instead of"));
    let health = json(&["health", "--board", &port]);
    assert_eq!([&health["board"], &health["model"]], [host_board::NAME, second_id.as_str()]);
    assert_eq!(health["stack_free"], 200);
    assert!(health["frames_good"].as_u64().unwrap() > 0);
    let monitored = spikelet()
        .args(["--json", "monitor", &second, "--dataset", "digits", "--samples", "2", "--board", &port])
        .assert()
        .success();
    assert_eq!(String::from_utf8_lossy(&monitored.get_output().stdout).lines().count(), 2);
}

#[test]
fn boards_that_cannot_take_a_model_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let old = random_model(&[16, 10], 10, rate(), 1);
    let new = random_model(&[16, 20, 10], 10, rate(), 2);
    let path = write(folder.path(), "new.spk", &new);
    let (_folder, port) = listen(&Shelf::new(&old, 0));
    refuses(&["flash", &path, "--board", &port], &["no flash set apart for models", "`spikelet flash`"]);
    refuses(&["model", "rollback", "--board", &port], &["no flash set apart for models"]);
    assert!(words(&["model", "list", "--board", &port]).contains("no flash set apart"));
    let (_folder, port) = listen(&Shelf::new(&old, 100));
    refuses(&["flash", &path, "--board", &port], &["too large for the board"]);
    refuses(&["model", "rollback", "--board", &port], &["no other model to go back to"]);
    let shelf = Shelf::new(&old, 100_000);
    shelf.content().failing = Some(ModelFile::open(&new).unwrap().id());
    let (_folder, port) = listen(&shelf);
    refuses(&["flash", &path, "--board", &port], &["kept the model that it had", "failed its own test"]);
}

/// The same commands over a serial port and over TCP.
#[test]
fn serial_ports_and_tcp_lead_to_boards() {
    let folder = tempfile::tempdir().unwrap();
    let old = random_model(&[16, 10], 10, rate(), 1);
    let new = random_model(&[16, 20, 10], 10, rate(), 2);
    let path = write(folder.path(), "new.spk", &new);
    let (board, _host, port) = serial();
    let shelf = Shelf::new(&old, 100_000);
    thread::spawn(move || host_board::serve(board, &shelf));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp:{}", listener.local_addr().unwrap());
    let shelf = Shelf::new(&old, 100_000);
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            stream.set_read_timeout(Some(READ)).unwrap();
            host_board::serve(stream, &shelf);
        }
    });
    for port in [&port, &address] {
        assert_eq!(json(&["flash", &path, "--board", port])["already"], false);
        assert_eq!(json(&["health", "--board", port])["port"], port.as_str());
        assert_eq!(json(&["flash", &path, "--board", port])["already"], true);
        let bench = json(&["bench", "link", "--seconds", "0.2", "--board", port]);
        assert!(bench["payload_per_second"].as_f64().unwrap() > 1000.0, "{bench}");
        assert_eq!(bench["baud"].is_null(), port.starts_with("tcp"));
    }
}
