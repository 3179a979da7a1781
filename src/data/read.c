/* Reads the bytes of one sample, from its own file or from inside a larger one, and decodes its picture. The
 * loader's workers call this concurrently. */
#include "base/again.h"
#include "data/image_internal.h"
#include "data/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Fails with errno. If memory or descriptors ran out, the status is MX_ERR_MEMORY, since the file is not at fault. */
static mx_status cannot(mx_error *e, const char *what) {
    return mx_fail(e, mx_error_scarce(errno) ? MX_ERR_MEMORY : MX_ERR_IO, "cannot %s: %s", what,
                   strerror(errno));
}

/* Reads exactly size bytes of fd from offset into *buffer. */
static mx_status read_at(int fd, int64_t offset, void **buffer, size_t *room, size_t size, mx_error *e) {
    if (size > *room) {
        free(*buffer); /* its content is not needed: no realloc */
        *buffer = malloc(size), *room = *buffer ? size : 0;
        if (!*buffer) return mx_fail(e, MX_ERR_MEMORY, "out of memory for the file's %zu bytes", size);
    }
    for (size_t have = 0; have < size;) {
        ssize_t n = mx_read_at(fd, (char *)*buffer + have, size - have, (off_t)offset + (off_t)have);
        if (n < 0) return cannot(e, "read");
        if (!n) return mx_fail(e, MX_ERR_IO, "expected %zu bytes, found the end after %zu", size, have);
        have += (size_t)n;
    }
    return MX_OK;
}

/* Opens path, or returns its descriptor if it stays open. *keep: do not close it. -1: see errno. */
static int open_file(const mx_dataset *d, const mx_entry *f, const char *path, bool *keep) {
    _Atomic int *kept = f->holder && d->holder_fd ? &d->holder_fd[f->holder - 1] : NULL;
    int fd = kept ? atomic_load(kept) : -1, none = -1;
    *keep = kept != NULL;
    if (fd >= 0) return fd;
    fd = mx_open_read(d->root_fd, path, O_NONBLOCK); /* do not wait on a pipe */
    if (fd < 0 || !kept || atomic_compare_exchange_strong(kept, &none, fd)) return fd;
    close(fd); /* another worker was faster */
    return none;
}

mx_status mx_dataset_bytes(const mx_dataset *d, int64_t i, void **buffer, size_t *room, size_t *size,
                           mx_error *e) {
    const mx_index *x = &d->index;
    const mx_entry *f = &x->file[i];
    const mx_folder *holder = f->holder ? &x->folder[f->holder - 1] : NULL;
    int64_t expected = holder ? holder->size : f->size;
    struct stat st;
    mx_status s;
    bool keep;
    int fd = open_file(d, f, holder ? x->names + holder->name : mx_dataset_path(d, i), &keep);
    if (fd < 0) return cannot(e, "open");
    if (mx_stat_fd(fd, &st))
        s = cannot(e, "look at it");
    else if (!S_ISREG(st.st_mode))
        s = mx_fail(e, MX_ERR_IO, "expected a plain file, found something else");
    else if (st.st_size != expected)
        s = mx_fail(e, MX_ERR_DATA, "changed since it was listed: expected %lld bytes, found %lld",
                    (long long)expected, (long long)st.st_size);
    else if (!f->size)
        s = mx_fail(e, MX_ERR_FORMAT, "the file is empty");
    else if (f->size > MX_INDEX_FILE_MAX)
        s = mx_fail(e, MX_ERR_DATA, "expected at most %lld bytes, found %lld", (long long)MX_INDEX_FILE_MAX,
                    (long long)f->size);
    else
        s = read_at(fd, holder ? f->offset : 0, buffer, room, *size = (size_t)f->size, e);
    if (!keep) close(fd);
    return s;
}

bool mx_dataset_raw(const mx_dataset *d) { return d->index.kind == MX_SOURCE_CIFAR; }

/* Makes an image of a CIFAR record without its label: planes of red, green and blue, row by row. */
static mx_status from_planes(mx_image *im, const unsigned char *planes, size_t size, int channels,
                             mx_error *e) {
    mx_error own = {0};
    size_t pixels = MX_CIFAR_RECORD / 3;
    if (size != MX_CIFAR_RECORD)
        return mx_fail(e, MX_ERR_FORMAT, "expected a record of %d bytes, found %zu", MX_CIFAR_RECORD, size);
    if (mx_image_make(im, 32, 32, 3, MX_PIXEL_U8, &own)) return mx_fail(e, own.status, "%s", own.text);
    uint8_t *p = im->pixels;
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < 3; c++) p[3 * i + c] = planes[c * pixels + i];
    if (!mx_image_convert(im, channels, 3, &own)) return MX_OK;
    mx_image_free(im);
    return mx_fail(e, own.status, "%s", own.text);
}

mx_status mx_dataset_decode(const mx_dataset *d, int64_t i, int channels, const void *bytes, size_t size,
                            mx_image *im, mx_error *e) {
    (void)i; /* all samples of a source have one format */
    *im = (mx_image){0};
    if (mx_dataset_raw(d)) return from_planes(im, bytes, size, channels, e);
    return d->turn ? mx_image_decode_turned(im, bytes, size, channels, e)
                   : mx_image_decode(im, bytes, size, channels, e);
}

mx_status mx_dataset_decode_part(const mx_dataset *d, int64_t i, int channels, const void *bytes, size_t size,
                                 const mx_part *part, mx_image *im, mx_box *box, mx_error *e) {
    bool turned = d->turn && !mx_dataset_raw(d) && mx_exif_orientation(bytes, size) > 1;
    if (!turned && !mx_dataset_raw(d)) return mx_image_decode_part(im, box, bytes, size, channels, part, e);
    mx_status s = mx_dataset_decode(d, i, channels, bytes, size, im, e);
    if (!s) *box = part->choose(part->user, im->width, im->height);
    return s;
}

mx_status mx_dataset_read(const mx_dataset *d, int64_t i, int channels, mx_image *im, mx_error *e) {
    void *bytes = NULL;
    size_t room = 0, size = 0;
    char where[MX_WHERE];
    *im = (mx_image){0};
    mx_error own = {0};
    mx_status s = mx_dataset_bytes(d, i, &bytes, &room, &size, &own);
    if (!s) s = mx_dataset_decode(d, i, channels, bytes, size, im, &own);
    free(bytes);
    if (s) mx_fail(e, s, "%s: %s", mx_dataset_where(where, d, i), own.text);
    return s;
}
