/* What a backend implements: the ops of op_list.h, after the front end has checked every shape.
 *
 * Each function has the contract of its namesake in ops.h, and receives addresses that the backend can use: a
 * GPU's ops receive its own. `work` is scratch memory of at least the size that the matching *_work function
 * returned for the same shapes; the front end takes it from the arena, so planning sees it. A backend never
 * allocates. */
#ifndef MX_OPS_BACKEND_H
#define MX_OPS_BACKEND_H

#include "ops/op_row.h"
#include "ops/ops.h"
#include "ops/product.h"

struct mx_backend {
    const char *name; /* its row's in backends.c */
    const char *isa;  /* instruction set of the host's; "" where there is none to tell */
    bool bf16;        /* mx_backend_bf16 */
    const void *own;  /* the backend's, e.g. cpu's table of kernels */

    mx_product_function *product; /* one product on its own, for the matrix rate */

    /* Memory of a device (device.h); all NULL: host memory. device_make opens device `number` and returns what the
     * backend needs of it (streams, handles of libraries), mx_device_own in its ops; NULL with an error. */
    void *(*device_make)(int number, mx_error *e);
    void (*device_free)(void *own); /* all its blocks are detached */
    /* Address of new memory, zeroed, or NULL with an error. */
    void *(*attach)(void *own, size_t bytes, mx_error *e);
    void (*detach)(void *own, void *address);
    /* In order with the ops; `from` may change as soon as upload returns. Failures go to the context's error. */
    void (*upload)(mx_ctx *c, void *address, const void *from, size_t bytes);
    void (*download)(mx_ctx *c, void *to, const void *address, size_t bytes);

#define MX_OP(name, scratch, ...)                                                                            \
    MX_OP_FUNCTION((*name), scratch, __VA_ARGS__);                                                           \
    MX_WORK_##scratch((*name##_work))
#include "ops/op_list.h"
};

#endif
