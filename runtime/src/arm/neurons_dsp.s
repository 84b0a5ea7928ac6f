@ The timestep of the neurons of an SRC layer for cores with the DSP extension: M4, M7, M33. neurons.rs draws the arguments.
@
@ Two passes over quads of neurons. The first advances the currents and leaves rho x + b_h of each neuron in its sum; the second
@ makes h, h_s and the spikes of it. A pass needs few constants, so that all of them stay in registers, and between the passes the
@ flag Q says whether a current was saturated, before the second pass saturates arguments of tanh, which is no loss.

    .syntax unified
    .thumb

@ Two currents. r0 currents, r1 constants, r2 sums or their products with the gains, r3 tanh, r4 alpha and rho.
    .macro currents_pair products
    ldrd    r5, r6, [r2]
    ldr     r7, [r0]
    ldm     r1!, {r8, r9, r10, r11}
    smulbb  r12, r7, r4
    add     r12, r12, r12, lsr #19
    .if \products
    add     r5, r5, r12
    .else
    mla     r5, r5, r8, r12
    .endif
    smultb  r12, r7, r4
    add     r12, r12, r12, lsr #19
    .if \products
    add     r6, r6, r12
    .else
    mla     r6, r6, r10, r12
    .endif
    ssat    r5, #16, r5, asr #13
    ssat    r6, #16, r6, asr #13
    pkhbt   r7, r5, r6, lsl #16
    str     r7, [r0], #4
    inputs_pair
    .endm

@ The same without sums; r8 collects the bits that change.
    .macro silent_currents_pair products
    ldr     r7, [r0]
    ldr     r9, [r1, #4]
    ldr     r11, [r1, #12]
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
    smlabt  r5, r5, r4, r9
    smlabt  r6, r6, r4, r11
    strd    r5, r6, [r2], #8
    .endm

    .macro currents name, pair, products, silent
    .section .text.\name, "ax", %progbits
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    push    {r4-r11, lr}
    ldr     r1, [r0, #8]
    ldr     r2, [r0, #12]
    ldr     r3, [r0, #16]
    ldr     lr, [r0, #20]
    ldr     r4, [r0, #24]
    ldr     r0, [r0]
    movs    r8, #0
    msr     apsr_nzcvq, r8
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

@ Two neurons' h and h_s. r0 potentials, r1 rho x + b_h, r2 tanh, r3 r and r_s, r4 shares of h and h_s in h_s, r5 half of
@ the last bit of h_s, r6 the bits that change, lr quads that are left; [sp] the arguments.
    .macro potentials_pair silent, threshold, spikes, first, second
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
    cmp     r7, #\threshold
    b\spikes \first\()1f
\first\()2:
    cmp     r8, #\threshold
    b\spikes \second\()1f
\second\()2:
    .if \silent
    eor     r9, r9, r11
    eor     r10, r10, r12
    orr     r6, r6, r9
    orr     r6, r6, r10
    .endif
    strd    r11, r12, [r0], #8
    .endm

@ A neuron that spikes: z_s may switch, and it is listed. Its h is spent; flags and the other neuron's registers are kept.
    .macro spike label, h, old, new, offset
\label\()1:
    push    {r0-r3}
    ldr     r1, [sp, #16]
    cmp     \h, #0x4000
    ble     7f
    ldr     r2, [r1, #36]
    smlad   r2, \old, r2, r5
    lsr     r2, r2, #18
    pkhbt   \new, \h, r2, lsl #19
7:  ldr     r2, [r1, #4]
    sub     r2, r0, r2
    add     r2, r2, #\offset
    lsr     r2, r2, #2
    ldr     r3, [r1, #40]
    cbnz    r3, 7f
    add     r3, \h, #64
    usat    r3, #8, r3, asr #7
7:  orr     r2, r2, r3, lsl #16
    ldr     r3, [r1, #44]
    str     r2, [r3], #4
    str     r3, [r1, #44]
    pop     {r0-r3}
    b       \label\()2b
    .endm

    .macro potentials name, silent, threshold, spikes
    .section .text.\name, "ax", %progbits
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    push    {r0, r4-r11, lr}
    ldr     r1, [r0, #12]
    ldr     r2, [r0, #16]
    ldr     lr, [r0, #20]
    ldr     r3, [r0, #28]
    ldr     r4, [r0, #32]
    mov     r5, #0x20000
    ldr     r0, [r0, #4]
    movs    r6, #0
1:
    potentials_pair \silent, \threshold, \spikes, 1, 2
    potentials_pair \silent, \threshold, \spikes, 3, 4
    subs    lr, lr, #1
    bne     1b
    mov     r0, r6
    pop     {r1, r4-r11, pc}
    spike   1, r7, r9, r11, 0
    spike   2, r8, r10, r12, 4
    spike   3, r7, r9, r11, 0
    spike   4, r8, r10, r12, 4
    .size   \name, . - \name
    .endm

    currents   spikelet_currents_dsp, currents_pair, 0, 0
    currents   spikelet_products_dsp, currents_pair, 1, 0
    currents   spikelet_silent_currents_dsp, silent_currents_pair, 0, 1
    potentials spikelet_graded_dsp, 0, 64, ge
    potentials spikelet_binary_dsp, 0, 0x4000, gt
    potentials spikelet_silent_graded_dsp, 1, 64, ge
    potentials spikelet_silent_binary_dsp, 1, 0x4000, gt
