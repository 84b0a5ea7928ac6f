//! Puts the model into the firmware: its bytes, and the sizes of the memory it needs. Into the program that measures kernels it
//! puts weights. Both get the board's memory layout.

use anyhow::{Context, bail};
use spikelet_export::{AlignedBytes, ModelFile};
use spikelet_runtime::{Shape, Width};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> anyhow::Result<()> {
    println!("cargo::rerun-if-env-changed=SPIKELET_MODEL");
    println!("cargo::rerun-if-changed=memory");
    // Host tests build the library alone.
    if env::var("CARGO_CFG_TARGET_OS")? != "none" {
        return Ok(());
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    if env::var_os("CARGO_FEATURE_KERNELS").is_some() {
        weights(&out)?;
    } else {
        model(&out)?;
    }
    let (board, memory) = env::vars()
        .filter_map(|(name, _)| Some(name.strip_prefix("CARGO_FEATURE_")?.to_lowercase().replace('_', "-")))
        .find_map(|feature| fs::read(format!("memory/{feature}.x")).ok().map(|memory| (feature, memory)))
        .context("choose a board with --features: it needs a file in firmware/memory")?;
    println!("cargo::rustc-env=SPIKELET_BOARD={board}");
    fs::write(out.join("memory.x"), memory)?;
    // Handlers of interrupts would have their names here. Emulated boards have a table of their own; of the others it comes with the HAL.
    if env::var_os("CARGO_FEATURE_EMULATED").is_some() {
        fs::write(out.join("device.x"), "")?;
    }
    println!("cargo::rustc-link-search={}", out.display());
    Ok(())
}

/// Writes the model and its sizes.
fn model(out: &Path) -> anyhow::Result<()> {
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
    Ok(())
}

/// Inputs of the synapses that are measured.
const INPUTS: u16 = 25;

/// Writes a block of weights of each width for each number of neurons that is measured.
fn weights(out: &Path) -> anyhow::Result<()> {
    let mut text = format!("/// Inputs of each block.\npub const INPUTS: u16 = {INPUTS};\n");
    for neurons in [512, 100] {
        writeln!(text, "/// Weights to {neurons} neurons, of each width.")?;
        writeln!(text, "pub static TO_{neurons}: [(Width, &[u32]); {}] = [", Width::ALL.len())?;
        for width in Width::ALL {
            let shape = Shape::new(INPUTS, neurons, width);
            let mut block = vec![0; shape.words()];
            let values = 2 * u32::from(width.most().unsigned_abs()) + 1;
            shape.pack(&mut block, |input, neuron| {
                let value = (u32::from(input) * 31 + u32::from(neuron) * 17) % values;
                (value as i32 - i32::from(width.most())) as i8
            });
            writeln!(text, "    (Width::{width:?}, &{block:?}),")?;
        }
        writeln!(text, "];")?;
    }
    fs::write(out.join("weights.rs"), text)?;
    Ok(())
}
