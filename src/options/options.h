/* The one option table. It parses flags and option files, prints help, logs the effective values, and its
 * values are stored in the run folder. A test compares the documentation with it. */
#ifndef MX_OPTIONS_OPTIONS_H
#define MX_OPTIONS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "mixmae.h"
#include "model/config.h"
#include "options/commands.h"

#define MX_MAX_LIST 64

/* Every setting of every command. The struct owns its strings; NULL: not given. */
typedef struct {
    /* files */
    char *data, *val_data, *output, *resume, *init, *config, *checkpoint, *model, *weights;
    char **images; /* --images A B C, or the FILEs without a name */
    int image_count;
    /* model; 0 or -1: taken from the named model */
    int image_size[2]; /* height, width */
    int patch_size, channels, embed_dim, decoder_dim, decoder_depth, decoder_num_heads;
    int depths[MX_MAX_STAGES], num_heads[MX_MAX_STAGES], window_size[MX_MAX_STAGES];
    int depths_count, num_heads_count, window_size_count;
    double mask_ratio, range_mask_ratio;
    bool norm_pix_loss;
    /* training; negative: taken from the named model's recipe */
    double epochs, warmup_epochs, blr, lr, min_lr, weight_decay, clip_grad, betas[2], layer_decay, drop_path;
    double ema;
    int64_t batch_size, accum_steps, seed, max_skipped;
    /* data */
    double crop_scale[2], flip, value_range, max_bad;
    char *stats, *aa, *remode, *mixup_mode;
    double color_jitter, reprob, mixup, cutmix, cutmix_minmax[2], mixup_prob, mixup_switch_prob, smoothing;
    double label_fraction, val_share, balance;
    char *image_column, *label_column;
    int64_t recount;
    bool partial, keep_head, adapt_channels;
    float mean[MX_MAX_LIST], std[MX_MAX_LIST];
    int mean_count, std_count;
    /* machine */
    int64_t threads, workers; /* 0: all processors; workers -1: chosen automatically */
    char *device, *dtype, *memory;
    /* saving and showing */
    char *save_every; /* "500" steps, "10m" minutes */
    int64_t log_every, picture_every;
    bool other_machine, quiet, profile, scaled_decode, exif_orientation;
    /* eval, predict, embed, probe */
    char *split, *layer;
    int64_t top, views;
    double temperature;
    bool json;
    /* verify, synth, bench, pack */
    int64_t classes, images_per_class, size, steps, quality, shard_size;
    char *task; /* plan */
} mx_options;

/* The options of one call, opaque in mixmae.h. */
struct mixmae_options {
    mx_options o;
    bool *given; /* per row of the option table: was it on the command line or in a --config file? */
    mx_command command;
};

/* How a value is written and stored. Private to src/options, except for the table's tests. */
typedef enum {
    MX_VALUE_TEXT,   /* char * */
    MX_VALUE_TEXTS,  /* char ** and a count: all words up to the next option */
    MX_VALUE_WHOLE,  /* int64_t, or int when `narrow` */
    MX_VALUE_REAL,   /* double */
    MX_VALUE_PAIR,   /* double[2], "0.9,0.95" */
    MX_VALUE_RANGE,  /* double[2], "0.2,1", the first at most the second */
    MX_VALUE_SIZE,   /* int[2], "224" or "192x256" (height x width) */
    MX_VALUE_WHOLES, /* int[MX_MAX_STAGES] and a count, "2,2,18,2" */
    MX_VALUE_REALS,  /* float[MX_MAX_LIST] and a count */
    MX_VALUE_SWITCH  /* bool: --name or --no-name */
} mx_value_kind;

/* One row of the table. */
typedef struct {
    const char *name;  /* "batch-size" */
    const char *value; /* placeholder for the value in the help: "N" */
    mx_value_kind kind;
    bool narrow;  /* the field is an int */
    bool matters; /* another value changes the result: refused by name on resume */
    unsigned commands;
    size_t at, count_at;  /* offsets in mx_options; count_at for lists */
    double low, high;     /* range of numbers */
    const char *fallback; /* default as text; NULL: none */
    const char *help;
} mx_option_row;
int mx_option_count(void);
const mx_option_row *mx_option_at(int i);
/* The row of an option that one of the commands has, or -1. commands 0: any command. */
int mx_option_find(const char *name, unsigned commands);

/* Defaults. If an option's default depends on the command, the first row's. Free with mx_options_free. */
mx_status mx_options_init(mx_options *o, mx_error *e);
/* The defaults of one command. */
mx_status mx_options_defaults(mx_options *o, mx_command command, mx_error *e);
void mx_options_free(mx_options *o);
/* A deep copy. */
mx_status mx_options_copy(mx_options *to, const mx_options *from, mx_error *e);
/* Sets one row's value from text ("true"/"false" for a switch). The message names the option, what was
 * expected and what was found. */
mx_status mx_options_set_row(mx_options *o, int row, const char *value, mx_error *e);
mx_status mx_options_set(mx_options *o, const char *name, const char *value, mx_error *e);
/* Parses argv without the names of program and command. --config files are read first, at any position: the
 * command line wins. For an unknown option the message suggests the nearest name. given (may be NULL) gets a
 * flag per row; *help: --help was present. */
mx_status mx_options_parse(mx_options *o, mx_command command, int argc, char **argv, bool *given, bool *help,
                           mx_error *e);
/* Always an error: no such option. Suggests the nearest name that the commands have. */
mx_status mx_options_unknown(const char *name, unsigned commands, mx_error *e);
/* Option file: "name = value" lines, ';' or '#' comments (libinih). A value may be "in quotes" with \" \\
 * \xHH. Options of other commands are ignored. given as above. */
mx_status mx_options_read(mx_options *o, const char *path, unsigned commands, bool *given, mx_error *e);
/* Value of row i as text that mx_options_set_row reads (free it); NULL if unset. */
char *mx_options_get(const mx_options *o, int i);
/* Does the option have a value? If so, NULL from mx_options_get means out of memory. */
bool mx_options_has(const mx_options *o, int i);
/* All values that are set, for a command, as an option file from which mx_options_read restores them exactly
 * (free it). */
char *mx_options_text(const mx_options *o, mx_command command);

/* A run's options.ini: an option file whose first line names the program's version and the command. Returns
 * the command; 0: unreadable, or not a run's file. */
mx_command mx_run_command(const char *options_path);
/* Reads a run's options from its file. Initialises *o; free with mx_options_free, also after a failure. */
mx_status mx_run_options_read(mx_options *o, mx_command command, const char *options_path, mx_error *e);
mx_status mx_run_options_write(const char *options_path, mx_command command, const mx_options *o,
                               mx_error *e);

/* What a state keeps of the options that matter, "name=value;name=value": options.ini has no checksum, and one
 * changed digit would end in another model. Options that a resume may change are left out. Long or
 * unusual text is kept as its checksum. */
#define MX_OPTIONS_KEPT 4000
mx_status mx_options_kept(const mx_options *o, mx_command command, char text[MX_OPTIONS_KEPT], mx_error *e);
/* Compares the options with such a text; the error names the first that differs and path, their file. Options
 * that the text lacks, or that are gone, do not count. */
mx_status mx_options_same(const mx_options *o, mx_command command, const char *text, const char *path,
                          mx_error *e);

/* The model that the options describe, checked: the named model, or *config if they name none, with the sizes that
 * are given separately. recipes may be NULL. */
mx_status mx_options_model(const mx_options *o, mx_model_config *config, mx_model_recipes *recipes,
                           mx_error *e);

#endif
