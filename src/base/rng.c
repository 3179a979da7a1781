/* Philox 4x32-10, see rng.h. */
#include "base/rng.h"

#include <math.h>

static uint64_t mix64(uint64_t x) { /* finaliser of SplitMix64 (Steele et al. 2014) */
    x ^= x >> 30, x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27, x *= 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

mx_rng mx_rng_make(uint64_t seed, mx_rng_purpose purpose, uint64_t a, uint32_t b) {
    uint64_t key = mix64(seed + 0x9e3779b97f4a7c15u * (uint64_t)purpose);
    return (mx_rng){.key = {(uint32_t)key, (uint32_t)(key >> 32)},
                    .counter = {0, b, (uint32_t)a, (uint32_t)(a >> 32)}};
}

static void philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

uint32_t mx_rng_u32(mx_rng *r) {
    if (!r->left) {
        philox(r->out, r->counter, r->key);
        r->counter[0]++;
        r->left = 4;
    }
    return r->out[4 - r->left--];
}

double mx_rng_uniform(mx_rng *r) {
    uint64_t hi = mx_rng_u32(r), lo = mx_rng_u32(r);
    return (double)((hi << 32 | lo) >> 11) * 0x1p-53;
}

uint64_t mx_rng_below(mx_rng *r, uint64_t n) {
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, x;
    do x = (uint64_t)mx_rng_u32(r) << 32 | mx_rng_u32(r);
    while (x >= limit);
    return x % n;
}

double mx_rng_normal(mx_rng *r) {
    double u = 1.0 - mx_rng_uniform(r), v = mx_rng_uniform(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v);
}
