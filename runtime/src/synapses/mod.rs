//! Temporary: plain 8-bit synapses with the interface of the packed ones.
use crate::MAX_WIDTH;
use crate::spikes::Spike;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    Eight,
    Five,
    Four,
    Three,
    Two,
}
impl Width {
    pub const ALL: [Self; 5] = [Self::Eight, Self::Five, Self::Four, Self::Three, Self::Two];
    pub const fn bits(self) -> u8 {
        match self {
            Self::Eight => 8,
            Self::Five => 5,
            Self::Four => 4,
            Self::Three => 3,
            Self::Two => 2,
        }
    }
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
    pub const fn most(self) -> i8 {
        match self {
            Self::Eight => 127,
            Self::Five => 15,
            Self::Four => 7,
            Self::Three => 3,
            Self::Two => 1,
        }
    }
}
#[derive(Clone, Copy, Debug)]
pub struct Shape<'m> {
    pub inputs: u16,
    pub neurons: u16,
    pub width: Width,
    pub rows: Option<&'m [u16]>,
    pub columns: Option<&'m [u16]>,
}
impl Shape<'_> {
    pub const fn new(inputs: u16, neurons: u16, width: Width) -> Self {
        Self { inputs, neurons, width, rows: None, columns: None }
    }
    fn stride(&self) -> usize {
        usize::from(self.neurons).div_ceil(4)
    }
    pub fn words(&self) -> usize {
        usize::from(self.inputs) * self.stride()
    }
    pub fn pack(&self, block: &mut [u32], weight: impl Fn(u16, u16) -> i8) {
        let stride = self.stride();
        for input in 0..self.inputs {
            for neuron in 0..self.neurons {
                let at = usize::from(input) * stride + usize::from(neuron / 4);
                block[at] |= u32::from(weight(input, neuron) as u8) << (8 * (neuron % 4));
            }
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SynapsesError {
    Width,
    Length,
}
#[derive(Clone, Copy, Debug)]
pub struct Synapses<'m> {
    block: &'m [u32],
    shape: Shape<'m>,
}
impl<'m> Synapses<'m> {
    pub fn new(block: &'m [u32], shape: Shape<'m>) -> Result<Self, SynapsesError> {
        let width = 1..=MAX_WIDTH;
        if !width.contains(&usize::from(shape.inputs)) || !width.contains(&usize::from(shape.neurons)) {
            return Err(SynapsesError::Width);
        }
        if block.len() != shape.words() {
            return Err(SynapsesError::Length);
        }
        Ok(Self { block, shape })
    }
    pub const fn inputs(&self) -> u16 {
        self.shape.inputs
    }
    pub const fn neurons(&self) -> u16 {
        self.shape.neurons
    }
    pub const fn width(&self) -> Width {
        self.shape.width
    }
    pub const fn shape(&self) -> &Shape<'m> {
        &self.shape
    }
    pub fn weight(&self, input: u16, neuron: u16) -> Option<i8> {
        if neuron >= self.shape.neurons || input >= self.shape.inputs {
            return None;
        }
        let word = self.block.get(usize::from(input) * self.shape.stride() + usize::from(neuron / 4))?;
        Some((word >> (8 * (neuron % 4))) as i8)
    }
    fn row(&self, input: u16) -> Option<&'m [u8]> {
        let stride = 4 * self.shape.stride();
        bytemuck::cast_slice::<u32, u8>(self.block)
            .get(usize::from(input) * stride..)?
            .get(..usize::from(self.shape.neurons))
    }
    pub fn sum(&self, spiking: &[u16], sums: &mut [i32]) {
        sums.fill(0);
        for row in spiking.iter().take(MAX_WIDTH).filter_map(|&i| self.row(i)) {
            for (s, &w) in sums.iter_mut().zip(row) {
                *s += i32::from(w as i8);
            }
        }
    }
    pub fn sum_graded(&self, spikes: &[Spike], shift: u8, sums: &mut [i32]) {
        sums.fill(0);
        for spike in spikes.iter().take(MAX_WIDTH) {
            let Some(row) = self.row(spike.neuron) else { continue };
            let v = i32::from(spike.value().to_bits());
            for (s, &w) in sums.iter_mut().zip(row) {
                *s += i32::from(w as i8) * v;
            }
        }
        let round = (1 << shift) >> 1;
        for s in sums {
            *s = (*s + round) >> shift;
        }
    }
}
