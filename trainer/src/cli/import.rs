//! `spikelet import`: make a run of a network that was trained elsewhere.

use super::folder::DataFolder;
use super::settings::{Chosen, Settings};
use super::show;
use crate::import::{self, Imported, Tensors};
use anyhow::Context;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// File of tensors, as safetensors.torch.save_file writes it; trainer/docs/checkpoints.md says how they are called.
    file: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Folder for the run.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    folder: DataFolder,
}

/// What was imported.
#[derive(Debug, Serialize)]
struct Summary {
    run: PathBuf,
    cell: String,
    layers: Vec<usize>,
    parameters: usize,
    /// Parameters that the file lacks.
    defaults: Vec<String>,
}

pub fn run(args: ImportArgs, json: bool) -> anyhow::Result<()> {
    let tensors = Tensors::read(&args.file)?;
    let mut config = args.settings.config()?;
    let data = args.folder.load(config.dataset.clone())?;
    args.settings.fit(&mut config, &data)?;
    let Chosen { layers, learn } = args.settings.chosen()?;
    if !layers {
        config.layers = tensors.layers().with_context(|| {
            format!(
                "{} holds no weights that say how many layers there are: the first is called layers.0.weight, [out, in]",
                args.file.display()
            )
        })?;
    }
    if !learn {
        let learnt = tensors.learnt(&config.cell);
        if let Some(learn) = config.cell.learn_mut() {
            *learn = learnt;
        }
    }
    config.check(&data)?;
    let Imported { network, defaults } = tensors
        .network::<f32>(&config, data.classes)
        .with_context(|| format!("{} does not fit", args.file.display()))?;
    import::write_run(&args.out, &config, &network)?;
    let summary = Summary {
        run: args.out,
        cell: config.cell.name().to_string(),
        layers: config.layers,
        parameters: network.named().iter().map(|parameter| parameter.value.elem_count()).sum(),
        defaults,
    };
    show::show(json, &summary, print)
}

fn print(summary: &Summary) {
    let widths: Vec<String> = summary.layers.iter().map(usize::to_string).collect();
    let defaults =
        if summary.defaults.is_empty() { "nothing".to_owned() } else { summary.defaults.join(", ") };
    println!(
        "{}",
        show::list([
            ("cell", summary.cell.clone()),
            ("layers", widths.join("-")),
            ("parameters", show::grouped(summary.parameters as u64)),
            ("not in the file, so as at the start of training", defaults),
            ("run", summary.run.display().to_string()),
        ])
    );
    let run = summary.run.display();
    println!(
        "Measure it with `spikelet eval {run}`, train it further with `spikelet train --resume --out {run}`."
    );
}
