/* Recognises this program's own output in a folder of images: a run's folder, and features written by embed. After `cd
 * photos; mixmae pretrain --data . --output run`, resuming must find the same images, and later runs must not find a
 * class "run". */
#include "base/again.h"
#include "data/index.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens folder/name for reading; -1 on failure. */
static int open_in(int root_fd, const char *folder, const char *name) {
    char path[4096];
    int n = snprintf(path, sizeof path, "%s%s%s", folder,
                     *folder && folder[strlen(folder) - 1] != '/' ? "/" : "", name);
    if (n < 0 || (size_t)n >= sizeof path) return -1;
    return mx_open_read(root_fd, path, O_NONBLOCK);
}

static bool has(int root_fd, const char *folder, const char *name) {
    int fd = open_in(root_fd, folder, name);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

bool mx_is_run_folder(int root_fd, const char *folder) {
    char begin[sizeof MX_RUN_MARK] = "";
    int fd = open_in(root_fd, folder, "options.ini");
    if (fd >= 0) {
        ssize_t got = mx_read_at(fd, begin, sizeof begin - 1, 0);
        close(fd);
        if (got == sizeof begin - 1 && !strcmp(begin, MX_RUN_MARK)) return true;
    } /* otherwise two other files of a run show one */
    static const char *const kept[] = {"log.jsonl", "model.safetensors", "report.html", "index.cache"};
    int found = 0;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) found += has(root_fd, folder, kept[i]);
    return found >= 2;
}

bool mx_is_features(int folder_fd, const char *name) {
    char names[512];
    size_t n = strlen(name);
    if (n < 4 || n + 5 > sizeof names || strcmp(name + n - 4, ".npy")) return false;
    snprintf(names, sizeof names, "%s.txt", name);
    struct stat st;
    return !mx_stat_at(folder_fd, names, &st);
}
