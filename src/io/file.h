/* Whole files, written atomically. */
#ifndef MX_IO_FILE_H
#define MX_IO_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

/* Reads a file of at most limit bytes; a terminating 0 follows the content. The caller frees *bytes. */
mx_status mx_file_read(const char *path, size_t limit, void **bytes, size_t *size, mx_error *e);
/* Maps a plain file, unchanged; pages are read when touched. Messages name path. Release it with munmap. */
mx_status mx_file_map(const char *path, const void **bytes, size_t *size, mx_error *e);
/* Writes a temporary file in the same folder, fsync, rename, fsync of the folder: path has the old or the new
 * content, never a mix. */
mx_status mx_file_write(const char *path, const void *bytes, size_t size, mx_error *e);

/* The same in pieces: open, write any number of times, commit (or drop). */
typedef struct mx_file mx_file;
mx_status mx_file_begin(mx_file **out, const char *path, mx_error *e);
mx_status mx_file_put(mx_file *f, const void *bytes, size_t size, mx_error *e);
int mx_file_descriptor(const mx_file *f);          /* for a library that writes by itself; owned by f */
const char *mx_file_temporary(const mx_file *f);   /* the file until the commit; owned by f */
mx_status mx_file_commit(mx_file *f, mx_error *e); /* frees f also on failure */
void mx_file_drop(mx_file *f);                     /* removes the temporary; NULL is allowed */

/* A file that holds a model is read back before it replaces another one. The reader opens the temporary as
 * any reader of its format does and compares it with `what`, which was to be written. */
typedef mx_status mx_file_reader(const void *what, const char *temporary, mx_error *e);
/* Calls the reader, and names the file in its message. Does nothing if e holds an error. The caller ends f. */
mx_status mx_file_read_back(const mx_file *f, mx_file_reader *reader, const void *what, mx_error *e);
/* Reads f back and commits it. Drops it after any error, also one that e holds already. */
mx_status mx_file_commit_read(mx_file *f, mx_file_reader *reader, const void *what, mx_error *e);

/* Flushes the folder that contains path. Only after that a rename in it is safe on disk. */
mx_status mx_folder_sync(const char *path, mx_error *e);
/* mkdir -p */
mx_status mx_folder_make(const char *path, mx_error *e);
/* Does path exist; is it a folder without entries? */
bool mx_path_exists(const char *path);
bool mx_folder_empty(const char *path);
/* Is it the name of such a temporary file? */
bool mx_name_is_temporary(const char *name);
/* Removes temporaries that killed writers left in a folder. Nobody else may be writing there. */
void mx_folder_sweep(const char *path);

/* Locks path until fclose(*out) or the end of the process, however it ends. Makes an empty file if there is
 * none. "is locked" means that another process holds the lock; other errors name the call that failed. If nothing can be written, or the file system has no
 * locks, *out stays NULL without an error. */
mx_status mx_file_lock(FILE **out, const char *path, mx_error *e);

#endif
