//! The simulated figures against the oracle.

use candle_core::{DType, Device, safetensors};
use spikelet::cell::SrcCell;
use spikelet::reproduce::neuron::{simulate, stimulus};
use std::path::Path;

#[test]
fn one_neuron_is_the_oracles() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/one_neuron.safetensors");
    let golden = safetensors::load(path, &Device::Cpu).unwrap();
    let numbers = |name: &str| -> Vec<f64> {
        golden[name].to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    };
    let x = stimulus();
    assert_eq!(x, numbers("x"));
    for (bias, bias_name) in [(-6.0, "-6.0"), (-4.0, "-4.0")] {
        for (z_s_dep, dep_name) in [(0.0, "0.0"), (0.9, "0.9")] {
            let trace = simulate(&x, &SrcCell { z_s_dep, ..SrcCell::default() }, bias);
            for (signal, ours) in [("h", &trace.h), ("hs", &trace.h_s)] {
                let name = format!("b{bias_name}.zs_dep{dep_name}.{signal}");
                let theirs = numbers(&name);
                assert_eq!(ours.len(), theirs.len(), "{name}");
                for (t, (a, e)) in ours.iter().zip(&theirs).enumerate() {
                    assert!((a - e).abs() <= 1e-9, "{name}[{t}] is {a} instead of {e}");
                }
            }
        }
    }
}
