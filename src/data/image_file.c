/* Images from and to files. Reads up to a limit. Writes to a temporary file and renames it, so that a picture is either
 * whole or absent; without fsync, since pictures can be made again. */
#include "base/again.h"
#include "base/temporary.h"
#include "data/image_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MX_IMAGE_MAX_FILE ((int64_t)5 << 30) /* the largest image as f4, and room for a header */

static mx_status io_error(mx_error *e, const char *doing, const char *path) {
    return mx_fail(e, MX_ERR_IO, "cannot %s %s: %s", doing, path, strerror(errno));
}

static mx_status read_fd(int fd, const char *path, void **bytes, size_t *size, mx_error *e) {
    struct stat st;
    if (mx_stat_fd(fd, &st)) return io_error(e, "look at", path);
    if (!S_ISREG(st.st_mode)) return mx_fail(e, MX_ERR_IO, "%s: expected a plain file", path);
    if (st.st_size > MX_IMAGE_MAX_FILE)
        return mx_fail(e, MX_ERR_IO, "%s: expected at most %lld bytes, found %lld", path,
                       (long long)MX_IMAGE_MAX_FILE, (long long)st.st_size);
    size_t want = (size_t)st.st_size, have = 0;
    if (!(*bytes = malloc(want + 1)))
        return mx_fail(e, MX_ERR_MEMORY, "cannot allocate %zu bytes to read %s", want, path);
    while (have < want) {
        ssize_t n = read(fd, (char *)*bytes + have, want - have);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return io_error(e, "read", path);
        if (!n) break;
        have += (size_t)n;
    }
    *size = have;
    return MX_OK;
}

mx_status mx_image_read(mx_image *im, const char *path, int channels, bool turn, mx_error *e) {
    mx_error own = {0}; /* e may be NULL */
    void *bytes = NULL;
    size_t size = 0;
    *im = (mx_image){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* do not wait on a pipe without a writer */
    if (fd < 0) return io_error(e, "open", path);
    if (!read_fd(fd, path, &bytes, &size, &own) &&
        (turn ? mx_image_decode_turned : mx_image_decode)(im, bytes, size, channels, &own))
        mx_fail_where(&own, "%s", path);
    free(bytes);
    close(fd);
    return own.status ? mx_fail(e, own.status, "%s", own.text) : MX_OK;
}

static mx_status write_whole(const char *path, const void *bytes, size_t size, mx_error *e) {
    char *temporary = NULL;
    mx_status st = MX_OK;
    int fd = mx_temporary_open(&temporary, path);
    if (!temporary) return mx_fail(e, MX_ERR_MEMORY, "cannot allocate a file name for %s", path);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "wb");
    bool whole = f && fwrite(bytes, 1, size, f) == size;
    if (f && fclose(f)) whole = false;
    if (!whole || rename(temporary, path)) {
        st = io_error(e, "write", path);
        if (fd >= 0) unlink(temporary);
        if (fd >= 0 && !f) close(fd);
    }
    free(temporary);
    return st;
}

mx_status mx_image_write_png(const mx_image *im, const char *path, mx_error *e) {
    void *bytes;
    size_t size;
    mx_status st = mx_image_encode_png(&bytes, &size, im, e);
    if (!st) st = write_whole(path, bytes, size, e);
    free(bytes);
    return st;
}

mx_status mx_image_write_jpeg(const mx_image *im, const char *path, int quality, mx_error *e) {
    void *bytes;
    size_t size;
    mx_status st = mx_image_encode_jpeg(&bytes, &size, im, quality, e);
    if (!st) st = write_whole(path, bytes, size, e);
    free(bytes);
    return st;
}

#define MX_PICTURE_QUALITY 95 /* of JPEG pictures */

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n > m && text[n - m - 1] != '/' && !strcasecmp(text + n - m, end);
}

static bool jpeg_name(const char *path) { return ends_with(path, ".jpg") || ends_with(path, ".jpeg"); }

mx_status mx_image_write_check(const char *path, mx_error *e) {
    if (jpeg_name(path)) return mx_image_jpeg_check(e);
    if (ends_with(path, ".png")) return mx_image_png_check(e);
    return mx_fail(e, MX_ERR_ARGUMENT, "expected a name that ends in .png, .jpg or .jpeg, found %s", path);
}

mx_status mx_image_write(const mx_image *im, const char *path, mx_error *e) {
    if (mx_image_write_check(path, e)) return e->status;
    return jpeg_name(path) ? mx_image_write_jpeg(im, path, MX_PICTURE_QUALITY, e)
                           : mx_image_write_png(im, path, e);
}
