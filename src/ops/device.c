/* The table of a device's blocks: from a handle to the device's address. See device.h. */
#include "ops/device.h"

#include <stdlib.h>
#include <string.h>

#include "ops/backend.h"

typedef struct {
    const char *handle;
    char *address;
    size_t bytes;
} block;

struct mx_device {
    void *own; /* what the backend's device_make returned */
    block *item;
    int count;
    size_t uploaded;
};

/* False after an error and in dry runs, which move no bytes. */
static bool moves(const mx_ctx *c) { return mx_ok(c) && !c->planning; }
static bool elsewhere(const mx_ctx *c) { return c->backend->device_make != NULL; }

void *mx_device_own(const mx_ctx *c) { return c->device->own; }

size_t mx_device_uploaded(const mx_ctx *c) { return c->device ? c->device->uploaded : 0; }

mx_status mx_device_open(mx_ctx *c, mx_error *e) {
    if (!elsewhere(c)) return MX_OK;
    mx_device *d = calloc(1, sizeof *d);
    if (!d) return mx_fail(e, MX_ERR_MEMORY, "out of memory for a device");
    if (!(d->own = c->backend->device_make(c->number, e)))
        free(d);
    else
        c->device = d;
    return e->status;
}

void mx_device_close(mx_ctx *c) {
    mx_device *d = c->device;
    if (!d) return;
    for (int i = 0; i < d->count; i++) c->backend->detach(d->own, d->item[i].address);
    c->backend->device_free(d->own);
    free(d->item);
    free(d);
    c->device = NULL;
}

void *mx_device_address(mx_ctx *c, const void *handle, size_t bytes) {
    const char *p = handle;
    if (!elsewhere(c) || !p) return (void *)(uintptr_t)handle;
    if (!mx_ok(c)) return NULL;
    for (int i = 0; c->device && i < c->device->count; i++) {
        const block *b = &c->device->item[i];
        if (p >= b->handle && p + bytes <= b->handle + b->bytes) return b->address + (p - b->handle);
    }
    mx_fail(&c->error, MX_ERR_ARGUMENT,
            "an op was given %zu bytes of host memory that the device does not have", bytes);
    return NULL;
}

void mx_attach(mx_ctx *c, const void *handle, size_t bytes) {
    if (!moves(c) || !elsewhere(c) || !bytes) return;
    mx_device *d = c->device;
    const char *first = handle;
    for (int i = 0; i < d->count; i++)
        if (first < d->item[i].handle + d->item[i].bytes && d->item[i].handle < first + bytes) {
            mx_fail(&c->error, MX_ERR_ARGUMENT, "a block of %zu bytes overlaps one that is attached", bytes);
            return;
        }
    block *grown = realloc(d->item, sizeof *grown * (size_t)(d->count + 1));
    if (!grown) {
        mx_fail(&c->error, MX_ERR_MEMORY, "out of memory for a device's block");
        return;
    }
    d->item = grown;
    void *address = c->backend->attach(d->own, bytes, &c->error);
    if (address) d->item[d->count++] = (block){first, address, bytes};
}

void mx_upload(mx_ctx *c, const void *handle, const void *from, size_t bytes) {
    if (!moves(c) || !bytes) return;
    void *to = mx_device_address(c, handle, bytes);
    if (to && elsewhere(c))
        c->device->uploaded += (bytes + MX_ALIGN - 1) / MX_ALIGN * MX_ALIGN,
            c->backend->upload(c, to, from, bytes);
    else if (to && to != from)
        memcpy(to, from, bytes);
}

void mx_download(mx_ctx *c, void *to, const void *handle, size_t bytes) {
    if (!moves(c) || !bytes) return;
    const void *from = mx_device_address(c, handle, bytes);
    if (from && elsewhere(c))
        c->backend->download(c, to, from, bytes);
    else if (from && to != from)
        memcpy(to, from, bytes);
}

mx_tensor mx_stage(mx_ctx *c, mx_tensor host) {
    mx_tensor staged = mx_stage_out(c, host);
    if (staged.data != host.data && mx_ok(c)) mx_upload(c, staged.data, host.data, mx_bytes(host));
    return staged;
}

mx_tensor mx_stage_out(mx_ctx *c, mx_tensor host) {
    return elsewhere(c) && mx_present(host) ? mx_alloc_like(c, host) : host;
}

void mx_fetch(mx_ctx *c, mx_tensor host, mx_tensor staged) {
    if (mx_ok(c)) mx_download(c, host.data, staged.data, mx_bytes(host));
}
