/* A folder of images as a numbered list: opens the index (from the cache, or by walking the folder), finds
 * the class folders, and reads single images. Everything after mx_dataset_open is read-only and safe from any
 * thread. */
#include "data/index.h"
#include "data/parallel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct mx_dataset {
    mx_index index;
    char *root;
    int root_fd;
    int classes;       /* 0: no labels */
    char **class_name; /* [classes] in bytewise order */
    int32_t *label;    /* [count], NULL without classes */
    uint64_t fingerprint;
};

/* A class folder: its files follow each other in the sorted list, since their paths share a prefix. */
typedef struct {
    const char *path; /* of its first file */
    size_t length;    /* of the folder's name in it */
    int64_t first, end;
} group;

static int by_folder(const void *a, const void *b) {
    const group *x = a, *y = b;
    int order = memcmp(x->path, y->path, x->length < y->length ? x->length : y->length);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* The first-level folders in path order; NULL with *count 0 when a file lies in root itself. False: no
 * memory. */
static bool find_groups(const mx_index *x, group **out, int64_t *count) {
    group *g = NULL;
    int64_t n = 0, room = 0;
    for (int64_t i = 0; i < x->files; i++) {
        const char *path = x->names + x->file[i].name, *slash = strchr(path, '/');
        if (!slash) {
            free(g);
            *out = NULL, *count = 0;
            return true;
        }
        size_t length = (size_t)(slash - path);
        if (!n || g[n - 1].length != length || memcmp(g[n - 1].path, path, length)) {
            if (n == room) {
                room = room ? room * 2 : 64;
                group *bigger = realloc(g, (size_t)room * sizeof *g);
                if (!bigger) return free(g), false;
                g = bigger;
            }
            g[n++] = (group){path, length, i, i};
        }
        g[n - 1].end = i + 1;
    }
    *out = g, *count = n;
    return true;
}

/* Labels are ranks of folder names, not of paths: "a" comes before "a-b", though "a-b/x" comes before "a/x".
 * Folders without images are no classes. */
static mx_status find_classes(mx_dataset *d, mx_error *e) {
    group *g = NULL;
    int64_t n = 0;
    mx_status s = MX_OK;
    if (!find_groups(&d->index, &g, &n)) goto no_memory;
    if (!n) return MX_OK;
    qsort(g, (size_t)n, sizeof *g, by_folder);
    d->class_name = calloc((size_t)n, sizeof *d->class_name);
    d->label = malloc((size_t)d->index.files * sizeof *d->label);
    if (!d->class_name || !d->label) goto no_memory;
    for (int64_t c = 0; c < n; c++, d->classes++) {
        if (!(d->class_name[c] = strndup(g[c].path, g[c].length))) goto no_memory;
        for (int64_t i = g[c].first; i < g[c].end; i++) d->label[i] = (int32_t)c;
    }
    free(g);
    return s;
no_memory:
    free(g);
    return mx_fail(e, MX_ERR_MEMORY, "out of memory for the labels of %lld images",
                   (long long)d->index.files);
}

static uint64_t fingerprint_of(const mx_index *x) {
    uint64_t h = (uint64_t)x->files;
    for (int64_t i = 0; i < x->files; i++) {
        for (const char *p = x->names + x->file[i].name; *p; p++)
            h = (h ^ (unsigned char)*p) * 0x100000001b3u; /* FNV */
        h = (h ^ (uint64_t)x->file[i].size) * 0xbf58476d1ce4e5b9u;
        h ^= h >> 31;
    }
    return h;
}

static mx_status open_root(mx_dataset *d, mx_error *e) {
    struct stat st;
    char quoted[MX_QUOTE];
    d->root_fd = open(d->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->root_fd >= 0) return MX_OK;
    int error = errno;
    if (error == ENOTDIR && !stat(d->root, &st))
        return mx_fail(e, MX_ERR_DATA, "expected a folder of images, found a file: %s",
                       mx_quote(quoted, d->root));
    return mx_fail(e, error == ENOENT ? MX_ERR_DATA : MX_ERR_IO, "cannot open the data folder %s: %s",
                   mx_quote(quoted, d->root), strerror(error));
}

static mx_status walk_and_probe(mx_dataset *d, const mx_index *old, mx_error *e) {
    mx_index *x = &d->index;
    char quoted[MX_QUOTE];
    mx_status s = mx_index_walk(x, d->root_fd, d->root, e);
    if (s) return s;
    if (!x->files)
        return mx_fail(
            e, MX_ERR_DATA,
            "no images in %s: expected files named .jpg .jpeg .png .webp .tif .tiff or .npy, found %lld "
            "other files in %lld folders",
            mx_quote(quoted, d->root), (long long)x->others, (long long)x->folders);
    int cores = mx_cores();
    mx_index_probe(x, old, d->root_fd,
                   cores < 4    ? 4
                   : cores > 16 ? 16
                                : cores); /* it waits more than it computes */
    return MX_OK;
}

/* From the cache when that is current, else by walking, after which the cache is written. */
static mx_status make_index(mx_dataset *d, const char *cache_path, mx_error *e) {
    mx_index old = {0};
    int64_t written;
    struct timespec now;
    char *real = realpath(d->root, NULL);
    const char *root = real ? real : d->root;
    bool have = cache_path && mx_index_load(&old, &written, cache_path, root);
    mx_status s = MX_OK;
    if (have && mx_index_current(&old, written, d->root_fd, 8)) {
        d->index = old;
        old = (mx_index){0};
        goto done;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    s = walk_and_probe(d, have ? &old : NULL, e);
    if (!s && cache_path)
        mx_index_save(&d->index, now.tv_sec * 1000000000 + now.tv_nsec, cache_path,
                      root); /* else it is listed again */
done:
    mx_index_free(&old);
    free(real);
    return s;
}

mx_status mx_dataset_open(mx_dataset **out, const char *root, const char *cache_path, mx_error *e) {
    *out = NULL;
    mx_dataset *d = calloc(1, sizeof *d);
    if (!d) return mx_fail(e, MX_ERR_MEMORY, "out of memory opening a data folder");
    d->root_fd = -1;
    mx_status s = MX_OK;
    if (!(d->root = strdup(root))) s = mx_fail(e, MX_ERR_MEMORY, "out of memory opening a data folder");
    if (!s) s = open_root(d, e);
    if (!s) s = make_index(d, cache_path, e);
    if (!s) s = find_classes(d, e);
    if (s) {
        mx_dataset_close(d);
        return s;
    }
    d->fingerprint = fingerprint_of(&d->index);
    *out = d;
    return MX_OK;
}

void mx_dataset_close(mx_dataset *d) {
    if (!d) return;
    for (int c = 0; c < d->classes; c++) free(d->class_name[c]);
    free(d->class_name), free(d->label), free(d->root);
    mx_index_free(&d->index);
    if (d->root_fd >= 0) close(d->root_fd);
    free(d);
}

int64_t mx_dataset_count(const mx_dataset *d) { return d->index.files; }
const char *mx_dataset_path(const mx_dataset *d, int64_t i) { return d->index.names + d->index.file[i].name; }
int mx_dataset_label(const mx_dataset *d, int64_t i) { return d->label ? d->label[i] : -1; }
int mx_dataset_classes(const mx_dataset *d) { return d->classes; }
const char *mx_dataset_class_name(const mx_dataset *d, int label) { return d->class_name[label]; }
const char *mx_dataset_root(const mx_dataset *d) { return d->root; }
uint64_t mx_dataset_fingerprint(const mx_dataset *d) { return d->fingerprint; }
const mx_index *mx_dataset_index(const mx_dataset *d) { return &d->index; }

size_t mx_dataset_largest(const mx_dataset *d) {
    size_t most = 0;
    for (int64_t i = 0; i < d->index.files; i++) {
        const mx_entry *f = &d->index.file[i];
        size_t bytes =
            (size_t)f->width * f->height * f->channels * f->depth; /* at most 4 << 30: checked when indexed */
        if (bytes > most) most = bytes;
    }
    return most;
}

const char *mx_quote(char out[MX_QUOTE], const char *name) {
    size_t length = strlen(name), at = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)name[i];
        if (at == 96 && length - i > 140) { /* keep both ends */
            memcpy(out + at, "...", 3);
            at += 3, i = length - 100;
            c = (unsigned char)name[i];
        }
        if (at + 5 > MX_QUOTE) break;
        if (c >= 0x20 && c != 0x7f)
            out[at++] = (char)c;
        else {
            static const char hex[] = "0123456789abcdef";
            memcpy(out + at, (char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4);
            at += 4;
        }
    }
    out[at] = 0;
    return out;
}

/* Reads exactly size bytes from fd into *buffer. */
static mx_status read_all(int fd, void **buffer, size_t *room, size_t size, mx_error *e) {
    if (size > *room) {
        free(*buffer); /* its content is of the file before: nothing to copy */
        *buffer = malloc(size), *room = *buffer ? size : 0;
        if (!*buffer) return mx_fail(e, MX_ERR_MEMORY, "no memory for the file's %zu bytes", size);
    }
    for (size_t have = 0; have < size;) {
        ssize_t n = read(fd, (char *)*buffer + have, size - have);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return mx_fail(e, MX_ERR_IO, "cannot read: %s", strerror(errno));
        if (!n) return mx_fail(e, MX_ERR_IO, "expected %zu bytes, found the end after %zu", size, have);
        have += (size_t)n;
    }
    return MX_OK;
}

mx_status mx_dataset_bytes(const mx_dataset *d, int64_t i, void **buffer, size_t *room, size_t *size,
                           mx_error *e) {
    const mx_entry *f = &d->index.file[i];
    struct stat st;
    mx_status s;
    int fd = openat(d->root_fd, mx_dataset_path(d, i),
                    O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hang it */
    if (fd < 0) return mx_fail(e, MX_ERR_IO, "cannot open: %s", strerror(errno));
    if (fstat(fd, &st))
        s = mx_fail(e, MX_ERR_IO, "cannot look at it: %s", strerror(errno));
    else if (!S_ISREG(st.st_mode))
        s = mx_fail(e, MX_ERR_IO, "expected a plain file, found something else");
    else if (st.st_size != f->size)
        s = mx_fail(e, MX_ERR_DATA, "changed since it was listed: expected %lld bytes, found %lld",
                    (long long)f->size, (long long)st.st_size);
    else if (!f->size)
        s = mx_fail(e, MX_ERR_FORMAT, "the file is empty");
    else if (f->size > MX_INDEX_FILE_MAX)
        s = mx_fail(e, MX_ERR_MEMORY, "expected at most %lld bytes, found %lld", (long long)MX_INDEX_FILE_MAX,
                    (long long)f->size);
    else
        s = read_all(fd, buffer, room, *size = (size_t)f->size, e);
    close(fd);
    return s;
}

mx_status mx_dataset_read(const mx_dataset *d, int64_t i, int channels, mx_image *im, mx_error *e) {
    void *bytes = NULL;
    size_t room = 0, size = 0;
    char quoted[MX_QUOTE];
    *im = (mx_image){0};
    mx_error own = {0};
    mx_status s = mx_dataset_bytes(d, i, &bytes, &room, &size, &own);
    if (!s) s = mx_image_decode(im, bytes, size, channels, &own);
    free(bytes);
    if (s) mx_fail(e, s, "%s: %s", mx_quote(quoted, mx_dataset_path(d, i)), own.text);
    return s;
}
