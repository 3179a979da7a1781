/* Finds size, time, width, height and channels of the files of an index, and checks whether they are current. Runs on
 * several threads, since it waits for disks. Each result has its own place, so the number of threads changes nothing.
 *
 * A cached index is current if every folder has its old modification time, which changes when a file is added, removed
 * or renamed. Rewriting a file in place does not change it, so files are checked too: all of them up to MX_CHECK_ALL
 * (about a second); above that, MX_CHECK_SOME spread evenly, since checking millions on a network disk takes too long.
 * mx_dataset_bytes finds other changes on reading. A folder changed less than MX_RACY before the listing, or in the
 * future by a server's clock, is not current: it may have changed again within the same tick of the file system's
 * clock. If the index is not current, the folder is listed again, and only new and changed files are opened. */
#include "base/again.h"
#include "base/parallel.h"
#include "data/image_internal.h"
#include "data/index.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MX_CHECK_ALL   200000
#define MX_CHECK_SOME  8192
#define MX_RACY        2000000000 /* ns: the coarsest file system clock (FAT) */
#define MX_PROBE_FIRST 4096       /* bytes to try first, enough for most pictures */
#define MX_PROBE_HEAD  65536      /* bytes to try next */
#define MX_PROBE_BIG   ((size_t)1 << 20)

typedef struct {
    mx_index *x;
    const mx_index *old;
    int root_fd;
    pthread_mutex_t big; /* only one large file is in memory at a time */
    atomic_int error;    /* errno of the first file that the system could not access, or 0 */
    atomic_int_fast64_t at;
} probe;

static void give_up(probe *p, int64_t file, int error) {
    int none = 0;
    if (atomic_compare_exchange_strong(&p->error, &none, error)) atomic_store(&p->at, file);
}

/* Gets size and time, both 0 if path is no regular file. Returns errno after a system error, else 0. */
static int file_stat(int root_fd, const char *path, int64_t *size, int64_t *mtime) {
    struct stat st;
    *size = *mtime = 0;
    if (mx_stat_at(root_fd, path, &st)) return mx_error_passes(errno) ? errno : 0;
    if (!S_ISREG(st.st_mode)) return 0;
    *size = st.st_size;
    *mtime = (int64_t)((uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec);
    return 0;
}

/* What decoding takes, into the entry. */
static void note_needs(mx_entry *f, const void *bytes, size_t size) {
    mx_needs needs = mx_image_needs(bytes, size);
    uint64_t units = needs.beside / MX_BESIDE + (needs.beside % MX_BESIDE > 0);
    f->depth = (uint16_t)needs.depth, f->beside = units < UINT16_MAX ? (uint16_t)units : UINT16_MAX;
    f->turn = (uint8_t)mx_exif_orientation(bytes, size);
}

/* Reads `want` bytes from the start of the image and tries its header. */
static bool try_header(probe *p, int fd, char *buffer, size_t want, mx_entry *f) {
    size_t have = 0;
    ssize_t n = 0;
    off_t from = f->holder ? (off_t)f->offset : 0;
    while (have < want && (n = mx_read_at(fd, buffer + have, want - have, from + (off_t)have)) > 0)
        have += (size_t)n;
    if (n < 0 && mx_error_scarce(errno)) give_up(p, f - p->x->file, errno);
    int width, height, channels;
    mx_error ignored = {0}; /* not NULL, since decoders read it */
    if (have < want) return false;
    f->format = (uint8_t)mx_format_number((const unsigned char *)buffer, have);
    if (mx_image_probe(&width, &height, &channels, buffer, have, &ignored)) {
        if (ignored.status == MX_ERR_MEMORY) give_up(p, f - p->x->file, ENOMEM);
        return false;
    }
    if (width < 1 || height < 1 || channels < 1 || channels > UINT16_MAX ||
        (int64_t)width * height > MX_IMAGE_MAX_SAMPLES / channels)
        return false;
    f->width = (uint32_t)width, f->height = (uint32_t)height, f->channels = (uint16_t)channels;
    note_needs(f, buffer, have);
    return true;
}

/* Most headers are in the first 4 KiB, nearly all in the first 64 KiB. TIFF may have its directory at the end, and a
 * JPEG may start with a long profile. */
static void read_header(probe *p, const char *path, mx_entry *f) {
    if (!f->size || f->size > MX_INDEX_FILE_MAX) return;
    size_t size = (size_t)f->size, head = size < MX_PROBE_HEAD ? size : MX_PROBE_HEAD;
    int fd = mx_open_read(p->root_fd, path, O_NONBLOCK);
    if (fd < 0) {
        if (mx_error_passes(errno)) give_up(p, f - p->x->file, errno);
        return;
    }
    char *buffer = malloc(head);
    if (!buffer) give_up(p, f - p->x->file, ENOMEM);
    bool done = buffer && head > MX_PROBE_FIRST && try_header(p, fd, buffer, MX_PROBE_FIRST, f);
    if (buffer && !done && !try_header(p, fd, buffer, head, f) && size > head) {
        if (size > MX_PROBE_BIG) pthread_mutex_lock(&p->big);
        char *whole = realloc(buffer, size);
        if (!whole) give_up(p, f - p->x->file, ENOMEM);
        if (whole) try_header(p, fd, whole, size, f);
        free(whole ? whole : buffer), buffer = NULL;
        if (size > MX_PROBE_BIG) pthread_mutex_unlock(&p->big);
    }
    free(buffer);
    close(fd);
}

static void probe_file(void *user, int64_t i, int thread) {
    (void)thread;
    probe *p = user;
    mx_entry *f = &p->x->file[i];
    const char *path = p->x->names + f->name;
    if (f->holder) {
        if (!f->width) read_header(p, p->x->names + p->x->folder[f->holder - 1].name, f);
        return;
    }
    int error = file_stat(p->root_fd, path, &f->size, &f->mtime);
    if (error) {
        give_up(p, i, error);
        return;
    }
    const mx_entry *was = p->old ? mx_index_find(p->old, path) : NULL;
    if (was && was->width && was->size == f->size && was->mtime == f->mtime) {
        f->width = was->width, f->height = was->height;
        f->channels = was->channels, f->depth = was->depth, f->format = was->format;
        f->turn = was->turn, f->beside = was->beside;
    } else
        read_header(p, path, f);
}

mx_status mx_index_probe(mx_index *x, const mx_index *old, int root_fd, int threads, mx_error *e) {
    probe p = {.x = x, .old = old, .root_fd = root_fd, .big = PTHREAD_MUTEX_INITIALIZER};
    char quoted[MX_QUOTE];
    mx_parallel(threads, x->files, probe_file, &p);
    pthread_mutex_destroy(&p.big);
    int error = atomic_load(&p.error);
    if (!error) return MX_OK;
    return mx_fail(e, MX_ERR_IO, "cannot look at %s: %s (tried %d times)",
                   mx_quote(quoted, x->names + x->file[atomic_load(&p.at)].name), strerror(error), MX_TRIES);
}

typedef struct {
    const mx_index *x;
    int64_t written, checked; /* checked: number of files to check */
    int root_fd;
    atomic_bool changed;
} check;

static void check_folder(void *user, int64_t i, int thread) {
    (void)thread;
    check *c = user;
    const mx_folder *f = &c->x->folder[i];
    const char *path = c->x->names + f->name;
    struct stat st;
    if (atomic_load(&c->changed)) return;
    if (f->mtime > c->written - MX_RACY || fstatat(c->root_fd, *path ? path : ".", &st, 0) ||
        (f->size < 0 ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode) || st.st_size != f->size) ||
        (int64_t)((uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec) != f->mtime)
        atomic_store(&c->changed, true);
}

static void check_file(void *user, int64_t i, int thread) {
    (void)thread;
    check *c = user;
    if (atomic_load(&c->changed)) return;
    const mx_entry *f = &c->x->file[i * c->x->files / c->checked];
    int64_t size, mtime;
    if (f->holder) return; /* check_folder checks the holder */
    if (file_stat(c->root_fd, c->x->names + f->name, &size, &mtime))
        return; /* listing again would not help */
    if (size != f->size || mtime != f->mtime) atomic_store(&c->changed, true);
}

bool mx_index_current(const mx_index *x, int64_t written, int root_fd, int threads) {
    check c = {.x = x, .written = written, .root_fd = root_fd};
    c.checked = x->files <= MX_CHECK_ALL ? x->files : MX_CHECK_SOME;
    mx_parallel(threads, x->folders, check_folder, &c);
    mx_parallel(threads, c.checked, check_file, &c);
    return !atomic_load(&c.changed);
}
