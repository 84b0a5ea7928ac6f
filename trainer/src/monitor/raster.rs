//! Who spikes when, and how that is drawn in few dots.

/// The spikes of the input or of a layer, timestep after timestep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raster {
    /// How many inputs or neurons could spike.
    pub neurons: usize,
    /// Those that do, per timestep; `None` where that is not known.
    pub steps: Vec<Option<Vec<u16>>>,
}

impl Raster {
    /// Nothing yet.
    pub const fn new(neurons: usize) -> Self {
        Self { neurons, steps: Vec::new() }
    }

    /// Spikes of all timesteps.
    pub fn spikes(&self) -> usize {
        self.steps.iter().flatten().map(Vec::len).sum()
    }

    /// Braille patterns, row after row, `width` characters each and at most `height` of them; every one is 2 dots wide and 4
    /// high. A dot says that some neuron of its bin spikes in some timestep of its bin. Time goes to the right, and `length` timesteps
    /// fill the width; the first neuron is at the top. A `?` says that there is nothing known of its timesteps.
    pub fn braille(&self, length: usize, width: usize, height: usize) -> Vec<String> {
        let (columns, rows) = (2 * width, 4 * height.min(self.neurons.div_ceil(4)));
        let mut cells = vec![vec![0u8; width]; rows / 4];
        let mut unknown = vec![false; width];
        // As many dots for a neuron as there are timesteps or neurons in a dot.
        let dots = |index: usize, count: usize, dots: usize| {
            let first = index * dots / count.max(1);
            first..((index + 1) * dots / count.max(1)).max(first + 1).min(dots)
        };
        for (t, spiking) in self.steps.iter().enumerate().take(length) {
            for x in dots(t, length, columns) {
                let Some(spiking) = spiking else {
                    unknown[x / 2] = true;
                    continue;
                };
                for &neuron in spiking {
                    // Less than four neurons leave dots of the only row empty.
                    for y in dots(neuron.into(), self.neurons, rows.min(self.neurons)) {
                        cells[y / 4][x / 2] |= DOTS[y % 4][x % 2];
                    }
                }
            }
        }
        let character = |(dots, unknown): (&u8, &bool)| match (dots, unknown) {
            (0, true) => '?',
            (0, false) => ' ',
            (&dots, _) => char::from_u32(0x2800 + u32::from(dots)).unwrap_or('?'),
        };
        cells.iter().map(|row| row.iter().zip(&unknown).map(character).collect()).collect()
    }
}

/// Bits of Unicode's Braille patterns: row, column.
const DOTS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
