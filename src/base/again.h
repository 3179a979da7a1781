/* System calls with retries after a transient error, one that says nothing about the file: no memory or file
 * descriptors left, a short failure of a disk or network. Code that inspects a folder to decide how to read it uses
 * these, so that it does not mistake an error for an answer. */
#ifndef MX_BASE_AGAIN_H
#define MX_BASE_AGAIN_H

#include <dirent.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#define MX_TRIES 4

/* True for a transient errno. Errors such as ENOENT or EACCES are not: they describe the file. */
bool mx_error_passes(int error);
/* True for a transient errno that means a resource ran out (descriptors, memory). No single file is at fault. */
bool mx_error_scarce(int error);
/* Many checks of a folder return only yes or no. Therefore a transient error that outlasts all tries, or a lack of
 * memory, is also recorded here, per thread. */
void mx_met_none(void); /* clears the record */
void mx_met(int error); /* records the error if it is the first */
int mx_met_error(void); /* errno of the first error since mx_met_none, or 0 */
/* After a failure: sleeps (0.15 s over all tries) and returns true if another try may help. Keeps errno.
 * *tries starts at 0. */
bool mx_again(int *tries);

/* The system calls of these names, with retries. */
int mx_stat(const char *path, struct stat *to);
int mx_stat_at(int folder, const char *path, struct stat *to);
int mx_stat_fd(int fd, struct stat *to);
bool mx_there(const char *path);                             /* like access F_OK */
int mx_open_read(int folder, const char *path, int flags);   /* flags: added to O_RDONLY | O_CLOEXEC */
ssize_t mx_read_at(int fd, void *to, size_t size, off_t at); /* like pread */
DIR *mx_open_folder(const char *path);
struct dirent *mx_next_name(DIR *folder); /* NULL: the end, with errno 0, or an error in errno */

#endif
