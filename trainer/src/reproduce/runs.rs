//! The runs of an item: where they are, and which are done.

use super::plan::{Item, Job};
use crate::config::Config;
use crate::workers::run::{Finished, State, Task, state};
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};

/// What is trained: the paper's networks, shorter or on fewer samples where a setting says so.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Seeds 0 up to this.
    pub seeds: u64,
    /// Names of networks, or parts of names between slashes; a network with any of them is trained, all if there is none.
    pub only: &'a [String],
    /// Epochs instead of the paper's 100, or 200 for Fashion-MNIST.
    pub epochs: Option<usize>,
    /// Timesteps instead of the paper's 200.
    pub steps: Option<usize>,
    /// Training samples instead of all.
    pub train_samples: Option<usize>,
    /// The folder of all items and their runs.
    pub out: &'a Path,
    /// The folder with the data sets, if not the usual one.
    pub data: Option<&'a Path>,
}

/// Those of `all` whose names the texts `only` choose; all if there is no text.
///
/// # Errors
/// One sentence if a text chooses none.
pub fn chosen<'j, T>(all: &'j [T], name: impl Fn(&T) -> &str, only: &[String]) -> Result<Vec<&'j T>> {
    // Between slashes, so that "mnist/rate" is not Fashion-MNIST too; and a whole name is that one alone.
    let between = |name: &str, part: &str| format!("/{name}/").contains(&format!("/{part}/"));
    let is_whole = |part: &str| all.iter().any(|one| name(one) == part);
    let matches = |one: &T, part: &str| {
        if is_whole(part) { name(one) == part } else { between(name(one), part) }
    };
    for part in only {
        ensure!(
            all.iter().any(|one| matches(one, part)),
            "--only {part} names no network: --list shows them"
        );
    }
    let is_chosen = |one: &&T| only.is_empty() || only.iter().any(|part| matches(one, part));
    Ok(all.iter().filter(is_chosen).collect())
}

impl Plan<'_> {
    /// The networks that `only` chooses.
    ///
    /// # Errors
    /// One sentence if one of its texts chooses none.
    pub fn chosen<'j>(&self, jobs: &'j [Job]) -> Result<Vec<&'j Job>> {
        chosen(jobs, |job| &job.name, self.only)
    }

    /// The schedule of an item in words.
    pub fn schedule(&self, item: Item) -> String {
        let (epochs, instead) = item.epochs_in_words();
        let mut words = match self.epochs {
            None => epochs.to_owned(),
            Some(1) => format!("1 epoch instead of {instead}"),
            Some(epochs) => format!("{epochs} epochs instead of {instead}"),
        };
        match (self.steps, item) {
            (None, Item::Fpga) => {}
            (None, _) => words += ", T = 200",
            (Some(steps), Item::Fpga) => words += &format!(", T = {steps} for all"),
            (Some(steps), _) => words += &format!(", T = {steps} instead of 200"),
        }
        match self.train_samples {
            None => words += ", all training samples",
            Some(samples) => words += &format!(", {samples} training samples instead of all"),
        }
        if item == Item::Fpga {
            return words;
        }
        words + if self.is_the_papers() { ": the paper's schedule" } else { ": not the paper's schedule" }
    }

    /// The command that makes an item's results with this schedule.
    pub fn command(&self, item: Item) -> String {
        let mut command = format!("cargo spikelet reproduce {} --seeds {}", item.name(), self.seeds);
        let options = [("epochs", self.epochs), ("steps", self.steps), ("train-samples", self.train_samples)];
        for (option, value) in options {
            if let Some(value) = value {
                command += &format!(" --{option} {value}");
            }
        }
        command
    }

    /// True if nothing is shorter than in the paper.
    pub const fn is_the_papers(&self) -> bool {
        self.epochs.is_none() && self.steps.is_none() && self.train_samples.is_none()
    }

    /// The schedule as the name of a folder: results of two schedules never share one.
    pub fn slug(&self) -> String {
        let parts = [("e", self.epochs), ("T", self.steps), ("n", self.train_samples)];
        let named = parts.iter().filter_map(|(letter, value)| Some(format!("{letter}{}", (*value)?)));
        let named: Vec<_> = named.collect();
        if named.is_empty() { "paper".to_owned() } else { named.join("-") }
    }

    /// A job's config for a seed.
    pub fn config(&self, job: &Job, seed: u64) -> Config {
        let paper = job.config.clone();
        Config {
            seed,
            epochs: self.epochs.unwrap_or(paper.epochs),
            steps: self.steps.unwrap_or(paper.steps),
            train_samples: self.train_samples,
            ..paper
        }
    }

    /// The folder of a run: another schedule is another folder, and items and commands with the same one share it.
    pub fn folder(&self, job: &Job, seed: u64) -> PathBuf {
        let Config { epochs, steps, train_samples, .. } = self.config(job, seed);
        let samples = train_samples.map_or("all".to_owned(), |count| format!("n{count}"));
        let schedule = format!("e{epochs}-T{steps}-{samples}");
        self.out.join("runs").join(job.name.replace('/', "-")).join(schedule).join(format!("seed{seed}"))
    }

    /// How a run stands.
    ///
    /// # Errors
    /// If its files are damaged.
    pub fn state(&self, job: &Job, seed: u64) -> Result<State> {
        state(&self.folder(job, seed), &self.config(job, seed))
    }

    /// A run as workers take it.
    pub fn task(&self, job: &Job, seed: u64) -> Task {
        let name = format!("{}, seed {seed}", job.name);
        Task { name, folder: self.folder(job, seed), config: self.config(job, seed) }
    }

    /// The finished runs of a job with these settings, seed after seed.
    ///
    /// # Errors
    /// If a run's files are damaged.
    pub fn finished(&self, job: &Job) -> Result<Vec<Finished>> {
        let runs = (0..self.seeds).filter_map(|seed| match self.state(job, seed) {
            Ok(State::Finished(run)) => Some(Ok(*run)),
            Ok(State::Missing { .. }) => None,
            Err(error) => Some(Err(error)),
        });
        runs.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Item;
    use super::*;

    fn plan(only: &[String]) -> Plan<'_> {
        let out = Path::new("out");
        Plan { seeds: 2, only, epochs: None, steps: None, train_samples: None, out, data: None }
    }

    #[test]
    fn only_means_whole_parts_of_names() {
        let jobs = Item::Table1.jobs();
        let count = |only: &str| {
            let only: Vec<String> = only.split(',').map(str::to_owned).collect();
            plan(&only).chosen(&jobs).map(|chosen| chosen.len())
        };
        assert_eq!(plan(&[]).chosen(&jobs).unwrap().len(), 40);
        assert_eq!(count("mnist").unwrap(), 16);
        assert_eq!(count("fashion-mnist,nmnist").unwrap(), 24);
        assert_eq!(count("src/2").unwrap(), 5);
        assert_eq!(count("mnist/rate/lif/1").unwrap(), 1);
        assert_eq!(
            count("mnist,gru").unwrap_err().to_string(),
            "--only gru names no network: --list shows them"
        );
        let jobs = Item::Fig2.jobs();
        let only = ["mnist/rate/src/5".to_owned()];
        assert_eq!(plan(&only).chosen(&jobs).unwrap().len(), 1, "a whole name is that network alone");
    }

    #[test]
    fn each_schedule_has_folders_of_its_own() {
        let job = &Item::Fig3.jobs()[0];
        let paper = plan(&[]);
        assert_eq!(paper.slug(), "paper");
        assert!(paper.schedule(Item::Fig3).ends_with(": the paper's schedule"));
        let folder = paper.folder(job, 1);
        assert_eq!(folder, Path::new("out/runs/fashion-mnist-latency-src-2/e200-T200-all/seed1"));
        // The same schedule, said aloud, is the same run.
        assert_eq!(Plan { epochs: Some(200), ..plan(&[]) }.folder(job, 1), folder);
        let short = Plan { epochs: Some(1), train_samples: Some(500), ..plan(&[]) };
        assert_eq!(short.slug(), "e1-n500");
        assert_eq!(
            short.schedule(Item::Fig3),
            "1 epoch instead of the paper's 100 (Fashion-MNIST: 200), T = 200, 500 training samples instead of all: not the \
             paper's schedule"
        );
        assert_eq!(
            short.folder(job, 0),
            Path::new("out/runs/fashion-mnist-latency-src-2/e1-T200-n500/seed0")
        );
    }
}
