//! The model file of a network of real size: cut off, or with a bit flipped, it is refused.
//! (Every length and every bit of a small one is tried in spikelet-export.)

use spikelet_export::{AlignedBytes, ModelFile};
use spikelet_tests::{GENERAL, LIF, Noise, PAPER, RandomCells, random_model_of, rate};

#[test]
fn damaged_large_models_are_refused() {
    [PAPER, GENERAL, LIF].into_iter().for_each(refuses_damage);
}

fn refuses_damage(cells: RandomCells) {
    let mut model = random_model_of(cells, &[784, 512, 100], [2, 200, 1], rate(), 1);
    assert!(ModelFile::open(&model).is_ok());
    let mut noise = Noise(7);
    for _ in 0..200 {
        let length = noise.below(model.len());
        assert!(ModelFile::open(&AlignedBytes::from_slice(&model[..length])).is_err(), "{length} bytes");
    }
    for _ in 0..200 {
        let bit = noise.below(model.len() * 8);
        model[bit / 8] ^= 1 << (bit % 8);
        assert!(ModelFile::open(&model).is_err(), "bit {bit}");
        model[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(ModelFile::open(&model).is_ok());
}
