/* The index in memory and in its cache file.
 *
 * The cache: header, folders, files, classes, names, identity of the source; little-endian, with lengths in the header.
 * It may be malicious, so reading checks everything: lengths must add up to the file's, the checksum must match (which
 * only shows accidents), every path must be one that the walk could have made, in order, and every size possible.
 * Otherwise the folder is listed again. */
#include "data/source.h"
#include "base/again.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/temporary.h"

#define MX_INDEX_MAGIC     "MXINDEX5"
#define MX_INDEX_CACHE_MAX ((int64_t)1 << 36)

typedef struct {
    char magic[8];
    uint64_t total, sum; /* bytes of the file; checksum of all bytes except this field */
    int64_t written;     /* start of the walk, in ns since 1970 */
    uint64_t folders, files, names_size, root_size, classes, kind, unread, lost;
} header;

_Static_assert(sizeof(mx_entry) == 48 && sizeof(mx_folder) == 24 && sizeof(header) == 96, "the cache format");

void mx_index_free(mx_index *x) {
    free(x->file), free(x->folder), free(x->class_name), free(x->names), free(x->note), free(x->passed);
    *x = (mx_index){0};
}

/* Makes room for one more element of `size` bytes in *array. */
static bool grow(void **array, int64_t *room, int64_t used, size_t size) {
    if (used < *room) return true;
    int64_t want = *room ? *room + *room / 2 : 256;
    void *p = realloc(*array, (size_t)want * size);
    if (!p) return false;
    *array = p, *room = want;
    return true;
}

static bool add_name(mx_index *x, const char *path, size_t length, uint64_t *at) {
    size_t n = length + 1;
    if (x->names_room - x->names_size < n) {
        size_t want = x->names_room + x->names_room / 2 + n + 4096;
        char *p = realloc(x->names, want);
        if (!p) return false;
        x->names = p, x->names_room = want;
    }
    memcpy(x->names + x->names_size, path, length);
    x->names[x->names_size + length] = 0;
    *at = x->names_size;
    x->names_size += n;
    return true;
}

mx_status mx_index_add_file(mx_index *x, const char *path, mx_error *e) {
    mx_entry f = {.label = -1};
    if (x->files >= MX_INDEX_MAX)
        return mx_fail(e, MX_ERR_DATA, "more than %d images in one data set", MX_INDEX_MAX);
    if (!grow((void **)&x->file, &x->file_room, x->files, sizeof f) ||
        !add_name(x, path, strlen(path), &f.name))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory after listing %lld images", (long long)x->files);
    x->file[x->files++] = f;
    return MX_OK;
}

mx_status mx_index_add_folder(mx_index *x, const char *path, int64_t mtime, mx_error *e) {
    mx_folder f = {.mtime = mtime, .size = -1};
    if (!grow((void **)&x->folder, &x->folder_room, x->folders, sizeof f) ||
        !add_name(x, path, strlen(path), &f.name))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory after listing %lld folders", (long long)x->folders);
    x->folder[x->folders++] = f;
    return MX_OK;
}

mx_status mx_index_pass_over(mx_index *x, const char *path, mx_error *e) {
    if (!x->own++ && !add_name(x, path, strlen(path), &x->own_name))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory after listing %lld images", (long long)x->files);
    return MX_OK;
}

mx_status mx_index_add_holder(mx_index *x, int root_fd, const char *path, int64_t *size, mx_error *e) {
    struct stat st;
    char quoted[MX_QUOTE];
    if (fstatat(root_fd, path, &st, 0))
        return mx_fail(e, errno == ENOENT ? MX_ERR_DATA : MX_ERR_IO, "cannot open %s: %s",
                       mx_quote(quoted, path), strerror(errno));
    if (!S_ISREG(st.st_mode))
        return mx_fail(e, MX_ERR_DATA, "%s: expected a plain file", mx_quote(quoted, path));
    mx_status s = mx_index_add_folder(
        x, path, (int64_t)((uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec), e);
    if (!s) x->folder[x->folders - 1].size = st.st_size;
    if (size) *size = st.st_size;
    return s;
}

mx_status mx_index_note(mx_index *x, mx_error *e, const char *format, ...) {
    va_list ap;
    char *line = NULL, *all = NULL;
    va_start(ap, format);
    int n = vasprintf(&line, format, ap);
    va_end(ap);
    if (n >= 0 && asprintf(&all, "%s%s%s", x->note ? x->note : "", x->note ? "\n" : "", line) < 0) all = NULL;
    if (n >= 0) free(line);
    if (!all) return mx_fail(e, MX_ERR_MEMORY, "out of memory for a note");
    free(x->note);
    x->note = all;
    return MX_OK;
}

mx_status mx_index_add_class(mx_index *x, const char *name, size_t length, mx_error *e) {
    uint64_t at;
    if (x->classes >= MX_CLASSES_MAX)
        return mx_fail(e, MX_ERR_DATA, "expected at most %d classes, found more", MX_CLASSES_MAX);
    if (!grow((void **)&x->class_name, &x->class_room, x->classes, sizeof at) ||
        !add_name(x, name, length, &at))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory after %lld classes", (long long)x->classes);
    x->class_name[x->classes++] = at;
    return MX_OK;
}

mx_status mx_index_add_text(mx_index *x, const char *text, uint64_t *at, mx_error *e) {
    return add_name(x, text, strlen(text), at) ? MX_OK
                                               : mx_fail(e, MX_ERR_MEMORY, "out of memory for a note");
}

const mx_entry *mx_index_find(const mx_index *x, const char *path) {
    for (int64_t lo = 0, hi = x->files; lo < hi;) {
        int64_t mid = lo + (hi - lo) / 2;
        int order = strcmp(path, x->names + x->file[mid].name);
        if (!order) return &x->file[mid];
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

/* Sum over 8-byte words, each mixed with the sum so far (finaliser of SplitMix64). */
static uint64_t checksum(uint64_t h, const void *bytes, size_t size) {
    for (const char *p = bytes; size; p += 8) {
        uint64_t word = 0;
        size_t n = size < 8 ? size : 8;
        memcpy(&word, p, n);
        h = (h ^ word) * 0xbf58476d1ce4e5b9u;
        h ^= h >> 29;
        size -= n;
    }
    return h;
}

static uint64_t sum_of(const header *h, const void *bytes, size_t size) {
    header bare = *h;
    bare.sum = 0;
    return checksum(checksum(size, &bare, sizeof bare), (const char *)bytes + sizeof bare,
                    size - sizeof bare);
}

void mx_index_seal(void *bytes, size_t size) {
    header h;
    if (size < sizeof h) return;
    memcpy(&h, bytes, sizeof h);
    memcpy(h.magic, MX_INDEX_MAGIC, sizeof h.magic);
    h.total = size;
    h.sum = sum_of(&h, bytes, size);
    memcpy(bytes, &h, sizeof h);
}

/* True if the lengths add up to the file's, without overflow. */
static bool header_good(const header *h, size_t size) {
    if (memcmp(h->magic, MX_INDEX_MAGIC, sizeof h->magic) || h->total != size || h->written < 0) return false;
    if (!h->files || h->files > MX_INDEX_MAX || !h->folders || h->folders > size || h->names_size > size ||
        h->root_size > size || h->classes > MX_CLASSES_MAX || h->kind >= MX_SOURCE_KINDS)
        return false;
    return sizeof *h + h->folders * sizeof(mx_folder) + h->files * sizeof(mx_entry) +
               h->classes * sizeof(uint64_t) + h->names_size + h->root_size ==
           size;
}

/* True for paths that the walk could have made: relative, without empty, hidden or ".." components. */
static bool path_good(const char *path, bool folder) {
    size_t n = strlen(path);
    if (n >= 4096 || (folder && n && path[n - 1] != '/')) return false;
    for (const char *p = path; *p;) {
        if (*p == '.' || *p == '/') return false;
        const char *slash = strchr(p, '/');
        if (!slash) return true;
        p = slash + 1;
    }
    return folder;
}

static bool entry_good(const mx_index *x, const mx_entry *f) {
    if (f->size < 0 || f->turn > 8 || f->format >= 32 || f->label < -1 || f->label >= x->classes ||
        f->name >= x->names_size)
        return false;
    if (f->holder) { /* inside a file; size is that of the holder when it was checked */
        if (f->holder > x->folders || f->offset < 0) return false;
        int64_t size = x->folder[f->holder - 1].size;
        if (f->size > size || f->offset > size - f->size) return false;
    }
    if (!f->width) return !f->height && !f->channels && !f->depth && !f->beside;
    if (!f->height || !f->channels || f->width > INT32_MAX || f->height > INT32_MAX) return false;
    if (f->depth != 1 && f->depth != 2 && f->depth != 4) return false;
    return (int64_t)f->width * f->height <= MX_IMAGE_MAX_SAMPLES / f->channels;
}

/* Checks the content. Samples of folders have their own files, sorted, with paths that the walk could have made.
 * CIFAR's samples are whole records. Other sources may have any path, since their lists name them. */
static bool content_good(const mx_index *x) {
    bool folder = x->kind == MX_SOURCE_FOLDER;
    if (!x->names_size || x->names[x->names_size - 1]) return false; /* so every string ends */
    if (x->unread >= x->names_size || x->lost >= x->names_size) return false;
    for (int64_t i = 0; i < x->folders; i++) {
        const mx_folder *f = &x->folder[i];
        if (f->name >= x->names_size || f->size < -1) return false;
        if (folder && (f->size != -1 || !path_good(x->names + f->name, true))) return false;
    }
    for (int64_t i = 0; i < x->classes; i++)
        if (x->class_name[i] >= x->names_size) return false;
    for (int64_t i = 0; i < x->files; i++) {
        const mx_entry *f = &x->file[i];
        if (!entry_good(x, f)) return false;
        if (folder && (f->holder || !path_good(x->names + f->name, false))) return false;
        if (folder && i && strcmp(x->names + f[-1].name, x->names + f->name) >= 0) return false;
        if (x->kind == MX_SOURCE_CIFAR && (!f->holder || f->size != MX_CIFAR_RECORD || f->width != 32 ||
                                           f->height != 32 || f->channels != 3 || f->depth != 1))
            return false;
    }
    return true;
}

bool mx_index_parse(mx_index *x, int64_t *written, const void *bytes, size_t size, const char *root) {
    header h;
    *x = (mx_index){0};
    if (size < sizeof h) return false;
    memcpy(&h, bytes, sizeof h);
    if (!header_good(&h, size) || h.sum != sum_of(&h, bytes, size)) return false;
    const char *p = (const char *)bytes + sizeof h;
    size_t folders = h.folders * sizeof *x->folder, files = h.files * sizeof *x->file,
           classes = h.classes * sizeof *x->class_name;
    const char *its_root = p + folders + files + classes + h.names_size;
    if (root && (h.root_size != strlen(root) || memcmp(its_root, root, h.root_size))) return false;
    x->folder = malloc(folders), x->file = malloc(files), x->names = malloc(h.names_size ? h.names_size : 1);
    x->class_name = malloc(classes ? classes : 1);
    if (!x->folder || !x->file || !x->names || !x->class_name) goto bad;
    memcpy(x->folder, p, folders), memcpy(x->file, p + folders, files);
    memcpy(x->class_name, p + folders + files, classes);
    memcpy(x->names, p + folders + files + classes, h.names_size);
    x->folders = x->folder_room = (int64_t)h.folders;
    x->classes = x->class_room = (int64_t)h.classes;
    x->kind = (int)h.kind;
    x->unread = h.unread, x->lost = h.lost;
    x->files = x->file_room = (int64_t)h.files;
    x->names_size = x->names_room = h.names_size;
    *written = h.written;
    if (content_good(x)) return true;
bad:
    mx_index_free(x);
    return false;
}

bool mx_index_load(mx_index *x, int64_t *written, const char *path, const char *root) {
    struct stat st;
    void *bytes = NULL;
    bool good = false;
    *x = (mx_index){0};
    int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not to wait for a writer, should it be a pipe */
    if (fd < 0) return false;
    if (mx_stat_fd(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > MX_INDEX_CACHE_MAX) goto done;
    size_t size = (size_t)st.st_size, have = 0;
    if (!(bytes = malloc(size + 1))) goto done;
    while (have < size) {
        ssize_t n = read(fd, (char *)bytes + have, size - have);
        if (n <= 0) goto done;
        have += (size_t)n;
    }
    good = mx_index_parse(x, written, bytes, size, root);
done:
    free(bytes);
    close(fd);
    return good;
}

bool mx_index_save(const mx_index *x, int64_t written, const char *path, const char *root) {
    header h = {.written = written,
                .folders = (uint64_t)x->folders,
                .files = (uint64_t)x->files,
                .names_size = x->names_size,
                .root_size = strlen(root),
                .classes = (uint64_t)x->classes,
                .kind = (uint64_t)x->kind,
                .unread = x->unread,
                .lost = x->lost};
    size_t folders = h.folders * sizeof *x->folder, files = h.files * sizeof *x->file,
           classes = h.classes * sizeof *x->class_name;
    size_t size = sizeof h + folders + files + classes + h.names_size + h.root_size;
    char *bytes = malloc(size), *temporary = NULL;
    bool good = false;
    if (!bytes) goto done;
    char *p = mempcpy(bytes, &h, sizeof h);
    p = mempcpy(mempcpy(p, x->folder, folders), x->file, files);
    if (classes) p = mempcpy(p, x->class_name, classes);
    memcpy(mempcpy(p, x->names, h.names_size), root, h.root_size);
    mx_index_seal(bytes, size);
    int fd = mx_temporary_open(&temporary, path); /* leftovers are cleaned up by this name */
    if (fd < 0) goto done;
    size_t put = 0;
    for (ssize_t n; put < size && (n = write(fd, bytes + put, size - put)) > 0;) put += (size_t)n;
    good =
        !close(fd) && put == size && !rename(temporary, path); /* no fsync: a torn cache fails its checksum */
    if (!good) unlink(temporary);
done:
    free(temporary), free(bytes);
    return good;
}
