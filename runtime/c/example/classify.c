/* Classifies images and prints of each its class, timesteps, scores and spike counts. */
#include "program.h"
#include "spikelet.h"

#define MOST_CLASSES 100
#define MOST_LAYERS 16

/* Room for a model of 784 inputs and up to 2,048 neurons, 1,024 in a layer. Of uint64_t for its alignment. */
static uint64_t memory[SPIKELET_MEMORY(784, 2048, 1024, MOST_CLASSES) / 8 + 1];

static int failed(const char *what, spikelet_error error)
{
    say(what);
    say(": error ");
    say_number(error);
    say(", ");
    say(spikelet_error_text(error));
    say("\n");
    return 1;
}

static int classify(spikelet_network *net, const spikelet_info *info, uint64_t number, const uint8_t *pixels)
{
    int32_t scores[MOST_CLASSES];
    uint32_t counts[MOST_LAYERS];
    uint16_t chosen;
    spikelet_error error = spikelet_infer(net, number, false, pixels, info->inputs, &chosen);
    if (error == SPIKELET_ERROR_NONE) {
        error = spikelet_scores(net, scores, MOST_CLASSES);
    }
    if (error == SPIKELET_ERROR_NONE) {
        error = spikelet_spike_counts(net, counts, MOST_LAYERS);
    }
    if (error != SPIKELET_ERROR_NONE) {
        return failed("image", error);
    }
    say("class ");
    say_number(chosen);
    say(" steps ");
    say_number((long)spikelet_steps(net));
    say(" scores");
    for (uint16_t class_ = 0; class_ < info->classes; class_++) {
        say(" ");
        say_number(scores[class_]);
    }
    say(" spikes");
    for (uint16_t layer = 0; layer < info->layers; layer++) {
        say(" ");
        say_number((long)counts[layer]);
    }
    say("\n");
    return 0;
}

int run(const uint8_t *model, size_t model_length, const uint8_t *images, size_t images_length)
{
    spikelet_network *net;
    spikelet_info info;
    spikelet_error error = spikelet_open(model, model_length, memory, sizeof memory, &net);
    if (error == SPIKELET_ERROR_NONE) {
        error = spikelet_describe(net, &info);
    }
    if (error != SPIKELET_ERROR_NONE) {
        return failed("model", error);
    }
    say("working memory ");
    say_number((long)info.memory);
    say(" bytes\n");
    for (size_t at = 0; at + info.inputs <= images_length; at += info.inputs) {
        /* Image number k in stream k, as the host shows it. */
        if (classify(net, &info, at / info.inputs, images + at) != 0) {
            return 1;
        }
    }
    return 0;
}
