//! Which of the processor's vector instructions the kernels run with.
//!
//! The best there are, unless the environment variable `SPIKELET_SIMD` or [`force`] names others: to compare them, or to
//! test on one machine what runs on another.
//!
//! | name | instructions | numbers of f32 at once |
//! |---|---|---|
//! | `scalar` | those of every processor of the kind (SSE2 on x86-64); fused multiply-adds are calls of a function | 4 at most |
//! | `avx2` | AVX2 and FMA (x86-64-v3) | 8 |
//! | `avx512` | AVX-512 (x86-64-v4) | 16 |
//! | `neon` | NEON (aarch64) | 4 |
//!
//! Networks of spiking cells train to the same bits with each of them: sums keep their order, and fused multiply-adds are
//! rounded once everywhere. GRU and BRC multiply matrices with a library that chooses instructions by itself, so what
//! they train to may differ by rounding between processors, but not between these names on one processor.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// The environment variable that names a path.
pub const VARIABLE: &str = "SPIKELET_SIMD";

/// A set of instructions that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Simd {
    /// No more than every processor of the kind has.
    Scalar = 1,
    /// x86-64: AVX2 and FMA.
    Avx2 = 2,
    /// x86-64: AVX-512.
    Avx512 = 3,
    /// aarch64: NEON.
    Neon = 4,
}

/// What [`force`] was told; 0 for nothing.
static FORCED: AtomicU8 = AtomicU8::new(0);

impl Simd {
    /// Those that this processor has, worst first.
    pub fn available() -> Vec<Self> {
        let all = [Self::Scalar, Self::Avx2, Self::Avx512, Self::Neon];
        all.into_iter().filter(|path| path.arch().is_some()).collect()
    }

    /// What the kernels run with now.
    pub fn current() -> Self {
        let name = |path: &Self| path.arch().map(same) == Some(same(arch()));
        Self::available().into_iter().find(name).unwrap_or(Self::Scalar)
    }

    /// As in the environment variable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
        }
    }

    const fn of(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Scalar),
            2 => Some(Self::Avx2),
            3 => Some(Self::Avx512),
            4 => Some(Self::Neon),
            _ => None,
        }
    }

    /// The instructions as a token, which there is only where the processor has them.
    #[cfg(target_arch = "x86_64")]
    fn arch(self) -> Option<pulp::Arch> {
        match self {
            Self::Scalar => Some(pulp::Arch::Scalar),
            Self::Avx2 => pulp::x86::V3::try_new().map(pulp::Arch::V3),
            Self::Avx512 => pulp::x86::V4::try_new().map(pulp::Arch::V4),
            Self::Neon => None,
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn arch(self) -> Option<pulp::Arch> {
        match self {
            Self::Scalar => Some(pulp::Arch::Scalar),
            Self::Neon => pulp::aarch64::Neon::try_new().map(pulp::Arch::Neon),
            Self::Avx2 | Self::Avx512 => None,
        }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn arch(self) -> Option<pulp::Arch> {
        (self == Self::Scalar).then(pulp::Arch::new)
    }
}

/// Tells one kind of token from another.
fn same(arch: pulp::Arch) -> std::mem::Discriminant<pulp::Arch> {
    std::mem::discriminant(&arch)
}

/// Lets every kernel of this process run with `path` from now on, or with the best there is again.
///
/// # Errors
/// One sentence if this processor does not have it.
pub fn force(path: Option<Simd>) -> Result<()> {
    if let Some(path) = path
        && path.arch().is_none()
    {
        let names: Vec<&str> = Simd::available().into_iter().map(Simd::name).collect();
        bail!("this processor has no {}: choose one of {}", path.name(), names.join(", "));
    }
    FORCED.store(path.map_or(0, |path| path as u8), Ordering::Relaxed);
    Ok(())
}

/// Reads the environment variable, which counts where [`force`] names nothing.
///
/// # Errors
/// One sentence if it names no instructions, or such as this processor does not have.
pub fn from_environment() -> Result<Option<Simd>> {
    let Some(name) = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()) else { return Ok(None) };
    let names: Vec<&str> = Simd::available().into_iter().map(Simd::name).collect();
    match Simd::available().into_iter().find(|path| name == path.name()) {
        Some(path) => Ok(Some(path)),
        None => bail!(
            "{VARIABLE}={} names no instructions of this processor: choose one of {}",
            name.display(),
            names.join(", ")
        ),
    }
}

/// The token that kernels are dispatched with.
#[inline]
pub(crate) fn arch() -> pulp::Arch {
    static CHOSEN: OnceLock<pulp::Arch> = OnceLock::new();
    let forced = Simd::of(FORCED.load(Ordering::Relaxed)).and_then(Simd::arch);
    forced.unwrap_or_else(|| {
        // A variable that names nothing is refused where the command begins.
        *CHOSEN.get_or_init(|| from_environment().ok().flatten().and_then(Simd::arch).unwrap_or_default())
    })
}

/// True if there are so many registers, and such long ones, that 256 sums of f32 fit beside all else.
#[inline(always)]
pub(super) fn many_registers() -> bool {
    #[cfg(target_arch = "x86_64")]
    return matches!(arch(), pulp::Arch::V4(_));
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_processor_lacks_is_refused() {
        let available = Simd::available();
        assert_eq!(available[0], Simd::Scalar);
        let missing =
            [Simd::Avx2, Simd::Avx512, Simd::Neon].into_iter().find(|path| !available.contains(path));
        let missing = missing.expect("no processor has both AVX-512 and NEON");
        let sentence = force(Some(missing)).unwrap_err().to_string();
        assert!(sentence.contains(missing.name()) && sentence.contains("scalar"), "{sentence}");
        assert!(available.contains(&Simd::current()));
    }
}
