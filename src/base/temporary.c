/* Temporary files that no other process writes, see temporary.h. */
#include "base/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The name may exist already: a killed process with the same PID left it (common in containers), or an attacker guessed
 * and placed it. */
int mx_temporary_open(char **name, const char *path) {
    static atomic_uint counter;
    int fd = -1;
    *name = NULL;
    do {
        free(*name);
        if (asprintf(name, "%s.%ld.%u.tmp", path, (long)getpid(), atomic_fetch_add(&counter, 1)) < 0) {
            *name = NULL;
            errno = ENOMEM;
            return -1;
        }
        fd = open(*name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (fd < 0 && errno == EEXIST);
    return fd;
}
