//! `spikelet health`: how an attached board is.

use super::show;
use crate::device::Port;
use serde::Serialize;
use spikelet_export::link::{Health, ResetCause};

#[derive(Debug, clap::Args)]
pub struct HealthArgs {
    /// Where the board is: serial:PATH, serial:PATH@BAUD, tcp:HOST:PORT or unix:PATH.
    #[arg(long, value_name = "PORT")]
    board: Port,
}

/// How a board is.
#[derive(Debug, Serialize)]
struct Shown {
    board: String,
    port: String,
    model: String,
    firmware: String,
    /// Version of the link that the board speaks.
    link: u16,
    #[serde(flatten)]
    health: Health,
}

pub fn run(args: HealthArgs, json: bool) -> anyhow::Result<()> {
    let (mut client, greeting) = args.board.connect()?;
    let shown = Shown {
        health: client.health()?,
        board: greeting.board,
        port: args.board.to_string(),
        model: format!("{:08x}", greeting.model),
        firmware: greeting.firmware,
        link: greeting.version,
    };
    show::show(json, &shown, print)
}

fn print(shown: &Shown) {
    let Shown { board, port, model, firmware, link, health } = shown;
    println!("{board} on {port} runs model {model} in firmware {firmware}, with version {link} of the link");
    let &Health { uptime, resets, cause, frames_good, frames_bad, overruns, saturations, .. } = health;
    let &Health { live_steps, live_missed, live_errors, stack_free, .. } = health;
    let of = |count: u32| show::grouped(count.into());
    let rows = [
        ("up for", time(uptime)),
        ("resets since power came on", format!("{}, the last start was by {}", of(resets), words(cause))),
        ("frames", format!("{} good, {} bad", of(frames_good), of(frames_bad))),
        ("received bytes lost", of(overruns)),
        ("saturated timesteps of layers", of(saturations)),
        (
            "continuous operation",
            format!(
                "{} timesteps, {} left out, {} errors of source and outputs",
                of(live_steps),
                of(live_missed),
                of(live_errors)
            ),
        ),
        ("stack never used", format!("{} B", of(stack_free))),
    ];
    println!("{}", show::list(rows));
}

const fn words(cause: ResetCause) -> &'static str {
    match cause {
        ResetCause::Power => "power",
        ResetCause::Watchdog => "the watchdog",
        ResetCause::Fault => "a fault",
        ResetCause::Model => "a new model",
    }
}

fn time(seconds: u32) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min {} s", seconds % 60),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_units() {
        let words = [0, 59, 60, 3599, 3600, 86_399, 86_400, u32::MAX].map(time);
        let expected =
            ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "23 h 59 min", "1 d 0 h", "49710 d 6 h"];
        assert_eq!(words, expected);
    }
}
