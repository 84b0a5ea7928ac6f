//! RESULTS.md: all results of a folder in one file.

use crate::checkpoint;
use crate::reproduce::plan::Item;
use anyhow::{Context, ensure};
use clap::ValueEnum;
use std::fs;
use std::path::{Path, PathBuf};

/// Writes `OUT/RESULTS.md` from every RESULT.md below `OUT`, in the order of the items.
pub fn write(out: &Path) -> anyhow::Result<PathBuf> {
    let mut text = "# Results\n\nMade by `cargo spikelet reproduce results` of the results in this folder; nothing here is typed by \
        hand. Each part begins with the command that makes it.\n"
        .to_owned();
    let mut parts = 0;
    for &item in Item::value_variants() {
        for path in results_of(item, out)? {
            let part =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let folder = path.parent().and_then(|folder| folder.strip_prefix(out).ok()).unwrap_or(out);
            // Its pictures and numbers lie beside it.
            let part = part.replace("](figure", &format!("]({}/figure", folder.display()));
            text += "\n#";
            text += part.trim_end();
            text.push('\n');
            parts += 1;
        }
    }
    ensure!(
        parts > 0,
        "there are no results in {}: make some with `spikelet reproduce table1 --out {0}`",
        out.display()
    );
    let path = out.join("RESULTS.md");
    checkpoint::write_atomically(&path, text.as_bytes())?;
    Ok(path)
}

/// An item's RESULT.md, of each schedule.
fn results_of(item: Item, out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folder = out.join(item.name());
    let mut found = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            found.push(entry?.path().join("RESULT.md"));
        }
    }
    found.push(folder.join("RESULT.md"));
    found.retain(|path| path.is_file());
    found.sort();
    Ok(found)
}
