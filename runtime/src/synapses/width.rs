//! Widths of weights.

/// Width of a weight: 8, 5, 4, 3 or 2 bits. Weights are whole numbers from -[`Width::most`] to [`Width::most`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// ±127.
    Eight,
    /// ±15.
    Five,
    /// ±7.
    Four,
    /// ±3.
    Three,
    /// ±1.
    Two,
}

impl Width {
    /// Every width.
    pub const ALL: [Self; 5] = [Self::Eight, Self::Five, Self::Four, Self::Three, Self::Two];

    /// Bits of a weight.
    pub const fn bits(self) -> u8 {
        match self {
            Self::Eight => 8,
            Self::Five => 5,
            Self::Four => 4,
            Self::Three => 3,
            Self::Two => 2,
        }
    }

    /// The width of so many bits, if there is one.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            8 => Some(Self::Eight),
            5 => Some(Self::Five),
            4 => Some(Self::Four),
            3 => Some(Self::Three),
            2 => Some(Self::Two),
            _ => None,
        }
    }

    /// The largest weight; the smallest is its negative.
    pub const fn most(self) -> i8 {
        ((1i32 << (self.bits() - 1)) - 1) as i8
    }

    /// True if this build has the kernels of the width: its feature `width-…` is on.
    pub const fn is_built(self) -> bool {
        match self {
            Self::Eight => cfg!(feature = "width-8"),
            Self::Five => cfg!(feature = "width-5"),
            Self::Four => cfg!(feature = "width-4"),
            Self::Three => cfg!(feature = "width-3"),
            Self::Two => cfg!(feature = "width-2"),
        }
    }

    /// Bits of each plane of a weight, the lowest first: a plane's fields divide a word evenly.
    pub const fn planes(self) -> &'static [u32] {
        match self {
            Self::Eight => &[8],
            Self::Five => &[4, 1],
            Self::Four => &[4],
            Self::Three => &[2, 1],
            Self::Two => &[2],
        }
    }
}
