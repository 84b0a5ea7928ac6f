//! One request for a file, or for the rest of it.

use super::sources::LONGEST;
use super::{Patience, Remote};
use indicatif::ProgressBar;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode, header};

/// What may go wrong at a source.
#[derive(Debug)]
pub enum Trouble {
    /// The server does not have the file, or does not give it.
    Refused(StatusCode),
    /// The server cannot answer now.
    Busy(StatusCode),
    /// The connection cannot be made, is cut, or is silent.
    Broken(String),
    /// The server speaks of a file of another length.
    Misfit(String),
    /// The part that is here does not fit the server's file.
    Stale,
    /// The whole file is not the right one.
    Wrong,
    /// It cannot be written here.
    Disk(io::Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) | Self::Busy(status) => write!(f, "answers {status}"),
            Self::Broken(reason) | Self::Misfit(reason) => f.write_str(reason),
            Self::Stale => f.write_str("has no rest of the part that is here"),
            Self::Wrong => f.write_str("gives a file with a wrong checksum"),
            Self::Disk(error) => write!(f, "cannot be written here: {error}"),
        }
    }
}

/// A client that waits no longer than it should.
pub fn agent(patience: Patience) -> Agent {
    Agent::config_builder()
        .timeout_connect(Some(patience.answer))
        .timeout_recv_response(Some(patience.answer))
        .timeout_per_read(Some(patience.silence))
        .http_status_as_error(false)
        .user_agent(concat!("spikelet/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

/// Appends the file, from byte `have` on, to `part`; a server that gives the whole of it all the same starts anew.
pub fn transfer(
    agent: &Agent,
    file: &Remote,
    url: &str,
    mut part: &File,
    have: u64,
    bar: &ProgressBar,
) -> Result<(), Trouble> {
    if have > 0 && file.length.is_some_and(|length| have >= length) {
        // All of it is here already, or too much of it: the checksum decides.
        return Ok(());
    }
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header(header::RANGE, format!("bytes={have}-"));
    }
    let response = request.call().map_err(|error| Trouble::Broken(format!("cannot be reached ({error})")))?;
    let (start, whole) = match response.status() {
        StatusCode::OK => {
            part.set_len(0).map_err(Trouble::Disk)?;
            (0, number(response.headers(), header::CONTENT_LENGTH))
        }
        StatusCode::PARTIAL_CONTENT => match content_range(response.headers()) {
            Some((start, whole)) if start == have => (have, whole),
            _ => return Err(Trouble::Stale),
        },
        StatusCode::RANGE_NOT_SATISFIABLE => return Err(Trouble::Stale),
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Err(Trouble::Busy(status));
        }
        status => return Err(Trouble::Refused(status)),
    };
    let most = file.length.or(whole).unwrap_or(LONGEST);
    if let (Some(says), Some(length)) = (whole, file.length)
        && says != length
    {
        return Err(Trouble::Misfit(format!("says that the file has {says} bytes instead of {length}")));
    }
    if most > LONGEST {
        return Err(Trouble::Misfit(format!(
            "says that the file has {most} bytes, which is too long to be true"
        )));
    }
    bar.set_length(whole.unwrap_or(0));
    let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
    let (mut at, mut piece) = (start, vec![0; 1 << 16]);
    loop {
        bar.set_position(at);
        let count = match body.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) => return Err(Trouble::Broken(format!("breaks off after {at} bytes ({error})"))),
        };
        at += count as u64;
        if at > most {
            part.set_len(0).map_err(Trouble::Disk)?;
            return Err(Trouble::Misfit(format!("gives more than {most} bytes")));
        }
        part.write_all(&piece[..count]).map_err(Trouble::Disk)?;
    }
    match file.length.or(whole) {
        Some(length) if at < length => {
            Err(Trouble::Broken(format!("breaks off after {at} of {length} bytes")))
        }
        _ => Ok(()),
    }
}

fn number(headers: &HeaderMap, name: header::HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// First byte and whole length of `bytes FIRST-LAST/LENGTH`, where the length may be unknown.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, whole) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, whole.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let range = |text: &'static str| {
            content_range(&HeaderMap::from_iter([(header::CONTENT_RANGE, text.parse().unwrap())]))
        };
        assert_eq!(range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(range("bytes */10"), None);
        assert_eq!(range("lines 5-9/10"), None);
        assert_eq!(content_range(&HeaderMap::new()), None);
    }
}
