//! Installs what a board needs and the machine lacks, or says what to install.

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

const QEMU: &str = "qemu-system-arm";

/// Makes sure that Rust can build for `target`.
///
/// # Errors
/// One sentence that says what to install.
pub fn ensure_target(target: &str) -> Result<()> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))
        .context("rustc does not run: install Rust from https://rustup.rs")?;
    if Path::new(sysroot.trim()).join("lib/rustlib").join(target).is_dir() {
        return Ok(());
    }
    eprintln!("installing Rust's target {target}");
    if run(Command::new("rustup").args(["target", "add", target])) {
        return Ok(());
    }
    bail!("Rust cannot build for {target} yet: install it with `rustup target add {target}`")
}

/// Makes sure that QEMU for ARM is there.
///
/// # Errors
/// One sentence that says what to install.
pub fn ensure_qemu() -> Result<()> {
    let there = || output(Command::new(QEMU).arg("--version")).is_ok();
    if there() {
        return Ok(());
    }
    let root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let sudo = !root && quiet(Command::new("sudo").args(["-n", "true"]));
    for manager in MANAGERS {
        let may = root || sudo || !manager.needs_root;
        if !may || output(Command::new(manager.name).arg("--version")).is_err() {
            continue;
        }
        eprintln!("installing {QEMU} with {}", manager.name);
        manager.steps.iter().all(|step| {
            let mut command = Command::new(if sudo && manager.needs_root { "sudo" } else { manager.name });
            if sudo && manager.needs_root {
                command.args(["-n", manager.name]);
            }
            quiet(command.args(*step))
        });
        if there() {
            return Ok(());
        }
    }
    bail!("{QEMU} is missing: install it, on Debian with `apt-get install {QEMU}`")
}

/// A system's package manager, and the commands that install QEMU.
struct Manager {
    name: &'static str,
    needs_root: bool,
    steps: &'static [&'static [&'static str]],
}

const MANAGERS: [Manager; 4] = [
    Manager {
        name: "apt-get",
        needs_root: true,
        steps: &[&["update", "-q"], &["install", "-q", "-y", "--no-install-recommends", QEMU]],
    },
    Manager { name: "dnf", needs_root: true, steps: &[&["install", "-y", "qemu-system-arm-core"]] },
    Manager { name: "pacman", needs_root: true, steps: &[&["-S", "--noconfirm", "qemu-system-arm"]] },
    Manager { name: "brew", needs_root: false, steps: &[&["install", "qemu"]] },
];

/// What a command prints, if it ends well.
fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{command:?} failed");
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// True if a command ends well; its words go to stderr.
fn run(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// True if a command ends well; its words are of no interest.
fn quiet(command: &mut Command) -> bool {
    run(command.env("DEBIAN_FRONTEND", "noninteractive").stderr(Stdio::null()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impossible_target_is_named() {
        let error = ensure_target("thumbv0-none").unwrap_err().to_string();
        assert!(error.contains("rustup target add thumbv0-none"), "{error}");
    }
}
