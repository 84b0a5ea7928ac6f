#![no_std]
#![doc = include_str!("../README.md")]

// Hosts have their own panic handler.
#[cfg(not(target_os = "none"))]
extern crate std;

mod error;
mod ffi;
mod network;
mod plan;

/// There is nothing that panics; Rust asks for a handler all the same.
#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
