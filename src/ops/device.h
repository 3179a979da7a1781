/* Device memory.
 *
 * ref and cpu compute on host memory; a device has its own. Host code names a block of device memory by a host address,
 * the block's HANDLE. Tensors, layouts and index tables hold handles, with the usual pointer arithmetic; mx_run_NAME
 * (run.h) gives backends the device's addresses instead. Only upload, download, stage and fetch move numbers. The host
 * memory at a handle may hold the host's copy (parameters, tables) or not exist (the arena).
 *
 * For ref and cpu a handle is the address itself, and nothing here copies, except a download to another
 * address. All calls run in order with the ops; download and fetch wait for the data. Dry runs may call all
 * of them. */
#ifndef MX_OPS_DEVICE_H
#define MX_OPS_DEVICE_H

#include "ops/context.h"

/* Opens device c->number of c->backend as c->device; NULL for host memory. Closing frees all blocks. */
mx_status mx_device_open(mx_ctx *c, mx_error *e);
void mx_device_close(mx_ctx *c);
/* For a device's ops: the state that the backend's device_make returned. */
void *mx_device_own(const mx_ctx *c);
/* Bytes that were uploaded since the device was opened, each upload rounded up to MX_ALIGN. */
size_t mx_device_uploaded(const mx_ctx *c);
/* Device address of [handle, handle + bytes), which must lie in one block, or the sticky error is set. For
 * host memory the handle itself. NULL for NULL and after an error. */
void *mx_device_address(mx_ctx *c, const void *handle, size_t bytes);

/* Allocates zeroed device memory for [handle, handle + bytes), until the device is closed. Blocks must not overlap. */
void mx_attach(mx_ctx *c, const void *handle, size_t bytes);
void mx_upload(mx_ctx *c, const void *handle, const void *from, size_t bytes);
void mx_download(mx_ctx *c, void *to, const void *handle, size_t bytes);
/* Makes a tensor in host memory an input of ops: the tensor itself, or a copy on the device's arena. */
mx_tensor mx_stage(mx_ctx *c, mx_tensor host);
/* Makes a tensor in host memory an output of ops: the tensor itself, or space on the arena that mx_fetch
 * copies to the host. */
mx_tensor mx_stage_out(mx_ctx *c, mx_tensor host);
void mx_fetch(mx_ctx *c, mx_tensor host, mx_tensor staged);

#endif
