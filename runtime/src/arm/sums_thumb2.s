@ Sums of rows of packed weights for cores with Thumb-2: M3, M4, M7, M33. sums.rs draws the arguments and the list.
@
@ Rows of all spikes pass by four words at a time (or one, at a row's end), whose sums stay in lanes in r0 to r7. A word w is
@ added in two lanes' words, a and b, that hold every second field:
@
@     a += w & mask        b += w >> bits of a field
@
@ b then holds its own fields and, between them, those of a, which are known: in the end
@
@     b -= (a without its lowest lane) >> bits
@
@ leaves its own. Whatever b loses at its top meanwhile comes back with that: all is modulo 2^32.
@ Lanes start in the middle of their range, less the bias of all weights: in the end, the upper bit inverted, a lane is the signed sum.

    .syntax unified
    .thumb

    .equ LIST, 0
    .equ SUMS, 4
    .equ GROUPS, 8
    .equ OFFSET, 12
    .equ ADD, 16
    .equ CURSOR, 20
    .equ BYTES, 24
    .equ SHIFTED_BYTES, 28

@ Adds one word of 8-bit weights: a has bytes 0 and 2, b bytes 1 and 3.
    .macro add8 a, b, w
    .if SPIKELET_DSP
    uxtab16 \a, \a, \w
    uxtab16 \b, \b, \w, ror #8
    .else
    add     \b, \b, \w, lsr #8
    and     \w, \w, #0x00FF00FF
    add     \a, \a, \w
    .endif
    .endm

    .macro add4 a, b, w
    add     \b, \b, \w, lsr #4
    and     \w, \w, #0x0F0F0F0F
    add     \a, \a, \w
    .endm

    .macro add2 a, b, w
    add     \b, \b, \w, lsr #2
    and     \w, \w, #0x33333333
    add     \a, \a, \w
    .endm

@ Goes through the list from r12 on until a 0, adding four words of each row, whose offset in it is in lr: two rows a turn; it
@ begins in the middle if their number, in r9, is odd.
    .macro pass4 add
    ldr     r11, [r12], #4
    lsls    r9, r9, #31
    bne     4f
3:  add     r11, r11, lr
    ldm     r11, {r8, r9, r10, r11}
    \add    r0, r4, r8
    \add    r1, r5, r9
    \add    r2, r6, r10
    \add    r3, r7, r11
    ldr     r11, [r12], #4
4:  add     r11, r11, lr
    ldm     r11, {r8, r9, r10, r11}
    \add    r0, r4, r8
    \add    r1, r5, r9
    \add    r2, r6, r10
    \add    r3, r7, r11
    ldr     r11, [r12], #4
    cmp     r11, #0
    bne     3b
    .endm

@ The same of one word.
    .macro pass1 add
    ldr     r11, [r12], #4
3:  ldr     r8, [r11, lr]
    \add    r0, r4, r8
    ldr     r11, [r12], #4
    cmp     r11, #0
    bne     3b
    .endm

@ A chunk's number of rows to r9, and lanes as its next two words say.
    .macro start
    ldr     r9, [r12], #4
    ldrd    r0, r4, [r12], #8
    mov     r1, r0
    mov     r2, r0
    mov     r3, r0
    mov     r5, r4
    mov     r6, r4
    mov     r7, r4
    .endm

@ Four sums from r8 to r11 to r12 on, written or added; t and u are free.
    .macro put add, t, u
    .if \add
    ldrd    \t, \u, [r12]
    add     r8, r8, \t
    add     r9, r9, \u
    ldrd    \t, \u, [r12, #8]
    add     r10, r10, \t
    add     r11, r11, \u
    .endif
    stm     r12!, {r8, r9, r10, r11}
    .endm

@ The four columns of 16-bit lanes.
    .macro empty8 a, b, add
    .ifeq SPIKELET_DSP
    lsr     r8, \a, #16
    sub     \b, \b, r8, lsl #8
    .endif
    eor     \a, \a, #0x80008000
    eor     \b, \b, #0x80008000
    sxth    r8, \a
    sxth    r9, \b
    asr     r10, \a, #16
    asr     r11, \b, #16
    put     \add, \a, \b
    .endm

@ Adds a word's byte from bit \shift on to a sum, without DSP; lr is free.
    .macro add_byte sum, bytes, shift
    .if \shift == 24
    add     \sum, \sum, \bytes, asr #24
    .else
    sxtb    lr, \bytes, ror #\shift
    add     \sum, \sum, lr
    .endif
    .endm

@ The eight columns of bytes. With DSP a sum and a byte are added in one instruction.
    .macro empty4 a, b, add
    lsr     r8, \a, #8
    sub     \b, \b, r8, lsl #4
    eor     \a, \a, #0x80808080
    eor     \b, \b, #0x80808080
    .if \add & SPIKELET_DSP
    ldm     r12, {r8, r9, r10, r11}
    sxtab   r8, r8, \a
    sxtab   r9, r9, \b
    sxtab   r10, r10, \a, ror #8
    sxtab   r11, r11, \b, ror #8
    stm     r12!, {r8, r9, r10, r11}
    ldm     r12, {r8, r9, r10, r11}
    sxtab   r8, r8, \a, ror #16
    sxtab   r9, r9, \b, ror #16
    sxtab   r10, r10, \a, ror #24
    sxtab   r11, r11, \b, ror #24
    stm     r12!, {r8, r9, r10, r11}
    .else
    .irp    half, 0, 16
    .if \add
    ldm     r12, {r8, r9, r10, r11}
    add_byte r8, \a, \half
    add_byte r9, \b, \half
    add_byte r10, \a, \half + 8
    add_byte r11, \b, \half + 8
    .else
    sxtb    r8, \a, ror #\half
    sxtb    r9, \b, ror #\half
    sxtb    r10, \a, ror #\half + 8
    sxtb    r11, \b, ror #\half + 8
    .endif
    stm     r12!, {r8, r9, r10, r11}
    .endr
    .endif
    .endm

    .macro empty_group8 add
    empty8  r0, r4, \add
    empty8  r1, r5, \add
    empty8  r2, r6, \add
    empty8  r3, r7, \add
    .endm

    .macro empty_word8 add
    empty8  r0, r4, \add
    .endm

    .macro empty_group4 add
    empty4  r0, r4, \add
    empty4  r1, r5, \add
    empty4  r2, r6, \add
    empty4  r3, r7, \add
    .endm

    .macro empty_word4 add
    empty4  r0, r4, \add
    .endm

@ A kernel of 8 or 4 bits: for each group, for each chunk of the list, pass and empty.
    .macro kernel name, pass, add, empty, words
    .section .text.\name, "ax", %progbits
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    push    {r0, r4-r11, lr}
    ldr     lr, [r0, #OFFSET]
1:  ldr     r8, [sp]
    ldr     r9, [r8, #ADD]
    ldr     r12, [r8, #LIST]
    cmp     r9, #0
    bne     6f
    start
    \pass   \add
    ldr     r8, [sp]
    str     r12, [r8, #CURSOR]
    ldr     r12, [r8, #SUMS]
    \empty  0
    b       5f
6:  start
    \pass   \add
    ldr     r8, [sp]
    str     r12, [r8, #CURSOR]
    ldr     r12, [r8, #SUMS]
    str     lr, [r8, #OFFSET]
    \empty  1
    ldr     r8, [sp]
    ldr     lr, [r8, #OFFSET]
5:  mov     r9, r12
    ldr     r8, [sp]
    ldr     r12, [r8, #CURSOR]
    ldr     r10, [r12]
    cmp     r10, #0
    bne     6b
    str     r9, [r8, #SUMS]
    add     lr, lr, #4*\words
    ldr     r9, [r8, #GROUPS]
    subs    r9, r9, #1
    str     r9, [r8, #GROUPS]
    bne     1b
    pop     {r0, r4-r11, pc}
    .size   \name, . - \name
    .endm

    kernel  spikelet_sum8_groups, pass4, add8, empty_group8, 4
    kernel  spikelet_sum8_words,  pass1, add8, empty_word8, 1
    kernel  spikelet_sum4_groups, pass4, add4, empty_group4, 4
    kernel  spikelet_sum4_words,  pass1, add4, empty_word4, 1

@ A word's nibbles to its two words of bytes at \bytes from sp.
    .macro nibbles word, bytes
    ldrd    r8, r9, [sp, #\bytes]
    add     r9, r9, \word, lsr #4
    and     \word, \word, #0x0F0F0F0F
    add     r8, r8, \word
    strd    r8, r9, [sp, #\bytes]
    .endm

@ Nibbles of a pair of words.
    .macro nibbles2 a, b, bytes
    lsr     r8, \a, #4
    sub     \b, \b, r8, lsl #2
    nibbles \a, \bytes
    nibbles \b, \bytes + 8
    .endm

@ The sixteen columns of a word's bytes at \bytes from sp: a0, a1, b0, b1 of columns 4k, 4k+2, 4k+1, 4k+3.
    .macro empty2 bytes, add
    add     r8, sp, #\bytes
    ldm     r8, {r0, r1, r2, r3}
    lsr     r8, r0, #8
    sub     r1, r1, r8, lsl #4
    lsr     r8, r2, #8
    sub     r3, r3, r8, lsl #4
    eor     r0, r0, #0x80808080
    eor     r1, r1, #0x80808080
    eor     r2, r2, #0x80808080
    eor     r3, r3, #0x80808080
    sxtb    r8, r0
    sxtb    r9, r2
    sxtb    r10, r1
    sxtb    r11, r3
    put     \add, r4, r5
    .irp    turn, 8, 16, 24
    sxtb    r8, r0, ror #\turn
    sxtb    r9, r2, ror #\turn
    sxtb    r10, r1, ror #\turn
    sxtb    r11, r3, ror #\turn
    put     \add, r4, r5
    .endr
    .endm

    .macro bytes4
    strd    r4, r5, [sp]
    strd    r4, r5, [sp, #8]
    strd    r4, r5, [sp, #16]
    strd    r4, r5, [sp, #24]
    strd    r4, r5, [sp, #32]
    strd    r4, r5, [sp, #40]
    strd    r4, r5, [sp, #48]
    strd    r4, r5, [sp, #56]
    .endm

    .macro nibbles4
    nibbles2 r0, r4, 0
    nibbles2 r1, r5, 16
    nibbles2 r2, r6, 32
    nibbles2 r3, r7, 48
    .endm

    .macro empty_group2 add
    empty2  0, \add
    empty2  16, \add
    empty2  32, \add
    empty2  48, \add
    .endm

    .macro bytes1
    strd    r4, r5, [sp]
    strd    r4, r5, [sp, #8]
    .endm

    .macro nibbles1
    nibbles2 r0, r4, 0
    .endm

    .macro empty_word2 add
    empty2  0, \add
    .endm

@ A kernel of 2 bits: fields add up in nibbles for a chunk of the list, nibbles in bytes for the whole list.
    .macro kernel2 name, pass, bytes, nibbles, empty, words
    .section .text.\name, "ax", %progbits
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    push    {r0, r4-r11, lr}
    sub     sp, sp, #64
    ldr     lr, [r0, #OFFSET]
1:  ldr     r8, [sp, #64]
    ldr     r12, [r8, #LIST]
    ldrd    r4, r5, [r8, #BYTES]
    \bytes
2:  start
    \pass   add2
    \nibbles
    ldr     r8, [r12]
    cmp     r8, #0
    bne     2b
    ldr     r8, [sp, #64]
    ldr     r12, [r8, #SUMS]
    ldr     r9, [r8, #ADD]
    cmp     r9, #0
    bne     5f
    \empty  0
    b       6f
5:  \empty  1
6:  ldr     r8, [sp, #64]
    str     r12, [r8, #SUMS]
    add     lr, lr, #4*\words
    ldr     r9, [r8, #GROUPS]
    subs    r9, r9, #1
    str     r9, [r8, #GROUPS]
    bne     1b
    add     sp, sp, #64
    pop     {r0, r4-r11, pc}
    .size   \name, . - \name
    .endm

    kernel2 spikelet_sum2_groups, pass4, bytes4, nibbles4, empty_group2, 4
    kernel2 spikelet_sum2_words,  pass1, bytes1, nibbles1, empty_word2, 1

@ Adds lanes of 2 bits to nibbles of every fourth field, r0 to r3. r4 has even fields, r8 odd ones; the nibbles in r2 and r3 hold what
@ goes in the end, as with two lanes.
    .macro add1
    and     r5, r4, #0x33333333
    add     r0, r0, r5
    add     r2, r2, r4, lsr #2
    and     r5, r8, #0x33333333
    add     r1, r1, r5
    add     r3, r3, r8, lsr #2
    .endm

@ Adds a chunk's words of fields of 1 bit: of three rows in lanes of 2 bits, and these in nibbles. r7 rows, r12 list, lr offset.
    .macro pass1_of_1
    subs    r7, r7, #3
    blo     4f
3:  ldm     r12!, {r8, r9, r10}
    ldr     r8, [r8, lr]
    ldr     r9, [r9, lr]
    ldr     r10, [r10, lr]
    and     r4, r8, #0x55555555
    and     r5, r9, #0x55555555
    add     r4, r4, r5
    and     r5, r10, #0x55555555
    add     r4, r4, r5
    lsr     r8, r8, #1
    add     r8, r8, r9, lsr #1
    add     r8, r8, r10, lsr #1
    lsr     r5, r4, #2
    sub     r8, r8, r5, lsl #1
    add1
    subs    r7, r7, #3
    bhs     3b
4:  adds    r7, r7, #3
    beq     6f
5:  ldr     r8, [r12], #4
    ldr     r8, [r8, lr]
    and     r4, r8, #0x55555555
    lsr     r8, r8, #1
    and     r8, r8, #0x55555555
    add1
    subs    r7, r7, #1
    bne     5b
6:  add     r12, r12, #4
    .endm

@ A pair of words of bytes, each with its own, to \even and \odd.
    .macro own_bytes even, odd, bytes
    ldrd    \even, \odd, [sp, #\bytes]
    lsr     r8, \even, #8
    sub     \odd, \odd, r8, lsl #4
    .endm

@ Two columns of the bytes from bit \shift on of two words, times r4; r5 is added to that, and maybe the sums so far.
    .macro put1 add, a, b, shift
    .if \add
    .irp    word, \a, \b
    uxtb    r9, \word, ror #\shift
    ldr     r8, [r12]
    add     r8, r8, r5
    mla     r8, r9, r4, r8
    str     r8, [r12], #4
    .endr
    .else
    uxtb    r8, \a, ror #\shift
    uxtb    r9, \b, ror #\shift
    mla     r8, r8, r4, r5
    mla     r9, r9, r4, r5
    strd    r8, r9, [r12], #8
    .endif
    .endm

@ The 32 columns of the word whose bytes are at sp, which moves on: every eighth in a word, the first four in the first words of pairs.
    .macro empty1 add
    own_bytes r0, r6, 0
    own_bytes r1, r7, 8
    own_bytes r2, r10, 16
    own_bytes r3, r11, 24
    .irp    shift, 0, 8, 16, 24
    put1    \add, r0, r1, \shift
    put1    \add, r2, r3, \shift
    put1    \add, r6, r7, \shift
    put1    \add, r10, r11, \shift
    .endr
    add     sp, sp, #32
    bx      lr
    .endm

@ r4 and r5 as above, r8 the arguments, r12 sums.
    .section .text.spikelet_bits, "ax", %progbits
    .type   spikelet_bits, %function
    .thumb_func
spikelet_bits:
    ldr     r9, [r8, #ADD]
    cmp     r9, #0
    bne     1f
    empty1  0
1:  empty1  1
    .size   spikelet_bits, . - spikelet_bits

@ As for 2 bits, one word at a time; what bytes hold is scaled in the end.
    .section .text.spikelet_sum1_words, "ax", %progbits
    .global spikelet_sum1_words
    .type   spikelet_sum1_words, %function
    .thumb_func
spikelet_sum1_words:
    push    {r0, r4-r11, lr}
    ldr     lr, [r0, #OFFSET]
1:  ldr     r8, [sp]
    ldr     r12, [r8, #LIST]
    movs    r4, #0
    movs    r5, #0
    sub     sp, sp, #32
    strd    r4, r5, [sp]
    strd    r4, r5, [sp, #8]
    strd    r4, r5, [sp, #16]
    strd    r4, r5, [sp, #24]
2:  ldr     r7, [r12], #12
    movs    r0, #0
    movs    r1, #0
    movs    r2, #0
    movs    r3, #0
    pass1_of_1
    lsr     r8, r0, #4
    sub     r2, r2, r8, lsl #2
    lsr     r8, r1, #4
    sub     r3, r3, r8, lsl #2
    nibbles r0, 0
    nibbles r1, 8
    nibbles r2, 16
    nibbles r3, 24
    ldr     r8, [r12]
    cmp     r8, #0
    bne     2b
    ldr     r8, [sp, #32]
    ldr     r12, [r8, #SUMS]
    ldrd    r4, r5, [r8, #BYTES]
    str     lr, [r8, #OFFSET]
    bl      spikelet_bits
    ldr     r8, [sp]
    str     r12, [r8, #SUMS]
    ldr     lr, [r8, #OFFSET]
    add     lr, lr, #4
    ldr     r9, [r8, #GROUPS]
    subs    r9, r9, #1
    str     r9, [r8, #GROUPS]
    bne     1b
    pop     {r0, r4-r11, pc}
    .size   spikelet_sum1_words, . - spikelet_sum1_words

@ Adds the fields of one row times a spike's value, a word, or with 1 bit half a word, at a time. r0 row, r1 sums, r2 words, r3 value.
    .macro graded name, bits, quads
    .section .text.\name, "ax", %progbits
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    push    {r4-r8, lr}
    .if \bits == 1
    lsls    r2, r2, #1
    .endif
1:
    .if \bits == 1
    ldrh    r12, [r0], #2
    .else
    ldr     r12, [r0], #4
    .endif
    .set    FIELD, 0
    .rept   \quads
    ldm     r1, {r4, r5, r6, r7}
    ubfx    r8, r12, #FIELD, #\bits
    mla     r4, r8, r3, r4
    ubfx    r8, r12, #FIELD + \bits, #\bits
    mla     r5, r8, r3, r5
    ubfx    r8, r12, #FIELD + 2 * \bits, #\bits
    mla     r6, r8, r3, r6
    ubfx    r8, r12, #FIELD + 3 * \bits, #\bits
    mla     r7, r8, r3, r7
    stm     r1!, {r4, r5, r6, r7}
    .set    FIELD, FIELD + 4 * \bits
    .endr
    subs    r2, r2, #1
    bne     1b
    pop     {r4-r8, pc}
    .size   \name, . - \name
    .endm

    graded  spikelet_graded8, 8, 1
    graded  spikelet_graded4, 4, 2
    graded  spikelet_graded2, 2, 4
    graded  spikelet_graded1, 1, 4
