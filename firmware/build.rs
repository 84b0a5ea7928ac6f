//! Puts the model into the firmware: its bytes, and the sizes of the memory it needs.

use anyhow::{Context, bail};
use spikelet_export::{AlignedBytes, ModelFile};
use std::path::PathBuf;
use std::{env, fs};

fn main() -> anyhow::Result<()> {
    println!("cargo::rerun-if-env-changed=SPIKELET_MODEL");
    println!("cargo::rerun-if-changed=memory");
    // Host tests build the library alone.
    if env::var("CARGO_CFG_TARGET_OS")? != "none" {
        return Ok(());
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let Some(model) = env::var_os("SPIKELET_MODEL").map(PathBuf::from) else {
        bail!("set SPIKELET_MODEL to a model file: make one with `spikelet export`");
    };
    println!("cargo::rerun-if-changed={}", model.display());
    let bytes = fs::read(&model).with_context(|| format!("cannot read the model {}", model.display()))?;
    let aligned = AlignedBytes::from_slice(&bytes);
    let file = ModelFile::open(&aligned).with_context(|| format!("{} cannot be used", model.display()))?;
    let need = file.model().need();
    fs::write(out.join("model.spk"), &bytes)?;
    fs::write(
        out.join("model.rs"),
        format!(
            "/// Neurons of all layers.\npub const NEURONS: usize = {};\n\
             /// Those of them that are SRC.\npub const POTENTIALS: usize = {};\n\
             /// Neurons of the widest layer.\npub const WIDEST: usize = {};\n\
             /// Classes.\npub const CLASSES: usize = {};\n\
             /// Inputs.\npub const INPUTS: usize = {};\n\
             /// The model file.\npub static MODEL: &Aligned<[u8; {}]> = \
             &Aligned(*include_bytes!(concat!(env!(\"OUT_DIR\"), \"/model.spk\")));\n",
            need.neurons,
            need.potentials,
            need.widest,
            need.classes,
            need.inputs,
            bytes.len()
        ),
    )?;
    let board = env::vars()
        .filter_map(|(name, _)| Some(name.strip_prefix("CARGO_FEATURE_")?.to_lowercase().replace('_', "-")))
        .find_map(|feature| fs::read(format!("memory/{feature}.x")).ok())
        .context("choose a board with --features: it needs a file in firmware/memory")?;
    fs::write(out.join("memory.x"), board)?;
    // Handlers of interrupts would have their names here; no board uses any.
    fs::write(out.join("device.x"), "")?;
    println!("cargo::rustc-link-search={}", out.display());
    Ok(())
}
