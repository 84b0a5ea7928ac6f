//! How a program ends on an emulated board.

use cortex_m_semihosting::debug;

/// Ends the emulation, with status 0 or 1.
pub fn exit(success: bool) -> ! {
    loop {
        debug::exit(if success { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
    }
}

/// Ends the emulation after a panic or a fault, which `log` tells.
pub fn fail(log: impl FnOnce()) -> ! {
    log();
    exit(false)
}
