@ Pointers to the rows of spiking inputs, for every core.

    .syntax unified
    .thumb

@ r0 where they go, r1 inputs, of which there is at least one, r2 their end, r3 a block's rows: the first, bytes of one, inputs, and the table
@ of rows or 0. What follows the last pointer is returned. In the table, only the mark of a pruned input has a bit 15.
    .section .text.spikelet_rows, "ax", %progbits
    .global spikelet_rows
    .type   spikelet_rows, %function
    .thumb_func
spikelet_rows:
    push    {r4-r7, lr}
    ldm     r3!, {r4, r5, r6, r7}
    cmp     r7, #0
    bne     3f
1:  ldrh    r3, [r1]
    adds    r1, #2
    cmp     r3, r6
    bhs     2f
    muls    r3, r5
    adds    r3, r4
    stm     r0!, {r3}
2:  cmp     r1, r2
    bne     1b
    pop     {r4-r7, pc}
3:  ldrh    r3, [r1]
    adds    r1, #2
    cmp     r3, r6
    bhs     4f
    lsls    r3, #1
    ldrh    r3, [r7, r3]
    lsls    r3, #16
    bmi     4f
    lsrs    r3, #16
    muls    r3, r5
    adds    r3, r4
    stm     r0!, {r3}
4:  cmp     r1, r2
    bne     3b
    pop     {r4-r7, pc}
    .size   spikelet_rows, . - spikelet_rows
