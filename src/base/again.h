/* Calls to the system that are tried again where an error of the moment says nothing about the file: no
 * memory or no file numbers left, a hiccup of a disk or of the network to it. What is asked of a folder to
 * decide how data are read goes through these: an error must not look like an answer. */
#ifndef MX_BASE_AGAIN_H
#define MX_BASE_AGAIN_H

#include <dirent.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#define MX_TRIES 4

/* Says this errno nothing about the file, as that there is none, or no right to it, would? */
bool mx_error_passes(int error);
/* Of those: are there none left of what every file needs (numbers, memory)? No single file is at fault. */
bool mx_error_scarce(int error);
/* What is asked of a folder is often answered by yes or no. An error that passes and outlasted all tries, or
 * want of memory, is kept besides: */
void mx_met_none(void); /* from here on, on this thread */
void mx_met(int error); /* keeps the first */
int mx_met_error(void); /* errno of the first since, or 0 */
/* After a failure: naps (0.15 s in all) and says true if another try may help; keeps errno. tries: 0 at
 * first. */
bool mx_again(int *tries);

/* As the calls of these names, tried again. */
int mx_stat(const char *path, struct stat *to);
int mx_stat_at(int folder, const char *path, struct stat *to);
int mx_stat_fd(int fd, struct stat *to);
bool mx_there(const char *path);                             /* as access F_OK */
int mx_open_read(int folder, const char *path, int flags);   /* flags beside O_RDONLY | O_CLOEXEC */
ssize_t mx_read_at(int fd, void *to, size_t size, off_t at); /* as pread */
DIR *mx_open_folder(const char *path);
struct dirent *mx_next_name(DIR *folder); /* NULL: the end, with errno 0, or an error in errno */

#endif
