/* Memory of a device.
 *
 * ref and cpu compute on host memory. A device has its own. Host code calls a block of that by a host address, the
 * block's HANDLE. Tensors, layouts and index tables hold handles, arithmetic on them holds as everywhere, and
 * mx_run_NAME (run.h) gives a backend the device's own addresses instead. Numbers move by upload, download, stage
 * and fetch alone; the memory at a handle may be the host's own copy (parameters, tables) or none at all (the
 * arena).
 *
 * For ref and cpu a handle is the place itself: then nothing here copies, except a download to another address.
 * All calls are in order with the ops; download and fetch wait for what they read. Dry runs may call all of them. */
#ifndef MX_OPS_DEVICE_H
#define MX_OPS_DEVICE_H

#include "ops/context.h"

/* c->device of c->backend, NULL for host memory; closing frees all blocks. */
mx_status mx_device_open(mx_ctx *c, mx_error *e);
void mx_device_close(mx_ctx *c);
/* For a device's ops: what the backend's device_make returned. */
void *mx_device_own(const mx_ctx *c);
/* The device's address of [handle, handle + bytes), which must lie in one block: else the sticky error. The handle
 * itself for host memory; NULL for NULL and after an error. */
void *mx_device_address(mx_ctx *c, const void *handle, size_t bytes);

/* Memory for [handle, handle + bytes), zeroed, until the device is closed. Blocks may not overlap. */
void mx_attach(mx_ctx *c, const void *handle, size_t bytes);
void mx_upload(mx_ctx *c, const void *handle, const void *from, size_t bytes);
void mx_download(mx_ctx *c, void *to, const void *handle, size_t bytes);
/* A tensor in host memory as an input: itself, or a copy on the arena. */
mx_tensor mx_stage(mx_ctx *c, mx_tensor host);
/* A tensor in host memory as an output: itself, or a place on the arena that mx_fetch brings home. */
mx_tensor mx_stage_out(mx_ctx *c, mx_tensor host);
void mx_fetch(mx_ctx *c, mx_tensor host, mx_tensor staged);

#endif
