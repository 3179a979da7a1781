/* A run's folder: its files, and how a run starts or resumes in it. Layout: docs/FORMATS.md. */
#ifndef MX_RUN_FOLDER_H
#define MX_RUN_FOLDER_H

#include <stdio.h>

#include "mixmae.h"
#include "options/options.h"

typedef struct {
    char *root, *options, *state, *model, *best, *log, *pictures, *report, *index, *lock;
    FILE *locked;       /* open while a run uses this folder */
    bool created;       /* the folder was not there before this run */
    bool unsaved_run;   /* it held a run that had saved nothing */
    bool dtype_changed; /* resumed with another --dtype; the user was warned */
    bool data_moved;    /* resumed with another --data or --val-data, which must hold the same images */
} mx_run_paths;

mx_status mx_run_paths_make(mx_run_paths *p, const char *root, mx_error *e);
void mx_run_paths_free(mx_run_paths *p);

/* Decides between a new run of `command` and a resumed one. Makes input paths absolute first.
 *
 * With --resume and a stored run: locks the folder and removes the temporary files of killed processes. Compares the
 * options given now with the stored ones; if a different value would change the result, an error names the option. One
 * exception: another --dtype may resume a run whose own type this machine lacks (mx_compute_make). Then replaces *o by
 * the stored options and sets *stored; *resumed: a saved state exists too.
 *
 * Otherwise the folder must be new or empty, or hold a run that has saved nothing. */
mx_status mx_run_folder_open(mx_run_paths *p, mx_command command, mx_options *o, const bool *given,
                             bool *stored, bool *resumed, mx_error *e);
/* Starts a new run: makes the folder, locks it and writes options.ini. Pass options with all defaults filled in. */
mx_status mx_run_folder_start(mx_run_paths *p, mx_command command, const mx_options *o, mx_error *e);
/* Makes the folder of pictures if it is missing. An error if it is a symbolic link. */
mx_status mx_run_folder_pictures(const mx_run_paths *p, mx_error *e);
/* Stores o's dtype in options.ini for the rest of a resumed run. *was: the former dtype (free it), or NULL if nothing
 * had to be written. */
mx_status mx_run_folder_dtype(const mx_run_paths *p, mx_command command, const mx_options *o, char **was,
                              mx_error *e);
/* Rewrites the options of a resumed run whose data were moved. */
mx_status mx_run_folder_move(const mx_run_paths *p, mx_command command, const mx_options *o, mx_error *e);
/* Undoes mx_run_folder_start for a run that never trained: removes everything that it wrote. */
void mx_run_folder_undo(const mx_run_paths *p);
/* Does the folder hold saved weights? */
bool mx_run_folder_saved(const mx_run_paths *p);

#endif
