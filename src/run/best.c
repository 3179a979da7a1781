/* best.safetensors has no checksums of its own, and is written once in a while: the state keeps the whole file's. See
 * best.h. */
#include "run/best.h"

#include <inttypes.h>
#include <sys/mman.h>

#include "io/crc32c.h"
#include "io/file.h"

/* Never 0, which stands for an older version's state. */
static mx_status sum_of(const char *path, int64_t *sum, mx_error *e) {
    const void *bytes;
    size_t size;
    if (mx_file_map(path, &bytes, &size, e)) return e->status;
    *sum = (int64_t)mx_crc32c(bytes, size) + 1;
    munmap((void *)bytes, size);
    return MX_OK;
}

mx_status mx_best_write(mx_training *p, mx_error *e) {
    if (mx_checkpoint_write(p->paths.best, &p->trainer.model, &p->pixels, e)) return e->status;
    return sum_of(p->paths.best, &p->state.best_sum, e);
}

mx_status mx_best_check(const mx_training *p, mx_error *e) {
    int64_t sum = 0;
    if (!p->state.best_sum) return MX_OK;
    if (!sum_of(p->paths.best, &sum, e) && sum != p->state.best_sum)
        mx_fail(e, MX_ERR_FORMAT,
                "%s is not the file that this run wrote: expected checksum %08" PRIx64 ", found %08" PRIx64,
                p->paths.best, (uint64_t)p->state.best_sum - 1, (uint64_t)sum - 1);
    return mx_fail_way(e, "the last weights are in %s", p->paths.model);
}
