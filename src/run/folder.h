/* A run's folder: its files, and how a run starts or resumes in it. Layout: docs/FORMATS.md. */
#ifndef MX_RUN_FOLDER_H
#define MX_RUN_FOLDER_H

#include <stdio.h>

#include "mixmae.h"
#include "options/options.h"

typedef struct {
    char *root, *options, *state, *model, *best, *log, *pictures, *report, *index, *lock;
    FILE *locked;       /* from the start of a run in this folder to its end */
    bool created;       /* the folder was not there before this run */
    bool unsaved_run;   /* it held a run that had saved nothing */
    bool dtype_changed; /* resumed with another --dtype; the user was warned */
    bool data_moved;    /* resumed with another --data or --val-data, which must hold the same images */
} mx_run_paths;

mx_status mx_run_paths_make(mx_run_paths *p, const char *root, mx_error *e);
void mx_run_paths_free(mx_run_paths *p);

/* Decides what to do for a run of `command`. With --resume and a stored run: compares the options given
 * again, then replaces *o by the stored ones and sets *stored. A different option that matters is refused by
 * name, except a --dtype that lets the run continue where its own cannot (mx_compute_make). *resumed: a saved
 * state exists too. Locks the folder and removes files that a killed process left half written. Else the
 * folder must be new or empty, or hold a run that has saved nothing yet. Makes input paths absolute first. */
mx_status mx_run_folder_open(mx_run_paths *p, mx_command command, mx_options *o, const bool *given,
                             bool *stored, bool *resumed, mx_error *e);
/* A new run: makes the folder, locks it and writes options.ini, every default filled in. */
mx_status mx_run_folder_start(mx_run_paths *p, mx_command command, const mx_options *o, mx_error *e);
/* Makes the folder of pictures if it is missing. An error if it is a symbolic link. */
mx_status mx_run_folder_pictures(const mx_run_paths *p, mx_error *e);
/* Stores o's dtype in options.ini for the rest of a resumed run. *was (free it) gets the former dtype, or
 * NULL if it was the same and nothing was written. */
mx_status mx_run_folder_dtype(const mx_run_paths *p, mx_command command, const mx_options *o, char **was,
                              mx_error *e);
/* Rewrites the options of a resumed run whose data were moved. */
mx_status mx_run_folder_move(const mx_run_paths *p, mx_command command, const mx_options *o, mx_error *e);
/* Undoes mx_run_folder_start for a run that never trained: removes everything that a run writes. */
void mx_run_folder_undo(const mx_run_paths *p);
/* Does it hold weights? */
bool mx_run_folder_saved(const mx_run_paths *p);

#endif
