/* The passes of resize.c for bytes, on x86 with AVX2: across for RGB, two rows at a time, and down. Both take taps in
 * pairs.
 *
 * The results are the same integers. A 23-bit weight is split into two numbers of 16 bits, w = 2^15 high + low with
 * 0 <= low < 2^15, so that one instruction multiplies and adds two taps of 16 bits. The low sums stay below 2^31 for up
 * to 256 taps; all other arithmetic is modulo 2^32, as in resize.c. */
#include "data/resize.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

#define MX_PAD 32 /* bytes that the code may read after a row */

typedef struct {
    int16_t *low, *high; /* [out][taps], taps a multiple of 4, 0 after the last */
    int taps;
} halves;

static bool split(halves *s, const mx_axis *a) {
    s->taps = (a->taps + 3) / 4 * 4;
    const size_t n = (size_t)a->out * (size_t)s->taps;
    s->low = calloc(2 * n, sizeof *s->low);
    if (!s->low) return false;
    s->high = s->low + n;
    for (int i = 0; i < a->out; i++)
        for (int j = 0; j < a->n[i]; j++) {
            const int32_t w = a->fixed[(size_t)i * (size_t)a->taps + (size_t)j];
            const size_t at = (size_t)i * (size_t)s->taps + (size_t)j;
            s->high[at] = (int16_t)(w >> 15), s->low[at] = (int16_t)(w & 0x7fff);
        }
    return true;
}

/* A register with the weights w[0], w[1] in every 32 bits. */
__attribute__((target("avx2"))) static inline __m256i pair(const int16_t *w) {
    int32_t both;
    memcpy(&both, w, sizeof both);
    return _mm256_set1_epi32(both);
}

/* One result pixel of two rows: bytes r g b of the first row in the lowest 32 bits, of the second from bit 128. */
__attribute__((target("avx2"))) static inline __m256i pixel(const uint8_t *a, const uint8_t *b,
                                                            const int16_t *low, const int16_t *high, int n) {
    const __m256i first = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 0, -1, 3,
                                           -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
    const __m256i second = _mm256_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1, 6, -1,
                                            9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    __m256i lows = _mm256_set1_epi32(1 << (MX_RESIZE_BITS - 1)), highs = _mm256_setzero_si256();
    for (int j = 0; j < n; j += 4, a += 12, b += 12) {
        const __m256i four =
            _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)a)),
                                    _mm_loadu_si128((const __m128i *)(const void *)b), 1);
        const __m256i p = _mm256_shuffle_epi8(four, first), q = _mm256_shuffle_epi8(four, second);
        lows = _mm256_add_epi32(lows, _mm256_madd_epi16(p, pair(low + j)));
        highs = _mm256_add_epi32(highs, _mm256_madd_epi16(p, pair(high + j)));
        lows = _mm256_add_epi32(lows, _mm256_madd_epi16(q, pair(low + j + 2)));
        highs = _mm256_add_epi32(highs, _mm256_madd_epi16(q, pair(high + j + 2)));
    }
    __m256i v = _mm256_srai_epi32(_mm256_add_epi32(lows, _mm256_slli_epi32(highs, 15)), MX_RESIZE_BITS);
    v = _mm256_packs_epi32(v, v);
    return _mm256_packus_epi16(v, v);
}

__attribute__((target("avx2"))) static void two_rows(uint8_t *to_a, uint8_t *to_b, const uint8_t *a,
                                                     const uint8_t *b, const mx_axis *x, const halves *s) {
    for (int i = 0; i < x->out; i++) {
        const size_t from = (size_t)x->first[i] * 3, w = (size_t)i * (size_t)s->taps;
        const __m256i v = pixel(a + from, b + from, s->low + w, s->high + w, x->n[i]);
        const int32_t pa = _mm256_extract_epi32(v, 0), pb = _mm256_extract_epi32(v, 4);
        memcpy(to_a + 3 * i, &pa, 3); /* not 4: the bytes after the row may already be written */
        memcpy(to_b + 3 * i, &pb, 3);
    }
}

static bool usable(const mx_axis *a) { return __builtin_cpu_supports("avx2") && a->taps <= 250; }

/* Row y, followed by MX_PAD readable bytes: in place if enough bytes follow in the image, else a copy. */
static const uint8_t *padded_row(uint8_t *copy, const uint8_t *in, size_t stride, int rows, size_t bytes,
                                 int y) {
    if ((size_t)(rows - 1 - y) * stride >= MX_PAD) return in + (size_t)y * stride;
    memcpy(copy, in + (size_t)y * stride, bytes);
    memset(copy + bytes, 0, MX_PAD);
    return copy;
}

bool mx_resize_rgb_across(uint8_t *out, const uint8_t *in, size_t stride, int rows, int columns,
                          const mx_axis *a) {
    const size_t bytes = (size_t)columns * 3, width = (size_t)a->out * 3;
    halves s = {0};
    if (!usable(a)) return false;
    uint8_t *copy = malloc(2 * (bytes + MX_PAD)), *none = malloc(width);
    bool done = copy && none && split(&s, a);
    for (int y = 0; done && y < rows; y += 2) {
        const bool two = y + 1 < rows;
        const uint8_t *p = padded_row(copy, in, stride, rows, bytes, y);
        const uint8_t *q = two ? padded_row(copy + bytes + MX_PAD, in, stride, rows, bytes, y + 1) : p;
        uint8_t *to = out + (size_t)y * width;
        two_rows(to, two ? to + width : none, p, q, a, &s);
    }
    free(s.low), free(none), free(copy);
    return done;
}

/* Adds 8 columns of two rows, times the rows' weights. */
__attribute__((target("avx2"))) static inline void add_pair(__m256i *lows, __m256i *highs, __m128i both,
                                                            __m256i low, __m256i high) {
    const __m256i p = _mm256_cvtepu8_epi16(both);
    *lows = _mm256_add_epi32(*lows, _mm256_madd_epi16(p, low));
    *highs = _mm256_add_epi32(*highs, _mm256_madd_epi16(p, high));
}

__attribute__((target("avx2"))) static inline __m256i shifted(__m256i lows, __m256i highs) {
    return _mm256_srai_epi32(_mm256_add_epi32(lows, _mm256_slli_epi32(highs, 15)), MX_RESIZE_BITS);
}

/* 16 columns of one result row. n is even; if the last weight is 0, its row is not read. */
__attribute__((target("avx2"))) static inline void sixteen(uint8_t *out, const uint8_t *in, size_t stride,
                                                           const int16_t *low, const int16_t *high, int n) {
    const __m256i half = _mm256_set1_epi32(1 << (MX_RESIZE_BITS - 1));
    __m256i lows[2] = {half, half}, highs[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (int j = 0; j < n; j += 2, in += 2 * stride) {
        const __m128i a = _mm_loadu_si128((const __m128i *)(const void *)in);
        const __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(j + 1 < n ? in + stride : in));
        const __m256i wl = pair(low + j), wh = pair(high + j);
        add_pair(&lows[0], &highs[0], _mm_unpacklo_epi8(a, b), wl, wh);
        add_pair(&lows[1], &highs[1], _mm_unpackhi_epi8(a, b), wl, wh);
    }
    __m256i v = _mm256_packs_epi32(shifted(lows[0], highs[0]), shifted(lows[1], highs[1]));
    v = _mm256_permute4x64_epi64(v, 0xd8); /* packs works on each half of the register */
    _mm_storeu_si128((__m128i *)(void *)out,
                     _mm_packus_epi16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
}

__attribute__((target("avx2"))) static void down_rows(uint8_t *out, const uint8_t *in, size_t stride,
                                                      size_t width, const mx_axis *a, const halves *s) {
    for (int y = 0; y < a->out; y++, out += width) {
        const uint8_t *from = in + (size_t)a->first[y] * stride;
        const size_t w = (size_t)y * (size_t)s->taps;
        for (size_t x = 0; x < width; x += 16) {
            if (x + 16 > width) x = width - 16; /* computes some columns twice */
            sixteen(out + x, from + x, stride, s->low + w, s->high + w, a->n[y]);
        }
    }
}

bool mx_resize_down(uint8_t *out, const uint8_t *in, size_t stride, size_t width, const mx_axis *a) {
    halves s = {0};
    bool done = usable(a) && width >= 16 && split(&s, a);
    if (done) down_rows(out, in, stride, width, a, &s);
    free(s.low);
    return done;
}
#else
bool mx_resize_down(uint8_t *out, const uint8_t *in, size_t stride, size_t width, const mx_axis *a) {
    (void)out, (void)in, (void)stride, (void)width, (void)a;
    return false;
}

bool mx_resize_rgb_across(uint8_t *out, const uint8_t *in, size_t stride, int rows, int columns,
                          const mx_axis *a) {
    (void)out, (void)in, (void)stride, (void)rows, (void)columns, (void)a;
    return false;
}
#endif
