/* The CUDA backend, as C sees it: the ops' prototypes and what the registry of backends asks.
 *
 * Compiled by nvcc it is `cuda`; compiled by the host's C++ compiler against tests/cuda_host it is `cuda-host`,
 * for tests on machines without a GPU (docs/developing/cuda.md). */
#ifndef MX_OPS_CUDA_CUDA_H
#define MX_OPS_CUDA_CUDA_H

#include "ops/backend.h"

#define MX_OP(name, scratch, ...) MX_OP_DECLARE(mx_cuda_, name, scratch, __VA_ARGS__)
#include "ops/op_list.h"

const mx_backend *mx_cuda_find(void);
/* "NVIDIA H200, driver 13.0, toolkit 13.0, cuBLASLt 13.0.2"; "no GPU, toolkit 13.0" where there is none. */
void mx_cuda_describe(char *text, size_t size);
/* GPUs that the driver shows; 0 without a driver. */
int mx_cuda_devices(void);
/* Bytes free on GPU `number` now, 0 if unknown. */
size_t mx_cuda_available(int number);

/* Of backend.h, in device.cu. */
void *mx_cuda_make(int number, mx_error *e);
void mx_cuda_free(void *own);
void *mx_cuda_attach(void *own, size_t bytes, mx_error *e);
void mx_cuda_detach(void *own, void *address);
void mx_cuda_upload(mx_ctx *c, void *address, const void *from, size_t bytes);
void mx_cuda_download(mx_ctx *c, void *to, const void *address, size_t bytes);
/* In record.cu. */
bool mx_cuda_record_begin(mx_ctx *c, size_t uploaded, const void *moving, size_t bytes);
void *mx_cuda_record_end(mx_ctx *c);
void mx_cuda_replay(mx_ctx *c, void *recording, const void *moving);
void mx_cuda_recording_free(mx_ctx *c, void *recording);
/* In product.cu. */
double mx_cuda_product_seconds(mx_ctx *c, const mx_product *p, mx_dtype type);

#endif
