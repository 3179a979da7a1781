/* The front end of a device's memory, see ops.h. */
#include "ops/backend.h"

#include <string.h>

bool mx_backend_far(const mx_backend *b) { return b->device_make != NULL; }

/* Is there something to move? */
static bool moves(const mx_ctx *c) { return mx_ok(c) && !c->planning; }
static bool far(const mx_ctx *c) { return mx_backend_far(c->backend); }

mx_status mx_device_open(mx_ctx *c, mx_error *e) {
    if (far(c) && !(c->device = c->backend->device_make(e))) return e->status;
    return MX_OK;
}

void mx_device_close(mx_ctx *c) {
    if (c->device) c->backend->device_free(c->device);
    c->device = NULL;
}

void mx_attach(mx_ctx *c, const void *name, size_t bytes) {
    if (moves(c) && far(c) && bytes) c->backend->attach(c, name, bytes);
}

void mx_upload(mx_ctx *c, const void *name, const void *from, size_t bytes) {
    if (!moves(c) || !bytes) return;
    if (far(c))
        c->backend->upload(c, name, from, bytes);
    else if (name != from)
        memcpy((void *)(uintptr_t)name, from, bytes);
}

void mx_download(mx_ctx *c, void *to, const void *name, size_t bytes) {
    if (!moves(c) || !bytes) return;
    if (far(c))
        c->backend->download(c, to, name, bytes);
    else if (to != name)
        memcpy(to, name, bytes);
}

mx_tensor mx_stage(mx_ctx *c, mx_tensor host) {
    mx_tensor staged = mx_stage_out(c, host);
    if (staged.data != host.data && mx_ok(c)) mx_upload(c, staged.data, host.data, mx_bytes(host));
    return staged;
}

mx_tensor mx_stage_out(mx_ctx *c, mx_tensor host) {
    return far(c) && mx_present(host) ? mx_alloc_like(c, host) : host;
}

void mx_fetch(mx_ctx *c, mx_tensor host, mx_tensor staged) {
    if (mx_ok(c)) mx_download(c, host.data, staged.data, mx_bytes(host));
}
