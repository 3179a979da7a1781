/* The table of the CUDA backend. */
#include "ops/cuda/cuda.h"

#include <pthread.h>

static char machine[128]; /* what the bytes of a result depend on */

static const mx_backend cuda = {
    .name = MX_CUDA_NAME,
    .isa = machine,
    .bf16 = true,
    .product_seconds = mx_cuda_product_seconds,
    .device_make = mx_cuda_make,
    .device_free = mx_cuda_free,
    .attach = mx_cuda_attach,
    .detach = mx_cuda_detach,
    .upload = mx_cuda_upload,
    .download = mx_cuda_download,
    .record_begin = mx_cuda_record_begin,
    .record_end = mx_cuda_record_end,
    .replay = mx_cuda_replay,
    .recording_free = mx_cuda_recording_free,
#define MX_OP(name, scratch, ...) MX_OP_ENTRY(mx_cuda_, name, scratch)
#include "ops/op_list.h"
};

static void describe(void) { mx_cuda_describe(machine, sizeof machine); }

const mx_backend *mx_cuda_find(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, describe);
    return &cuda;
}
