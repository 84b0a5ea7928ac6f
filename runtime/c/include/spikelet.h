/*
 * Spikelet: networks of Spiking Recurrent Cells in fixed point, without heap, floats or operating system.
 *
 * Generated from the sources of spikelet-c; do not edit. README.md beside it tells how to link it.
 */


#ifndef SPIKELET_H
#define SPIKELET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Bytes of working memory that suffice for a model with so many inputs, neurons of all layers together, neurons of the
 * widest layer, and classes, as `cargo spikelet inspect` prints them: for a static array. `spikelet_inspect` tells
 * exactly how many are needed.
 */
#define SPIKELET_MEMORY(inputs, neurons, widest, classes) \
    (SPIKELET_MEMORY_FIXED * sizeof(void *) + 2u * (inputs) + 6u * (neurons) + 8u * (((widest) + 15u) / 16u * 16u) \
        + 8u * (classes))


/**
 * Alignment in bytes that a model must have.
 */
#define SPIKELET_MODEL_ALIGNMENT 16

/**
 * Alignment in bytes that working memory must have.
 */
#define SPIKELET_MEMORY_ALIGNMENT 8

/**
 * Most pointers' sizes that working memory holds beside what grows with the model; see `SPIKELET_MEMORY`.
 */
#define SPIKELET_MEMORY_FIXED 384

/**
 * What comes of a call: 0, or why nothing was done. `spikelet_error_text` has a sentence for each.
 */
enum spikelet_error
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * All is well.
     */
    SPIKELET_ERROR_NONE = 0,
    /**
     * A pointer is NULL, or is not aligned for what it points to.
     */
    SPIKELET_ERROR_POINTER = 1,
    /**
     * The model does not start at an address divisible by 16.
     */
    SPIKELET_ERROR_ALIGNMENT = 2,
    /**
     * The bytes are no model: they do not start with "SPKL".
     */
    SPIKELET_ERROR_MAGIC = 3,
    /**
     * The model has another version of the format.
     */
    SPIKELET_ERROR_VERSION = 4,
    /**
     * The model is shorter or longer than it says.
     */
    SPIKELET_ERROR_LENGTH = 5,
    /**
     * The model is damaged: its CRC-32 does not fit.
     */
    SPIKELET_ERROR_CRC = 6,
    /**
     * The model's header cannot be decoded.
     */
    SPIKELET_ERROR_HEADER = 7,
    /**
     * The library was built without kernels for the width of the model's weights.
     */
    SPIKELET_ERROR_WIDTH = 8,
    /**
     * The model's weights do not fill it as its header says.
     */
    SPIKELET_ERROR_BLOCKS = 9,
    /**
     * The model holds a value out of its range.
     */
    SPIKELET_ERROR_RANGE = 10,
    /**
     * The working memory is too small: `spikelet_inspect` tells how much the model needs.
     */
    SPIKELET_ERROR_MEMORY = 11,
    /**
     * There are more or fewer pixels than inputs, or there is less room than for all results.
     */
    SPIKELET_ERROR_COUNT = 12,
    /**
     * The list of spikes names an input that does not exist, does not ascend, or is longer than any timestep's.
     */
    SPIKELET_ERROR_SPIKES = 13,
    /**
     * The model's spikes are not made from pixels here: recordings, and the logarithmic latency code.
     */
    SPIKELET_ERROR_ENCODER = 14,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum spikelet_error spikelet_error;
#else
typedef int32_t spikelet_error;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A model at work, in the working memory that `spikelet_open` was given.
 */
typedef struct spikelet_network spikelet_network;

/**
 * What a model is and needs.
 */
typedef struct {
    /**
     * Working memory that it needs, in bytes.
     */
    size_t memory;
    /**
     * Its identity: the CRC-32 of its file, as `cargo spikelet inspect` prints it.
     */
    uint32_t id;
    /**
     * Inputs: pixels of an image.
     */
    uint16_t inputs;
    /**
     * Classes.
     */
    uint16_t classes;
    /**
     * Layers.
     */
    uint16_t layers;
    /**
     * Timesteps of a whole sequence, blank ones included.
     */
    uint16_t steps;
    /**
     * Its spikes are made from pixels here; if not, `spikelet_step` takes them from elsewhere.
     */
    bool encodes;
    /**
     * It has a margin for early decisions.
     */
    bool decides;
} spikelet_info;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Checks a model and tells what it is and needs, without any working memory.
 *
 * `model` points to the `length` bytes of a model file, at an address divisible by SPIKELET_MODEL_ALIGNMENT. All of it is
 * read once, for its CRC. Nothing is written to `info` if the model is refused.
 */
spikelet_error spikelet_inspect(const uint8_t *model,
                                size_t length,
                                spikelet_info *info);

/**
 * Opens a model and puts a network of it, at rest, into working memory.
 *
 * `model` points to the `length` bytes of a model file, at an address divisible by SPIKELET_MODEL_ALIGNMENT: it is used
 * where it lies, in flash. `memory` points to `bytes` bytes of RAM, at an address divisible by SPIKELET_MEMORY_ALIGNMENT;
 * they need not be cleared. `SPIKELET_MEMORY` tells at compile time how many suffice, and `spikelet_inspect` at run time
 * how many are needed. `*net` becomes the network, or NULL if the model is refused.
 *
 * As long as the network is used, the model's bytes must not change, the working memory must be used for nothing else and
 * stay where it is, and no two calls may work on the same network at once. Several networks may share a model, each with
 * working memory of its own, and run in different threads or interrupts. There is nothing to close: to end, use the memory
 * for something else.
 */
spikelet_error spikelet_open(const uint8_t *model,
                             size_t length,
                             void *memory,
                             size_t bytes,
                             spikelet_network **net);

/**
 * Tells what the model of a network is and needs.
 */
spikelet_error spikelet_describe(const spikelet_network *net,
                                 spikelet_info *info);

/**
 * Puts a network back to rest, as it was before its first timestep; scores and counts become 0.
 */
spikelet_error spikelet_reset(spikelet_network *net);

/**
 * Advances a network by one timestep in which `count` inputs spike.
 *
 * `spikes` lists them in ascending order, from 0 to inputs - 1; it may be NULL if `count` is 0. An input that is listed
 * twice counts twice: scores then mean something only if the model was trained on such input. A timestep without a spike is
 * nearly free once the network rests.
 */
spikelet_error spikelet_step(spikelet_network *net,
                             const uint16_t *spikes,
                             size_t count);

/**
 * Lists the pixels that spike at timestep `t` of a sequence, with the model's own encoder, ready for `spikelet_step`.
 *
 * `pixels` are as many grey values as the model has inputs, row by row, 0 = background; blank timesteps have no spikes.
 * `stream` names the random numbers of the rate code: the same image in the same stream gives the same spikes, and a host
 * shows test image number k in stream k. `spikes` has room for `room` entries, at least as many as the model has inputs;
 * `*count` becomes the number of those that are written. Does not touch the network's states.
 */
spikelet_error spikelet_encode(spikelet_network *net,
                               uint64_t stream,
                               uint16_t t,
                               const uint8_t *pixels,
                               size_t pixel_count,
                               uint16_t *spikes,
                               size_t room,
                               size_t *count);

/**
 * Shows an image to a network, from rest to the end of the sequence, or with `early` until it has decided.
 *
 * `pixels` and `stream` are those of `spikelet_encode`. `*chosen` becomes the class; scores, counts and timesteps stay to be
 * read. Equal in every bit to what `cargo spikelet eval` finds on a host.
 */
spikelet_error spikelet_infer(spikelet_network *net,
                              uint64_t stream,
                              bool early,
                              const uint8_t *pixels,
                              size_t pixel_count,
                              uint16_t *chosen);

/**
 * The class with the highest score, of equal ones the first; 65535 if `net` is NULL.
 */
uint16_t spikelet_class(const spikelet_network *net);

/**
 * True if the best score leads by the model's margin: more timesteps are not expected to change the class. Never true of a
 * model without a margin, nor of NULL.
 */
bool spikelet_has_decided(const spikelet_network *net);

/**
 * Timesteps since the last reset; 0 if `net` is NULL.
 */
uint32_t spikelet_steps(const spikelet_network *net);

/**
 * Writes the score of each class, in 2^-14. `room` entries fit: at least as many as there are classes.
 */
spikelet_error spikelet_scores(const spikelet_network *net,
                               int32_t *scores,
                               size_t room);

/**
 * Writes for each layer how many times its neurons have spiked since the last reset. `room` entries fit: at least as many as
 * there are layers.
 */
spikelet_error spikelet_spike_counts(const spikelet_network *net,
                                     uint32_t *counts,
                                     size_t room);

/**
 * A sentence for an error, which stays valid for ever; any number may be given.
 */
const char *spikelet_error_text(int32_t error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SPIKELET_H */


