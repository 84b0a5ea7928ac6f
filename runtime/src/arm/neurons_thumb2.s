@ The timestep of the neurons of an SRC layer for cores with Thumb-2: M3, M4, M7, M33. neurons.rs draws the arguments.
@
@ Two passes over quads of neurons. The first advances the currents and leaves rho x + b_h of each neuron in its sum; the second
@ makes h, h_s and the spikes of it. A pass needs few constants, so that all of them stay in registers, and between the passes the
@ flag Q says whether a current was saturated, before the second pass saturates arguments of tanh, which is no loss.
@
@ Most neurons have a negative h most of the time: the second pass looks for spikes only if one of a pair does not.

    .syntax unified
    .thumb

    .equ CURRENTS, 0
    .equ POTENTIALS, 4
    .equ NEURONS, 8
    .equ SUMS, 12
    .equ TANH, 16
    .equ QUADS, 20
    .equ ALPHA, 24
    .equ RHO, 26
    .equ R, 28
    .equ R_S, 30
    .equ HYP_H, 32
    .equ HYP_H_S, 34
    .equ DEP_H, 36
    .equ DEP_H_S, 38
    .equ VALUE, 40
    .equ LEAST, 44
    .equ SPIKES, 48

@ Two currents. r0 currents, r1 constants, r2 sums or their products with the gains, r3 tanh, r4 alpha (with DSP and rho above
@ it, without it rho in r7).
    .macro currents_pair products
    ldrd    r5, r6, [r2]
    .if SPIKELET_DSP
    ldr     r7, [r0]
    .endif
    ldm     r1!, {r8, r9, r10, r11}
    .if SPIKELET_DSP
    smulbb  r12, r7, r4
    .else
    ldrsh   r12, [r0]
    mul     r12, r12, r4
    .endif
    add     r12, r12, r12, lsr #19
    .if \products
    add     r5, r5, r12
    .else
    mla     r5, r5, r8, r12
    .endif
    .if SPIKELET_DSP
    smultb  r12, r7, r4
    .else
    ldrsh   r12, [r0, #2]
    mul     r12, r12, r4
    .endif
    add     r12, r12, r12, lsr #19
    .if \products
    add     r6, r6, r12
    .else
    mla     r6, r6, r10, r12
    .endif
    ssat    r5, #16, r5, asr #13
    ssat    r6, #16, r6, asr #13
    .if SPIKELET_DSP
    pkhbt   r7, r5, r6, lsl #16
    str     r7, [r0], #4
    .else
    strh    r5, [r0], #2
    strh    r6, [r0], #2
    .endif
    inputs_pair
    .endm

@ The same without sums; r8 collects the bits that change.
    .macro silent_currents_pair products
    ldr     r9, [r1, #4]
    ldr     r11, [r1, #12]
    .if SPIKELET_DSP
    ldr     r7, [r0]
    smulbb  r5, r7, r4
    add     r5, r5, r5, lsr #19
    smultb  r6, r7, r4
    add     r6, r6, r6, lsr #19
    asr     r5, r5, #13
    asr     r6, r6, #13
    pkhbt   r12, r5, r6, lsl #16
    eor     r7, r7, r12
    orr     r8, r8, r7
    str     r12, [r0], #4
    .else
    ldrsh   r10, [r0]
    ldrsh   r12, [r0, #2]
    mul     r5, r10, r4
    add     r5, r5, r5, lsr #19
    mul     r6, r12, r4
    add     r6, r6, r6, lsr #19
    asr     r5, r5, #13
    asr     r6, r6, #13
    eor     r10, r10, r5
    orr     r8, r8, r10
    eor     r12, r12, r6
    orr     r8, r8, r12
    strh    r5, [r0], #2
    strh    r6, [r0], #2
    .endif
    adds    r1, r1, #16
    inputs_pair
    .endm

@ From the currents in r5 and r6 and the biases in r9 and r11 to rho x + b_h.
    .macro inputs_pair
    add     r5, r5, #16
    add     r6, r6, #16
    asr     r5, r5, #5
    asr     r6, r6, #5
    ldrsh   r5, [r3, r5, lsl #1]
    ldrsh   r6, [r3, r6, lsl #1]
    .if SPIKELET_DSP
    smlabt  r5, r5, r4, r9
    smlabt  r6, r6, r4, r11
    .else
    mla     r5, r5, r7, r9
    mla     r6, r6, r7, r11
    .endif
    strd    r5, r6, [r2], #8
    .endm

    .macro currents name, silent, pair, products
    .section .text.\name, "ax", %progbits
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    push    {r4-r11, lr}
    ldr     r1, [r0, #NEURONS]
    ldr     r2, [r0, #SUMS]
    ldr     r3, [r0, #TANH]
    ldr     lr, [r0, #QUADS]
    .if SPIKELET_DSP
    ldr     r4, [r0, #ALPHA]
    .else
    ldrsh   r4, [r0, #ALPHA]
    ldrsh   r7, [r0, #RHO]
    .endif
    ldr     r0, [r0, #CURRENTS]
    movs    r8, #0
    .ifeq \silent
    msr     apsr_nzcvq, r8
    .endif
1:
    \pair  \products
    \pair  \products
    subs    lr, lr, #1
    bne     1b
    .if \silent
    mov     r0, r8
    .else
    mrs     r0, apsr
    and     r0, r0, #0x08000000
    .endif
    pop     {r4-r11, pc}
    .size   \name, . - \name
    .endm

@ Two neurons' h and h_s, with DSP. r0 potentials, r1 rho x + b_h, r2 tanh, r3 r and r_s, r4 shares of h and h_s in h_s, r5 half
@ of the last bit of h_s, r6 the bits that change, lr quads that are left; the new states are in r11 and r12.
    .macro potentials_pair_dsp silent
    ldrd    r7, r8, [r1], #8
    ldrd    r9, r10, [r0]
    smlad   r7, r9, r3, r7
    smlad   r8, r10, r3, r8
    ssat    r7, #11, r7, asr #19
    ssat    r8, #11, r8, asr #19
    ldrsh   r7, [r2, r7, lsl #1]
    ldrsh   r8, [r2, r8, lsl #1]
    smlad   r11, r9, r4, r5
    smlad   r12, r10, r4, r5
    lsr     r11, r11, #18
    lsr     r12, r12, #18
    pkhbt   r11, r7, r11, lsl #19
    pkhbt   r12, r8, r12, lsl #19
    ands    r7, r7, r8
    .endm

@ One neuron without DSP. r3 r, r4 r_s, r5 twice half of the last bit of h_s (or, if silent, the bits that change), r6 and r8
@ twice the shares of h_s and h in h_s; rho x + b_h in \a becomes the new h.
    .macro potentials_one silent, offset, a, new
    ldrsh   r7, [r0, #\offset]
    ldrsh   \new, [r0, #\offset + 2]
    mla     \a, r7, r3, \a
    mla     \a, \new, r4, \a
    .if \silent
    mul     \new, \new, r6
    add     \new, \new, #0x40000
    .else
    mla     \new, \new, r6, r5
    .endif
    mla     \new, r7, r8, \new
    ssat    \a, #11, \a, asr #19
    ldrsh   \a, [r2, \a, lsl #1]
    bic     \new, \new, #0x70000
    bfi     \new, \a, #0, #16
    .endm

    .macro potentials_pair silent, label
    .if SPIKELET_DSP
    potentials_pair_dsp \silent
    .else
    ldrd    r9, r10, [r1], #8
    potentials_one \silent, 0, r9, r11
    potentials_one \silent, 4, r10, r12
    ands    r7, r9, r10
    .endif
    bpl     \label\()1f
\label\()2:
    .if \silent
    .if SPIKELET_DSP
    eor     r9, r9, r11
    eor     r10, r10, r12
    orr     r6, r6, r9
    orr     r6, r6, r10
    .else
    ldrd    r9, r10, [r0]
    eor     r9, r9, r11
    eor     r10, r10, r12
    orr     r5, r5, r9
    orr     r5, r5, r10
    .endif
    .endif
    strd    r11, r12, [r0], #8
    .endm

    .macro maybe_spikes label
\label\()1:
    push    {r1-r4, lr}
    bl      spikelet_spikes
    pop     {r1-r4, lr}
    b       \label\()2b
    .endm

    .macro potentials name, silent
    .section .text.\name, "ax", %progbits
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    push    {r0, r4-r11, lr}
    ldr     r1, [r0, #SUMS]
    ldr     r2, [r0, #TANH]
    ldr     lr, [r0, #QUADS]
    .if SPIKELET_DSP
    ldr     r3, [r0, #R]
    ldr     r4, [r0, #HYP_H]
    mov     r5, #0x20000
    movs    r6, #0
    .else
    ldrsh   r3, [r0, #R]
    ldrsh   r4, [r0, #R_S]
    ldrh    r6, [r0, #HYP_H_S]
    ldrh    r8, [r0, #HYP_H]
    lsl     r6, r6, #1
    lsl     r8, r8, #1
    .if \silent
    movs    r5, #0
    .else
    mov     r5, #0x40000
    .endif
    .endif
    ldr     r0, [r0, #POTENTIALS]
1:
    potentials_pair \silent, 1
    potentials_pair \silent, 2
    subs    lr, lr, #1
    bne     1b
    .if \silent
    .if SPIKELET_DSP
    mov     r0, r6
    .else
    mov     r0, r5
    .endif
    .else
    movs    r0, #0
    .endif
    pop     {r1, r4-r11, pc}
    maybe_spikes 1
    maybe_spikes 2
    .size   \name, . - \name
    .endm

@ Of a neuron whose new state is in \new: z_s may switch, and it may spike. r4 the arguments; r1 to r3 and r7 are free.
    .macro maybe_spike new, offset
    sxth    r1, \new
    cmp     r1, #0x4000
    ble     7f
    ldrsh   r2, [r0, #\offset]
    ldrh    r3, [r4, #DEP_H]
    mul     r2, r2, r3
    ldrsh   r3, [r0, #\offset + 2]
    ldrh    r7, [r4, #DEP_H_S]
    mla     r2, r3, r7, r2
    add     r2, r2, #0x20000
    lsr     r2, r2, #18
    lsl     \new, r2, #19
    bfi     \new, r1, #0, #16
7:  ldr     r2, [r4, #LEAST]
    cmp     r1, r2
    blt     8f
    ldr     r2, [r4, #POTENTIALS]
    sub     r2, r0, r2
    lsr     r2, r2, #2
    .if \offset
    add     r2, r2, #\offset / 4
    .endif
    ldr     r3, [r4, #VALUE]
    cbnz    r3, 7f
    add     r3, r1, #64
    usat    r3, #8, r3, asr #7
7:  orr     r2, r2, r3, lsl #16
    ldr     r3, [r4, #SPIKES]
    str     r2, [r3], #4
    str     r3, [r4, #SPIKES]
8:
    .endm

@ Of the pair at r0 whose new states are in r11 and r12. The caller has pushed r1 to r4, lr and, before, the arguments.
    .section .text.spikelet_spikes, "ax", %progbits
    .type   spikelet_spikes, %function
    .thumb_func
spikelet_spikes:
    ldr     r4, [sp, #20]
    maybe_spike r11, 0
    maybe_spike r12, 4
    bx      lr
    .size   spikelet_spikes, . - spikelet_spikes

    currents   spikelet_currents, 0, currents_pair, 0
    currents   spikelet_products, 0, currents_pair, 1
    currents   spikelet_silent_currents, 1, silent_currents_pair, 0
    potentials spikelet_potentials, 0
    potentials spikelet_silent_potentials, 1
