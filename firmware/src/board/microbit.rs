//! BBC micro:bit, a Cortex-M0 with 16 KB of RAM, as QEMU emulates it: for the program that measures the kernels. The application
//! has no driver of its UART.

/// Frequency of the core, which SysTick counts.
pub const CORE_HERTZ: u32 = 16_000_000;
