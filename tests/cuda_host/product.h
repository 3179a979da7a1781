/* The product behind cublasLtMatmul. */
#ifndef MX_HOST_PRODUCT_H
#define MX_HOST_PRODUCT_H

#include "cublasLt.h"

struct mx_host_matrix {
    const void *data; /* element (row, column) at data[column * ld + row], before the transpose */
    cudaDataType_t type;
    size_t ld;
    bool transposed;
};
struct mx_host_product {
    size_t m, n, k;
    float alpha, beta;
    bool tf32;           /* round operands to TF32's 10 bits */
    mx_host_matrix a, b; /* op(a) [m,k], op(b) [k,n] */
    mx_host_matrix c;    /* [m,n]; not read if beta = 0 */
    mx_host_matrix bias; /* [m,1], or data = NULL */
    void *d;             /* [m,n], the type of c */
    size_t d_ld;
};
/* d = alpha op(a) op(b) + beta c + bias. Sums in f32, in an order that depends on k alone. */
void mx_host_multiply(const mx_host_product *p);

#endif
