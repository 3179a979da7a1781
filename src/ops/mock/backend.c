/* The backend `mock`, in test builds (-DMIXMAE_MOCK=ON): the ops of cpu (or ref), on separate device memory.
 *
 * A handle is not the address of its numbers here. Host code that forgets to upload or download therefore computes with
 * old numbers or, on the arena, crashes; an op on memory that is not attached fails with an error that names it. So
 * tests can check the rules of device memory on a machine without a device. */
#include "ops/mock/mock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { DEVICES = 2 }; /* to test a device other than the first */

#define MEMORY ((size_t)1 << 30) /* that each device reports */

static void *device_make(int number, mx_error *e) {
    int *own = malloc(sizeof *own);
    if (!own) return mx_fail(e, MX_ERR_MEMORY, "out of memory for a device"), NULL;
    *own = number;
    return own;
}

static void device_free(void *own) { free(own); }

static void *attach(void *own, size_t bytes, mx_error *e) {
    size_t room = (bytes + MX_ALIGN - 1) / MX_ALIGN * MX_ALIGN;
    void *memory = aligned_alloc(MX_ALIGN, room);
    if (memory) return memset(memory, 0, room);
    mx_fail(e, MX_ERR_MEMORY, "cannot allocate %zu bytes on device %d", bytes, *(int *)own);
    return NULL;
}

static void detach(void *own, void *address) { (void)own, free(address); }

static void copy_in(mx_ctx *c, void *address, const void *from, size_t bytes) {
    (void)c, memcpy(address, from, bytes);
}

static void copy_out(mx_ctx *c, void *to, const void *address, size_t bytes) {
    (void)c, memcpy(to, address, bytes);
}

static mx_backend mock;

static void fill_table(void) {
    mock = *mx_backend_host();
    mock.name = "mock";
    mock.device_make = device_make, mock.device_free = device_free;
    mock.attach = attach, mock.detach = detach;
    mock.upload = copy_in, mock.download = copy_out;
}

const mx_backend *mx_mock_find(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_table);
    return &mock;
}

int mx_mock_devices(void) { return DEVICES; }

size_t mx_mock_available(int number) { return (void)number, MEMORY; }
