//! What the README and the pages say: their commands are real, the tour works, its pictures are what the program draws.

use clap::Parser;
use clap::error::ErrorKind;
use spikelet::cli::Cli;
use spikelet_tests::{root, spikelet};
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of every `cargo spikelet …` in `text`.
fn commands(text: &str) -> Vec<Vec<String>> {
    let from = |part: &str| -> Vec<String> {
        let command = part.split(['`', '\n']).next().unwrap_or_default();
        command.split_whitespace().map(str::to_owned).collect()
    };
    text.split("cargo spikelet ").skip(1).map(from).collect()
}

/// A page of the trainer's documentation.
fn page(name: &str) -> String {
    fs::read_to_string(root().join("trainer/docs").join(name)).unwrap()
}

/// README.md and the pages of the trainer, with their paths.
fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("trainer/docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> =
        docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    pages.extend(
        ["README.md", "firmware/README.md", "export/README.md", "runtime/README.md", "runtime/c/README.md"]
            .map(|path| root().join(path)),
    );
    pages.sort();
    pages
}

#[test]
fn every_command_is_one() {
    let mut count = 0;
    for page in pages() {
        for command in commands(&fs::read_to_string(&page).unwrap()) {
            let arguments = std::iter::once("spikelet").chain(command.iter().map(String::as_str));
            let is_one = match Cli::try_parse_from(arguments) {
                Ok(_) => true,
                Err(error) => error.kind() == ErrorKind::DisplayHelp,
            };
            assert!(is_one, "{}: {command:?}", page.display());
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}

#[test]
fn the_tour_works() {
    run_block("## From digits to a board", 9);
}

#[test]
fn the_cells_and_options_work() {
    run_block("## Cells and options", 4);
}

#[test]
fn the_figures_of_one_neuron_and_partial_tables_work() {
    run_block("## Reproduce", 4);
}

#[test]
fn looking_and_importing_work() {
    let folder = tempfile::tempdir().unwrap();
    run_block_in(folder.path(), "## Looking", 4);
    run_block_in(folder.path(), "## In and out", 2);
    assert!(folder.path().join("runs/look/report.html").is_file());
    let drawn = fs::read(folder.path().join("runs/look/trace-test-7/rasters.png")).unwrap();
    assert!(
        drawn == fs::read(root().join("trainer/docs/spikes.png")).unwrap(),
        "the README shows another picture"
    );
}

/// Runs the commands of the first block under a heading of the tour, one after the other in a folder of their own.
fn run_block(heading: &str, count: usize) {
    run_block_in(tempfile::tempdir().unwrap().path(), heading, count);
}

/// The same in a given folder.
fn run_block_in(folder: &Path, heading: &str, count: usize) {
    let tour = page("tour.md");
    let (_, section) = tour.split_once(heading).unwrap();
    let block = section.split("```").nth(1).unwrap();
    let steps = commands(block);
    assert_eq!(steps.len(), count);
    for step in steps {
        spikelet().current_dir(folder).args(&step).assert().success();
    }
}

#[test]
fn the_picture_is_of_the_built_in_data() {
    let folder = tempfile::tempdir().unwrap();
    let sheet = folder.path().join("digits.png");
    spikelet().args(["data", "sheet", "--columns", "20", "--out"]).arg(&sheet).assert().success();
    assert!(fs::read(&sheet).unwrap() == fs::read(root().join("trainer/docs/digits.png")).unwrap());
}

#[test]
fn links_lead_somewhere() {
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        for part in text.split("](").skip(1) {
            let target = part.split([')', '#']).next().unwrap_or_default();
            let missing = !target.starts_with("http") && !path.parent().unwrap().join(target).exists();
            assert!(!missing, "{} links to {target}, which is not there", path.display());
        }
    }
}
