/* A host: reads model and images from two files. */
#include "program.h"
#include <stdio.h>
#include <stdlib.h>

/* A model must start at an address divisible by 16. */
#define ALIGNMENT 16

/* The whole file at an aligned address, never freed. */
static uint8_t *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    long size;
    uint8_t *bytes;
    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) != 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    *length = (size_t)size;
    bytes = malloc(*length + ALIGNMENT);
    if (bytes == NULL) {
        fprintf(stderr, "%s is too large\n", path);
        exit(2);
    }
    bytes += ALIGNMENT - (uintptr_t)bytes % ALIGNMENT;
    if (fread(bytes, 1, *length, file) != *length) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    fclose(file);
    return bytes;
}

void say(const char *text)
{
    fputs(text, stdout);
}

int main(int count, char **arguments)
{
    size_t model_length, images_length;
    const uint8_t *model, *images;
    if (count != 3) {
        fprintf(stderr, "name a model and a file of images\n");
        return 2;
    }
    model = read_file(arguments[1], &model_length);
    images = read_file(arguments[2], &images_length);
    return run(model, model_length, images, images_length);
}
