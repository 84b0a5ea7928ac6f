#![no_main]
#![doc = "See the function of this name."]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| spikelet_fuzz::model(bytes));
