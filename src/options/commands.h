/* The list of commands and their descriptions. A command is one row here and one file in src/command.
 * Dispatch, help, manual pages, completion and the command line are made from these two. */
#ifndef MX_OPTIONS_COMMANDS_H
#define MX_OPTIONS_COMMANDS_H

#include <stdbool.h>

#include "base/status.h"
#include "mixmae.h"

/* Groups of options. A row of the option table serves groups and single commands. */
enum {
    MX_TAKES_RUNS = 1 << 0,     /* a run in its own folder: resuming, saving, log lines */
    MX_TAKES_FIT = 1 << 1,      /* training on a data set: schedule, optimiser, crops, pixel statistics */
    MX_TAKES_PRETRAIN = 1 << 2, /* pretraining's defaults that differ from fine-tuning's */
    MX_TAKES_MODEL = 1 << 3,    /* a model with a decoder, and its mask */
    MX_TAKES_SHAPE = 1 << 4,    /* sizes of an encoder and of a step: batch, memory, threads */
    MX_TAKES_READS = 1 << 5,    /* a data set read by a trained model */
    MX_TAKES_USES = 1 << 6      /* a trained model */
};

/* X(A, constant, name, groups of options that the command takes); in the order of the help. */
#define MX_COMMANDS(X, A)                                                                                    \
    X(A, PRETRAIN, pretrain,                                                                                 \
      MX_TAKES_RUNS | MX_TAKES_FIT | MX_TAKES_PRETRAIN | MX_TAKES_MODEL | MX_TAKES_SHAPE)                    \
    X(A, FINETUNE, finetune, MX_TAKES_RUNS | MX_TAKES_FIT | MX_TAKES_SHAPE)                                  \
    X(A, EVAL, eval, MX_TAKES_READS | MX_TAKES_USES)                                                         \
    X(A, PREDICT, predict, MX_TAKES_USES)                                                                    \
    X(A, EMBED, embed, MX_TAKES_READS | MX_TAKES_USES)                                                       \
    X(A, PROBE, probe, MX_TAKES_READS | MX_TAKES_USES)                                                       \
    X(A, PLAN, plan, MX_TAKES_FIT | MX_TAKES_PRETRAIN | MX_TAKES_MODEL | MX_TAKES_SHAPE)                     \
    X(A, RECONSTRUCT, reconstruct, 0)                                                                        \
    X(A, INSPECT, inspect, 0)                                                                                \
    X(A, CONVERT, convert, 0)                                                                                \
    X(A, VERIFY, verify, 0)                                                                                  \
    X(A, SYNTH, synth, 0)                                                                                    \
    X(A, PACK, pack, 0)                                                                                      \
    X(A, BENCH, bench, MX_TAKES_MODEL | MX_TAKES_SHAPE)

#define MX_COMMAND_NUMBER(A, NAME, name, takes) MX_NUMBER_##NAME,
enum { MX_COMMANDS(MX_COMMAND_NUMBER, ) MX_COMMAND_COUNT };

/* MX_CMD_PRETRAIN and so on, one bit each, so that a row of the option table can name several. 0: no
 * command. */
#define MX_COMMAND_BIT(A, NAME, name, takes) MX_CMD_##NAME = 1 << MX_NUMBER_##NAME,
typedef enum { MX_COMMANDS(MX_COMMAND_BIT, ) } mx_command;

/* "pretrain" → MX_CMD_PRETRAIN; 0 for an unknown command. */
mx_command mx_command_find(const char *name);
const char *mx_command_name(mx_command command); /* "?" for an unknown one */

/* A command's description of itself. Texts are stored without line breaks; the printers wrap them. */
typedef struct {
    const char *brief;       /* its line in the list of commands */
    const char *usage;       /* the command line in brief */
    const char *text;        /* a paragraph */
    const char *examples[6]; /* command lines, then NULL */
    bool stoppable;          /* it polls the sink's stop and then saves, or removes an unfinished file */
    mx_status (*run)(const mixmae_options *options, const mixmae_sink *sink, mx_error *e);
} mx_command_about;

typedef struct {
    mx_command command;
    const char *name;
    const mx_command_about *about;
} mx_command_row;

/* The list with descriptions, defined in src/command/table.c. */
typedef struct {
    const mx_command_row *row;
    int count;
} mx_command_list;

#endif
