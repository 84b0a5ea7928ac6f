/* Whatever C gives, the library answers with an error and works on: NULL, wrong lengths, damaged models, too little memory. */
#include "program.h"
#include "spikelet.h"

#define MOST_MODEL (1u << 20)
#define MOST_INPUTS 1024
#define MOST_RESULTS 32
#define GUARD 0xA5

/* Of uint64_t for their alignment; a model needs 16. */
static uint64_t memory[2][SPIKELET_MEMORY(MOST_INPUTS, 2048, 1024, MOST_RESULTS) / 8 + 2];
static uint64_t copy_space[MOST_MODEL / 8 + 4];
static int failures;

#define CHECK(what) check((what), __LINE__)
#define FAILS(error, call) CHECK((call) == SPIKELET_ERROR_##error)
#define WORKS(call) FAILS(NONE, call)

static void check(int holds, int line)
{
    if (!holds) {
        failures++;
        say("boundary.c, line ");
        say_number(line);
        say(" does not hold\n");
    }
}

/* A copy of the model that may be changed, at a multiple of 16 bytes. */
static uint8_t *copy_of(const uint8_t *model, size_t length)
{
    uint8_t *copy = (uint8_t *)copy_space;
    copy += (16 - (uintptr_t)copy % 16) % 16;
    for (size_t at = 0; at < length; at++) {
        copy[at] = model[at];
    }
    return copy;
}

static void models(const uint8_t *model, size_t length)
{
    spikelet_info info;
    spikelet_network *net = (spikelet_network *)memory;
    uint8_t *copy = copy_of(model, length);
    size_t room = sizeof memory[0];
    WORKS(spikelet_inspect(copy, length, &info));
    FAILS(POINTER, spikelet_inspect(NULL, length, &info));
    FAILS(POINTER, spikelet_inspect(copy, length, NULL));
    FAILS(COUNT, spikelet_inspect(copy, SIZE_MAX, &info));
    FAILS(ALIGNMENT, spikelet_inspect(copy + 1, length - 1, &info));
    FAILS(MAGIC, spikelet_inspect(copy, 0, &info));
    FAILS(LENGTH, spikelet_inspect(copy, 15, &info));
    FAILS(LENGTH, spikelet_inspect(copy, length - 16, &info));
    copy[0] ^= 1;
    FAILS(MAGIC, spikelet_inspect(copy, length, &info));
    copy[0] ^= 1;
    copy[4] ^= 1;
    FAILS(VERSION, spikelet_inspect(copy, length, &info));
    copy[4] ^= 1;
    copy[length / 2] ^= 1;
    FAILS(CRC, spikelet_inspect(copy, length, &info));
    FAILS(CRC, spikelet_open(copy, length, memory[0], room, &net));
    CHECK(net == NULL);
    copy[length / 2] ^= 1;
    FAILS(POINTER, spikelet_open(NULL, length, memory[0], room, &net));
    FAILS(POINTER, spikelet_open(copy, length, NULL, room, &net));
    FAILS(POINTER, spikelet_open(copy, length, (uint8_t *)memory[0] + 4, room - 4, &net));
    FAILS(POINTER, spikelet_open(copy, length, memory[0], room, NULL));
    for (size_t bytes = 0; bytes < info.memory; bytes += 8) {
        net = (spikelet_network *)memory;
        FAILS(MEMORY, spikelet_open(copy, length, memory[0], bytes, &net));
        CHECK(net == NULL);
    }
    FAILS(MEMORY, spikelet_open(copy, length, memory[0], info.memory - 1, &net));
    WORKS(spikelet_open(copy, length, memory[0], info.memory, &net));
    CHECK(net != NULL);
}

static void calls_without_a_network(const uint8_t *pixels)
{
    spikelet_info info;
    uint16_t spikes[1] = {0}, chosen;
    uint32_t counts[MOST_RESULTS];
    int32_t scores[MOST_RESULTS];
    size_t count;
    FAILS(POINTER, spikelet_describe(NULL, &info));
    FAILS(POINTER, spikelet_reset(NULL));
    FAILS(POINTER, spikelet_step(NULL, spikes, 1));
    FAILS(POINTER, spikelet_encode(NULL, 0, 0, pixels, 1, spikes, 1, &count));
    FAILS(POINTER, spikelet_infer(NULL, 0, false, pixels, 1, &chosen));
    FAILS(POINTER, spikelet_scores(NULL, scores, MOST_RESULTS));
    FAILS(POINTER, spikelet_spike_counts(NULL, counts, MOST_RESULTS));
    CHECK(spikelet_class(NULL) == UINT16_MAX);
    CHECK(spikelet_steps(NULL) == 0);
    CHECK(!spikelet_has_decided(NULL));
}

static void calls(spikelet_network *net, const spikelet_info *info, const uint8_t *pixels)
{
    static uint16_t spikes[MOST_INPUTS];
    uint16_t beyond[2] = {0, info->inputs}, falling[2] = {1, 0}, chosen;
    uint32_t counts[MOST_RESULTS] = {7};
    int32_t scores[MOST_RESULTS] = {7};
    size_t count;
    FAILS(POINTER, spikelet_describe(net, NULL));
    FAILS(POINTER, spikelet_step(net, NULL, 1));
    FAILS(COUNT, spikelet_step(net, spikes, SIZE_MAX));
    FAILS(SPIKES, spikelet_step(net, beyond, 2));
    FAILS(SPIKES, spikelet_step(net, falling, 2));
    CHECK(spikelet_steps(net) == 0);
    WORKS(spikelet_step(net, NULL, 0));
    CHECK(spikelet_steps(net) == 1);
    FAILS(COUNT, spikelet_scores(net, scores, info->classes - 1u));
    FAILS(POINTER, spikelet_scores(net, NULL, MOST_RESULTS));
    FAILS(COUNT, spikelet_spike_counts(net, counts, info->layers - 1u));
    FAILS(POINTER, spikelet_spike_counts(net, NULL, MOST_RESULTS));
    CHECK(scores[0] == 7 && counts[0] == 7);
    FAILS(COUNT, spikelet_encode(net, 0, 0, pixels, info->inputs - 1u, spikes, MOST_INPUTS, &count));
    FAILS(COUNT, spikelet_encode(net, 0, 0, pixels, info->inputs, spikes, info->inputs - 1u, &count));
    FAILS(COUNT, spikelet_encode(net, 0, 0, pixels, SIZE_MAX, spikes, SIZE_MAX, &count));
    FAILS(POINTER, spikelet_encode(net, 0, 0, NULL, info->inputs, spikes, MOST_INPUTS, &count));
    FAILS(POINTER, spikelet_encode(net, 0, 0, pixels, info->inputs, NULL, MOST_INPUTS, &count));
    FAILS(POINTER, spikelet_encode(net, 0, 0, pixels, info->inputs, spikes, MOST_INPUTS, NULL));
    WORKS(spikelet_encode(net, 0, info->steps, pixels, info->inputs, spikes, MOST_INPUTS, &count));
    CHECK(count == 0);
    FAILS(COUNT, spikelet_infer(net, 0, false, pixels, info->inputs + 1u, &chosen));
    FAILS(POINTER, spikelet_infer(net, 0, false, NULL, info->inputs, &chosen));
    FAILS(POINTER, spikelet_infer(net, 0, false, pixels, info->inputs, NULL));
    /* Nothing of all this was done. */
    CHECK(spikelet_steps(net) == 1);
}

/* An image at once gives what its timesteps give one by one, in another network at the same time. */
static void sequences(spikelet_network *const nets[2], const spikelet_info *info, const uint8_t *pixels)
{
    static uint16_t spikes[MOST_INPUTS];
    int32_t scores[2][MOST_RESULTS];
    uint32_t counts[2][MOST_RESULTS];
    uint16_t chosen;
    WORKS(spikelet_reset(nets[1]));
    CHECK(spikelet_steps(nets[1]) == 0);
    for (uint16_t t = 0; t < info->steps; t++) {
        size_t count;
        WORKS(spikelet_encode(nets[0], 5, t, pixels, info->inputs, spikes, MOST_INPUTS, &count));
        WORKS(spikelet_step(nets[1], spikes, count));
    }
    WORKS(spikelet_infer(nets[0], 5, false, pixels, info->inputs, &chosen));
    CHECK(chosen == spikelet_class(nets[0]) && chosen == spikelet_class(nets[1]));
    for (int net = 0; net < 2; net++) {
        WORKS(spikelet_scores(nets[net], scores[net], MOST_RESULTS));
        WORKS(spikelet_spike_counts(nets[net], counts[net], MOST_RESULTS));
        CHECK(spikelet_steps(nets[net]) == info->steps);
    }
    CHECK(scores[0][chosen] > 0 && counts[0][0] > 0);
    for (int class_ = 0; class_ < info->classes; class_++) {
        CHECK(scores[0][class_] == scores[1][class_]);
    }
    for (int layer = 0; layer < info->layers; layer++) {
        CHECK(counts[0][layer] == counts[1][layer]);
    }
    /* Of a model with a margin, the first timestep at which the best score leads by it. */
    WORKS(spikelet_infer(nets[0], 5, true, pixels, info->inputs, &chosen));
    CHECK(info->decides ? spikelet_has_decided(nets[0]) && spikelet_steps(nets[0]) < info->steps
                        : !spikelet_has_decided(nets[0]) && spikelet_steps(nets[0]) == info->steps);
}

static void texts(void)
{
    for (int error = -1; error <= SPIKELET_ERROR_ENCODER + 1; error++) {
        const char *text = spikelet_error_text(error);
        CHECK(text != NULL && text[0] != '\0');
        /* The same only of numbers that are no error. */
        int known = error >= 0 && error <= SPIKELET_ERROR_ENCODER;
        CHECK((text != spikelet_error_text(-1)) == known);
    }
}

int run(const uint8_t *model, size_t model_length, const uint8_t *images, size_t images_length)
{
    spikelet_info info;
    spikelet_network *nets[2];
    uint8_t *behind;
    CHECK(model_length <= MOST_MODEL);
    if (failures == 0) {
        models(model, model_length);
    }
    WORKS(spikelet_inspect(model, model_length, &info));
    CHECK(info.memory < sizeof memory[0] && info.inputs <= MOST_INPUTS && info.inputs <= images_length);
    CHECK(info.classes <= MOST_RESULTS && info.layers <= MOST_RESULTS);
    if (failures != 0) {
        return 1;
    }
    behind = (uint8_t *)memory[0] + info.memory;
    *behind = GUARD;
    for (int net = 0; net < 2; net++) {
        spikelet_info again;
        WORKS(spikelet_open(model, model_length, memory[net], info.memory, &nets[net]));
        WORKS(spikelet_describe(nets[net], &again));
        CHECK(again.memory == info.memory && again.id == info.id && again.steps == info.steps);
        CHECK(again.encodes == info.encodes && again.decides == info.decides && info.encodes);
    }
    calls_without_a_network(images);
    calls(nets[0], &info, images);
    sequences(nets, &info, images);
    texts();
    CHECK(*behind == GUARD);
    return failures != 0;
}
