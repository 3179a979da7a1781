/* Elements of activations: f32 or bf16 in memory, f32 in registers. */
#ifndef MX_OPS_CUDA_NUMBER_CUH
#define MX_OPS_CUDA_NUMBER_CUH

#include <cuda_bf16.h>
#include <stdint.h>
#include <string.h>

typedef __nv_bfloat16 mx_bf16;

static __device__ __forceinline__ float mx_load(const float *p) { return *p; }
static __device__ __forceinline__ float mx_load(const mx_bf16 *p) { return __bfloat162float(*p); }
static __device__ __forceinline__ void mx_store(float *p, float x) { *p = x; }
static __device__ __forceinline__ void mx_store(mx_bf16 *p, float x) { *p = __float2bfloat16_rn(x); }

/* Four consecutive elements at an address aligned to their 16 or 8 bytes. */
static __device__ __forceinline__ float4 mx_load4(const float *p) { return *(const float4 *)p; }
static __device__ __forceinline__ void mx_store4(float *p, float4 x) { *(float4 *)p = x; }

static __device__ __forceinline__ float4 mx_load4(const mx_bf16 *p) {
    const uint2 bits = *(const uint2 *)p;
    return make_float4(__uint_as_float(bits.x << 16), __uint_as_float(bits.x & 0xffff0000u),
                       __uint_as_float(bits.y << 16), __uint_as_float(bits.y & 0xffff0000u));
}

/* Two floats as bf16, the first in the lower half. */
static __device__ __forceinline__ uint32_t mx_pack(float low, float high) {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    uint32_t bits;
    memcpy(&bits, &pair, sizeof bits);
    return bits;
}

/* x [4] minus itself rounded to bf16. */
static __device__ __forceinline__ void mx_rounded_off(float *x) {
    const uint32_t low = mx_pack(x[0], x[1]), high = mx_pack(x[2], x[3]);
    x[0] -= __uint_as_float(low << 16), x[1] -= __uint_as_float(low & 0xffff0000u);
    x[2] -= __uint_as_float(high << 16), x[3] -= __uint_as_float(high & 0xffff0000u);
}

static __device__ __forceinline__ void mx_store4(mx_bf16 *p, float4 x) {
    *(uint2 *)p = make_uint2(mx_pack(x.x, x.y), mx_pack(x.z, x.w));
}

/* Calls MACRO(type) with the type of a tensor's elements: MX_BY_TYPE(x.type, LAUNCH) where LAUNCH(T) is a statement. */
#define MX_BY_TYPE(dtype, MACRO)                                                                             \
    do {                                                                                                     \
        if ((dtype) == MX_BF16)                                                                              \
            MACRO(mx_bf16);                                                                                  \
        else                                                                                                 \
            MACRO(float);                                                                                    \
    } while (0)

#endif
