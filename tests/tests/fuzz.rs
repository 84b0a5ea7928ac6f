//! The checks that are fuzzed, on the committed corpus and on mutations of it: short, repeatable, and without a fuzzer.
//! tests/fuzz/README.md tells how the long runs go.

use spikelet_export::EncoderHeader;
use spikelet_runtime::Width;
use spikelet_tests::{GENERAL, LIF, Noise, PAPER, random_model_in, rate, root};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Mutated inputs for each check.
const INPUTS: u64 = 200_000;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = root().join("tests/fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// An input of the corpus, changed in one to eight places.
fn mutated(corpus: &[Vec<u8>], noise: &mut Noise) -> Vec<u8> {
    let mut bytes = corpus[noise.below(corpus.len())].clone();
    for _ in 0..=noise.below(8) {
        let at = noise.below(bytes.len() + 1);
        match noise.below(6) {
            0 => bytes.insert(at, noise.bits() as u8),
            1 => bytes.truncate(at),
            2 => {
                // A piece of another input.
                let other = &corpus[noise.below(corpus.len())];
                let from = noise.below(other.len() + 1);
                let piece = &other[from..(from + noise.below(16)).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            kind if at < bytes.len() => match kind {
                3 => bytes[at] ^= 1 << noise.below(8),
                4 => bytes[at] = [0, 1, 0x7F, 0x80, 0xFE, 0xFF][noise.below(6)],
                _ => {
                    bytes.remove(at);
                }
            },
            _ => {}
        }
    }
    bytes
}

fn fuzz(target: &str, check: fn(&[u8])) {
    let corpus = corpus(target);
    assert!(corpus.len() > 20, "the corpus of {target} is here");
    let checked = |what: String, bytes: &[u8]| {
        let result = catch_unwind(AssertUnwindSafe(|| check(bytes)));
        assert!(result.is_ok(), "{target}, {what}: {bytes:02x?}");
    };
    for (number, bytes) in corpus.iter().enumerate() {
        checked(format!("file {number} of the corpus"), bytes);
    }
    for seed in 0..INPUTS {
        checked(format!("mutation {seed}"), &mutated(&corpus, &mut Noise(seed)));
    }
}

#[test]
fn any_model_file_is_refused_or_runs() {
    fuzz("model", spikelet_fuzz::model);
}

#[test]
fn any_bytes_on_the_link_are_survived() {
    fuzz("frames", spikelet_fuzz::frames);
}

/// Writes the models that the corpus began with, and the one that frames are played to: after a change of the format.
#[test]
#[ignore = "writes files of this repository"]
fn write_models() {
    use Width::{Eight, Five, Four, Three, Two};
    let folder = root().join("tests/fuzz");
    let deep = [&[4][..], &[2, 3].repeat(7), &[2, 10]].concat();
    let write = |name: &str, model: &[u8]| fs::write(folder.join(name), model).unwrap();
    let rate = rate();
    write("small.spk", &random_model_in(&[Eight], PAPER, &[16, 12, 10], [0, 15, 0], rate, 9));
    write("corpus/model/paper", &random_model_in(&[Eight], PAPER, &[16, 12, 10], [0, 20, 0], rate, 1));
    let latency = EncoderHeader::Latency {};
    write(
        "corpus/model/widths",
        &random_model_in(&Width::ALL, GENERAL, &[9, 4, 5, 6, 7, 10], [3, 20, 2], latency, 2),
    );
    let logarithmic = EncoderHeader::LatencyLog {};
    write(
        "corpus/model/lif",
        &random_model_in(&[Eight, Two], LIF, &[16, 13, 20], [0, 20, 9], logarithmic, 3),
    );
    let events = EncoderHeader::Events {};
    write(
        "corpus/model/events",
        &random_model_in(&[Five, Three], PAPER, &[25, 11, 30], [1, 9, 0], events, 4),
    );
    write("corpus/model/one", &random_model_in(&[Four], PAPER, &[1, 10], [0, 3, 0], rate, 5));
    write("corpus/model/deep", &random_model_in(&[Two], GENERAL, &deep, [0, 30, 0], rate, 6));
}
