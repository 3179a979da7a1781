/* best.safetensors has no checksums inside and is written once in a while, so the state keeps the whole file's. See
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
