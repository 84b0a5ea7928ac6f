/* ARM MPS2+ with AN385, a Cortex-M3, under QEMU: its start, and its output and end by semihosting. */
#include "program.h"

/* The linker script's. */
extern uint32_t data_start[], data_end[], data_source[], bss_start[], bss_end[], stack_bottom[], stack_top[];
/* Those of assets.S. */
extern const uint8_t model[], model_end[], images[], images_end[];

#define SYS_WRITE0 0x04
#define SYS_EXIT_EXTENDED 0x20
#define APPLICATION_EXIT 0x20026u
#define PAINT 0x5EA1ED00u

void reset(void);

static void semihosting(uint32_t operation, uintptr_t argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register uintptr_t r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

static void end(uint32_t status)
{
    const uint32_t block[2] = {APPLICATION_EXIT, status};
    for (;;) {
        semihosting(SYS_EXIT_EXTENDED, (uintptr_t)block);
    }
}

void say(const char *text)
{
    semihosting(SYS_WRITE0, (uintptr_t)text);
}

/* After a fault nothing can be relied on: this only ends. */
static void fault(void)
{
    end(3);
}

void reset(void)
{
    /* Variables. */
    for (uint32_t *to = data_start, *from = data_source; to < data_end; to++, from++) {
        *to = *from;
    }
    for (volatile uint32_t *word = bss_start; word < bss_end; word++) {
        *word = 0;
    }
    /* The stack, up to where it is used now: what is no longer painted afterwards was used. */
    volatile uint32_t *here;
    __asm__("mov %0, sp" : "=r"(here));
    for (volatile uint32_t *word = stack_bottom; word < here; word++) {
        *word = PAINT;
    }
    int status = run(model, (size_t)(model_end - model), images, (size_t)(images_end - images));
    volatile uint32_t *deepest = stack_bottom;
    while (deepest < stack_top && *deepest == PAINT) {
        deepest++;
    }
    say("stack ");
    say_number((long)((uintptr_t)stack_top - (uintptr_t)deepest));
    say(" bytes\n");
    end((uint32_t)status);
}

/* The stack's top, the start, and the core's exceptions; no interrupt is used. */
__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)stack_top, (uintptr_t)reset, (uintptr_t)fault, (uintptr_t)fault,
    (uintptr_t)fault,     (uintptr_t)fault, (uintptr_t)fault, 0,
    0,                    0,                0,                (uintptr_t)fault,
    (uintptr_t)fault,     0,                (uintptr_t)fault, (uintptr_t)fault,
};
