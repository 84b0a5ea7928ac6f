//! Installs what a board needs and the machine lacks, or says what to install.

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// A program that a board, or a test of one, needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tool {
    /// What it is called.
    program: &'static str,
    /// The package that holds it, in the order of [`MANAGERS`].
    packages: [&'static str; 4],
}

const QEMU: Tool = Tool {
    program: "qemu-system-arm",
    packages: ["qemu-system-arm", "qemu-system-arm-core", "qemu-system-arm", "qemu"],
};

const ARM_GCC: Tool = Tool {
    program: "arm-none-eabi-gcc",
    packages: ["gcc-arm-none-eabi", "arm-none-eabi-gcc-cs", "arm-none-eabi-gcc", "arm-none-eabi-gcc"],
};

const MAKE: Tool = Tool { program: "make", packages: ["make"; 4] };

/// Makes sure that Rust can build for `target`.
///
/// # Errors
/// One sentence that says what to install.
pub fn ensure_target(target: &str) -> Result<()> {
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
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

/// Held by whoever installs: package managers refuse to work twice at once, and of two rustups one forgets what the other did.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Makes sure that QEMU for ARM is there.
///
/// # Errors
/// One sentence that says what to install.
pub fn ensure_qemu() -> Result<()> {
    ensure(QEMU)
}

/// Makes sure that make and a C compiler for Cortex-M are there.
///
/// # Errors
/// One sentence that says what to install.
pub fn ensure_arm_gcc() -> Result<()> {
    ensure(MAKE)?;
    ensure(ARM_GCC)
}

fn ensure(tool: Tool) -> Result<()> {
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let Tool { program, packages } = tool;
    let there = || output(Command::new(program).arg("--version")).is_ok();
    if there() {
        return Ok(());
    }
    let root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let sudo = !root && quiet(Command::new("sudo").args(["-n", "true"]));
    for (manager, package) in MANAGERS.iter().zip(packages) {
        let may = root || sudo || !manager.needs_root;
        if !may || output(Command::new(manager.name).arg("--version")).is_err() {
            continue;
        }
        eprintln!("installing {program} with {}", manager.name);
        let manage = |arguments: &[&str]| {
            let mut command = Command::new(if sudo && manager.needs_root { "sudo" } else { manager.name });
            if sudo && manager.needs_root {
                command.args(["-n", manager.name]);
            }
            quiet(command.args(arguments))
        };
        if manager.refresh.is_none_or(manage) {
            manage(&[manager.install, &[package]].concat());
        }
        if there() {
            return Ok(());
        }
    }
    bail!("{program} is missing: install it, on Debian with `apt-get install {}`", packages[0])
}

/// A system's package manager: the command that refreshes its lists, if it needs one, and the one that installs the package
/// named behind it.
struct Manager {
    name: &'static str,
    needs_root: bool,
    refresh: Option<&'static [&'static str]>,
    install: &'static [&'static str],
}

const MANAGERS: [Manager; 4] = [
    Manager {
        name: "apt-get",
        needs_root: true,
        refresh: Some(&["update", "-q"]),
        install: &["install", "-q", "-y", "--no-install-recommends"],
    },
    Manager { name: "dnf", needs_root: true, refresh: None, install: &["install", "-y"] },
    Manager { name: "pacman", needs_root: true, refresh: None, install: &["-S", "--noconfirm"] },
    Manager { name: "brew", needs_root: false, refresh: None, install: &["install"] },
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
