/* The matrix product of the linear layers on one block of the result (see mx_gemm_block), one thread.
 *
 * The right operand is packed into panels of MX_NR columns, KC deep, zero-padded to whole panels, so that the
 * micro-kernel reads it in order. The left one is read in place if it is f32 and contiguous along k (forward and dX);
 * otherwise it is packed: into rows of f32 from bf16, or into strips of 6 rows (dW). Operands become f32 while they are
 * packed, so bf16 products need no other code here; instruction sets with bf16 products use gemm_pairs.c. The long sum
 * is cut into blocks of KC = 256: a register sums 256 products, then they are added to the result, which also keeps the
 * error of 25,088-row sums small. docs/SPEED.md "Products" says why this is not oneDNN's sgemm. */
#include "ops/cpu/kernels/micro.h"
#include "ops/cpu/kernels/transpose.h"

static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

/* One panel whose columns are contiguous along k: n <= MX_NR columns, transposed. */
MX_INLINE void pack_panel_transposed(float *d, const void *b, const mx_read how, int64_t ld, int64_t k,
                                     int64_t n) {
    int64_t j = 0;
    for (; j + 8 <= n; j += 8) {
        int64_t p = 0;
        for (; p + 8 <= k; p += 8)
            mx_transpose8(mx_read_at(b, j * ld + p, how), ld, how, d + p * MX_NR + j, MX_NR);
        for (; p < k; p++)
            for (int i = 0; i < 8; i++) d[p * MX_NR + j + i] = mx_read1(b, (j + i) * ld + p, how);
    }
    for (; j < n; j++)
        for (int64_t p = 0; p < k; p++) d[p * MX_NR + j] = mx_read1(b, j * ld + p, how);
    for (; j < MX_NR; j++)
        for (int64_t p = 0; p < k; p++) d[p * MX_NR + j] = 0;
}

static int64_t panel_size(int64_t k) { return k * MX_NR + 16; }

MX_INLINE void pack_b_as(float *d, const mx_gemm_block *g, int64_t p0, int64_t k, const mx_read how) {
    const int64_t size = panel_size(k), whole = g->n / MX_NR, rest = g->n % MX_NR;
    if (g->b_col != 1) {
        for (int64_t j = 0; j < g->n; j += MX_NR, d += size)
            pack_panel_transposed(d, mx_read_at(g->b, p0 + j * g->b_col, how), how, g->b_col, k,
                                  min64(MX_NR, g->n - j));
        return;
    }
    for (int64_t p = 0; p < k; p++) {
        const int64_t at = (p0 + p) * g->b_row;
        float *to = d + p * MX_NR;
        for (int64_t j = 0; j < whole; j++) {
            mx_store(to + j * size, mx_read_n(g->b, at + j * MX_NR, MX_VW, how));
            mx_store(to + j * size + MX_VW, mx_read_n(g->b, at + j * MX_NR + MX_VW, MX_VW, how));
        }
        if (rest) {
            to += whole * size;
            for (int64_t j = 0; j < MX_NR; j++)
                to[j] = j < rest ? mx_read1(g->b, at + whole * MX_NR + j, how) : 0;
        }
    }
}

static void pack_b(float *d, const mx_gemm_block *g, int64_t p0, int64_t k) {
    switch (g->b_read) {
    case MX_READ_F32: pack_b_as(d, g, p0, k, MX_READ_F32); break;
    case MX_READ_BF16: pack_b_as(d, g, p0, k, MX_READ_BF16); break;
    case MX_READ_ROUNDED: pack_b_as(d, g, p0, k, MX_READ_ROUNDED); break;
    }
}

static int64_t strip_size(int64_t k) { return k * MX_MR + 16; }

/* Rows [i0, i0+m) of a left operand that is contiguous along its rows. Each step along k copies 8 floats
 * where 6 belong: the next step overwrites the other two, and the last step's fall into the padding. */
MX_INLINE void pack_strips(float *d, const mx_gemm_block *g, int64_t i0, int64_t m, int64_t p0, int64_t k,
                           const mx_read how) {
    const int64_t size = strip_size(k);
    for (int64_t p = 0; p < k; p++) {
        const void *a = mx_read_at(g->a, i0 + (p0 + p) * g->a_col, how);
        float *to = d + p * MX_MR;
        int64_t i = 0;
        for (; i + 8 <= m; i += MX_MR, to += size) {
            mx_v8 v;
            mx_read8(&v, a, i, how);
            *(mx_v8u *)to = (mx_v8u)v;
        }
        for (; i < m; i += MX_MR, to += size)
            for (int64_t e = 0; e < MX_MR && i + e < m; e++) to[e] = mx_read1(a, i + e, how);
    }
}

/* Rows [i0, i0+m) of a left operand that is contiguous along k, as f32 (rounded to bf16 if `how` says so): d [m,k] */
MX_INLINE void pack_rows(float *d, const mx_gemm_block *g, int64_t i0, int64_t m, int64_t p0, int64_t k,
                         const mx_read how) {
    for (int64_t i = 0; i < m; i++, d += k) {
        const void *a = mx_read_at(g->a, (i0 + i) * g->a_row + p0, how);
        for (int64_t p = 0; p < k; p += MX_VW) mx_store_n(d + p, mx_read_n(a, p, k - p, how), k - p);
    }
}

static void pack_a(float *d, const mx_gemm_block *g, int64_t i0, int64_t m, int64_t p0, int64_t k) {
    const bool strips = g->a_col != 1;
    if (strips && g->a_read == MX_READ_F32)
        pack_strips(d, g, i0, m, p0, k, MX_READ_F32);
    else if (strips && g->a_read == MX_READ_BF16)
        pack_strips(d, g, i0, m, p0, k, MX_READ_BF16);
    else if (strips)
        pack_strips(d, g, i0, m, p0, k, MX_READ_ROUNDED);
    else if (g->a_read == MX_READ_BF16)
        pack_rows(d, g, i0, m, p0, k, MX_READ_BF16);
    else
        pack_rows(d, g, i0, m, p0, k, MX_READ_ROUNDED);
}

/* sums[i] += Σ_p a[i,p] while the block is in cache; in sums of 32, to keep the error small (micro.h) */
void mx_k_row_sums(float *sums, const mx_gemm_block *g, int64_t i0, int64_t m, int64_t p0, int64_t k) {
    const mx_read how = g->a_read == MX_READ_BF16 ? MX_READ_BF16 : MX_READ_F32;
    for (int64_t q = 0; q < k; q += 32) {
        const void *a = mx_read_at(g->a, i0 + (p0 + q) * g->a_col, how);
        const int64_t depth = min64(32, k - q);
        int64_t i = 0;
        for (; i + MX_VW <= m; i += MX_VW) {
            mx_vf s = {0};
            if (how == MX_READ_F32)
                for (int64_t p = 0; p < depth; p++) s += mx_read_n(a, p * g->a_col + i, MX_VW, MX_READ_F32);
            else
                for (int64_t p = 0; p < depth; p++) s += mx_read_n(a, p * g->a_col + i, MX_VW, MX_READ_BF16);
            mx_store(sums + i, mx_load(sums + i) + s);
        }
        for (; i < m; i++) {
            float s = 0;
            for (int64_t p = 0; p < depth; p++) s += mx_read1(a, p * g->a_col + i, how);
            sums[i] += s;
        }
    }
}

/* The micro-kernel at the right edge, with n < MX_NR columns: works on a buffer of the full width. */
static void micro_edge(int rows, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_col,
                       const float *b, float *c, int64_t ldc, bool add) {
    float t[MX_MR * MX_NR];
    for (int i = 0; i < rows; i++)
        for (int64_t j = 0; j < MX_NR; j++) t[i * MX_NR + j] = add && j < n ? c[i * ldc + j] : 0;
    mx_micro_rows(rows, 2, k, a, a_row, a_col, b, MX_NR, t, MX_NR, true);
    for (int i = 0; i < rows; i++)
        for (int64_t j = 0; j < n; j++) c[i * ldc + j] = t[i * MX_NR + j];
}

/* Rows [i0, i0+m) over one block of k. a: the first strip; the next is `strip` floats on. A strip holds 6 values for
 * each step along k (by_step), or rows that are `row` floats apart. */
static void multiply(const mx_gemm_block *g, int64_t i0, int64_t m, int64_t k, const float *a, int64_t strip,
                     bool by_step, int64_t row, const float *b, bool add) {
    for (int64_t j = 0; j < g->n; j += MX_NR, b += panel_size(k))
        for (int64_t i = 0; i < m; i += MX_MR) {
            const float *left = a + i / MX_MR * strip;
            float *c = g->c + (i0 + i) * g->ldc + j;
            int rows = (int)min64(MX_MR, m - i);
            for (int r = 0; r < rows; r++)
                __builtin_prefetch(c + r * g->ldc, 1); /* needed when the sums are done */
            if (j + MX_NR > g->n)
                micro_edge(rows, g->n - j, k, left, by_step ? 1 : row, by_step ? MX_MR : 1, b, c, g->ldc,
                           add);
            else if (by_step)
                mx_micro_rows(rows, 2, k, left, 1, MX_MR, b, MX_NR, c, g->ldc, add);
            else
                mx_micro_rows(rows, 2, k, left, row, 1, b, MX_NR, c, g->ldc, add);
        }
}

mx_packing mx_k_packing(int64_t n, int64_t k, bool half) {
#ifdef __AVX512BF16__
    if (half) return mx_k_packing_pairs(n, k);
#endif
    (void)half;
    return (mx_packing){(k + MX_KC - 1) / MX_KC, (n + MX_NR - 1) / MX_NR * panel_size(min64(k, MX_KC))};
}

void mx_k_pack(float *to, const mx_gemm_block *g, int64_t i) {
#ifdef __AVX512BF16__
    if (g->a_read != MX_READ_F32) {
        mx_k_pack_pairs(to, g, i);
        return;
    }
#endif
    pack_b(to, g, i * MX_KC, min64(MX_KC, g->k - i * MX_KC));
}

void mx_k_gemm(const mx_gemm_block *g, mx_gemm_scratch *work) {
#ifdef __AVX512BF16__
    if (g->a_read != MX_READ_F32) {
        mx_k_gemm_pairs(g, work);
        return;
    }
#endif
    const bool strips = g->a_col != 1, in_place = !strips && g->a_read == MX_READ_F32;
    for (int64_t p = 0; p < g->k; p += MX_KC) {
        const int64_t k = min64(MX_KC, g->k - p);
        const float *b = g->packed ? g->packed + p / MX_KC * g->packed_step : work->b;
        if (!g->packed) pack_b(work->b, g, p, k);
        for (int64_t i = 0; i < g->m; i += MX_MC) {
            const int64_t m = min64(MX_MC, g->m - i);
            if (!in_place) pack_a(work->a, g, i, m, p, k);
            if (g->row_sums) mx_k_row_sums(g->row_sums + i, g, i, m, p, k);
            const bool add = g->add || p > 0;
            if (strips)
                multiply(g, i, m, k, work->a, strip_size(k), true, 0, b, add);
            else if (in_place)
                multiply(g, i, m, k, (const float *)g->a + i * g->a_row + p, MX_MR * g->a_row, false,
                         g->a_row, b, add);
            else
                multiply(g, i, m, k, work->a, MX_MR * k, false, k, b, add);
        }
    }
}
