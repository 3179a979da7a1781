/* best.safetensors has no checksums inside and is written once in a while, so the state keeps the whole file's. See
 * best.h. */
#include "run/best.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/again.h"
#include "io/crc32c.h"

/* Never 0, which stands for an older version's state. Read in pieces: mapped, the whole file would count as memory of
 * the process. */
static mx_status sum_of(const char *path, int64_t *sum, mx_error *e) {
    static const size_t piece = 1 << 18;
    unsigned char *bytes = malloc(piece);
    int fd = mx_open_read(AT_FDCWD, path, O_NONBLOCK);
    uint32_t crc = 0;
    off_t at = 0;
    ssize_t got = fd < 0 || !bytes ? -1 : 1;
    while (got > 0 && (got = mx_read_at(fd, bytes, piece, at)) > 0)
        crc = mx_crc32c_more(crc, bytes, (size_t)got), at += got;
    if (!bytes)
        mx_fail(e, MX_ERR_MEMORY, "out of memory to read %s", path);
    else if (got < 0)
        mx_fail(e, MX_ERR_IO, "cannot %s %s: %s", fd < 0 ? "open" : "read", path, strerror(errno));
    if (fd >= 0) close(fd);
    free(bytes);
    *sum = (int64_t)crc + 1;
    return e->status;
}

mx_status mx_best_write(mx_run *run, mx_error *e) {
    if (mx_checkpoint_write(run->paths.best, &run->stepper.model, &run->pixels, e)) return e->status;
    return sum_of(run->paths.best, &run->state.best_sum, e);
}

mx_status mx_best_check(const mx_run *run, mx_error *e) {
    int64_t sum = 0;
    if (!run->state.best_sum) return MX_OK;
    if (!sum_of(run->paths.best, &sum, e) && sum != run->state.best_sum)
        mx_fail(e, MX_ERR_FORMAT,
                "%s is not the file that this run wrote: expected checksum %08" PRIx64 ", found %08" PRIx64,
                run->paths.best, (uint64_t)run->state.best_sum - 1, (uint64_t)sum - 1);
    return mx_fail_way(e, "the last weights are in %s", run->paths.model);
}
