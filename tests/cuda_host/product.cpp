/* d = alpha op(a) op(b) + beta c + bias by tiles of 16 x 6 in registers. About 20 GFLOP/s on one core with AVX2, which
 * lets whole models run on the emulator.
 *
 * Each sum adds up 256 products in order, then these sums in order. No fused multiply-add, so every machine gives the
 * same bytes. */
#include "product.h"
#include "cuda_bf16.h"
#include "emulator.h"

#include <vector>

enum { TILE_M = 16, TILE_N = 6 };
static const size_t DEPTH = 256;
typedef float lanes __attribute__((vector_size(32), aligned(4), may_alias));
#define PLAIN __attribute__((no_sanitize("address", "undefined")))

/* ---- elements ---- */

PLAIN static float load(const mx_host_matrix *x, size_t row, size_t column) {
    const size_t i = column * x->ld + row;
    if (x->type == CUDA_R_32F) return static_cast<const float *>(x->data)[i];
    return __uint_as_float(static_cast<unsigned>(static_cast<const uint16_t *>(x->data)[i]) << 16);
}

/* to the nearest number with 10 bits after the leading one */
static float round_tf32(float x) {
    const unsigned u = __float_as_uint(x);
    if ((u & 0x7f800000u) == 0x7f800000u) return x;
    return __uint_as_float((u + 0xfffu + (u >> 13 & 1)) & ~0x1fffu);
}

static void store(void *d, size_t i, cudaDataType_t type, float x) {
    if (type == CUDA_R_32F)
        static_cast<float *>(d)[i] = x;
    else
        static_cast<uint16_t *>(d)[i] = __bfloat16_as_ushort(__float2bfloat16_rn(x));
}

/* ---- packing: tiles of `tile` rows (of op(a), or columns of op(b)), depth after depth, zeros past the end ---- */

PLAIN static void pack(float *out, const mx_host_matrix *x, bool depth_is_row, size_t tile, size_t count,
                       size_t first, size_t depth, bool tf32) {
    for (size_t start = 0; start < count; start += tile)
        for (size_t k = first; k < first + depth; k++)
            for (size_t i = start; i < start + tile; i++) {
                float value = 0;
                if (i < count) value = depth_is_row ? load(x, k, i) : load(x, i, k);
                *out++ = tf32 ? round_tf32(value) : value;
            }
}

/* ---- one tile: t [TILE_N][ld] += a [depth][TILE_M] * b [depth][TILE_N] ---- */

PLAIN static inline __attribute__((always_inline)) void tile_body(float *t, size_t ld, const float *a,
                                                                  const float *b, size_t depth) {
    lanes sum[TILE_N][2] = {};
    for (size_t k = 0; k < depth; k++, a += TILE_M, b += TILE_N) {
        const lanes low = *reinterpret_cast<const lanes *>(a), high = *reinterpret_cast<const lanes *>(a + 8);
#pragma GCC unroll 6
        for (int j = 0; j < TILE_N; j++) sum[j][0] += low * b[j], sum[j][1] += high * b[j];
    }
#pragma GCC unroll 6
    for (int j = 0; j < TILE_N; j++, t += ld) {
        *reinterpret_cast<lanes *>(t) += sum[j][0];
        *reinterpret_cast<lanes *>(t + 8) += sum[j][1];
    }
}

typedef void tile_function(float *t, size_t ld, const float *a, const float *b, size_t depth);

PLAIN static void tile_plain(float *t, size_t ld, const float *a, const float *b, size_t depth) {
    tile_body(t, ld, a, b, depth);
}

#ifdef __x86_64__
PLAIN __attribute__((target("avx2"))) static void tile_avx2(float *t, size_t ld, const float *a,
                                                            const float *b, size_t depth) {
    tile_body(t, ld, a, b, depth);
}
static tile_function *choose_tile(void) { return __builtin_cpu_supports("avx2") ? tile_avx2 : tile_plain; }
#else
static tile_function *choose_tile(void) { return tile_plain; }
#endif

/* ---- the whole ---- */

/* What becomes of a sum. */
static void finish(const mx_host_product *p, const float *sum, size_t ld) {
    for (size_t column = 0; column < p->n; column++)
        for (size_t row = 0; row < p->m; row++) {
            float x = p->alpha * sum[column * ld + row];
            if (p->beta != 0) x += p->beta * load(&p->c, row, column);
            if (p->bias.data) x += load(&p->bias, row, 0);
            store(p->d, column * p->d_ld + row, p->c.type, x);
        }
}

void mx_host_multiply(const mx_host_product *p) {
    const size_t m = mx_host_round_up(p->m, TILE_M), n = mx_host_round_up(p->n, TILE_N);
    std::vector<float> sum(m * n), a(m * DEPTH), b(n * DEPTH);
    tile_function *tile = choose_tile();
    for (size_t first = 0; first < p->k; first += DEPTH) {
        const size_t depth = p->k - first < DEPTH ? p->k - first : DEPTH;
        pack(a.data(), &p->a, p->a.transposed, TILE_M, p->m, first, depth, p->tf32);
        pack(b.data(), &p->b, !p->b.transposed, TILE_N, p->n, first, depth, p->tf32);
        for (size_t i = 0; i < m; i += TILE_M)
            for (size_t j = 0; j < n; j += TILE_N)
                tile(&sum[j * m + i], m, &a[i * depth], &b[j * depth], depth);
    }
    finish(p, sum.data(), m);
}
