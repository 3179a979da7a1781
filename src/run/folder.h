/* A run's folder: what lies where, how a run starts there and how it is resumed. Layout: docs/FORMATS.md. */
#ifndef MX_RUN_FOLDER_H
#define MX_RUN_FOLDER_H

#include <stdio.h>

#include "mixmae.h"
#include "options/options.h"

typedef struct {
    char *root, *options, *state, *model, *best, *log, *pictures, *report, *index, *lock;
    FILE *locked; /* from the start of a run in this folder to its end */
    bool made;    /* the folder was not there before this run */
    bool anew;    /* a run that had saved nothing stood in it */
    bool retyped; /* resumed with another --dtype, told what that means */
    bool moved;   /* resumed with another --data or --val-data, which must hold the same images */
} mx_run_paths;

mx_status mx_run_paths_make(mx_run_paths *p, const char *root, mx_error *e);
void mx_run_paths_free(mx_run_paths *p);

/* Decides what to do for a run of `command`. With --resume and a stored run: its options replace *o, after
 * those given again have been compared (a different one that matters is refused by name, but for a --dtype
 * that lets the run go on where its own cannot: mx_compute_make), and *stored is set;
 * *resumed: a saved state exists too. The folder is locked, and what a killed process left half written in it
 * is removed. Else the folder must be new or empty, or hold a run that has saved nothing yet. Paths of input
 * are made absolute first. */
mx_status mx_run_folder_open(mx_run_paths *p, mx_command command, mx_options *o, const bool *given,
                             bool *stored, bool *resumed, mx_error *e);
/* A new run: makes the folder, locks it and writes options.ini, every default filled in. */
mx_status mx_run_folder_start(mx_run_paths *p, mx_command command, const mx_options *o, mx_error *e);
/* Makes the folder of pictures where it is not there (any more). An error where it is a symbolic link. */
mx_status mx_run_folder_pictures(const mx_run_paths *p, mx_error *e);
/* A resumed run goes on in o's dtype from here: options.ini holds it from now on. *was (free it) gets what
 * stood there before; NULL when it was the same, and nothing is written. */
mx_status mx_run_folder_dtype(const mx_run_paths *p, mx_command command, const mx_options *o, char **was,
                              mx_error *e);
/* The options of a resumed run whose data were moved, written anew. */
mx_status mx_run_folder_move(const mx_run_paths *p, mx_command command, const mx_options *o, mx_error *e);
/* Takes a folder back that was started and never trained in: all that a run writes is removed from it. */
void mx_run_folder_undo(const mx_run_paths *p);
/* Does it hold weights? */
bool mx_run_folder_saved(const mx_run_paths *p);

#endif
