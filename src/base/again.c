/* Retries of system calls, see again.h. */
#include "base/again.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define MX_FIRST_NAP 2000000 /* ns; each nap is eight times the last: 0.15 s in all */

bool mx_error_scarce(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM; }

bool mx_error_passes(int error) {
    return mx_error_scarce(error) || error == EIO || error == EINTR || error == EAGAIN || error == ESTALE ||
           error == ETIMEDOUT;
}

static _Thread_local int met;
void mx_met_none(void) { met = 0; }
void mx_met(int error) {
    if (!met) met = error;
}
int mx_met_error(void) { return met; }

bool mx_again(int *tries) {
    struct timespec nap = {.tv_nsec = MX_FIRST_NAP};
    int error = errno;
    if (!mx_error_passes(error)) return false;
    if (*tries + 1 >= MX_TRIES) {
        mx_met(error);
        return false;
    }
    for (int i = 0; i < *tries; i++) nap.tv_nsec *= 8;
    ++*tries;
    nanosleep(&nap, NULL);
    errno = error;
    return true;
}

int mx_stat(const char *path, struct stat *to) { return mx_stat_at(AT_FDCWD, path, to); }

int mx_stat_at(int folder, const char *path, struct stat *to) {
    int tries = 0, failed;
    while ((failed = fstatat(folder, path, to, 0)) && mx_again(&tries)) {}
    return failed;
}

int mx_stat_fd(int fd, struct stat *to) {
    int tries = 0, failed;
    while ((failed = fstat(fd, to)) && mx_again(&tries)) {}
    return failed;
}

bool mx_there(const char *path) {
    struct stat st;
    return !mx_stat(path, &st);
}

int mx_open_read(int folder, const char *path, int flags) {
    int tries = 0, fd;
    while ((fd = openat(folder, path, O_RDONLY | O_CLOEXEC | flags)) < 0 && mx_again(&tries)) {}
    return fd;
}

ssize_t mx_read_at(int fd, void *to, size_t size, off_t at) {
    int tries = 0;
    ssize_t n;
    while ((n = pread(fd, to, size, at)) < 0 && mx_again(&tries)) {}
    return n;
}

DIR *mx_open_folder(const char *path) {
    int tries = 0;
    DIR *d;
    while (!(d = opendir(path)) && mx_again(&tries)) {}
    return d;
}

struct dirent *mx_next_name(DIR *folder) {
    int tries = 0;
    struct dirent *x;
    do {
        errno = 0;
        x = readdir(folder);
    } while (!x && errno && mx_again(&tries));
    return x;
}
