/* A run's folder: what lies where, how a run starts there and how it is resumed. Layout: docs/FORMATS.md. */
#ifndef MX_TRAIN_RUN_FOLDER_H
#define MX_TRAIN_RUN_FOLDER_H

#include "mixmae.h"
#include "train/commands.h"
#include "train/options.h"

typedef struct {
    char *root, *options, *state, *model, *log, *pictures, *report, *index;
} mx_run_paths;

mx_status mx_run_paths_make(mx_run_paths *p, const char *root, mx_error *e);
void mx_run_paths_free(mx_run_paths *p);

/* Decides what to do: a fresh run (folder made, must be empty), or a resumed one, whose stored options
 * replace *o after those given again have been compared (a different one that matters is refused by name).
 * *resumed: a saved state exists. */
mx_status mx_run_folder_open(mx_run_paths *p, mx_options *o, const bool *given, bool *resumed, mx_error *e);

#endif
