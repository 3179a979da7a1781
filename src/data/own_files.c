/* What this program itself leaves inside a folder of images: the folder of a run (its pictures are no data),
 * and the features that embed wrote. `cd photos; mixmae pretrain --data . --output run` must find the same
 * images when it goes on, and no class "run" afterwards. */
#include "data/index.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool mx_is_run_folder(int root_fd, const char *folder) {
    char path[4096], begin[sizeof MX_RUN_MARK] = "";
    int n = snprintf(path, sizeof path, "%s%soptions.ini", folder,
                     *folder && folder[strlen(folder) - 1] != '/' ? "/" : "");
    if (n < 0 || (size_t)n >= sizeof path) return false;
    int fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return false;
    ssize_t got = read(fd, begin, sizeof begin - 1);
    close(fd);
    return got == sizeof begin - 1 && !strcmp(begin, MX_RUN_MARK);
}

bool mx_is_features(int folder_fd, const char *name) {
    char names[512];
    size_t n = strlen(name);
    if (n < 4 || n + 5 > sizeof names || strcmp(name + n - 4, ".npy")) return false;
    snprintf(names, sizeof names, "%s.txt", name);
    return !faccessat(folder_fd, names, F_OK, 0);
}
