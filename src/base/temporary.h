/* Temporary files that later replace another file. */
#ifndef MX_BASE_TEMPORARY_H
#define MX_BASE_TEMPORARY_H

/* Creates path.PID.N.tmp. N grows while the name is taken, even by a link; links are never followed. Returns
 * the descriptor and *name, which the caller frees. -1: see errno; *name is NULL if out of memory. */
int mx_temporary_open(char **name, const char *path);

#endif
