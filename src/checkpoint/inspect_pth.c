/* `mixmae inspect` of a PyTorch checkpoint: the plain values at its top, every tensor with its statistics,
 * and the entries that are objects of Python classes. See inspect.h. */
#include "checkpoint/inspect_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/pth.h"

static int64_t say_tensor(const mx_inspect_printer *p, mx_pth *f, const mx_pth_tensor *t, mx_error *e) {
    mx_st_tensor plain = {.name = t->name, .dtype = t->dtype, .ndim = t->ndim};
    size_t bytes;
    void *copy = NULL;
    memcpy(plain.dim, t->dim, sizeof t->dim);
    /* a tensor that repeats its storage can claim any size: its shape is printed, its elements are not read */
    bool repeats =
        __builtin_mul_overflow((uint64_t)t->count, (size_t)t->width, &bytes) || t->count > t->stored;
    if (!repeats) {
        if (!(copy = malloc(bytes + 1))) mx_fail(e, MX_ERR_MEMORY, "out of memory for tensor %s", t->name);
        if (copy && !mx_pth_copy(f, t, copy, e)) plain.data = copy, plain.bytes = bytes;
    }
    if (!e->status) mx_inspect_tensor(p, &plain);
    free(copy);
    return t->count;
}

mx_status mx_inspect_pth(const char *path, const mx_inspect_printer *p, mx_error *e) {
    mx_pth *f = NULL;
    int64_t elements = 0;
    if (mx_pth_open(&f, path, e)) return e->status;
    mx_inspect_say(p, "%s: PyTorch checkpoint (%s), %d tensors", path,
                   mx_pth_legacy(f) ? "the format before 1.6" : "zip", mx_pth_count(f));
    for (int i = 0; i < mx_pth_fact_count(f); i++)
        mx_inspect_say(p, "  %-30s %s", mx_pth_fact_at(f, i)->name, mx_pth_fact_at(f, i)->value);
    for (int i = 0; i < mx_pth_object_count(f); i++)
        mx_inspect_say(p, "  %-30s an object of %s, which is not read", mx_pth_object_at(f, i)->name,
                       mx_pth_object_at(f, i)->value);
    mx_inspect_head(p);
    for (int i = 0; i < mx_pth_count(f) && !e->status; i++) elements += say_tensor(p, f, mx_pth_at(f, i), e);
    if (!e->status) mx_inspect_say(p, "  %" PRId64 " elements", elements);
    mx_pth_close(f);
    return mx_fail_where(e, "%s", path);
}
