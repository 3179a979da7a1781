/* Whole files: read up to a limit, written atomically (temporary file in the same folder, fsync, rename,
 * fsync of the folder). */
#include "io/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/temporary.h"
#include "base/again.h"

struct mx_file {
    int fd;
    char *path, *temporary;
};

static mx_status io_error(mx_error *e, const char *doing, const char *path) {
    return mx_fail(e, MX_ERR_IO, "cannot %s %s: %s", doing, path, strerror(errno));
}

mx_status mx_file_read(const char *path, size_t limit, void **bytes, size_t *size, mx_error *e) {
    struct stat st;
    char *buffer = NULL;
    size_t have = 0;
    *bytes = NULL, *size = 0;
    int fd = mx_open_read(AT_FDCWD, path, O_NONBLOCK); /* a pipe of that name must not block us */
    if (fd < 0) return io_error(e, "open", path);
    if (mx_stat_fd(fd, &st)) {
        io_error(e, "look at", path);
        goto done;
    }
    if (!S_ISREG(st.st_mode)) {
        mx_fail(e, MX_ERR_IO, "%s is not a regular file", path);
        goto done;
    }
    if ((uintmax_t)st.st_size > limit) {
        mx_fail(e, MX_ERR_IO, "%s has %jd bytes, more than the limit of %zu", path, (intmax_t)st.st_size,
                limit);
        goto done;
    }
    if (!(buffer = malloc((size_t)st.st_size + 1))) {
        mx_fail(e, MX_ERR_MEMORY, "cannot allocate %jd bytes to read %s", (intmax_t)st.st_size, path);
        goto done;
    }
    while (have < (size_t)st.st_size) {
        ssize_t n = mx_read_at(fd, buffer + have, (size_t)st.st_size - have, (off_t)have);
        if (n < 0) io_error(e, "read", path);
        if (n <= 0) break;
        have += (size_t)n;
    }
    buffer[have] = 0;
done:
    close(fd);
    if (e->status) {
        free(buffer);
        return e->status;
    }
    *bytes = buffer, *size = have;
    return MX_OK;
}

static void forget(mx_file *f) {
    free(f->temporary);
    free(f->path);
    free(f);
}

mx_status mx_file_begin(mx_file **out, const char *path, mx_error *e) {
    mx_file *f = calloc(1, sizeof *f);
    *out = NULL;
    if (f && (f->path = strdup(path))) f->fd = mx_temporary_open(&f->temporary, path);
    if (f && f->temporary && f->fd >= 0) {
        *out = f;
        return MX_OK;
    }
    if (f && f->temporary)
        io_error(e, "create", f->temporary);
    else
        mx_fail(e, MX_ERR_MEMORY, "out of memory while opening %s", path);
    if (f) forget(f);
    return e->status;
}

const char *mx_file_temporary(const mx_file *f) { return f->temporary; }
int mx_file_descriptor(const mx_file *f) { return f->fd; }

mx_status mx_file_put(mx_file *f, const void *bytes, size_t size, mx_error *e) {
    const char *p = bytes;
    while (size) {
        ssize_t n = write(f->fd, p, size < (1u << 30) ? size : (1u << 30));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return io_error(e, "write", f->temporary);
        p += n, size -= (size_t)n;
    }
    return MX_OK;
}

/* The rename itself is only safe on disk once the folder is. */
mx_status mx_folder_sync(const char *path, mx_error *e) {
    char *copy = strdup(path);
    if (!copy) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (fsync(fd) && errno != EINVAL)) io_error(e, "flush the folder of", path);
    if (fd >= 0) close(fd);
    free(copy);
    return e->status;
}

mx_status mx_file_commit(mx_file *f, mx_error *e) {
    bool written = !fsync(f->fd);
    if (!written) io_error(e, "flush", f->temporary);
    if (close(f->fd) && written) {
        io_error(e, "close", f->temporary);
        written = false;
    }
    if (written && rename(f->temporary, f->path)) {
        io_error(e, "replace", f->path);
        written = false;
    }
    if (!written)
        unlink(f->temporary);
    else
        mx_folder_sync(f->path, e);
    forget(f);
    return e->status;
}

void mx_file_drop(mx_file *f) {
    if (!f) return;
    close(f->fd);
    unlink(f->temporary);
    forget(f);
}

mx_status mx_file_read_back(const mx_file *f, mx_file_reader *reader, const void *what, mx_error *e) {
    if (e->status || !reader(what, f->temporary, e)) return e->status;
    return mx_fail_where(e, "read back while writing %s", f->path);
}

mx_status mx_file_commit_read(mx_file *f, mx_file_reader *reader, const void *what, mx_error *e) {
    if (!mx_file_read_back(f, reader, what, e)) return mx_file_commit(f, e);
    mx_file_drop(f);
    return e->status;
}

mx_status mx_file_map(const char *path, const void **bytes, size_t *size, mx_error *e) {
    struct stat info;
    void *map = MAP_FAILED;
    int fd = mx_open_read(AT_FDCWD, path, O_NONBLOCK); /* a pipe of that name must not block us */
    if (fd < 0) return mx_fail(e, MX_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    if (mx_stat_fd(fd, &info))
        mx_fail(e, MX_ERR_IO, "cannot look at %s: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        mx_fail(e, MX_ERR_IO, "%s is not a regular file", path);
    else if (info.st_size == 0)
        mx_fail(e, MX_ERR_FORMAT, "%s is empty", path);
    else if ((map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
        mx_fail(e, MX_ERR_IO, "cannot map %s: %s", path, strerror(errno));
    close(fd);
    if (map == MAP_FAILED) return e->status;
    *bytes = map, *size = (size_t)info.st_size;
    return MX_OK;
}

mx_status mx_file_write(const char *path, const void *bytes, size_t size, mx_error *e) {
    mx_file *f = NULL;
    if (mx_file_begin(&f, path, e)) return e->status;
    if (mx_file_put(f, bytes, size, e)) {
        mx_file_drop(f);
        return e->status;
    }
    return mx_file_commit(f, e);
}

mx_status mx_folder_make(const char *path, mx_error *e) {
    if (!*path) return mx_fail(e, MX_ERR_IO, "cannot create a folder without a name");
    char *copy = strdup(path);
    if (!copy) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    for (char *p = copy + 1;; p++) {
        char c = *p;
        if (c && c != '/') continue;
        *p = 0;
        struct stat st;
        if (mkdir(copy, 0777) && (errno != EEXIST || mx_stat(copy, &st) || !S_ISDIR(st.st_mode))) {
            io_error(e, "create folder", copy);
            break;
        }
        *p = c;
        if (!c) break;
    }
    free(copy);
    return e->status;
}

bool mx_path_exists(const char *path) {
    struct stat st;
    return !mx_stat(path, &st);
}

bool mx_folder_empty(const char *path) {
    DIR *d = mx_open_folder(path);
    if (!d) return false;
    bool empty = true;
    for (struct dirent *x; empty && (x = mx_next_name(d));)
        empty = !strcmp(x->d_name, ".") || !strcmp(x->d_name, "..");
    closedir(d);
    return empty;
}

/* NAME.PID.N.tmp, as mx_temporary_open makes them */
bool mx_name_is_temporary(const char *name) {
    size_t n = strlen(name);
    if (n < 4 || strcmp(name + n - 4, ".tmp")) return false;
    n -= 4;
    for (int number = 0; number < 2; number++) {
        size_t end = n;
        while (n > 0 && name[n - 1] >= '0' && name[n - 1] <= '9') n--;
        if (n == end || n < 2 || name[n - 1] != '.') return false;
        n--;
    }
    return true;
}

void mx_folder_sweep(const char *path) {
    DIR *d = mx_open_folder(path);
    if (!d) return;
    for (struct dirent *x; (x = mx_next_name(d));)
        if (mx_name_is_temporary(x->d_name)) unlinkat(dirfd(d), x->d_name, 0);
    closedir(d);
}

/* 1: locked; 0: another process holds the lock; -1: see errno. */
static int try_lock(int fd) {
    int tries = 0, failed;
    while ((failed = flock(fd, LOCK_EX | LOCK_NB)) && errno != EWOULDBLOCK && mx_again(&tries)) {}
    return failed ? errno == EWOULDBLOCK ? 0 : -1 : 1;
}

/* Is path still the file that was locked? Its holder may have removed it with its folder after we opened it. */
static mx_status check_locked(int fd, const char *path, mx_error *e) {
    struct stat held, there;
    if (mx_stat_fd(fd, &held) || mx_stat(path, &there)) return io_error(e, "look at", path);
    if (held.st_ino == there.st_ino && held.st_dev == there.st_dev) return MX_OK;
    return mx_fail(e, MX_ERR_IO,
                   "%s was replaced while it was locked: another program is at work in this folder", path);
}

mx_status mx_file_lock(FILE **out, const char *path, mx_error *e) {
    *out = NULL;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "a");
    if (!f) {
        int why = errno;
        if (fd >= 0) close(fd);
        errno = why;
        return why == EROFS || why == EACCES ? MX_OK : io_error(e, "open", path);
    }
    int locked = try_lock(fd);
    if (!locked)
        mx_fail(e, MX_ERR_IO, "%s is locked: another program is at work in this folder", path);
    else if (locked < 0 && mx_error_passes(errno)) /* any other error: this file system has no locks */
        io_error(e, "lock", path);
    else
        check_locked(fd, path, e);
    if (locked > 0 && !e->status)
        *out = f;
    else
        fclose(f);
    return e->status;
}
