/* The functions that a backend implements: the ops of op_list.h, called after the front end has checked all shapes.
 *
 * Each function has the contract of its namesake in ops.h, and receives addresses that the backend can use; a
 * GPU's ops receive GPU addresses. `work` is scratch memory of at least the size that the matching *_work
 * function returned for the same shapes; the front end takes it from the arena, so planning sees it. A
 * backend never allocates. */
#ifndef MX_OPS_BACKEND_H
#define MX_OPS_BACKEND_H

#include "ops/op_row.h"
#include "ops/ops.h"
#include "ops/product.h"

struct mx_backend {
    const char *name; /* as in its row in backends.c */
    const char *isa;  /* instruction set in use; "": nothing to report */
    bool bf16;        /* mx_backend_bf16 */
    const void *own;  /* private to the backend, e.g. cpu's table of kernels */

    /* A single product, for the matrix rate: product on host memory, product_seconds on a device; the other is NULL.
     * See product.h. */
    mx_product_function *product;
    double (*product_seconds)(mx_ctx *c, const mx_product *p, mx_dtype type);

    /* Device memory (device.h); all NULL for backends on host memory. device_make opens device `number` and
     * returns the backend's state for it (streams, library handles), which ops get from mx_device_own. NULL
     * on failure, with the error in e. */
    void *(*device_make)(int number, mx_error *e);
    void (*device_free)(void *own); /* all its blocks are already detached */
    /* Returns the address of new, zeroed memory; NULL on failure, with the error in e. */
    void *(*attach)(void *own, size_t bytes, mx_error *e);
    void (*detach)(void *own, void *address);
    /* Both run in order with the ops. The caller may change `from` as soon as upload returns. Failures set
     * the context's error. */
    void (*upload)(mx_ctx *c, void *address, const void *from, size_t bytes);
    void (*download)(mx_ctx *c, void *to, const void *address, size_t bytes);
    /* Recording (replay.h); all NULL for a device that cannot. From record_begin (false: failed) to record_end (NULL:
     * failed) ops and uploads are recorded, not run; `uploaded` bytes of uploads are to come, each rounded up to
     * MX_ALIGN. Failures set the context's error. */
    bool (*record_begin)(mx_ctx *c, size_t uploaded, const void *moving, size_t bytes);
    void *(*record_end)(mx_ctx *c);
    void (*replay)(mx_ctx *c, void *recording, const void *moving);
    void (*recording_free)(mx_ctx *c, void *recording);

#define MX_OP(name, scratch, ...)                                                                            \
    MX_OP_FUNCTION((*name), scratch, __VA_ARGS__);                                                           \
    MX_WORK_##scratch((*name##_work))
#include "ops/op_list.h"
};

#endif
