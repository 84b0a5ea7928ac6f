//! A model's card: what it is, how good, and the commands that made it, beside the settings of its training.

use super::export::Exported;
use super::{model, show};
use crate::config::Config;
use anyhow::Context;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::Path;

/// Writes the card of an exported model beside it, as Markdown, and the settings of its training as JSON: `NAME.md` and
/// `NAME.json` for `NAME.spk`.
pub fn write(exported: &Exported, config: &Config, early_exit: Option<f64>) -> anyhow::Result<()> {
    let file = &exported.file;
    let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or("model");
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let bytes = std::fs::read(file).with_context(|| format!("cannot read the model {}", file.display()))?;
    let hash: String = Sha256::digest(&bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let settings = folder.join(format!("{name}.json"));
    model::write_atomically(&settings, serde_json::to_string_pretty(config)?.as_bytes())?;
    let accuracy = |share| {
        format!("{} of {} test samples", show::percent(share), show::grouped(exported.samples as u64))
    };
    let bits: Vec<String> = exported.layers.iter().map(|layer| layer.bits.to_string()).collect();
    let mut rows = vec![
        ("network", format!("{}, {} cells", config.shape(), config.cell.name())),
        ("data", format!("{}; a tenth of its training samples chose the epoch", config.dataset)),
        (
            "training",
            format!(
                "{} epochs, seed {}; all settings: [{name}.json]({name}.json)",
                config.epochs, config.seed
            ),
        ),
        ("weights", format!("{} bits", bits.join(", "))),
        ("accuracy in the device's fixed point", accuracy(exported.fixed_accuracy)),
        ("accuracy in float", accuracy(exported.float_accuracy)),
    ];
    if let Some(early) = &exported.early_exit {
        rows.push((
            "deciding early",
            format!(
                "{:.1} timesteps in the mean, {} instead of {} of {} validation samples",
                early.mean_steps,
                show::percent(early.accuracy),
                show::percent(early.accuracy_at_the_end),
                show::grouped(early.samples as u64)
            ),
        ));
    }
    rows.push(("size", format!("{} B", show::grouped(exported.bytes as u64))));
    rows.push(("identity", format!("CRC-32 {}, SHA-256 {hash}", exported.id)));
    let mut text = format!("# {name}\n\n| | |\n|---|---|\n");
    for (what, value) in rows {
        let _ = writeln!(text, "| {what} | {value} |");
    }
    let early = early_exit.map_or(String::new(), |points| format!(" --early-exit {points}"));
    let _ = write!(
        text,
        "\nMade by\n\n```console\n$ cargo spikelet train --config {name}.json --out runs/{name}\n\
         $ cargo spikelet export runs/{name}{early} --out {name}.spk --card\n```\n"
    );
    model::write_atomically(&folder.join(format!("{name}.md")), text.as_bytes())
}
