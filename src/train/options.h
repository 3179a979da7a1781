/* The one option table: parses flags and option files, prints help, logs the effective values, and is stored in the
 * run folder. A test holds the documentation against it. */
#ifndef MX_TRAIN_OPTIONS_H
#define MX_TRAIN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "model/config.h"

#define MX_MAX_LIST  64
#define MX_MAX_PATHS 4096

/* Every setting of every command. Strings are owned by the struct (strdup), NULL when not given. */
typedef struct {
    /* files */
    char *data, *output, *resume, *init, *config, *checkpoint, *model;
    char **images; /* --images A B C or positional FILEs */
    int image_count;
    /* model; 0 or -1: as the named model says */
    int image_h, image_w; /* --image-size 224 or 192x256 (HxW) */
    int patch_size, channels, embed_dim, decoder_dim, decoder_depth, decoder_num_heads;
    int depths[MX_MAX_STAGES], num_heads[MX_MAX_STAGES], window_size[MX_MAX_STAGES]; /* comma lists */
    int depth_count, head_count, window_count;
    double mask_ratio, range_mask_ratio;
    bool norm_pix_loss;
    /* training; negative: as the named model's recipe says */
    double epochs, warmup_epochs, blr, lr, min_lr, weight_decay, clip_grad, beta1, beta2;
    int batch_size, accum_steps;
    int64_t seed;
    int max_skipped; /* this many updates skipped in a row end the run */
    /* data */
    double crop_scale_lo, crop_scale_hi; /* --crop-scale 0.2,1 */
    double flip;                         /* probability of a horizontal mirror */
    double value_range;                  /* 0: by file type */
    char *stats;                         /* "imagenet", "auto" */
    float mean[MX_MAX_LIST], std[MX_MAX_LIST]; /* --mean a,b,c --std a,b,c */
    int mean_count, std_count;
    double max_bad; /* share */
    char *val_data; /* held-out folder: its loss is measured; NULL: DATA/val when DATA/train exists */
    /* machine */
    int threads, workers; /* 0: all cores; workers -1: chosen */
    char *device, *dtype, *backend;
    /* saving */
    char *save_every;      /* "500" steps, "10m" minutes */
    int log_every, picture_every; /* steps; 0 off */
    /* verify, synth, bench, reconstruct */
    int classes, images_per_class, size, count, steps;
    bool quiet, profile;
} mx_options;

typedef enum {
    MX_CMD_PRETRAIN = 1 << 0,
    MX_CMD_PLAN = 1 << 1,
    MX_CMD_RECONSTRUCT = 1 << 2,
    MX_CMD_INSPECT = 1 << 3,
    MX_CMD_VERIFY = 1 << 4,
    MX_CMD_SYNTH = 1 << 5,
    MX_CMD_BENCH = 1 << 6
} mx_command;

/* One row of the table. `matters`: a different value on resume changes the result and is refused by name. */
typedef struct {
    const char *name; /* "batch-size" */
    const char *value; /* "N", "FILE", NULL for a switch */
    const char *help;
    unsigned commands; /* mx_command bits */
    bool matters;
    /* how the value is stored is private to options.c */
} mx_option_row;
int mx_option_count(void);
const mx_option_row *mx_option_at(int i);

/* Defaults. Free with mx_options_free. */
mx_status mx_options_init(mx_options *o, mx_error *e);
void mx_options_free(mx_options *o);
/* One option by name, from a flag, an option file or a stored run; counts as given. NULL value for a switch (or "true"/"false"). */
mx_status mx_options_set(mx_options *o, const char *name, const char *value, mx_error *e);
/* argv without the program and command names. --config files are read first, wherever they stand: the command line wins.
 * Unknown option: the nearest name is suggested. `given` (may be NULL) gets a flag per table row. *help is set by --help. */
mx_status mx_options_parse(mx_options *o, mx_command command, int argc, char **argv, bool *given, bool *help, mx_error *e);
/* Option file: "name = value" lines (libinih; '#' and ';' comments; sections ignored but allowed). */
mx_status mx_options_read(mx_options *o, const char *path, mx_error *e);
/* Current value of row i as text that mx_options_set takes back (free it); NULL when unset. */
char *mx_options_get(const mx_options *o, int i);
/* All values that are set, as an option file (free it). */
char *mx_options_text(const mx_options *o);
/* Help of a command: usage, description, options with defaults, examples, exit codes (free it). */
char *mx_options_help(mx_command command);

/* The model these options describe (named model, overrides, mask settings apart), checked; and its recipe. */
mx_status mx_options_model(const mx_options *o, mx_model_config *config, mx_model_recipe *recipe, mx_error *e);

#endif
