/* The reference backend: plain C, one thread, sums in double. It defines every op; tests compare the other
 * backends with it. */
#ifndef MX_OPS_REF_REF_H
#define MX_OPS_REF_REF_H

#include <string.h>

#include "ops/backend.h"
#include "ops/host.h"

typedef __typeof__(1.0f) mx_single; /* f32 even when a test compiles this file with float as double */

/* x rounded to bf16, nearest even. NaN stays NaN. */
static inline double mx_ref_round_bf16(double x) {
    mx_single f = (mx_single)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (x == x) bits += 0x7fff + (bits >> 16 & 1);
    bits &= 0xffff0000u;
    if (x != x) bits |= 0x400000;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

/* Element i of an activation, f32 or bf16. */
static inline double mx_ref_get(mx_tensor t, int64_t i) {
    if (t.type == MX_F32) return (double)((const float *)t.data)[i];
    uint32_t bits = (uint32_t)((const uint16_t *)t.data)[i] << 16;
    mx_single f;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static inline void mx_ref_put(mx_tensor t, int64_t i, double x) {
    if (t.type == MX_F32) {
        ((float *)t.data)[i] = (float)x;
        return;
    }
    mx_single f = (mx_single)mx_ref_round_bf16(x);
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    ((uint16_t *)t.data)[i] = (uint16_t)(bits >> 16);
}

/* Element i as an operand of a product. half: a bf16 product, which rounds it. */
static inline double mx_ref_operand(mx_tensor t, int64_t i, bool half) {
    return half ? mx_ref_round_bf16(mx_ref_get(t, i)) : mx_ref_get(t, i);
}

#define MX_OP(name, scratch, ...) MX_OP_DECLARE(mx_ref_, name, scratch, __VA_ARGS__)
#include "ops/op_list.h"

const mx_backend *mx_ref_find(void);
mx_product_function mx_ref_product;

#endif
