/* mixmae: pretraining of hierarchical vision transformers by mixing and masking (MixMAE, CVPR 2023).
 *
 * The library never prints to standard output and never exits: results come as values or as lines through the
 * caller's sink, errors as a status and one sentence. Handles are opaque and owned by the caller. */
#ifndef MIXMAE_H
#define MIXMAE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default) /* what is declared here is all that libmixmae.so exports */
#endif

/* Program version, e.g. "0.1.0". Static. */
const char *mixmae_version(void);

/* What this build has and lacks, by name: lines "backends  ...", "images  ..." and, where something is
 * missing, "missing  ...", each ended by a newline. Cut to size bytes, the closing 0 included. */
void mixmae_about(char *text, size_t size);

/* Exit codes of the command, also returned by the run functions below. */
typedef enum {
    MIXMAE_EXIT_OK = 0,
    MIXMAE_EXIT_FAILED = 1,      /* the job failed, or a comparison was past its limit */
    MIXMAE_EXIT_USAGE = 2,       /* options that cannot work */
    MIXMAE_EXIT_INTERRUPTED = 3, /* SIGINT or SIGTERM: state was saved, --resume continues */
    MIXMAE_EXIT_DATA = 4,        /* unreadable, missing or broken input */
    MIXMAE_EXIT_NUMERIC = 5      /* loss or gradients not finite several times in a row */
} mixmae_exit;

/* One line of progress, valid during the call. */
typedef struct {
    double epoch, epochs;
    int64_t step, steps;
    double loss, lr, images_per_second, wait_share, seconds_left;
    size_t memory; /* resident bytes of the process */
} mixmae_progress;

/* Where a run reports. Any member may be NULL. Called from the thread that called the run function. */
typedef struct {
    void *user;
    void (*text)(void *user, const char *line);   /* a line of the result, no newline */
    void (*notice)(void *user, const char *line); /* a line about the run: warnings, saved files */
    void (*progress)(void *user, const mixmae_progress *p);
    bool (*stop)(void *user); /* polled once a step: true saves and leaves with MIXMAE_EXIT_INTERRUPTED */
} mixmae_sink;

/* Options of any command: the table that the command line uses. See `mixmae COMMAND --help`. */
typedef struct mixmae_options mixmae_options;

/* Name of a command by its place in the help, from 0; NULL past the last. Static. */
const char *mixmae_command_name(int index);
/* Does this command poll the sink's stop? It has something to save, or a half-written file to remove; any other
 * may be ended at once. false also for what is no command. */
bool mixmae_command_stoppable(const char *command);

/* Runs a command. options: made by mixmae_options_make for that command. message: one sentence on failure, of
 * `size` bytes. */
mixmae_exit mixmae_run(const char *command, const mixmae_options *options, const mixmae_sink *sink,
                       char *message, size_t size);

/* argv: flags without program and command. NULL and a message on failure; *help set when --help was asked. */
mixmae_options *mixmae_options_make(const char *command, int argc, char **argv, bool *help, char *message,
                                    size_t size);
void mixmae_options_free(mixmae_options *options);
/* Is this switch on? false also for what is no switch of the command. */
bool mixmae_options_flag(const mixmae_options *options, const char *name);
/* A text from outside (an argument, a name) as it may go to a terminal: control characters and bytes that are
 * no UTF-8 as \xNN. free() it; NULL: no memory. Messages and lines of the library are already so. */
char *mixmae_plain(const char *text);
/* Help text of a command, of the program (command NULL), or the whole reference ("markdown"); free() it. NULL
 * for an unknown command. */
char *mixmae_help(const char *command);
/* Manual page in roff of a command, or of the program (NULL); free() it. NULL for an unknown command. */
char *mixmae_man(const char *command);
/* A completion script for bash, zsh or fish; free() it. NULL for another shell. */
char *mixmae_completion(const char *shell);

/* ==== Models ==============================================================================================
 *
 * Common to all functions below:
 *   - They return MIXMAE_OK or what went wrong; `message` then gets one sentence (what was expected, what was
 *     found, where) of at most `size` bytes with its end. message may be NULL when size is 0. On failure
 *     nothing of an output is promised.
 *   - Arrays are dense, row-major, of 32-bit floats, owned by the caller and not kept after the call. N
 *     images are [N, channels, image_height, image_width], normalised: (value / range - mean) / std, as the
 *     preprocess functions do. No alignment is asked for beyond float's.
 *   - A handle may be used from any number of threads; calls on one handle wait for each other, calls on
 *     different handles run at the same time. Freeing a handle must be the last call on it.
 *   - Each call computes with the handle's number of threads (OpenMP). Results depend neither on that number
 *     nor on how images are spread over calls. */

typedef enum {
    MIXMAE_OK = 0,
    MIXMAE_ERR_ARGUMENT,    /* an argument that cannot work, or an output this model does not have */
    MIXMAE_ERR_SHAPE,       /* sizes that do not fit together */
    MIXMAE_ERR_MEMORY,      /* allocation failed */
    MIXMAE_ERR_IO,          /* the system refused to read or write */
    MIXMAE_ERR_FORMAT,      /* a file is not what it claims to be */
    MIXMAE_ERR_DATA,        /* an image that cannot be used */
    MIXMAE_ERR_NUMERIC,     /* not-finite numbers several steps in a row */
    MIXMAE_ERR_MISMATCH,    /* a comparison past its limit */
    MIXMAE_ERR_UNSUPPORTED, /* legal, but not by this build or machine */
    MIXMAE_ERR_INTERRUPTED
} mixmae_status;
/* "ok", "argument", "shape" ...; static. */
const char *mixmae_status_name(mixmae_status status);

#define MIXMAE_MAX_STAGES   6
#define MIXMAE_MAX_CHANNELS 64

/* A model that was loaded for use: weights, pixel statistics and all working memory of a forward pass. */
typedef struct mixmae_model mixmae_model;

/* 0 or NULL: the default. */
typedef struct {
    int max_batch;      /* images computed at once, 8; more are run in pieces. Memory grows with it */
    int threads;        /* all processors this process may use */
    const char *device; /* "cpu" (fast) or "ref" (plain C, one thread), as --device; the best of this build */
    const char *dtype;  /* "f32"; "bf16", mixed precision; or "auto": bf16 where the processor multiplies it
                            faster than f32, else f32. "auto" */
} mixmae_load_options;

/* Loads model.safetensors or state.safetensors of a run, with or without decoder and head. options may be
 * NULL. *out is NULL on failure, else the caller frees it. A call allocates nothing of its own after this. */
mixmae_status mixmae_model_load(mixmae_model **out, const char *path, const mixmae_load_options *options,
                                char *message, size_t size);
void mixmae_model_free(mixmae_model *model); /* NULL is fine */

typedef struct {
    int height, width, channels; /* tokens down, tokens across, numbers a token */
} mixmae_stage;

typedef struct {
    char name[32]; /* named model it started from, or "custom" */
    int image_height, image_width, channels;
    int stages;
    mixmae_stage stage[MIXMAE_MAX_STAGES];
    int features;                                              /* width of the pooled vector */
    int classes;                                               /* 0: no head */
    bool decoder;                                              /* can be pretrained further */
    int64_t parameters;                                        /* trainable numbers */
    float mean[MIXMAE_MAX_CHANNELS], std[MIXMAE_MAX_CHANNELS]; /* of value / range, a channel each */
    float value_range;                                         /* 0: 255, 65535 or 1 by the image's type */
    int max_batch, threads;
    size_t memory;     /* bytes the handle holds: weights and working memory */
    const char *dtype; /* "f32" or "bf16" (mixed precision): what it computes in. Static */
} mixmae_model_info;
void mixmae_model_describe(const mixmae_model *model, mixmae_model_info *info);
/* Name of a class when the file holds names, else NULL; also NULL outside 0 .. classes-1. Valid until the
 * model is freed. */
const char *mixmae_model_class_name(const mixmae_model *model, int index);

/* One image to one input tensor, [channels, image_height, image_width] into `image`, by the evaluation
 * transform: shorter side resized (bicubic, as Pillow), centre cut out, normalised. From the bytes of a JPEG,
 * PNG, WebP, TIFF, GIF, BMP, PNM or .npy file; from a file; or from 8-bit samples [height, width, channels],
 * whose channels must be the model's. */
mixmae_status mixmae_model_preprocess(const mixmae_model *model, const void *bytes, size_t count,
                                      float *image, char *message, size_t size);
mixmae_status mixmae_model_read_image(const mixmae_model *model, const char *path, float *image,
                                      char *message, size_t size);
mixmae_status mixmae_model_preprocess_pixels(const mixmae_model *model, const uint8_t *pixels, int height,
                                             int width, int channels, float *image, char *message,
                                             size_t size);

/* Pooled features [N, features]: the mean over the last stage's tokens after the final norm. */
mixmae_status mixmae_model_encode(mixmae_model *model, const float *images, int64_t n, float *features,
                                  char *message, size_t size);
/* What stage k's last block gives, before merging and without a norm: [N, stage[k].height, stage[k].width,
 * stage[k].channels], k from 0, row after row of the image. */
mixmae_status mixmae_model_stage_map(mixmae_model *model, const float *images, int64_t n, int k, float *map,
                                     char *message, size_t size);
/* Logits and softmax probabilities, [N, classes] each; either may be NULL. A model without a head:
 * MIXMAE_ERR_ARGUMENT. */
mixmae_status mixmae_model_classify(mixmae_model *model, const float *images, int64_t n, float *logits,
                                    float *probabilities, char *message, size_t size);

/* The three above in one pass; what is NULL is not wanted. */
typedef struct {
    float *features;                 /* as mixmae_model_encode */
    float *stage[MIXMAE_MAX_STAGES]; /* as mixmae_model_stage_map */
    float *tokens;                   /* the last stage's tokens after the final norm, shaped as its map */
    float *logits, *probabilities;   /* as mixmae_model_classify */
} mixmae_outputs;
mixmae_status mixmae_model_forward(mixmae_model *model, const float *images, int64_t n,
                                   const mixmae_outputs *out, char *message, size_t size);

/* ==== Training ============================================================================================
 *
 * Pretraining with images that the caller brings, a step a call; `mixmae_run("pretrain", ...)` is the whole
 * run with data, logs and pictures. The rules at "Models" hold here too. */
typedef struct mixmae_trainer mixmae_trainer;

/* options: made by mixmae_options_make("pretrain", ...): --model or --init FILE (then, without --model, that
 * checkpoint's model and pixel statistics too), --batch-size, --accum-steps, --lr or --blr, --epochs,
 * --warmup-epochs, --seed, --mask-ratio, --threads ... What concerns files and data is not looked at; pixel
 * statistics come from --mean and --std, --init, or are ImageNet's for 3 channels. steps_per_epoch, at least
 * 1: what an epoch of the learning rate's schedule means. The options may be freed afterwards. */
mixmae_status mixmae_trainer_make(mixmae_trainer **out, const mixmae_options *options,
                                  int64_t steps_per_epoch, char *message, size_t size);
void mixmae_trainer_free(mixmae_trainer *trainer);

typedef struct {
    char name[32];
    int image_height, image_width, channels;
    int images_per_step; /* batch size x accumulated micro-batches */
    int64_t step, steps; /* done; in all (epochs x steps_per_epoch) */
    int64_t parameters;
    float mean[MIXMAE_MAX_CHANNELS], std[MIXMAE_MAX_CHANNELS];
    size_t memory;     /* bytes: weights, gradients, moments, working memory */
    const char *dtype; /* "f32" or "bf16" (mixed precision). Static */
} mixmae_trainer_info;
void mixmae_trainer_describe(mixmae_trainer *trainer, mixmae_trainer_info *info);

typedef struct {
    int64_t step; /* steps done after this one */
    double loss, learning_rate;
    double gradient_norm; /* before clipping */
    bool skipped;         /* loss or gradients were not finite: weights stayed as they were */
} mixmae_step;
/* One step on images [images_per_step, channels, image_height, image_width], normalised. Masks follow from
 * the seed and the step's number; image i of a micro-batch of B is mixed with image B-1-i. Same seed, options
 * and images: same bytes, whatever the threads. Steps beyond `steps` go on at the rate where the schedule
 * ends. --max-skipped skipped steps in a row: MIXMAE_ERR_NUMERIC. result may be NULL. */
mixmae_status mixmae_trainer_step(mixmae_trainer *trainer, const float *images, mixmae_step *result,
                                  char *message, size_t size);
/* Writes weights, configuration and pixel statistics: a model.safetensors that mixmae_model_load and every
 * command read. The file is replaced whole or not at all, here and below. */
mixmae_status mixmae_trainer_save(mixmae_trainer *trainer, const char *path, char *message, size_t size);
/* Writes everything a later process needs to go on as if nothing had happened, and reads it into a trainer
 * that was made with the same options. What computes with another instruction set (another machine, or --dtype
 * auto, the default, which chose another type) comes to other bytes: MIXMAE_ERR_UNSUPPORTED, and the trainer is
 * as it was. The first one's mixmae_trainer_info.dtype, given as --dtype, keeps the type; a trainer made with
 * --other-machine continues anyway. After any other failed load the trainer can only be freed. */
mixmae_status mixmae_trainer_save_state(mixmae_trainer *trainer, const char *path, char *message,
                                        size_t size);
mixmae_status mixmae_trainer_load_state(mixmae_trainer *trainer, const char *path, char *message,
                                        size_t size);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
