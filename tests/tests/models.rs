//! The models that come with Spikelet are what their cards say.

use sha2::{Digest, Sha256};
use spikelet::config::Config;
use spikelet::simulate::{self, simulate};
use spikelet_export::{AlignedBytes, ModelFile};
use spikelet_tests::{load, shipped_models, spikelet};
use std::fs;

/// Bytes that a shipped model may have.
const MOST: usize = 300_000;

#[test]
fn shipped_models_are_as_good_as_their_cards_say() {
    for path in shipped_models() {
        let bytes = AlignedBytes::from_slice(&fs::read(&path).unwrap());
        assert!(bytes.len() <= MOST, "{}: {} B", path.display(), bytes.len());
        let file = ModelFile::open(&bytes).unwrap();
        simulate::self_test(&file).unwrap();
        let card = fs::read_to_string(path.with_extension("md")).unwrap();
        let hash: String = Sha256::digest(&*bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(card.contains(&format!("CRC-32 {:08x}, SHA-256 {hash}", file.id())), "{card}");
        let settings = fs::read_to_string(path.with_extension("json")).unwrap();
        let config: Config = serde_json::from_str(&settings).unwrap();
        let header = file.header().unwrap();
        let provenance = header.provenance;
        assert_eq!(config.dataset.to_string(), provenance.data);
        assert_eq!((config.seed, config.epochs), (provenance.seed, usize::from(provenance.epochs)));
        assert_eq!(provenance.samples, 10_000, "measured on all test samples");
        let share = f64::from(provenance.fixed_correct) / f64::from(provenance.samples);
        assert!(card.contains(&format!("{:.2} % of 10,000 test samples", 100.0 * share)), "{card}");
        let Some(data) = load(config.dataset) else { continue };
        let chosen = simulate(&file, &data.test, || {}).classes();
        let correct = chosen.iter().zip(data.test.labels()).filter(|(class, label)| class == label).count();
        assert_eq!(correct, provenance.fixed_correct as usize, "{}", path.display());
    }
}

#[test]
fn a_model_is_named_without_its_folder() {
    let output = spikelet().args(["--json", "inspect", "mnist-small"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for command in ["run", "inspect", "eval", "monitor", "flash --board pico", "bench infer"] {
        let output = spikelet().args(command.split(' ')).arg("mnist-smal").output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && words.contains("mnist-small"), "{command}: {words}");
    }
}
