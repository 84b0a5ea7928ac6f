//! The table of interrupts, none of which is used: without it cortex-m-rt makes room for 240 of them, 832 B more.
#![allow(unsafe_code, reason = "names the table and its handler as cortex-m-rt asks")]

unsafe extern "C" {
    fn DefaultHandler();
}

/// Interrupts of the Cortex-M0, of the MPS2's images for M3, M4 and M7, and the first of the one for M33.
// SAFETY: cortex-m-rt asks for a symbol of this name and in this section, of as many handlers as interrupts are used at most.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
pub static __INTERRUPTS: [unsafe extern "C" fn(); 32] = [DefaultHandler; 32];
