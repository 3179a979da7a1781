/* What a kernel sees of CUDA: qualifiers, indices, barriers, exchange between the lanes of a warp, vectors and
 * mathematics. Included by cuda_runtime.h.
 *
 * A thread is a fiber (context.cpp). It runs until it must wait for others, in one of the calls below; block.cpp and
 * warp.cpp decide who runs next and find threads that wait for each other in vain. The last arguments of these calls,
 * file and line, are filled in by the compiler: they name the place in error messages and tell one barrier from
 * another. */
#ifndef MX_HOST_KERNEL_LANGUAGE_H
#define MX_HOST_KERNEL_LANGUAGE_H

#include "vector_types.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <type_traits>

#define MX_CUDA_HOST 1 /* "this is the emulator", for the few lines that must differ from nvcc's */

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
/* One block runs at a time, so a block's shared memory is a static variable. shared.cpp finds it by its symbol and
 * fills it with NaN before each block. The function around it must be static: ASan puts no red zone around the
 * variables of templates and inline functions that other files may share. */
#define __shared__ static

/* The thread that runs now. The emulator's own names for these are the labels; what a kernel sees is constant, as it is
 * to each thread. */
extern const uint3 threadIdx __asm__("mx_host_thread_index"), blockIdx __asm__("mx_host_block_index");
extern const dim3 blockDim __asm__("mx_host_block_size"), gridDim __asm__("mx_host_grid_size");
extern int mx_host_lane;
static const int warpSize = 32;

/* Start of the block's dynamic shared memory; its end touches a page that nobody may touch. For MX_SHARED_BYTES. */
unsigned char *mx_host_dynamic_shared(void);

void __syncthreads(const char *file = __builtin_FILE(), int line = __builtin_LINE());

/* What a lane brings to a meeting of its warp's lanes. The meeting takes place when all lanes of `mask` have come, to
 * the same place with the same mask. */
enum mx_host_meeting { MX_HOST_SYNC, MX_HOST_SHUFFLE, MX_HOST_BALLOT, MX_HOST_MMA, MX_HOST_LDMATRIX };
struct mx_host_visit {
    mx_host_meeting kind;
    const char *name; /* CUDA's name of the call */
    uint32_t mask;
    const char *file;
    int line;
    uint64_t value;    /* in: the lane's value or vote; out: what it receives */
    int source;        /* shuffle: the lane to read; ldmatrix: 1 transposes */
    void *out;         /* mma: d; ldmatrix: d */
    const void *in[3]; /* mma: a, b, c; ldmatrix: the address of a row */
};
void mx_host_meet(mx_host_visit *visit);

#define MX_HOST_WHERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

static inline uint64_t mx_host_meet_value(mx_host_meeting kind, const char *name, unsigned mask,
                                          uint64_t value, int source, const char *file, int line) {
    mx_host_visit visit = {kind, name, mask, file, line, value, source, NULL, {NULL, NULL, NULL}};
    mx_host_meet(&visit);
    return visit.value;
}

static inline void __syncwarp(unsigned mask = 0xffffffffu, MX_HOST_WHERE) {
    mx_host_meet_value(MX_HOST_SYNC, "__syncwarp", mask, 0, 0, file, line);
}
static inline unsigned __ballot_sync(unsigned mask, int predicate, MX_HOST_WHERE) {
    return (unsigned)mx_host_meet_value(MX_HOST_BALLOT, "__ballot_sync", mask, predicate != 0, 0, file, line);
}
static inline int __any_sync(unsigned mask, int predicate, MX_HOST_WHERE) {
    return mx_host_meet_value(MX_HOST_BALLOT, "__any_sync", mask, predicate != 0, 0, file, line) != 0;
}
static inline int __all_sync(unsigned mask, int predicate, MX_HOST_WHERE) {
    return mx_host_meet_value(MX_HOST_BALLOT, "__all_sync", mask, predicate != 0, 0, file, line) == mask;
}

void mx_host_check_width(const char *name, int width, const char *file, int line);

template <typename T>
static inline T mx_host_shuffle(const char *name, unsigned mask, T value, int source, const char *file,
                                int line) {
    static_assert(std::is_same<T, int>::value || std::is_same<T, unsigned>::value ||
                      std::is_same<T, float>::value || std::is_same<T, double>::value,
                  "shuffles of int, unsigned, float and double are emulated");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = mx_host_meet_value(MX_HOST_SHUFFLE, name, mask, bits, source, file, line);
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* `width` cuts the warp into parts that exchange among themselves. A lane that asks for one outside its part receives
 * its own value, except that xor may read an earlier part. */
template <typename T>
static inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, MX_HOST_WHERE) {
    mx_host_check_width("__shfl_sync", width, file, line);
    source = (mx_host_lane & ~(width - 1)) | (source & (width - 1));
    return mx_host_shuffle("__shfl_sync", mask, value, source, file, line);
}
template <typename T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, MX_HOST_WHERE) {
    mx_host_check_width("__shfl_down_sync", width, file, line);
    int lane = mx_host_lane, within = lane & (width - 1);
    int source = delta < (unsigned)(width - within) ? lane + (int)delta : lane;
    return mx_host_shuffle("__shfl_down_sync", mask, value, source, file, line);
}
template <typename T>
static inline T __shfl_xor_sync(unsigned mask, T value, int other, int width = 32, MX_HOST_WHERE) {
    mx_host_check_width("__shfl_xor_sync", width, file, line);
    int lane = mx_host_lane, source = lane ^ other;
    if (source > (lane | (width - 1)) || source < 0) source = lane;
    return mx_host_shuffle("__shfl_xor_sync", mask, value, source, file, line);
}

/* D = A B + C of a warp, mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32: A [16,16], B [16,8], C and D [16,8] in
 * the registers of 32 lanes by the layout of the PTX manual (warp.cpp). */
static inline void mx_host_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2], const float c[4],
                                    MX_HOST_WHERE) {
    mx_host_visit visit = {MX_HOST_MMA, "mma.sync", 0xffffffffu, file, line, 0, 0, d, {a, b, c}};
    mx_host_meet(&visit);
}
/* ldmatrix.sync.aligned.m8n8.x4[.trans].shared.b16: four 8x8 matrices; lane l brings the address of row l % 8 of
 * matrix l / 8, 16 bytes in shared memory. */
static inline void mx_host_ldmatrix_x4(uint32_t d[4], const void *row, MX_HOST_WHERE) {
    mx_host_visit visit = {MX_HOST_LDMATRIX, "ldmatrix.x4", 0xffffffffu, file, line, 0, 0, d,
                           {row, NULL, NULL}};
    mx_host_meet(&visit);
}
static inline void mx_host_ldmatrix_x4_trans(uint32_t d[4], const void *row, MX_HOST_WHERE) {
    mx_host_visit visit = {MX_HOST_LDMATRIX, "ldmatrix.x4.trans", 0xffffffffu, file, line, 0, 1, d,
                           {row, NULL, NULL}};
    mx_host_meet(&visit);
}

/* cp.async.cg.shared.global of 16 bytes, the last 16 - bytes of them zero. The copy happens as late as it may, in
 * wait_group (or at a random moment before), so a missing wait shows as NaN. */
void mx_host_cp_async16(void *shared, const void *global, int bytes = 16);
void mx_host_cp_async_commit(void);
void mx_host_cp_async_wait_group(
    int pending); /* until at most so many of this thread's groups are under way */

template <typename T> static inline T __ldg(const T *p) { return *p; }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline unsigned __float_as_uint(float x) {
    unsigned u;
    memcpy(&u, &x, sizeof u);
    return u;
}
static inline float __uint_as_float(unsigned u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

#endif
