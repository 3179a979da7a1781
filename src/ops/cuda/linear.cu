/* Linear layers, forward and backward: products by cuBLASLt, and passes of ours over what lies between them.
 *
 * A product whose x is bf16 takes bf16 operands: weights, and gradients that are f32, are rounded to scratch memory
 * first. What is written only to be read again by the next pass is made in pieces of rows that stay in the GPU's L2
 * cache, so it costs neither the device's memory its bandwidth nor the arena its size. */
#include <math.h>

#include "ops/cuda/number.cuh"
#include "ops/cuda/products.cuh"
#include "ops/cuda/sums.cuh"

#ifndef MX_CUDA_PIECE
#define MX_CUDA_PIECE ((int64_t)32 << 20) /* bytes of a piece, at most; one row at least */
#endif

/* ---- passes ---- */

static __device__ __forceinline__ float gelu_of(float x) { return 0.5f * x * (1 + erff(x * 0.70710678f)); }
static __device__ __forceinline__ float gelu_slope(float x) {
    return 0.5f * (1 + erff(x * 0.70710678f)) + x * expf(-0.5f * x * x) * 0.39894228f; /* 1/sqrt(2π) */
}

/* y = GELU(h), `each` elements a thread: 4, or 1 where an address does not allow it */
template <typename T> static __global__ void gelu_kernel(T *y, const T *h, int64_t n, int each) {
    for (int64_t i = each * mx_cuda_index(); i < n; i += each * mx_cuda_stride()) {
        if (each == 4 && i + 4 <= n) {
            const float4 x = mx_load4(h + i);
            mx_store4(y + i, make_float4(gelu_of(x.x), gelu_of(x.y), gelu_of(x.z), gelu_of(x.w)));
        } else
            for (int64_t j = i; j < n && j < i + each; j++) mx_store(y + j, gelu_of(mx_load(h + j)));
    }
}

/* dh = d * GELU'(h) */
template <typename T> static __global__ void gelu_back_kernel(T *dh, const float *d, const T *h, int64_t n) {
    for (int64_t i = mx_cuda_index(); i < n; i += mx_cuda_stride())
        mx_store(dh + i, d[i] * gelu_slope(mx_load(h + i)));
}

/* y = x */
template <typename Y, typename X>
static __global__ void convert_kernel(Y *y, const X *x, int64_t n, int each) {
    for (int64_t i = each * mx_cuda_index(); i < n; i += each * mx_cuda_stride()) {
        if (each == 4 && i + 4 <= n)
            mx_store4(y + i, mx_load4(x + i));
        else
            for (int64_t j = i; j < n && j < i + each; j++) mx_store(y + j, mx_load(x + j));
    }
}

/* y = r + keep[sample] * x: rows from `first` on; r and keep may be NULL */
template <typename Y>
static __global__ void finish_kernel(Y *y, const float *x, const float *r, const float *keep, int64_t first,
                                     int64_t rows, int64_t width, int64_t per_sample) {
    for (int64_t i = mx_cuda_index(); i < rows * width; i += mx_cuda_stride()) {
        float value = x[i];
        if (keep) value *= keep[(first + i / width) / per_sample];
        mx_store(y + i, r ? r[i] + value : value);
    }
}

enum { THREADS = 256, MOST_BLOCKS = 4096 };

static unsigned blocks_for(int64_t elements, int each) {
    return mx_cuda_blocks(elements, (int64_t)THREADS * each, MOST_BLOCKS);
}

/* Elements that a thread can move at once between two addresses. */
static int each_of(const void *y, const void *x) { return ((uintptr_t)y | (uintptr_t)x) % 16 ? 1 : 4; }

static void convert(mx_ctx *c, void *y, mx_dtype to, const void *x, mx_dtype from, int64_t n) {
    const int each = each_of(y, x);
    const unsigned blocks = blocks_for(n, each);
    if (to == MX_BF16 && from == MX_F32)
        MX_LAUNCH(c, (blocks), THREADS, 0, (convert_kernel<mx_bf16, float>), (mx_bf16 *)y, (const float *)x,
                  n, each);
    else if (to == MX_F32 && from == MX_BF16)
        MX_LAUNCH(c, (blocks), THREADS, 0, (convert_kernel<float, mx_bf16>), (float *)y, (const mx_bf16 *)x,
                  n, each);
    else
        mx_fail(&c->error, MX_ERR_ARGUMENT, "no conversion between these types");
}

/* Elements [first, first + n). */
static void gelu_pass(mx_ctx *c, mx_tensor y, mx_tensor h, int64_t first, int64_t n) {
    void *to = mx_at(y, first);
    const void *from = mx_at(h, first);
    const int each = each_of(to, from);
#define LAUNCH(T)                                                                                            \
    MX_LAUNCH(c, (blocks_for(n, each)), THREADS, 0, (gelu_kernel<T>), (T *)to, (const T *)from, n, each)
    MX_BY_TYPE(h.type, LAUNCH);
#undef LAUNCH
}

/* ---- scratch memory, cut from one block ---- */

typedef struct {
    char *next;
    size_t bytes;
} room; /* next NULL: only counts */

static void *take(room *r, size_t bytes) {
    void *p = r->next ? r->next + r->bytes : NULL;
    r->bytes += (size_t)mx_cuda_ceil((int64_t)bytes, 256) * 256;
    return p;
}

typedef struct {
    int64_t rows, out, in, piece; /* piece: rows of a piece */
    mx_dtype type;                /* of the products' operands */
    void *work, *w, *rows_in, *rows_out;
    float *sums;
} parts;

/* Rows of `width` elements that make a piece: 4 or more where there are so many, so that pieces are aligned. */
static int64_t piece_rows(int64_t rows, int64_t width, mx_dtype type) {
    const int64_t n = MX_CUDA_PIECE / (int64_t)mx_dtype_size(type) / (width > 0 ? width : 1) / 4 * 4;
    return mx_cuda_min(rows > 0 ? rows : 1, n > 0 ? n : 4);
}

static parts cut(room *r, bool backward, int64_t rows, int64_t out, int64_t in, mx_dtype x) {
    parts p = {};
    p.rows = rows, p.out = out, p.in = in, p.piece = piece_rows(rows, out > in ? out : in, MX_F32),
    p.type = x;
    p.work = take(r, mx_cuda_multiply_work(out > in ? out : in));
    p.w = take(r, x == MX_BF16 ? 2 * (size_t)(out * in) : 0);
    p.rows_out = take(r, sizeof(float) * (size_t)(p.piece * out));
    p.rows_in = take(r, backward ? sizeof(float) * (size_t)(p.piece * in) : 0);
    p.sums = (float *)take(r, backward ? mx_cuda_column_sums_work(out) : 0);
    return p;
}

static size_t work_of(bool backward, int64_t rows, int64_t out, int64_t in, mx_dtype x) {
    room r = {NULL, 0};
    cut(&r, backward, rows, out, in, x);
    return r.bytes + 256;
}

static parts cut_work(void *work, bool backward, int64_t rows, int64_t out, int64_t in, mx_dtype x) {
    room r = {(char *)(((uintptr_t)work + 255) & ~(uintptr_t)255), 0};
    return cut(&r, backward, rows, out, in, x);
}

/* Weights as the products read them. */
static const void *weights(mx_ctx *c, const parts *p, mx_tensor w) {
    if (p->type != MX_BF16) return w.data;
    convert(c, p->w, MX_BF16, w.data, MX_F32, mx_count(w));
    return p->w;
}

/* ---- forward ---- */

extern "C" size_t mx_cuda_linear_work(const mx_ctx *c, int64_t rows, int64_t out, int64_t in, mx_dtype x) {
    (void)c;
    return work_of(false, rows, out, in, x);
}

/* y = r + keep (x wᵀ + b) by way of f32 sums, a piece of rows at a time: for drop path, and types that the library
 * does not write. */
static void forward_pieces(mx_ctx *c, const parts *p, mx_tensor y, mx_tensor r, mx_tensor x, const void *w,
                           mx_tensor b, mx_tensor keep) {
    const int64_t per_sample = mx_present(keep) ? p->rows / mx_count(keep) : 1;
    for (int64_t first = 0; first < p->rows; first += p->piece) {
        const int64_t rows = mx_cuda_min(p->piece, p->rows - first), at = first * p->out;
        const mx_cuda_shape s = {rows, p->out, p->in, false, true, p->type, MX_F32, mx_present(b), false};
        const mx_cuda_operands o = {p->rows_out, mx_at(x, first * p->in), w, (const float *)b.data, NULL,
                                    p->work};
        mx_cuda_multiply(c, &s, &o);
#define LAUNCH(T)                                                                                            \
    MX_LAUNCH(c, (blocks_for(rows * p->out, 1)), THREADS, 0, (finish_kernel<T>), (T *)mx_at(y, at),          \
              (const float *)p->rows_out, (const float *)mx_at(r, at), (const float *)keep.data, first,      \
              rows, p->out, per_sample)
        MX_BY_TYPE(y.type, LAUNCH);
#undef LAUNCH
    }
}

/* y = r + x wᵀ + b over rows from `first` on, in one product. */
static void forward_whole(mx_ctx *c, const parts *p, mx_tensor y, mx_tensor r, mx_tensor x, const void *w,
                          mx_tensor b, int64_t first, int64_t rows) {
    const mx_cuda_shape s = {rows, p->out, p->in, false, true, p->type, y.type, mx_present(b), mx_present(r)};
    const mx_cuda_operands o = {mx_at(y, first * p->out), mx_at(x, first * p->in),  w,
                                (const float *)b.data,    mx_at(r, first * p->out), p->work};
    mx_cuda_multiply(c, &s, &o);
}

extern "C" void mx_cuda_linear(mx_ctx *c, mx_tensor y, mx_tensor h, mx_tensor r, mx_tensor x, mx_tensor w,
                               mx_tensor b, mx_tensor keep, void *work) {
    const parts p = cut_work(work, false, mx_rows(x), mx_width(y), mx_width(x), x.type);
    const void *operand = weights(c, &p, w);
    const mx_tensor sum = mx_present(h) ? h : y;
    const int64_t piece = mx_present(h) ? piece_rows(p.rows, p.out, h.type) : p.rows;
    if (mx_present(keep) || (x.type == MX_F32 && sum.type == MX_BF16)) {
        forward_pieces(c, &p, sum, r, x, operand, b, keep);
        if (mx_present(h)) gelu_pass(c, y, h, 0, mx_count(h));
        return;
    }
    for (int64_t first = 0; first < p.rows; first += piece) {
        const int64_t rows = mx_cuda_min(piece, p.rows - first);
        forward_whole(c, &p, sum, r, x, operand, b, first, rows);
        if (mx_present(h)) gelu_pass(c, y, h, first * p.out, rows * p.out);
    }
}

extern "C" void mx_cuda_gelu(mx_ctx *c, mx_tensor y, mx_tensor h) { gelu_pass(c, y, h, 0, mx_count(h)); }

/* ---- backward ---- */

extern "C" size_t mx_cuda_linear_back_work(const mx_ctx *c, int64_t rows, int64_t out, int64_t in,
                                           mx_dtype x) {
    (void)c;
    return work_of(true, rows, out, in, x);
}

/* dw += dyᵀ x over a piece of rows; dy in the products' type. */
static void weight_gradient(mx_ctx *c, const parts *p, mx_tensor dw, const void *dy, const void *x,
                            int64_t rows) {
    const mx_cuda_shape s = {p->out, p->in, rows, true, false, p->type, MX_F32, false, true};
    const mx_cuda_operands o = {dw.data, dy, x, NULL, dw.data, p->work};
    mx_cuda_multiply(c, &s, &o);
}

/* dx = dy w over a piece of rows from `first`, times GELU'(h) where h is present. That product is summed in f32 and
 * rounded once. */
static void input_gradient(mx_ctx *c, const parts *p, mx_tensor dx, const void *dy, const void *w,
                           mx_tensor h, int64_t first, int64_t rows) {
    const int64_t at = first * p->in, n = rows * p->in;
    const bool direct = !mx_present(h) && !(p->type == MX_F32 && dx.type == MX_BF16);
    void *to = direct ? mx_at(dx, at) : p->rows_in;
    const mx_cuda_shape s = {rows,  p->in, p->out, false, false, p->type, direct ? dx.type : MX_F32,
                             false, false};
    const mx_cuda_operands o = {to, dy, w, NULL, NULL, p->work};
    mx_cuda_multiply(c, &s, &o);
    if (direct) return;
    if (!mx_present(h)) {
        convert(c, mx_at(dx, at), MX_BF16, to, MX_F32, n);
        return;
    }
#define LAUNCH(T)                                                                                            \
    MX_LAUNCH(c, (blocks_for(n, 1)), THREADS, 0, (gelu_back_kernel<T>), (T *)mx_at(dx, at),                  \
              (const float *)to, (const T *)mx_at(h, at), n)
    MX_BY_TYPE(h.type, LAUNCH);
#undef LAUNCH
}

/* dy's rows from `first` on as the products read them; adds their sums to db. */
static const void *output_gradient(mx_ctx *c, const parts *p, mx_tensor db, mx_tensor dy, int64_t first,
                                   int64_t rows) {
    const void *d = mx_at(dy, first * p->out);
    void *copy = dy.type != p->type ? p->rows_out : NULL;
    if (mx_present(db))
        mx_cuda_column_sums(c, (float *)db.data, copy, d, dy.type, rows, p->out, p->sums);
    else if (copy)
        convert(c, copy, p->type, d, dy.type, rows * p->out);
    return copy ? copy : d;
}

extern "C" void mx_cuda_linear_back(mx_ctx *c, mx_tensor dx, mx_tensor dw, mx_tensor db, mx_tensor dy,
                                    mx_tensor x, mx_tensor h, mx_tensor w, void *work) {
    const parts p = cut_work(work, true, mx_rows(x), mx_width(dy), mx_width(x), x.type);
    const bool converts = dy.type != p.type;
    const int64_t piece = converts || (mx_present(dx) && mx_present(h)) ? p.piece : p.rows;
    const void *operand = mx_present(dx) ? weights(c, &p, w) : NULL, *d = NULL;
    if (!converts) {
        d = output_gradient(c, &p, db, dy, 0, p.rows);
        weight_gradient(c, &p, dw, d, x.data, p.rows);
    }
    for (int64_t first = 0; first < p.rows && (converts || mx_present(dx)); first += piece) {
        const int64_t rows = mx_cuda_min(piece, p.rows - first);
        if (converts) {
            d = output_gradient(c, &p, db, dy, first, rows);
            weight_gradient(c, &p, dw, d, mx_at(x, first * p.in), rows);
        } else
            d = mx_at(dy, first * p.out);
        if (mx_present(dx)) input_gradient(c, &p, dx, d, operand, h, first, rows);
    }
}
