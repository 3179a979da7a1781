/* cublasLt's interface: descriptors, the heuristic that finds one algorithm, and the product on a stream. */
#include "cublasLt.h"
#include "emulator.h"
#include "product.h"

#include <stdlib.h>
#include <type_traits>

struct mx_host_lt {
    int device;
};
struct mx_host_matmul_desc {
    cublasComputeType_t compute;
    cublasOperation_t transpose_a, transpose_b;
    cublasLtEpilogue_t epilogue;
    const void *bias;
    int bias_type; /* -1: the type of D */
};
struct mx_host_matrix_layout {
    cudaDataType type;
    uint64_t rows, columns;
    int64_t ld;
};
struct mx_host_matmul_preference {
    uint64_t workspace;
    uint32_t reduction, alignment[4]; /* of a, b, c, d */
};
/* What the heuristic writes into the 64 bytes of an algorithm: the product that it was asked for. */
struct algorithm {
    uint32_t m, n, k, alignment[4];
    uint32_t types; /* a, d, bias, epilogue, transposes, compute */
    uint64_t workspace;
};
static_assert(sizeof(algorithm) <= sizeof(cublasLtMatmulAlgo_t), "fits");

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle) {
    *handle = new mx_host_lt{mx_host_current_device()};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}
size_t cublasLtGetVersion(void) { return 130000; }

const char *cublasLtGetStatusName(cublasStatus_t status) {
    switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    }
    return "<unknown>";
}
const char *cublasLtGetStatusString(cublasStatus_t status) { return cublasLtGetStatusName(status); }

/* ---- descriptors ---- */

template <typename T> static cublasStatus_t take(T *field, const void *value, size_t bytes) {
    if (bytes != sizeof *field || !value) return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(field, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *desc, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
    if (scale != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
    *desc = new mx_host_matmul_desc{compute, CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, NULL, -1};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
    delete desc;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t name,
                                              const void *value, size_t bytes) {
    switch (name) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return take(&desc->transpose_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB: return take(&desc->transpose_b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return take(&desc->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return take(&desc->bias, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return take(&desc->bias_type, value, bytes);
    }
    return CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t ld) {
    if (!rows || !columns || ld < static_cast<int64_t>(rows)) return CUBLAS_STATUS_INVALID_VALUE;
    *layout = new mx_host_matrix_layout{type, rows, columns, ld};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
    delete layout;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t name, const void *value,
                                                size_t bytes) {
    if (name != CUBLASLT_MATRIX_LAYOUT_LD) return CUBLAS_STATUS_NOT_SUPPORTED;
    return take(&layout->ld, value, bytes);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference) {
    *preference = new mx_host_matmul_preference{0, CUBLASLT_REDUCTION_SCHEME_MASK, {256, 256, 256, 256}};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
    delete preference;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t name,
                                                    const void *value, size_t bytes) {
    switch (name) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return take(&preference->workspace, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return take(&preference->reduction, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: return take(&preference->alignment[0], value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: return take(&preference->alignment[1], value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: return take(&preference->alignment[2], value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: return take(&preference->alignment[3], value, bytes);
    }
    return CUBLAS_STATUS_NOT_SUPPORTED;
}

/* ---- which products there are ---- */

static int bias_type(const mx_host_matmul_desc *desc, const mx_host_matrix_layout *d) {
    if (desc->epilogue != CUBLASLT_EPILOGUE_BIAS) return d->type;
    return desc->bias_type < 0 ? d->type : desc->bias_type;
}

static bool types_supported(const mx_host_matmul_desc *desc, cublasLtMatrixLayout_t a,
                            cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d) {
    if (a->type != b->type || c->type != d->type) return false;
    if (a->type == CUDA_R_32F && d->type != CUDA_R_32F) return false;
    if (desc->compute == CUBLAS_COMPUTE_32F_FAST_TF32 && a->type != CUDA_R_32F) return false;
    const int bias = bias_type(desc, d);
    const char *strict = getenv("MX_CUDA_NO_F32_BIAS");
    return bias == d->type || (bias == CUDA_R_32F && !(strict && *strict == '1'));
}

static bool shapes_fit(const algorithm *p, const mx_host_matmul_desc *desc, cublasLtMatrixLayout_t b,
                       cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d) {
    const uint64_t k = desc->transpose_b == CUBLAS_OP_T ? b->columns : b->rows;
    const uint64_t n = desc->transpose_b == CUBLAS_OP_T ? b->rows : b->columns;
    return p->k == k && p->n == n && c->rows == p->m && c->columns == n && d->rows == p->m && d->columns == n;
}

/* The product as an algorithm describes it, without alignment and workspace. */
static algorithm describe(const mx_host_matmul_desc *desc, cublasLtMatrixLayout_t a,
                          cublasLtMatrixLayout_t d) {
    algorithm p = {};
    p.m = static_cast<uint32_t>(desc->transpose_a == CUBLAS_OP_T ? a->columns : a->rows);
    p.k = static_cast<uint32_t>(desc->transpose_a == CUBLAS_OP_T ? a->rows : a->columns);
    p.n = static_cast<uint32_t>(d->columns);
    p.types = static_cast<uint32_t>(a->type | d->type << 4 | bias_type(desc, d) << 8 | desc->epilogue << 12 |
                                    desc->transpose_a << 16 | desc->transpose_b << 17 | desc->compute << 20);
    return p;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t result[], int *found) {
    *found = 0;
    if (!handle || wanted < 1) return CUBLAS_STATUS_INVALID_VALUE;
    algorithm p = describe(desc, a, d);
    if (!shapes_fit(&p, desc, b, c, d)) return CUBLAS_STATUS_INVALID_VALUE;
    if (!types_supported(desc, a, b, c, d)) return CUBLAS_STATUS_NOT_SUPPORTED;
    memcpy(p.alignment, preference->alignment, sizeof p.alignment);
    p.workspace = preference->workspace;
    result[0] = cublasLtMatmulHeuristicResult_t();
    memcpy(&result[0].algo, &p, sizeof p);
    result[0].workspaceSize = p.workspace;
    result[0].wavesCount = 1;
    *found = 1;
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- the product ---- */

static size_t bytes_of(const mx_host_matrix_layout *l) {
    return ((l->columns - 1) * static_cast<size_t>(l->ld) + l->rows) * (l->type == CUDA_R_32F ? 4 : 2);
}

static bool overlap(const void *a, size_t a_bytes, const void *b, size_t b_bytes) {
    const char *x = static_cast<const char *>(a), *y = static_cast<const char *>(b);
    return x < y + b_bytes && y < x + a_bytes;
}

static void check_operand(const char *name, const void *p, const mx_host_matrix_layout *l, uint32_t alignment,
                          int device) {
    mx_host_check_device_range(name, p, bytes_of(l), device);
    if (reinterpret_cast<uintptr_t>(p) % alignment)
        mx_host_die("%s: %p is not aligned to %u bytes, as the heuristic was promised (MIN_ALIGNMENT)", name,
                    p, alignment);
}

static void check_workspace(const algorithm *chosen, const void *workspace, size_t bytes, int device) {
    if (bytes < chosen->workspace)
        mx_host_die("cublasLtMatmul: a workspace of %zu bytes, the algorithm needs %llu", bytes,
                    static_cast<unsigned long long>(chosen->workspace));
    if (!bytes) return;
    mx_host_check_device_range("cublasLtMatmul, workspace", workspace, bytes, device);
    if (reinterpret_cast<uintptr_t>(workspace) % 16)
        mx_host_die("cublasLtMatmul: the workspace is not aligned to 16");
}

/* Both ends suffice to show that somebody else uses it. */
static void spoil(void *workspace, size_t bytes) {
    const size_t part = bytes < 32768 ? bytes : 32768;
    if (!bytes) return;
    memset(workspace, MX_HOST_NAN, part);
    memset(static_cast<char *>(workspace) + bytes - part, MX_HOST_NAN, part);
}

static mx_host_matrix matrix(const void *p, const mx_host_matrix_layout *l, cublasOperation_t transpose) {
    return mx_host_matrix{p, l->type, static_cast<size_t>(l->ld), transpose == CUBLAS_OP_T};
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha,
                              const void *a, cublasLtMatrixLayout_t al, const void *b,
                              cublasLtMatrixLayout_t bl, const void *beta, const void *c,
                              cublasLtMatrixLayout_t cl, void *d, cublasLtMatrixLayout_t dl,
                              const cublasLtMatmulAlgo_t *algo, void *workspace, size_t workspace_bytes,
                              cudaStream_t stream) {
    mx_host_lock lock;
    if (!handle || !algo) return CUBLAS_STATUS_INVALID_VALUE;
    const int device = mx_host_stream_device(stream, "cublasLtMatmul");
    if (handle->device != device)
        mx_host_die("cublasLtMatmul: the handle is of device %d, the stream of %d", handle->device, device);
    algorithm chosen, here = describe(desc, al, dl);
    memcpy(&chosen, algo, sizeof chosen);
    if (chosen.m != here.m || chosen.n != here.n || chosen.k != here.k || chosen.types != here.types ||
        !shapes_fit(&here, desc, bl, cl, dl))
        mx_host_die("cublasLtMatmul: the algorithm was found for another product");
    check_operand("cublasLtMatmul, A", a, al, chosen.alignment[0], device);
    check_operand("cublasLtMatmul, B", b, bl, chosen.alignment[1], device);
    check_operand("cublasLtMatmul, C", c, cl, chosen.alignment[2], device);
    check_operand("cublasLtMatmul, D", d, dl, chosen.alignment[3], device);
    check_workspace(&chosen, workspace, workspace_bytes, device);
    if (overlap(d, bytes_of(dl), a, bytes_of(al)) || overlap(d, bytes_of(dl), b, bytes_of(bl)) ||
        (overlap(d, bytes_of(dl), c, bytes_of(cl)) && (c != d || cl->ld != dl->ld)))
        mx_host_die("cublasLtMatmul: D overlaps an operand");
    mx_host_product p = {here.m,
                         here.n,
                         here.k,
                         *static_cast<const float *>(alpha),
                         *static_cast<const float *>(beta),
                         desc->compute == CUBLAS_COMPUTE_32F_FAST_TF32,
                         matrix(a, al, desc->transpose_a),
                         matrix(b, bl, desc->transpose_b),
                         matrix(c, cl, CUBLAS_OP_N),
                         {},
                         d,
                         static_cast<size_t>(dl->ld)};
    if (desc->epilogue == CUBLASLT_EPILOGUE_BIAS) {
        p.bias = mx_host_matrix{desc->bias, static_cast<cudaDataType_t>(bias_type(desc, dl)), here.m, false};
        mx_host_check_device_range("cublasLtMatmul, bias", desc->bias,
                                   here.m * (p.bias.type == CUDA_R_32F ? 4 : 2), device);
    }
    mx_host_enqueue(stream, "cublasLtMatmul", [=] {
        spoil(workspace, workspace_bytes);
        mx_host_multiply(&p);
    });
    return CUBLAS_STATUS_SUCCESS;
}
