/* The file that is written before it takes another's place. */
#ifndef MX_BASE_TEMPORARY_H
#define MX_BASE_TEMPORARY_H

/* Makes path.PID.N.tmp, which nobody has: N counts on while the name is taken, also by a link, which is never
 * followed. Returns its descriptor and *name, which the caller frees; -1: errno says why, *name is NULL where
 * there was no memory for it. */
int mx_temporary_open(char **name, const char *path);

#endif
