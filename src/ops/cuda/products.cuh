/* Matrix products by cuBLASLt, with plans kept by shape. */
#ifndef MX_OPS_CUDA_PRODUCTS_CUH
#define MX_OPS_CUDA_PRODUCTS_CUH

#include "ops/cuda/state.cuh"

/* Scratch memory of a product. cuBLASLt splits long sums into partial sums there. */
#define MX_CUDA_WORKSPACE ((size_t)32 << 20)

/* d [rows,columns] = op(a) op(b) + bias + c, row-major and tight, f32 sums.
 * op(a) [rows,depth], op(b) [depth,columns]; trans: the matrix is stored the other way round. a and b have type
 * `in`, d and c `out`; bias [columns] f32 is added to each row. f32 operands are not rounded to TF32. */
typedef struct {
    int64_t rows, columns, depth;
    bool trans_a, trans_b;
    mx_dtype in, out;
    bool bias, add; /* bias, c present */
} mx_cuda_shape;

/* addend: c, may be d; NULL unless s->add. work: MX_CUDA_WORKSPACE bytes, then 2 * columns for a rounded bias. */
typedef struct {
    void *d;
    const void *a, *b;
    const float *bias;
    const void *addend;
    void *work;
} mx_cuda_operands;

void mx_cuda_multiply(mx_ctx *c, const mx_cuda_shape *s, const mx_cuda_operands *o);
/* Bytes of mx_cuda_operands.work. */
size_t mx_cuda_multiply_work(int64_t columns);

mx_cuda_plans *mx_cuda_plans_make(void);
void mx_cuda_plans_free(mx_cuda_plans *p);

#endif
