//! Downloads from servers on loopback that cut, stall, lie and serve wrong bytes: each ends in the right file under its
//! name, or in one sentence and no file.

use spikelet::data::DatasetName;
use spikelet::data::fetch::{self, Checksum, FetchError, Outcome, Patience, Remote, fetch_file};
use spikelet_tests::spikelet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Of the bytes of [`content`], by md5sum and sha256sum.
const MD5: &str = "80681a347dd84e045afa0fe1f9efe49e";
const SHA256: &str = "d5397f395028a36a877582420027c07a9dffa109caf6625ee9fb42ba86859168";
const LENGTH: usize = 300_000;
const NAME: &str = "file.gz";

fn content() -> Vec<u8> {
    (0..LENGTH as u64).map(|k| ((k * k) >> 7) as u8).collect()
}

fn remote() -> Remote {
    Remote { name: NAME.to_owned(), length: None, checksum: Checksum::Md5(MD5.to_owned()) }
}

fn of_known_length() -> Remote {
    Remote { length: Some(LENGTH as u64), ..remote() }
}

/// Short, but not so short that a busy machine is taken for a silent server.
const PATIENCE: Patience = Patience {
    answer: Duration::from_millis(1500),
    silence: Duration::from_millis(1500),
    pause: Duration::from_millis(5),
    attempts: 3,
};

/// What a server does with a request.
struct Reply {
    status: &'static str,
    headers: Vec<String>,
    body: Vec<u8>,
    /// Keeps the connection open without a word instead of closing it.
    silent: bool,
}

impl Reply {
    fn new(status: &'static str, body: &[u8]) -> Self {
        let headers = vec![format!("Content-Length: {}", body.len())];
        Self { status, headers, body: body.to_vec(), silent: false }
    }

    /// The bytes asked for, as a good server gives them.
    fn good(bytes: &[u8], from: Option<usize>) -> Self {
        match from {
            None => Self::new("200 OK", bytes),
            Some(from) if from >= bytes.len() => {
                let range = format!("Content-Range: bytes */{}", bytes.len());
                Self { headers: vec![range], ..Self::new("416 Range Not Satisfiable", b"") }
            }
            Some(from) => {
                let mut reply = Self::new("206 Partial Content", &bytes[from..]);
                reply.headers.push(format!(
                    "Content-Range: bytes {from}-{}/{}",
                    bytes.len() - 1,
                    bytes.len()
                ));
                reply
            }
        }
    }

    /// Only the first bytes, though more are announced.
    fn cut(mut self, bytes: usize) -> Self {
        self.body.truncate(bytes);
        self
    }

    fn says_length(mut self, length: u64) -> Self {
        self.headers[0] = format!("Content-Length: {length}");
        self
    }

    fn silent(self) -> Self {
        Self { silent: true, ..self }
    }
}

/// Path and first byte wanted of each request so far.
type Requests = Vec<(String, Option<usize>)>;

/// A server that asks `behaviour` about each request: its number, counted from 0, and the first byte wanted.
struct Server {
    url: String,
    address: std::net::SocketAddr,
    requests: Arc<Mutex<Requests>>,
    end: Arc<AtomicBool>,
}

impl Server {
    fn start(behaviour: impl Fn(usize, Option<usize>) -> Reply + Send + Sync + 'static) -> Self {
        Self::of_paths(move |number, _, from| behaviour(number, from))
    }

    fn of_paths(behaviour: impl Fn(usize, &str, Option<usize>) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, end) = (Arc::new(Mutex::new(Requests::new())), Arc::new(AtomicBool::new(false)));
        let (seen, ended, behaviour) = (requests.clone(), end.clone(), Arc::new(behaviour));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (stream, seen, ended) = (stream.unwrap(), seen.clone(), ended.clone());
                let behaviour = behaviour.clone();
                // A client that has heard enough closes the connection, which is no fault of the server.
                thread::spawn(move || serve(stream, &seen, &ended, &*behaviour).ok());
            }
        });
        Self { url: format!("http://{address}/set"), address, requests, end }
    }

    fn ranges(&self) -> Vec<Option<usize>> {
        self.requests.lock().unwrap().iter().map(|(_, from)| *from).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(
    mut stream: TcpStream,
    seen: &Mutex<Requests>,
    ended: &AtomicBool,
    behaviour: &dyn Fn(usize, &str, Option<usize>) -> Reply,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or("").to_owned();
    let mut from = None;
    for line in lines {
        let line = line?.to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse().ok();
        }
    }
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push((path.clone(), from));
        seen.len() - 1
    };
    let reply = behaviour(number, &path, from);
    if !reply.status.is_empty() {
        write!(
            stream,
            "HTTP/1.1 {}\r\n{}\r\nConnection: close\r\n\r\n",
            reply.status,
            reply.headers.join("\r\n")
        )?;
    }
    stream.write_all(&reply.body)?;
    while reply.silent && !ended.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn fetch_from(file: &Remote, servers: &[&Server], folder: &Path) -> Result<Outcome, FetchError> {
    let sources: Vec<String> = servers.iter().map(|server| server.url.clone()).collect();
    fetch_file(file, &sources, folder, PATIENCE)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The file is there and right, and nothing else is.
#[track_caller]
fn assert_right(folder: &Path) {
    assert_eq!(names(folder), [NAME]);
    assert!(fs::read(folder.join(NAME)).unwrap() == content());
}

/// The sentence of a fetch that fails and leaves nothing but, perhaps, the beginning of the file.
#[track_caller]
fn refusal(file: &Remote, servers: &[&Server], kept: Option<usize>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let error = fetch_from(file, servers, folder.path()).unwrap_err();
    assert!(matches!(error, FetchError::NoSource { .. }), "{error:?}");
    match kept {
        None => assert_eq!(names(folder.path()), [""; 0]),
        Some(length) => {
            assert_eq!(names(folder.path()), [format!("{NAME}.part")]);
            assert!(fs::read(folder.path().join(format!("{NAME}.part"))).unwrap() == content()[..length]);
            assert!(error.to_string().contains(&format!("{length} bytes are kept")), "{error}");
        }
    }
    let text = error.to_string();
    assert!(text.contains(NAME) && !text.contains('\n'), "{text}");
    text
}

fn good() -> Server {
    Server::start(|_, from| Reply::good(&content(), from))
}

fn with_part(bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(format!("{NAME}.part")), bytes).unwrap();
    folder
}

#[test]
fn a_good_server_is_asked_once_and_what_is_there_not_again() {
    let (server, folder) = (good(), tempfile::tempdir().unwrap());
    let folder = folder.path().join("made/on/the/way");
    assert_eq!(fetch_from(&remote(), &[&server], &folder).unwrap(), Outcome::Fetched);
    assert_right(&folder);
    assert_eq!(fetch_from(&remote(), &[&server], &folder).unwrap(), Outcome::Present);
    assert_eq!(server.requests.lock().unwrap()[..], [(format!("/set/{NAME}"), None)]);
    // What is there but wrong is replaced, once the right file is whole.
    fs::write(folder.join(NAME), "older").unwrap();
    let broken = Server::start(|_, _| Reply::new("404 Not Found", b""));
    fetch_from(&remote(), &[&broken], &folder).unwrap_err();
    assert_eq!(
        (names(&folder), fs::read(folder.join(NAME)).unwrap()),
        (vec![NAME.to_owned()], b"older".into())
    );
    assert_eq!(fetch_from(&remote(), &[&server], &folder).unwrap(), Outcome::Fetched);
    assert_right(&folder);
}

#[test]
fn a_connection_that_is_cut_goes_on_where_it_was() {
    let server = Server::start(|_, from| Reply::good(&content(), from).cut(100_000));
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(fetch_from(&remote(), &[&server], folder.path()).unwrap(), Outcome::Fetched);
    assert_right(folder.path());
    assert_eq!(server.ranges(), [None, Some(100_000), Some(200_000)]);
    // One that is cut at the same place every time is given up, and what came is kept for the next time.
    let stuck = Server::start(|_, from| Reply::good(&content(), from).cut(90_000 - from.unwrap_or(0)));
    let error = refusal(&remote(), &[&stuck], Some(90_000));
    assert!(error.contains("breaks off after 90000"), "{error}");
    let folder = with_part(&content()[..90_000]);
    let server = good();
    fetch_from(&remote(), &[&server], folder.path()).unwrap();
    assert_right(folder.path());
    assert_eq!(server.ranges(), [Some(90_000)]);
}

#[test]
fn a_silent_server_is_left() {
    // In the middle of the file.
    let server = Server::start(|number, from| match number {
        0 => Reply::good(&content(), from).cut(50_000).silent(),
        _ => Reply::good(&content(), from),
    });
    let folder = tempfile::tempdir().unwrap();
    fetch_from(&remote(), &[&server], folder.path()).unwrap();
    assert_right(folder.path());
    assert_eq!(server.ranges(), [None, Some(50_000)]);
    // From the beginning: the mirror is asked.
    let nothing = || Server::start(|_, _| Reply { status: "", ..Reply::new("", b"").silent() });
    let (silent, mirror, folder) = (nothing(), good(), tempfile::tempdir().unwrap());
    fetch_from(&remote(), &[&silent, &mirror], folder.path()).unwrap();
    assert_right(folder.path());
    assert_eq!((silent.ranges().len(), mirror.ranges()), (3, vec![None]));
    let error = refusal(&remote(), &[&nothing()], None);
    assert!(error.contains("cannot be reached") && error.contains("timeout"), "{error}");
}

#[test]
fn lies_about_the_length_are_found_out() {
    let says = |length| Server::start(move |_, from| Reply::good(&content(), from).says_length(length));
    let error = refusal(&of_known_length(), &[&says(310_000)], None);
    assert!(error.contains("says that the file has 310000 bytes instead of 300000"), "{error}");
    let error = refusal(&of_known_length(), &[&says(200_000)], None);
    assert!(error.contains("says that the file has 200000 bytes"), "{error}");
    let error = refusal(&remote(), &[&says(1 << 40)], None);
    assert!(error.contains("too long to be true"), "{error}");
    let error = refusal(&remote(), &[&says(200_000)], None);
    assert!(error.contains("gives a file with a wrong checksum"), "{error}");
    // More is announced than comes; a mirror that is honest puts it right.
    let (liar, mirror, folder) = (says(310_000), good(), tempfile::tempdir().unwrap());
    fetch_from(&remote(), &[&liar, &mirror], folder.path()).unwrap();
    assert_right(folder.path());
    // No length at all, and a file without end.
    let endless = Server::start(|_, _| {
        let body = [content(), content()].concat();
        Reply { headers: vec!["X-Nothing: here".to_owned()], ..Reply::new("200 OK", &body) }
    });
    let error = refusal(&of_known_length(), &[&endless], None);
    assert!(error.contains("gives more than 300000 bytes"), "{error}");
    let unsaid = Server::start(|_, _| Reply {
        headers: vec!["X-Nothing: here".to_owned()],
        ..Reply::new("200 OK", &content())
    });
    let folder = tempfile::tempdir().unwrap();
    fetch_from(&remote(), &[&unsaid], folder.path()).unwrap();
    assert_right(folder.path());
}

#[test]
fn a_server_that_knows_no_ranges_starts_anew() {
    let ignores = Server::start(|_, _| Reply::good(&content(), None));
    let folder = with_part(&content()[..100_000]);
    fetch_from(&remote(), &[&ignores], folder.path()).unwrap();
    assert_right(folder.path());
    assert_eq!(ignores.ranges(), [Some(100_000)]);
    // One that gives another range than it was asked for.
    let confused = Server::start(|_, from| Reply::good(&content(), from.map(|from| from + 10)));
    let folder = with_part(&content()[..100_000]);
    fetch_from(&remote(), &[&confused], folder.path()).unwrap();
    assert_right(folder.path());
    assert_eq!(confused.ranges(), [Some(100_000), None]);
    // One that ignores ranges and is cut, at another place each time, cannot hold a fetch for ever: 200,000 bytes are
    // new, then 150,000 and 200,000 are not.
    let hopeless =
        Server::start(|number, _| Reply::good(&content(), None).cut(200_000 - 50_000 * (number % 2)));
    let error = refusal(&remote(), &[&hopeless], Some(200_000));
    assert!(error.contains("breaks off"), "{error}");
    assert_eq!(hopeless.ranges(), [None, Some(200_000), Some(150_000)]);
}

#[test]
fn wrong_bytes_are_never_kept() {
    let wrong = || Server::start(|_, from| Reply::good(&vec![7; LENGTH], from));
    let server = wrong();
    let error = refusal(&remote(), &[&server], None);
    assert!(error.contains("gives a file with a wrong checksum"), "{error}");
    assert_eq!(server.ranges(), [None], "the same wrong file was asked for again");
    let (mirror, folder) = (good(), tempfile::tempdir().unwrap());
    fetch_from(&remote(), &[&wrong(), &mirror], folder.path()).unwrap();
    assert_right(folder.path());
    // A beginning that is of another file, shorter, as long, and longer, is no fault of the server.
    for length in [1000, LENGTH, LENGTH + 1000] {
        for file in [remote(), of_known_length()] {
            let (server, folder) = (good(), with_part(&vec![9; length]));
            fetch_from(&file, &[&server], folder.path()).unwrap();
            assert_right(folder.path());
        }
    }
}

#[test]
fn a_gzip_file_is_known_by_its_content() {
    let packed = |level| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
        encoder.write_all(&content()).unwrap();
        encoder.finish().unwrap()
    };
    let file = Remote { checksum: Checksum::Sha256OfContent(SHA256.to_owned()), ..remote() };
    for level in [1, 9] {
        let bytes = packed(level);
        let server = Server::start(move |_, from| Reply::good(&bytes, from));
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(fetch_from(&file, &[&server], folder.path()).unwrap(), Outcome::Fetched);
        assert_eq!(fs::read(folder.path().join(NAME)).unwrap(), packed(level));
    }
    let mut damaged = packed(6);
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let server = Server::start(move |_, from| Reply::good(&damaged, from));
    assert!(refusal(&file, &[&server], None).contains("wrong checksum"));
}

#[test]
fn refusals_and_overload_are_told_apart() {
    let missing = Server::start(|_, _| Reply::new("404 Not Found", b"no such file"));
    let error = refusal(&remote(), &[&missing], None);
    assert!(error.contains("answers 404"), "{error}");
    assert_eq!(missing.ranges().len(), 1);
    let overloaded = Server::start(|number, from| match number {
        0 => Reply::new("503 Service Unavailable", b""),
        1 => Reply::new("429 Too Many Requests", b""),
        _ => Reply::good(&content(), from),
    });
    let folder = tempfile::tempdir().unwrap();
    fetch_from(&remote(), &[&overloaded], folder.path()).unwrap();
    assert_right(folder.path());
    let babbling =
        Server::start(|_, _| Reply { status: "", ..Reply::new("", b"hello, who is there?\r\n\r\n") });
    assert!(refusal(&remote(), &[&babbling], None).contains("cannot be reached"));
    // Nobody listens where a server was.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sources = [format!("http://{gone}/"), "no address".to_owned()];
    let error = fetch_file(&remote(), &sources, folder.path(), PATIENCE).unwrap_err().to_string();
    assert!(error.contains("cannot be reached") && error.contains("no address/file.gz"), "{error}");
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn two_fetches_do_not_write_the_same_file() {
    let (server, folder) = (good(), with_part(b""));
    let other = File::options().append(true).open(folder.path().join(format!("{NAME}.part"))).unwrap();
    other.lock().unwrap();
    let error = fetch_from(&remote(), &[&server], folder.path()).unwrap_err();
    assert!(
        matches!(error, FetchError::Busy { .. }) && error.to_string().contains("wait until it is done"),
        "{error}"
    );
    drop(other);
    fetch_from(&remote(), &[&server], folder.path()).unwrap();
    assert_right(folder.path());
}

#[test]
fn the_command_fetches_verifies_and_says_what_is_by_hand() {
    let refuses = |arguments: &[&str], words: &str| {
        let output = spikelet().args(["data", "fetch"]).args(arguments).assert().failure();
        let error = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(error.starts_with("error: ") && error.contains(words), "{error}");
    };
    refuses(&["--dataset", "nmnist"], "N-MNIST is fetched by hand: put Train.zip and Test.zip from https://");
    refuses(&["--dataset", "digits"], "digits needs no fetching");
    refuses(&["--dataset", "mnits"], "choose one of digits, mnist");
    let missing = Server::start(|_, _| Reply::new("404 Not Found", b""));
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let from = ["--dataset", "mnist", "--data", data, "--from", &missing.url, "--wait", "1000"];
    refuses(&from, "train-images-idx3-ubyte.gz cannot be fetched: http://127.0.0.1");
    assert_eq!(names(&folder.path().join("mnist")), [""; 0]);

    // The real files, where they are.
    for name in [DatasetName::Mnist, DatasetName::FashionMnist] {
        if spikelet::data::survey(&name, None).is_err() {
            eprintln!("skipped: {name} is not here; name its folder in SPIKELET_DATA");
            continue;
        }
        let real = spikelet::data::default_folder().join(name.to_string());
        let server = Server::of_paths(move |_, path, from| {
            Reply::good(&fs::read(real.join(path.rsplit('/').next().unwrap())).unwrap(), from)
        });
        let name = name.to_string();
        let fetch = || {
            let arguments =
                ["--json", "data", "fetch", "--dataset", &name, "--data", data, "--from", &server.url];
            let output = spikelet().args(arguments).assert().success();
            let files: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
            let outcomes =
                files.as_array().unwrap().iter().map(|file| file["outcome"].as_str().unwrap().to_owned());
            outcomes.collect::<Vec<_>>()
        };
        assert_eq!(fetch(), ["fetched"; 4]);
        assert_eq!(names(&folder.path().join(&name)).len(), 4);
        assert_eq!(fetch(), ["present"; 4]);
        spikelet().args(["data", "check", "--dataset", &name, "--data", data]).assert().success();
    }
}

#[test]
fn every_set_that_can_be_fetched_has_two_places() {
    for name in [DatasetName::Mnist, DatasetName::FashionMnist] {
        assert_eq!((fetch::files(&name).unwrap().len(), fetch::sources(&name).len()), (4, 2));
    }
}
