@ Sums of rows of packed weights for cores without Thumb-2: M0, M0+, M1. sums.rs draws the arguments and the list.
@
@ The same lanes as in sums_thumb2.s, which tells how a word is added to two of them. Those of a group's first word are in r2 and
@ r3, the others in r8 to r12 and lr, which can be added to as well. A row's pointer in the list
@ moves on with each group.

    .syntax unified
    .thumb

    .equ LIST, 0
    .equ SUMS, 4
    .equ GROUPS, 8
    .equ ADDING, 12
    .equ ADD, 16
    .equ CURSOR, 20
    .equ BYTES, 24

@ On the stack: r8 to r11 of the caller, the arguments, r4 to r7 and lr of the caller.
    .equ ARGUMENTS, 16

    .macro enter_sums
    push    {r0, r4-r7, lr}
    mov     r4, r8
    mov     r5, r9
    mov     r6, r10
    mov     r7, r11
    push    {r4-r7}
    .endm

    .macro leave_sums
    pop     {r4-r7}
    mov     r8, r4
    mov     r9, r5
    mov     r10, r6
    mov     r11, r7
    pop     {r3, r4-r7, pc}
    .endm

@ A chunk's lanes as its header says.
    .macro start words
    ldm     r0!, {r1, r2, r3}
    .if \words == 4
    mov     r8, r2
    mov     r9, r3
    mov     r10, r2
    mov     r11, r3
    mov     r12, r2
    mov     lr, r3
    .endif
    .endm

@ Adds a word of fields of so many bits, of which the mask in r1 has every second.
    .macro add_fields a, b, w, bits
    lsrs    r7, \w, #\bits
    add     \b, r7
    ands    \w, r1
    add     \a, \w
    .endm

@ Goes through the list from r0 on until a 0, adding four words, or one, of each row.
    .macro pass words, bits
    ldr     r4, [r0]
3:
    .if \words == 4
    ldm     r4!, {r5, r6}
    add_fields r2, r3, r5, \bits
    add_fields r8, r9, r6, \bits
    ldm     r4!, {r5, r6}
    add_fields r10, r11, r5, \bits
    add_fields r12, lr, r6, \bits
    .else
    ldm     r4!, {r5}
    add_fields r2, r3, r5, \bits
    .endif
    stm     r0!, {r4}
    ldr     r4, [r0]
    cmp     r4, #0
    bne     3b
    adds    r0, #4
    .endm

@ Does something with the lanes of each word, in r2 and r3: they go by the stack, to be taken in turn by the same code.
    .macro each_word words, what:vararg
    .if \words == 4
    mov     r6, r12
    mov     r7, lr
    mov     r12, sp
    push    {r6, r7}
    mov     r6, r10
    mov     r7, r11
    push    {r6, r7}
    mov     r6, r8
    mov     r7, r9
    push    {r6, r7}
    push    {r2, r3}
4:  pop     {r2, r3}
    .endif
    \what
    .if \words == 4
    mov     r7, sp
    cmp     r7, r12
    bne     4b
    .endif
    .endm

@ Four sums from r4 to r7 to r1 on, written or added; adding takes r0.
    .macro put add
    .if \add
    ldr     r0, [r1]
    adds    r4, r0
    ldr     r0, [r1, #4]
    adds    r5, r0
    ldr     r0, [r1, #8]
    adds    r6, r0
    ldr     r0, [r1, #12]
    adds    r7, r0
    .endif
    stm     r1!, {r4-r7}
    .endm

@ The four columns of 16-bit lanes.
    .macro empty8 add
    ldr     r0, 9f
    lsrs    r4, r2, #16
    lsls    r4, #8
    subs    r3, r4
    eors    r2, r0
    eors    r3, r0
    sxth    r4, r2
    sxth    r5, r3
    asrs    r6, r2, #16
    asrs    r7, r3, #16
    put     \add
    .endm

@ The eight columns of bytes.
    .macro empty4 add
    ldr     r0, 9f
    lsrs    r4, r2, #8
    lsls    r4, #4
    subs    r3, r4
    eors    r2, r0
    eors    r3, r0
    sxtb    r4, r2
    sxtb    r5, r3
    lsrs    r6, r2, #8
    sxtb    r6, r6
    lsrs    r7, r3, #8
    sxtb    r7, r7
    put     \add
    lsrs    r4, r2, #16
    sxtb    r4, r4
    lsrs    r5, r3, #16
    sxtb    r5, r5
    asrs    r6, r2, #24
    asrs    r7, r3, #24
    put     \add
    .endm

@ A kernel of 8 or 4 bits: for each group, for each chunk of the list, pass and empty.
    .macro kernel name, words, bits, mask, middle, empty
    .section .text.\name, "ax", %progbits
    .global \name
    .type   \name, %function
    .thumb_func
    .balign 4
\name:
    enter_sums
1:  ldr     r7, [sp, #ARGUMENTS]
    ldr     r0, [r7, #LIST]
    ldr     r6, [r7, #ADD]
2:  str     r6, [r7, #ADDING]
    start   \words
    ldr     r1, 8f
    pass    \words, \bits
    ldr     r4, [sp, #ARGUMENTS]
    str     r0, [r4, #CURSOR]
    ldr     r1, [r4, #SUMS]
    ldr     r5, [r4, #ADDING]
    cmp     r5, #0
    bne     5f
    each_word \words, \empty 0
    b       6f
5:  each_word \words, \empty 1
6:  ldr     r7, [sp, #ARGUMENTS]
    ldr     r0, [r7, #CURSOR]
    movs    r6, #1
    ldr     r2, [r0]
    cmp     r2, #0
    beq     6f
    b       2b
6:  str     r1, [r7, #SUMS]
    ldr     r2, [r7, #GROUPS]
    subs    r2, #1
    str     r2, [r7, #GROUPS]
    beq     6f
    b       1b
6:  leave_sums
    .balign 4
8:  .word   \mask
9:  .word   \middle
    .size   \name, . - \name
    .endm

    kernel  spikelet_sum8_groups, 4, 8, 0x00FF00FF, 0x80008000, empty8
    kernel  spikelet_sum8_words,  1, 8, 0x00FF00FF, 0x80008000, empty8
    kernel  spikelet_sum4_groups, 4, 4, 0x0F0F0F0F, 0x80808080, empty4
    kernel  spikelet_sum4_words,  1, 4, 0x0F0F0F0F, 0x80808080, empty4

@ Adds the nibbles of two words to the word's four words of bytes, to which r4 points.
    .macro nibbles2
    lsrs    r5, r2, #4
    lsls    r6, r5, #2
    subs    r3, r6
    ands    r2, r1
    ldr     r6, [r4]
    ldr     r7, [r4, #4]
    adds    r6, r2
    adds    r7, r5
    stm     r4!, {r6, r7}
    lsrs    r5, r3, #4
    ands    r3, r1
    ldr     r6, [r4]
    ldr     r7, [r4, #4]
    adds    r6, r3
    adds    r7, r5
    stm     r4!, {r6, r7}
    .endm

@ Two sums from r6 and r7.
    .macro put2 add
    .if \add
    ldr     r0, [r1]
    adds    r6, r0
    ldr     r0, [r1, #4]
    adds    r7, r0
    .endif
    stm     r1!, {r6, r7}
    .endm

@ The sixteen columns of each word's bytes, from sp on: a0, a1, b0, b1 of columns 4k, 4k+2, 4k+1, 4k+3.
    .macro empty2 words, add
    mov     r0, sp
    movs    r2, #16 * \words
    adds    r2, r0
    mov     r9, r2
7:  ldm     r0!, {r2, r3, r4, r5}
    mov     r8, r0
    lsrs    r6, r2, #8
    lsls    r6, #4
    subs    r3, r6
    lsrs    r6, r4, #8
    lsls    r6, #4
    subs    r5, r6
    ldr     r6, 10f
    eors    r2, r6
    eors    r3, r6
    eors    r4, r6
    eors    r5, r6
    .irp    column, 0, 4, 8, 12
    sxtb    r6, r2
    sxtb    r7, r4
    put2    \add
    sxtb    r6, r3
    sxtb    r7, r5
    put2    \add
    .if \column < 12
    lsrs    r2, #8
    lsrs    r3, #8
    lsrs    r4, #8
    lsrs    r5, #8
    .endif
    .endr
    mov     r0, r8
    cmp     r0, r9
    bne     7b
    .endm

@ A kernel of 2 bits: fields add up in nibbles for a chunk of the list, nibbles in bytes for the whole list.
    .macro kernel2 name, words
    .section .text.\name, "ax", %progbits
    .global \name
    .type   \name, %function
    .thumb_func
    .balign 4
\name:
    enter_sums
    sub     sp, #16 * \words
1:  ldr     r7, [sp, #16 * \words + ARGUMENTS]
    ldr     r2, [r7, #BYTES]
    ldr     r3, [r7, #BYTES + 4]
    mov     r4, sp
    .rept   2 * \words
    stm     r4!, {r2, r3}
    .endr
    ldr     r0, [r7, #LIST]
2:  start   \words
    ldr     r1, 8f
    pass    \words, 2
    ldr     r1, 9f
    mov     r4, sp
    nibbles2
    .if \words == 4
    mov     r2, r8
    mov     r3, r9
    nibbles2
    mov     r2, r10
    mov     r3, r11
    nibbles2
    mov     r2, r12
    mov     r3, lr
    nibbles2
    .endif
    ldr     r6, [r0]
    cmp     r6, #0
    bne     2b
    ldr     r7, [sp, #16 * \words + ARGUMENTS]
    ldr     r1, [r7, #SUMS]
    ldr     r6, [r7, #ADD]
    cmp     r6, #0
    bne     5f
    empty2  \words, 0
    b       6f
    .balign 4
8:  .word   0x33333333
9:  .word   0x0F0F0F0F
10: .word   0x80808080
5:  empty2  \words, 1
6:  ldr     r7, [sp, #16 * \words + ARGUMENTS]
    str     r1, [r7, #SUMS]
    ldr     r2, [r7, #GROUPS]
    subs    r2, #1
    str     r2, [r7, #GROUPS]
    beq     6f
    b       1b
6:  add     sp, #16 * \words
    leave_sums
    .balign 4
8:  .word   0x33333333
9:  .word   0x0F0F0F0F
10: .word   0x80808080
    .size   \name, . - \name
    .endm

    kernel2 spikelet_sum2_groups, 4
    kernel2 spikelet_sum2_words,  1

@ Adds a word of fields of 1 bit to nibbles of every fourth field each, of which the mask in r1 has one. What d holds of a, b and
@ c besides its own goes in the end, as with two lanes.
    .macro add_bits a, b, c, d, w
    movs    r7, \w
    ands    r7, r1
    add     \a, r7
    lsrs    r7, \w, #1
    ands    r7, r1
    add     \b, r7
    lsrs    r7, \w, #2
    ands    r7, r1
    add     \c, r7
    lsrs    r7, \w, #3
    add     \d, r7
    .endm

@ The nibbles in \word to two words of bytes, to which r4 points.
    .macro nibbles word
    lsrs    r5, \word, #4
    ldr     r0, [r4, #4]
    adds    r5, r0
    ands    \word, r1
    ldr     r0, [r4]
    adds    \word, r0
    stm     r4!, {\word, r5}
    .endm

@ Two columns of the bytes at \even and 8 further from r0, times r4; r5 is added, and maybe the sums so far.
    .macro put_bits add, even
    ldrb    r6, [r0, #\even]
    muls    r6, r4
    adds    r6, r5
    ldrb    r7, [r0, #\even + 8]
    muls    r7, r4
    adds    r7, r5
    .if \add
    ldr     r2, [r1]
    adds    r6, r2
    ldr     r2, [r1, #4]
    adds    r7, r2
    .endif
    stm     r1!, {r6, r7}
    .endm

@ The 32 columns of the word whose bytes are at r0: every eighth in a word, the first four in the first words of pairs.
    .macro empty1 add
    adds    r3, r0, #4
11: put_bits \add, 0
    put_bits \add, 16
    put_bits \add, 4
    put_bits \add, 20
    adds    r0, #1
    cmp     r0, r3
    bne     11b
    .endm

@ A kernel of 1 bit, as of 2; what bytes hold is scaled in the end.
    .macro kernel1 name, words
    .section .text.\name, "ax", %progbits
    .global \name
    .type   \name, %function
    .thumb_func
    .balign 4
\name:
    enter_sums
    sub     sp, #32 * \words
1:  mov     r4, sp
    movs    r2, #0
    movs    r3, #0
    .rept   4 * \words
    stm     r4!, {r2, r3}
    .endr
    ldr     r7, [sp, #32 * \words + ARGUMENTS]
    ldr     r0, [r7, #LIST]
2:  start   4
    ldr     r1, 8f
    ldr     r4, [r0]
3:
    .if \words == 2
    ldm     r4!, {r5, r6}
    add_bits r10, r11, r12, lr, r6
    .else
    ldm     r4!, {r5}
    .endif
    add_bits r2, r3, r8, r9, r5
    stm     r0!, {r4}
    ldr     r4, [r0]
    cmp     r4, #0
    bne     3b
    adds    r0, #4
    mov     r4, sp
    .if \words == 2
    mov     r6, r12
    mov     r7, lr
    push    {r6, r7}
    mov     r6, r10
    mov     r7, r11
    push    {r6, r7}
    .endif
    mov     r6, r8
    mov     r7, r9
    push    {r6, r7}
    push    {r2, r3}
    mov     r8, r0
    mov     r9, r4
    ldr     r1, 9f
4:  pop     {r2, r3, r6, r7}
    lsrs    r5, r2, #4
    lsls    r5, #1
    subs    r7, r5
    lsrs    r5, r3, #4
    lsls    r5, #2
    subs    r7, r5
    lsrs    r5, r6, #4
    lsls    r5, #3
    subs    r7, r5
    nibbles r2
    nibbles r3
    movs    r2, r6
    nibbles r2
    movs    r2, r7
    nibbles r2
    cmp     sp, r9
    bne     4b
    mov     r0, r8
    ldr     r6, [r0]
    cmp     r6, #0
    beq     4f
    b       2b
4:  ldr     r7, [sp, #32 * \words + ARGUMENTS]
    ldr     r1, [r7, #SUMS]
    ldr     r4, [r7, #BYTES]
    ldr     r5, [r7, #BYTES + 4]
    ldr     r6, [r7, #ADD]
    mov     r8, r6
    mov     r0, sp
7:
    .irp    pair, 0, 8, 16, 24
    ldr     r2, [r0, #\pair]
    ldr     r3, [r0, #\pair + 4]
    lsrs    r2, #8
    lsls    r2, #4
    subs    r3, r2
    str     r3, [r0, #\pair + 4]
    .endr
    mov     r6, r8
    cmp     r6, #0
    bne     6f
    empty1  0
    b       5f
6:  empty1  1
5:  adds    r0, #28
    mov     r6, sp
    adds    r6, #32 * \words
    cmp     r0, r6
    bne     7b
    ldr     r7, [sp, #32 * \words + ARGUMENTS]
    str     r1, [r7, #SUMS]
    ldr     r2, [r7, #GROUPS]
    subs    r2, #1
    str     r2, [r7, #GROUPS]
    beq     6f
    b       1b
6:  add     sp, #32 * \words
    leave_sums
    .balign 4
8:  .word   0x11111111
9:  .word   0x0F0F0F0F
    .size   \name, . - \name
    .endm

    kernel1 spikelet_sum1_groups, 2
    kernel1 spikelet_sum1_words,  1

@ Adds the fields of one row times a spike's value, a word, or with 1 bit half a word, at a time. r0 row, r1 sums, r2 words, r3 value.
    .macro graded name, bits, pairs
    .section .text.\name, "ax", %progbits
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    push    {r4-r7, lr}
    .if \bits == 1
    lsls    r2, #1
    .endif
1:
    .if \bits == 1
    ldrh    r4, [r0]
    adds    r0, #2
    .else
    ldm     r0!, {r4}
    .endif
    .set    FIELD, 0
    .rept   \pairs
    lsls    r5, r4, #32 - \bits - FIELD
    lsrs    r5, #32 - \bits
    muls    r5, r3
    ldr     r7, [r1]
    adds    r5, r7
    .if FIELD + 2 * \bits == 32
    lsrs    r6, r4, #32 - \bits
    .else
    lsls    r6, r4, #32 - 2 * \bits - FIELD
    lsrs    r6, #32 - \bits
    .endif
    muls    r6, r3
    ldr     r7, [r1, #4]
    adds    r6, r7
    stm     r1!, {r5, r6}
    .set    FIELD, FIELD + 2 * \bits
    .endr
    subs    r2, #1
    bne     1b
    pop     {r4-r7, pc}
    .size   \name, . - \name
    .endm

    graded  spikelet_graded8, 8, 2
    graded  spikelet_graded4, 4, 4
    graded  spikelet_graded2, 2, 8
    graded  spikelet_graded1, 1, 8
