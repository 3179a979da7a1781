/* The emulator's cublasLtMatmul: every combination of transposes, types, bias and beta against sums in double, and what
 * it refuses. */
#include "cublasLt.h"
#include "cuda_bf16.h"
#include "test_dies.h"
#include "test_lib.h"

#include <math.h>

static cudaStream_t stream;
static cublasLtHandle_t handle;
#define LT(call) CHECK((call) == CUBLAS_STATUS_SUCCESS)

/* Numbers on the device as f32 or bf16, and back. */
static void *put_as(cudaDataType type, const std::vector<float> &values) {
    std::vector<uint16_t> halves;
    if (type == CUDA_R_32F) return put(values, stream);
    for (float x : values) halves.push_back(__bfloat16_as_ushort(__float2bfloat16_rn(x)));
    return put(halves, stream);
}
static std::vector<float> get_as(cudaDataType type, const void *p, size_t n) {
    if (type == CUDA_R_32F) return get(static_cast<const float *>(p), n, stream);
    std::vector<float> values;
    for (uint16_t h : get(static_cast<const uint16_t *>(p), n, stream))
        values.push_back(__bfloat162float(__ushort_as_bfloat16(h)));
    return values;
}

/* A matrix by columns, with some elements between them that nobody may write. */
struct stored {
    size_t rows, columns, ld;
    std::vector<float> value;
    float at(size_t row, size_t column, bool transposed) const {
        return transposed ? value[row * ld + column] : value[column * ld + row];
    }
};
static stored make(size_t rows, size_t columns, bool transposed, size_t gap, unsigned seed) {
    if (transposed) std::swap(rows, columns);
    return stored{rows, columns, rows + gap, numbers((rows + gap) * columns, seed)};
}

struct shape {
    size_t m, n, k;
    bool ta, tb, bias;
    cudaDataType in, out;
    float alpha, beta;
    cublasComputeType_t compute;
};

struct call {
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, d;
    cublasLtMatmulHeuristicResult_t best;
    int found;
};

static cublasLtMatrixLayout_t layout(cudaDataType type, const stored &x) {
    cublasLtMatrixLayout_t l;
    LT(cublasLtMatrixLayoutCreate(&l, type, x.rows, x.columns, static_cast<int64_t>(x.ld)));
    return l;
}
template <typename T>
static void set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t name, T value) {
    LT(cublasLtMatmulDescSetAttribute(desc, name, &value, sizeof value));
}

static const size_t WORKSPACE = 4096;

static call describe(const shape &s, const stored &a, const stored &b, const stored &d, const void *bias) {
    call c = {};
    LT(cublasLtMatmulDescCreate(&c.desc, s.compute, CUDA_R_32F));
    set(c.desc, CUBLASLT_MATMUL_DESC_TRANSA, s.ta ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(c.desc, CUBLASLT_MATMUL_DESC_TRANSB, s.tb ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (s.bias) {
        set(c.desc, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
        set(c.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
        set(c.desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, CUDA_R_32F);
    }
    c.a = layout(s.in, a), c.b = layout(s.in, b), c.d = layout(s.out, d);
    cublasLtMatmulPreference_t p;
    LT(cublasLtMatmulPreferenceCreate(&p));
    LT(cublasLtMatmulPreferenceSetAttribute(p, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &WORKSPACE,
                                            sizeof WORKSPACE));
    cublasLtMatmulAlgoGetHeuristic(handle, c.desc, c.a, c.b, c.d, c.d, p, 1, &c.best, &c.found);
    LT(cublasLtMatmulPreferenceDestroy(p));
    return c;
}

static void destroy(const call &c) {
    LT(cublasLtMatmulDescDestroy(c.desc));
    LT(cublasLtMatrixLayoutDestroy(c.a)), LT(cublasLtMatrixLayoutDestroy(c.b)),
        LT(cublasLtMatrixLayoutDestroy(c.d));
}

/* Against sums in double, to what the types allow. */
static void compare(const shape &s, const stored &a, const stored &b, const stored &d,
                    const std::vector<float> &bias, const std::vector<float> &got) {
    const double limit = s.out == CUDA_R_16BF ? 0.004 : 2e-6; /* half a unit of bf16's 8 bits, and some */
    for (size_t column = 0; column < s.n; column++) {
        for (size_t row = 0; row < s.m; row++) {
            double sum = 0;
            for (size_t k = 0; k < s.k; k++)
                sum += static_cast<double>(a.at(row, k, s.ta)) * static_cast<double>(b.at(k, column, s.tb));
            sum = s.alpha * sum + (s.bias ? bias[row] : 0);
            if (s.beta != 0) sum += s.beta * d.at(row, column, false);
            CHECK(fabs(got[column * d.ld + row] - sum) <= limit * (1 + fabs(sum)));
        }
        for (size_t row = s.m; row < d.ld; row++) CHECK(got[column * d.ld + row] == d.at(row, column, false));
    }
}

static void product(const shape &s) {
    const stored a = make(s.m, s.k, s.ta, 3, 1), b = make(s.k, s.n, s.tb, 2, 2),
                 d = make(s.m, s.n, false, 1, 3);
    const std::vector<float> bias = numbers(s.m, 4);
    void *da = put_as(s.in, a.value), *db = put_as(s.in, b.value), *dd = put_as(s.out, d.value);
    float *dbias = put(bias, stream), *work = put(std::vector<float>(WORKSPACE / 4, 0), stream);
    const call c = describe(s, a, b, d, dbias);
    CHECK(c.found == 1);
    LT(cublasLtMatmul(handle, c.desc, &s.alpha, da, c.a, db, c.b, &s.beta, dd, c.d, dd, c.d, &c.best.algo,
                      work, WORKSPACE, stream));
    compare(s, a, b, d, bias, get_as(s.out, dd, d.value.size()));
    CHECK(isnan(get(work, 1, stream)[0])); /* the workspace is the library's */
    destroy(c);
    OK(cudaFree(da)), OK(cudaFree(db)), OK(cudaFree(dd)), OK(cudaFree(dbias)), OK(cudaFree(work));
}

static void products(void) {
    const size_t sizes[][3] = {{1, 1, 1}, {5, 7, 300}, {37, 29, 65}, {16, 6, 256}, {100, 130, 513}};
    const cudaDataType types[][2] = {
        {CUDA_R_32F, CUDA_R_32F}, {CUDA_R_16BF, CUDA_R_32F}, {CUDA_R_16BF, CUDA_R_16BF}};
    for (auto &z : sizes)
        for (auto &t : types)
            for (int i = 0; i < 16; i++)
                product(shape{z[0], z[1], z[2], (i & 1) != 0, (i & 2) != 0, (i & 4) != 0, t[0], t[1],
                              i & 8 ? 0.5f : 1.0f, i & 8 ? 0.25f : 0.0f, CUBLAS_COMPUTE_32F});
}

/* 1 + 2^-13 is 1 in TF32, and so the sums of the two ways differ. */
static float first_of(cublasComputeType_t compute) {
    const shape s = {1, 1, 1024, true, false, false, CUDA_R_32F, CUDA_R_32F, 1, 0, compute};
    const stored a = {1024, 1, 1024, std::vector<float>(1024, 1.0f + 1.0f / 8192)}, b = a, d = {1, 1, 1, {0}};
    float *da = put(a.value, stream), *dd = put(d.value, stream),
          *work = put(std::vector<float>(WORKSPACE / 4), stream);
    const call c = describe(s, a, b, d, NULL);
    LT(cublasLtMatmul(handle, c.desc, &s.alpha, da, c.a, da, c.b, &s.beta, dd, c.d, dd, c.d, &c.best.algo,
                      work, WORKSPACE, stream));
    const float result = get(dd, 1, stream)[0];
    destroy(c);
    OK(cudaFree(da)), OK(cudaFree(dd)), OK(cudaFree(work));
    return result;
}

/* ---- what it refuses ---- */

static int found(cudaDataType in, cudaDataType out, cublasComputeType_t compute, bool bias) {
    const shape s = {4, 4, 4, false, false, bias, in, out, 1, 0, compute};
    const stored x = make(4, 4, false, 0, 1);
    const call c = describe(s, x, x, x, NULL);
    destroy(c);
    return c.found;
}

static void refusals(void) {
    CHECK(found(CUDA_R_16BF, CUDA_R_16BF, CUBLAS_COMPUTE_32F, true) == 1);
    setenv("MX_CUDA_NO_F32_BIAS", "1", 1);
    CHECK(found(CUDA_R_16BF, CUDA_R_16BF, CUBLAS_COMPUTE_32F, true) == 0);
    CHECK(found(CUDA_R_16BF, CUDA_R_32F, CUBLAS_COMPUTE_32F, true) == 1);
    unsetenv("MX_CUDA_NO_F32_BIAS");
    CHECK(found(CUDA_R_32F, CUDA_R_16BF, CUBLAS_COMPUTE_32F, false) == 0);
    CHECK(found(CUDA_R_16BF, CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32, false) == 0);
}

/* A product of 8 x 8 matrices with operands and workspace at offsets (in floats) of one piece of memory. */
static void product_at(size_t a, size_t b, size_t d, size_t work, size_t work_bytes) {
    const shape s = {8, 8, 8, false, false, false, CUDA_R_32F, CUDA_R_32F, 1, 0, CUBLAS_COMPUTE_32F};
    const stored x = make(8, 8, false, 0, 1);
    float *p = put(std::vector<float>(4096, 1), stream);
    const call c = describe(s, x, x, x, NULL);
    LT(cublasLtMatmul(handle, c.desc, &s.alpha, p + a, c.a, p + b, c.b, &s.beta, p + d, c.d, p + d, c.d,
                      &c.best.algo, p + work, work_bytes, stream));
    destroy(c);
    if (isnan(get(p + d, 64, stream)[63])) mx_host_die("NaN in the result");
}

static void faults(void) {
    product_at(0, 0, 64, 128, WORKSPACE);
    dies("overlap", "D overlaps an operand", [] { product_at(0, 64, 64, 128, WORKSPACE); });
    dies("alignment", "A: 0x", [] { product_at(1, 128, 256, 512, WORKSPACE); });
    dies("alignment", "is not aligned to 256 bytes", [] { product_at(16, 128, 256, 512, WORKSPACE); });
    dies("outside", "B: 256 bytes", [] { product_at(0, 4096 - 32, 256, 512, WORKSPACE); });
    dies("small workspace", "a workspace of 4095 bytes", [] { product_at(0, 0, 64, 128, WORKSPACE - 1); });
    dies("shared workspace", "NaN in the result", [] { product_at(0, 128, 64, 128, WORKSPACE); });
}

int main(void) {
    stream = new_stream();
    LT(cublasLtCreate(&handle));
    products();
    CHECK(first_of(CUBLAS_COMPUTE_32F) > 1024.2f && first_of(CUBLAS_COMPUTE_32F_FAST_TF32) == 1024);
    refusals();
    faults();
    LT(cublasLtDestroy(handle));
    OK(cudaStreamDestroy(stream));
    puts("products agree with sums in double");
}
