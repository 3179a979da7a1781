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

/* Program version, e.g. "0.1.0". Static. */
const char *mixmae_version(void);

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

/* The commands. options: made by mixmae_options_make for that command. message: one sentence on failure, of
 * `size` bytes. */
mixmae_exit mixmae_run(const char *command, const mixmae_options *options, const mixmae_sink *sink,
                       char *message, size_t size);

/* argv: flags without program and command. NULL and a message on failure; *help set when --help was asked. */
mixmae_options *mixmae_options_make(const char *command, int argc, char **argv, bool *help, char *message,
                                    size_t size);
void mixmae_options_free(mixmae_options *options);
/* Is this switch on? false also for what is no switch of the command. */
bool mixmae_options_flag(const mixmae_options *options, const char *name);
/* Help text of a command, of the program (command NULL), or the whole reference ("markdown"); free() it. NULL
 * for an unknown command. */
char *mixmae_help(const char *command);

#ifdef __cplusplus
}
#endif
#endif
