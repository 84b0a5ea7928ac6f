/* What a program and the machine it runs on ask of each other. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stddef.h>
#include <stdint.h>

/* The program: works on a model and on images, one behind the other, and returns its status. */
int run(const uint8_t *model, size_t model_length, const uint8_t *images, size_t images_length);

/* The machine's: writes a text to the standard output. */
void say(const char *text);

/* The machine's: writes a number. */
void say_number(long number);

#endif
