//! Timesteps of spikes, packed as gaps: PROTOCOL.md, "Steps".

use heapless::VecView;
use spikelet_runtime::Spike;

/// Why packed spikes are malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrainError;

/// Appends a timestep to `packed`; `spiking` must ascend; an input that is listed twice counts twice.
///
/// # Errors
/// [`TrainError`] if the indices do not ascend, or `packed` has no room; then it is as it was.
pub fn pack_step(spiking: &[u16], packed: &mut VecView<u8>) -> Result<(), TrainError> {
    pack(spiking.iter().copied(), packed)
}

/// Appends the neurons that spike in a layer's timestep to `packed`, in the same way.
///
/// # Errors
/// [`TrainError`] as of [`pack_step`].
pub fn pack_spikes(spikes: &[Spike], packed: &mut VecView<u8>) -> Result<(), TrainError> {
    pack(spikes.iter().map(|spike| spike.neuron), packed)
}

fn pack(spiking: impl ExactSizeIterator<Item = u16>, packed: &mut VecView<u8>) -> Result<(), TrainError> {
    let start = packed.len();
    let pack = || -> Result<(), TrainError> {
        push_varint(u16::try_from(spiking.len()).map_err(|_| TrainError)?, packed)?;
        let mut next = 0;
        for index in spiking {
            push_varint(index.checked_sub(next).ok_or(TrainError)?, packed)?;
            next = index;
        }
        Ok(())
    };
    let result = pack();
    if result.is_err() {
        packed.truncate(start);
    }
    result
}

/// Takes the first timestep off `packed` and lists its spikes, which are below `inputs`.
///
/// # Errors
/// [`TrainError`] if it is cut off, an index is not below `inputs`, or `spiking` has no room.
pub fn unpack_step(packed: &mut &[u8], inputs: u16, spiking: &mut VecView<u16>) -> Result<(), TrainError> {
    spiking.clear();
    let mut next = 0u16;
    for _ in 0..take_varint(packed)? {
        let index =
            next.checked_add(take_varint(packed)?).filter(|&index| index < inputs).ok_or(TrainError)?;
        spiking.push(index).map_err(|_| TrainError)?;
        next = index;
    }
    Ok(())
}

fn push_varint(mut value: u16, packed: &mut VecView<u8>) -> Result<(), TrainError> {
    while value >= 0x80 {
        packed.push(value as u8 | 0x80).map_err(|_| TrainError)?;
        value >>= 7;
    }
    packed.push(value as u8).map_err(|_| TrainError)
}

fn take_varint(packed: &mut &[u8]) -> Result<u16, TrainError> {
    let mut value = 0u32;
    for shift in [0, 7, 14] {
        let (&byte, rest) = packed.split_first().ok_or(TrainError)?;
        *packed = rest;
        value |= u32::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return u16::try_from(value).map_err(|_| TrainError);
        }
    }
    Err(TrainError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn packed_and_unpacked() {
        let steps: [&[u16]; 5] = [&[], &[0], &[3, 4, 200, 783], &[7, 7, 7], &[0, 65_534]];
        let mut packed = heapless::Vec::<u8, 64>::new();
        steps.iter().for_each(|step| pack_step(step, &mut packed).unwrap());
        assert_eq!(packed[..8], [0, 1, 0, 4, 3, 1, 0xC4, 0x01]);
        let mut rest = &packed[..];
        let mut spiking = heapless::Vec::<u16, 8>::new();
        for step in steps {
            unpack_step(&mut rest, u16::MAX, &mut spiking).unwrap();
            assert_eq!(spiking, step);
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn all_inputs_of_an_image_fit_a_request() {
        let all: Vec<u16> = (0..784).collect();
        let mut packed = heapless::Vec::<u8, 1000>::new();
        pack_step(&all, &mut packed).unwrap();
        assert_eq!(packed.len(), 786);
    }

    #[test]
    fn malformed_ones_are_refused() {
        let mut packed = heapless::Vec::<u8, 4>::new();
        assert_eq!(pack_step(&[5, 4], &mut packed), Err(TrainError));
        assert_eq!(pack_step(&[1, 2, 3, 4, 5], &mut packed), Err(TrainError));
        assert!(packed.is_empty());
        let mut spiking = heapless::Vec::<u16, 2>::new();
        for bad in [&[][..], &[1], &[1, 10], &[2, 8, 2], &[1, 0x80], &[1, 0xFF, 0xFF, 0x7F], &[3, 0, 0, 0]] {
            assert_eq!(unpack_step(&mut { bad }, 10, &mut spiking), Err(TrainError), "{bad:?}");
        }
    }
}
