/* The index in memory and in its cache file.
 *
 * Cache: header, folders, files, names, real path of root; little-endian, lengths in the header. It is read
 * as if an enemy had written it: lengths must add up to the file, the checksum must hold (against accidents;
 * it proves nothing about intent), every path must be one the walk could have made, in order, and every size
 * possible. Anything else is no cache, and the folder is listed again. */
#include "data/index.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MX_INDEX_MAGIC     "MXINDEX2"
#define MX_INDEX_CACHE_MAX ((int64_t)1 << 36)

typedef struct {
    char magic[8];
    uint64_t total, sum; /* bytes of the file; checksum of all of it but this field */
    int64_t written;     /* ns since 1970: when the walk began */
    uint64_t folders, files, names_size, root_size;
} header;

_Static_assert(sizeof(mx_entry) == 40 && sizeof(mx_folder) == 16 && sizeof(header) == 64, "the cache format");

void mx_index_free(mx_index *x) {
    free(x->file), free(x->folder), free(x->names);
    *x = (mx_index){0};
}

/* Room for one more of `size` bytes at *array. */
static bool grow(void **array, int64_t *room, int64_t used, size_t size) {
    if (used < *room) return true;
    int64_t want = *room ? *room + *room / 2 : 256;
    void *p = realloc(*array, (size_t)want * size);
    if (!p) return false;
    *array = p, *room = want;
    return true;
}

static bool add_name(mx_index *x, const char *path, uint64_t *at) {
    size_t n = strlen(path) + 1;
    if (x->names_room - x->names_size < n) {
        size_t want = x->names_room + x->names_room / 2 + n + 4096;
        char *p = realloc(x->names, want);
        if (!p) return false;
        x->names = p, x->names_room = want;
    }
    memcpy(x->names + x->names_size, path, n);
    *at = x->names_size;
    x->names_size += n;
    return true;
}

mx_status mx_index_add_file(mx_index *x, const char *path, mx_error *e) {
    mx_entry f = {0};
    if (x->files >= MX_INDEX_MAX)
        return mx_fail(e, MX_ERR_DATA, "more than %d images in one folder", MX_INDEX_MAX);
    if (!grow((void **)&x->file, &x->file_room, x->files, sizeof f) || !add_name(x, path, &f.name))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory after listing %lld images", (long long)x->files);
    x->file[x->files++] = f;
    return MX_OK;
}

mx_status mx_index_add_folder(mx_index *x, const char *path, int64_t mtime, mx_error *e) {
    mx_folder f = {.mtime = mtime};
    if (!grow((void **)&x->folder, &x->folder_room, x->folders, sizeof f) || !add_name(x, path, &f.name))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory after listing %lld folders", (long long)x->folders);
    x->folder[x->folders++] = f;
    return MX_OK;
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

/* Sum over 8-byte words, each mixed with the one before (the finaliser of SplitMix64). */
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

/* Lengths that add up without overflow. */
static bool header_good(const header *h, size_t size) {
    if (memcmp(h->magic, MX_INDEX_MAGIC, sizeof h->magic) || h->total != size || h->written < 0) return false;
    if (!h->files || h->files > MX_INDEX_MAX || !h->folders || h->folders > size || h->names_size > size ||
        h->root_size > size)
        return false;
    return sizeof *h + h->folders * sizeof(mx_folder) + h->files * sizeof(mx_entry) + h->names_size +
               h->root_size ==
           size;
}

/* A path the walk could have made: relative, no empty, hidden or climbing component. */
static bool path_good(const char *path, bool folder) {
    size_t n = strlen(path);
    if (n >= 4096 || (folder ? n && path[n - 1] != '/' : !mx_image_name_known(path))) return false;
    for (const char *p = path; *p;) {
        if (*p == '.' || *p == '/') return false;
        const char *slash = strchr(p, '/');
        if (!slash) return true;
        p = slash + 1;
    }
    return folder;
}

static bool entry_good(const mx_entry *f) {
    if (f->size < 0 || f->zero) return false;
    if (!f->width) return !f->height && !f->channels && !f->depth;
    if (!f->height || !f->channels || f->width > INT32_MAX || f->height > INT32_MAX) return false;
    if (f->depth != 1 && f->depth != 2 && f->depth != 4) return false;
    return (int64_t)f->width * f->height <= MX_IMAGE_MAX_SAMPLES / f->channels;
}

static bool content_good(const mx_index *x) {
    if (!x->names_size || x->names[x->names_size - 1]) return false; /* so every string inside it ends */
    for (int64_t i = 0; i < x->folders; i++)
        if (x->folder[i].name >= x->names_size || !path_good(x->names + x->folder[i].name, true))
            return false;
    for (int64_t i = 0; i < x->files; i++) {
        const mx_entry *f = &x->file[i];
        if (f->name >= x->names_size || !path_good(x->names + f->name, false) || !entry_good(f)) return false;
        if (i && strcmp(x->names + f[-1].name, x->names + f->name) >= 0) return false;
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
    size_t folders = h.folders * sizeof *x->folder, files = h.files * sizeof *x->file;
    const char *its_root = p + folders + files + h.names_size;
    if (h.root_size != strlen(root) || memcmp(its_root, root, h.root_size)) return false;
    x->folder = malloc(folders), x->file = malloc(files), x->names = malloc(h.names_size ? h.names_size : 1);
    if (!x->folder || !x->file || !x->names) goto bad;
    memcpy(x->folder, p, folders), memcpy(x->file, p + folders, files);
    memcpy(x->names, p + folders + files, h.names_size);
    x->folders = x->folder_room = (int64_t)h.folders;
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
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > MX_INDEX_CACHE_MAX) goto done;
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
                .root_size = strlen(root)};
    size_t folders = h.folders * sizeof *x->folder, files = h.files * sizeof *x->file;
    size_t size = sizeof h + folders + files + h.names_size + h.root_size, length = strlen(path) + 8;
    char *bytes = malloc(size), *temporary = malloc(length);
    bool good = false;
    if (!bytes || !temporary) goto done;
    char *p = mempcpy(bytes, &h, sizeof h);
    p = mempcpy(mempcpy(p, x->folder, folders), x->file, files);
    memcpy(mempcpy(p, x->names, h.names_size), root, h.root_size);
    mx_index_seal(bytes, size);
    snprintf(temporary, length, "%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) goto done;
    size_t put = 0;
    for (ssize_t n; put < size && (n = write(fd, bytes + put, size - put)) > 0;) put += (size_t)n;
    good = put == size && !fchmod(fd, 0644);
    good = !close(fd) && good && !rename(temporary, path); /* no fsync: a torn cache fails its checksum */
    if (!good) unlink(temporary);
done:
    free(temporary), free(bytes);
    return good;
}
