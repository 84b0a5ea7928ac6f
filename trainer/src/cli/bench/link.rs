//! `spikelet bench link`: what comes through the line to an attached board.

use super::check_seconds;
use crate::cli::show;
use crate::device::{ClientError, Port};
use serde::Serialize;
use spikelet_export::link::{CHUNK, LinkError, RequestBody};
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub struct LinkArgs {
    /// Where the board is: serial:PATH, serial:PATH@BAUD, tcp:HOST:PORT or unix:PATH.
    #[arg(long, value_name = "PORT")]
    board: Port,
    /// Seconds for each of the two measures.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

/// What came through.
#[derive(Debug, Serialize)]
struct LinkBench {
    board: String,
    port: String,
    /// Bytes of payload in a second, in the longest requests.
    payload_per_second: f64,
    /// The line's rate, where it is known.
    baud: Option<u32>,
    /// Share of that rate that is payload.
    share: Option<f64>,
    /// From a short request to its answer, the mean.
    round_trip_ms: f64,
}

pub fn run(args: &LinkArgs, json: bool) -> anyhow::Result<()> {
    check_seconds(args.seconds)?;
    let (mut client, greeting) = args.board.connect()?;
    let time = Duration::from_secs_f64(args.seconds);
    // Without a train of spikes at hand the board reads timesteps, and refuses them without doing anything.
    match client.finish() {
        Ok(_) | Err(ClientError::Refused(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let (requests, seconds) =
        repeat(time, || match client.ask(RequestBody::Steps { spikes: &[1; CHUNK] }) {
            Err(ClientError::Refused(LinkError::NotBegun | LinkError::Live)) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(ClientError::Unexpected),
        })?;
    let (round_trips, waited) = repeat(time, || client.memory().map(drop))?;
    let payload_per_second = f64::from(requests) * CHUNK as f64 / seconds;
    let baud = match args.board {
        Port::Serial { baud, .. } => Some(baud),
        Port::Tcp(_) | Port::Unix(_) => None,
    };
    let bench = LinkBench {
        board: greeting.board,
        port: args.board.to_string(),
        payload_per_second,
        baud,
        share: baud.map(|baud| 10.0 * payload_per_second / f64::from(baud)),
        round_trip_ms: 1e3 * waited / f64::from(round_trips),
    };
    show::show(json, &bench, print)
}

/// How often something was done in about so much time, and the seconds that it took.
fn repeat(
    time: Duration,
    mut what: impl FnMut() -> Result<(), ClientError>,
) -> Result<(u32, f64), ClientError> {
    let (start, mut count) = (Instant::now(), 0);
    while count == 0 || start.elapsed() < time {
        what()?;
        count += 1;
    }
    Ok((count, start.elapsed().as_secs_f64()))
}

fn print(bench: &LinkBench) {
    println!("{} on {}", bench.board, bench.port);
    let mut rows =
        vec![("payload", format!("{} B/s", show::grouped(bench.payload_per_second.round() as u64)))];
    if let (Some(baud), Some(share)) = (bench.baud, bench.share) {
        rows.push((
            "of the line's rate",
            format!("{} of {} baud", show::percent(share), show::grouped(baud.into())),
        ));
    }
    rows.push(("a short request and its answer", format!("{:.2} ms", bench.round_trip_ms)));
    println!("{}", show::list(rows));
}
