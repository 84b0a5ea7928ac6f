@ The timestep of the neurons of an SRC layer for cores without Thumb-2: M0, M0+, M1. neurons.rs draws the arguments.
@
@ Two passes over quads of neurons, as in neurons_thumb2.s. Only eight registers can be multiplied, shifted or stored: so both passes have
@ a fast path for what nearly all neurons do, whose tests are few, and go elsewhere for the rest: in the first pass for
@ a pair of neurons one of whose currents is beyond 4 rho, in the second for an argument of tanh that is not in -8 to 0 (a
@ neuron that may spike, or one that has just done).

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
    .equ HYP_H_S, 34
    .equ DEP_H, 36
    .equ DEP_H_S, 38
    .equ VALUE, 40
    .equ LEAST, 44
    .equ SPIKES, 48

@ On the stack: what the function returns (0 so far), r8 to r11 of the caller, the arguments, r4 to r7 and lr of the caller.
    .equ ANSWER, 0
    .equ ARGUMENTS, 20

    .macro enter
    push    {r0, r4-r7, lr}
    mov     r4, r8
    mov     r5, r9
    mov     r6, r10
    mov     r7, r11
    push    {r4-r7}
    movs    r4, #0
    push    {r4}
    .endm

    .macro leave
    pop     {r0}
    pop     {r4-r7}
    mov     r8, r4
    mov     r9, r5
    mov     r10, r6
    mov     r11, r7
    pop     {r3, r4-r7, pc}
    .endm

    .macro signed value, base, offset
    movs    \value, #\offset
    ldrsh   \value, [\base, \value]
    .endm

@ The leaking currents of a pair, 13 bits shifted left, to r3 and r4. One by one: those of a layer may begin within a word.
    .macro leaking_pair offset
    ldrh    r3, [r2, #\offset]
    ldrh    r4, [r2, #\offset + 2]
    sxth    r3, r3
    sxth    r4, r4
    mov     r7, r8
    muls    r3, r7
    muls    r4, r7
    lsrs    r7, r3, #19
    adds    r3, r7
    lsrs    r7, r4, #19
    adds    r4, r7
    .endm

@ From the offsets of x in r5 and r7 into the table, and biases in r12 and r6, to rho x + b_h.
    .macro inputs_pair
    mov     r3, r10
    ldrsh   r5, [r3, r5]
    ldrsh   r7, [r3, r7]
    mov     r3, r9
    muls    r5, r3
    muls    r7, r3
    add     r5, r12
    adds    r7, r6
    stm     r1!, {r5, r7}
    .endm

@ Two currents. r0 constants, r1 sums or their products with the gains, r2 currents, r8 alpha, r9 rho, r10 tanh less 512
@ entries, r11 so many entries and half of one, lr the sums' end.
    .macro currents_pair products, offset, label
    leaking_pair \offset
    .if \products
    ldr     r6, [r0, #4]
    ldr     r5, [r1]
    .else
    ldm     r0!, {r5, r6}
    ldr     r7, [r1]
    muls    r5, r7
    .endif
    adds    r3, r5
    mov     r12, r6
    .if \products
    ldr     r6, [r0, #12]
    adds    r0, #16
    ldr     r5, [r1, #4]
    .else
    ldm     r0!, {r5, r6}
    ldr     r7, [r1, #4]
    muls    r5, r7
    .endif
    adds    r4, r5
    asrs    r5, r3, #13
    strh    r5, [r2, #\offset]
    asrs    r5, r4, #13
    strh    r5, [r2, #\offset + 2]
    add     r3, r11
    add     r4, r11
    lsrs    r5, r3, #18
    lsrs    r7, r4, #18
    orrs    r3, r4
    lsrs    r3, #28
    bne     \label\()1f
\label\()2:
    lsls    r5, #1
    lsls    r7, #1
    inputs_pair
    .endm

    .macro far label, offset
\label\()1:
    mov     r3, lr
    push    {r2, r3}
    .if \offset
    adds    r2, #\offset
    .endif
    bl      spikelet_far_currents
    pop     {r2, r3}
    mov     lr, r3
    b       \label\()2b
    .endm

    .macro currents name, products
    .section .text.\name, "ax", %progbits
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    enter
    signed  r3, r0, ALPHA
    mov     r8, r3
    signed  r3, r0, RHO
    mov     r9, r3
    movs    r4, #1
    lsls    r5, r4, #10
    ldr     r3, [r0, #TANH]
    subs    r3, r5
    mov     r10, r3
    lsls    r3, r4, #27
    lsls    r4, r4, #17
    adds    r3, r4
    mov     r11, r3
    ldr     r1, [r0, #SUMS]
    ldr     r2, [r0, #QUADS]
    lsls    r2, #4
    adds    r2, r1
    mov     lr, r2
    ldr     r2, [r0, #CURRENTS]
    ldr     r0, [r0, #NEURONS]
3:
    currents_pair \products, 0, 1
    currents_pair \products, 4, 2
    adds    r2, #8
    cmp     r1, lr
    bne     3b
    leave
    far     1, 0
    far     2, 4
    .size   \name, . - \name
    .endm

@ A current that may be beyond its format: \entry has 14 bits, shifted, of what it is made of, and the current's own 16 bits are
@ stored. It is saturated, and \entry becomes its entry of tanh.
    .macro far_current entry, offset
    ldrh    r3, [r2, #\offset]
    adds    r3, #16
    lsls    r3, #27
    lsrs    r3, #27
    lsls    \entry, #18
    asrs    \entry, #13
    orrs    \entry, r3
    mov     r3, r11
    asrs    r3, #13
    subs    \entry, r3
    sxth    r3, \entry
    cmp     r3, \entry
    beq     1f
    asrs    \entry, #31
    movs    r3, #1
    str     r3, [sp, #ANSWER + 8]
    lsls    r3, #15
    subs    r3, #1
    eors    \entry, r3
    strh    \entry, [r2, #\offset]
1:  adds    \entry, #16
    asrs    \entry, #5
    movs    r3, #2
    lsls    r3, #8
    adds    \entry, r3
    .endm

@ Of the pair at r2, with entries in r5 and r7. Two words are on the stack besides.
    .section .text.spikelet_far_currents, "ax", %progbits
    .type   spikelet_far_currents, %function
    .thumb_func
spikelet_far_currents:
    far_current r5, 0
    far_current r7, 2
    bx      lr
    .size   spikelet_far_currents, . - spikelet_far_currents

@ Two currents without sums. r0 constants, r1 sums, r2 currents, r8 alpha, r9 rho, r10 tanh, lr the sums' end.
    .macro silent_currents_pair offset
    leaking_pair \offset
    ldrh    r5, [r2, #\offset]
    ldrh    r6, [r2, #\offset + 2]
    asrs    r3, #13
    asrs    r4, #13
    subs    r5, r3
    subs    r6, r4
    orrs    r5, r6
    lsls    r5, #16
    beq     1f
    str     r2, [sp, #ANSWER]
    strh    r3, [r2, #\offset]
    strh    r4, [r2, #\offset + 2]
1:  adds    r3, #16
    asrs    r5, r3, #5
    adds    r4, #16
    asrs    r7, r4, #5
    lsls    r5, #1
    lsls    r7, #1
    ldr     r6, [r0, #4]
    mov     r12, r6
    ldr     r6, [r0, #12]
    adds    r0, #16
    inputs_pair
    .endm

    .section .text.spikelet_silent_currents, "ax", %progbits
    .global spikelet_silent_currents
    .type   spikelet_silent_currents, %function
    .thumb_func
spikelet_silent_currents:
    enter
    signed  r3, r0, ALPHA
    mov     r8, r3
    signed  r3, r0, RHO
    mov     r9, r3
    ldr     r3, [r0, #TANH]
    mov     r10, r3
    ldr     r1, [r0, #SUMS]
    ldr     r2, [r0, #QUADS]
    lsls    r2, #4
    adds    r2, r1
    mov     lr, r2
    ldr     r2, [r0, #CURRENTS]
    ldr     r0, [r0, #NEURONS]
3:
    silent_currents_pair 0
    silent_currents_pair 4
    adds    r2, #8
    cmp     r1, lr
    bne     3b
    leave
    .size   spikelet_silent_currents, . - spikelet_silent_currents

@ One neuron's h and h_s. r0 potentials, r1 rho x + b_h, r2 r, r3 r_s, r4 the share of h_s in h_s, which that of h makes 1;
@ r8 -8, r9 tanh, r10 the potentials' end.
    .macro potentials_one silent, label
    ldr     r5, [r0]
    asrs    r6, r5, #16
    sxth    r5, r5
    subs    r7, r6, r5
    muls    r7, r4
    asrs    r7, #15
    adds    r7, r5
    adds    r7, #4
    lsrs    r7, #3
    lsls    r7, #19
    muls    r5, r2
    muls    r6, r3
    adds    r5, r6
    ldm     r1!, {r6}
    adds    r5, r6
    cmp     r5, r8
    blo     \label\()1f
    asrs    r5, #19
    lsls    r5, #1
    add     r5, r9
    ldrh    r5, [r5]
    orrs    r7, r5
\label\()2:
    .if \silent
    ldr     r6, [r0]
    cmp     r6, r7
    beq     \label\()3f
    str     r0, [sp, #ANSWER]
\label\()3:
    .endif
    stm     r0!, {r7}
    .endm

    .macro active label
\label\()1:
    bl      spikelet_active
    b       \label\()2b
    .endm

    .macro potentials name, silent
    .section .text.\name, "ax", %progbits
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    enter
    movs    r3, #7
    lsls    r3, #29
    mov     r8, r3
    ldr     r3, [r0, #TANH]
    mov     r9, r3
    ldr     r1, [r0, #POTENTIALS]
    ldr     r3, [r0, #QUADS]
    lsls    r3, #4
    adds    r3, r1
    mov     r10, r3
    signed  r2, r0, R
    signed  r3, r0, R_S
    ldrh    r4, [r0, #HYP_H_S]
    ldr     r5, [r0, #SUMS]
    movs    r0, r1
    movs    r1, r5
9:
    potentials_one \silent, 1
    potentials_one \silent, 2
    potentials_one \silent, 3
    potentials_one \silent, 4
    cmp     r0, r10
    bne     9b
    leave
    active 1
    active 2
    active 3
    active 4
    .size   \name, . - \name
    .endm

@ A neuron whose argument of tanh, in r5, is not in -8 to 0; r7 has its h_s, as at rest, in the upper half. The new state to r7.
    .section .text.spikelet_active, "ax", %progbits
    .type   spikelet_active, %function
    .thumb_func
spikelet_active:
    push    {r1-r4}
    movs    r6, #1
    lsls    r6, #10
    asrs    r5, #19
    bpl     1f
    negs    r5, r6
1:  subs    r6, #1
    cmp     r5, r6
    ble     1f
    movs    r5, r6
1:  lsls    r5, #1
    mov     r6, r9
    ldrsh   r1, [r6, r5]
    uxth    r5, r1
    orrs    r7, r5
    ldr     r4, [sp, #ARGUMENTS + 16]
    movs    r6, #1
    lsls    r6, #14
    cmp     r1, r6
    ble     1f
    uxth    r7, r1
    ldr     r5, [r0]
    asrs    r6, r5, #16
    sxth    r5, r5
    ldrh    r2, [r4, #DEP_H]
    muls    r5, r2
    ldrh    r2, [r4, #DEP_H_S]
    muls    r6, r2
    adds    r5, r6
    movs    r6, #1
    lsls    r6, #17
    adds    r5, r6
    lsrs    r5, #18
    lsls    r5, #19
    orrs    r7, r5
1:  ldr     r2, [r4, #LEAST]
    cmp     r1, r2
    blt     2f
    ldr     r2, [r4, #POTENTIALS]
    subs    r2, r0, r2
    lsrs    r2, #2
    ldr     r3, [r4, #VALUE]
    cmp     r3, #0
    bne     1f
    adds    r1, #64
    asrs    r3, r1, #7
    cmp     r3, #255
    ble     1f
    movs    r3, #255
1:  lsls    r3, #16
    orrs    r2, r3
    ldr     r3, [r4, #SPIKES]
    stm     r3!, {r2}
    str     r3, [r4, #SPIKES]
2:  pop     {r1-r4}
    bx      lr
    .size   spikelet_active, . - spikelet_active

    currents   spikelet_currents, 0
    currents   spikelet_products, 1
    potentials spikelet_potentials, 0
    potentials spikelet_silent_potentials, 1
