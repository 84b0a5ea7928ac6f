//! Many runs, trained by any number of independent processes that share nothing but a folder.
//!
//! Each process has the same list of runs and goes through it. It trains a run if it gets the run's [`claim`]; it goes on
//! from the last whole epoch where an earlier process was stopped or killed, to the bits of an unbroken run; it passes over
//! what is finished or claimed, and comes back to what is claimed when nothing else is left. See
//! `trainer/docs/workers.md` for job scripts.

pub mod claim;
pub mod run;

use anyhow::{Result, bail};
use run::{Task, Trained, Trainer};
use std::path::Path;
use std::time::Duration;

/// How long to wait before looking again at runs that other processes train.
const WAIT: Duration = Duration::from_secs(1);

/// What a worker does when it has done something or finds nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Manner {
    /// End when only such runs are left as other processes train, instead of waiting to take them up should those end early.
    #[arg(long)]
    pub no_wait: bool,
    /// Train at most so many runs, then end [default: all].
    #[arg(long, value_name = "N")]
    pub most: Option<usize>,
}

/// Trains what is left of `tasks`, in their order. Calls `changed` with a sentence for each run that failed: before the
/// first run, after each one, and at the end. Returns those sentences.
///
/// # Errors
/// If `changed` fails, or Ctrl-C was pressed.
pub fn work(
    tasks: &[Task],
    data: Option<&Path>,
    manner: Manner,
    mut report: impl FnMut(&str),
    mut changed: impl FnMut(&[String]) -> Result<()>,
) -> Result<Vec<String>> {
    let mut left: Vec<&Task> = tasks.iter().collect();
    let mut trainer = Trainer::new(data);
    let (mut failures, mut trained, mut waiting) = (Vec::new(), 0, false);
    changed(&failures)?;
    while !left.is_empty() && manner.most.is_none_or(|most| trained < most) {
        let mut elsewhere = Vec::new();
        for task in left {
            if manner.most.is_some_and(|most| trained >= most) {
                break;
            }
            let name = &task.name;
            match trainer.train(task, || report(&format!("{name} ({} runs in all)", tasks.len()))) {
                Ok(Trained::Before) => continue,
                Ok(Trained::Now(result)) => {
                    trained += 1;
                    let accuracy = 100.0 * result.test.accuracy;
                    report(&format!("{name}: trained, {accuracy:.2} % of the test samples"));
                }
                Ok(Trained::Elsewhere) => {
                    elsewhere.push(task);
                    continue;
                }
                Err(error) if crate::interrupt::is_stopped() => {
                    return Err(error.context("the same command goes on from here"));
                }
                Err(error) => {
                    let sentence = format!("{name}: {error:#}");
                    report(&sentence);
                    failures.push(sentence);
                }
            }
            waiting = false;
            changed(&failures)?;
        }
        left = elsewhere;
        if left.is_empty() {
            break;
        }
        if manner.no_wait {
            report(&format!("leaving {} runs to the processes that train them", left.len()));
            break;
        }
        if !waiting {
            report(&format!("waiting for {} runs that other processes train", left.len()));
            waiting = true;
        }
        if crate::interrupt::is_stopped() {
            bail!("stopped while other processes train: the same command goes on from here");
        }
        std::thread::sleep(WAIT);
    }
    // Others may have written an older table since.
    changed(&failures)?;
    Ok(failures)
}
