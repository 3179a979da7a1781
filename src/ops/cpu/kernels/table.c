/* The kernels of one instruction set, collected in a struct. */
#include "ops/cpu/kernels/kernels.h"
#include "ops/cpu/kernels/simd.h"

const mx_kernels MX_ISA_NAME(mx_kernels) = {
    .isa = MX_STRING(MX_ISA),
    .lanes = MX_VW,
    .gemm = mx_k_gemm,
    .packing = mx_k_packing,
    .pack = mx_k_pack,
    .epilogue = mx_k_epilogue,
    .gelu = mx_k_gelu,
    .gelu_back = mx_k_gelu_back,
    .layernorm = mx_k_layernorm,
    .layernorm_back = mx_k_layernorm_back,
    .attention_scratch = mx_k_attention_scratch,
    .attention = mx_k_attention,
    .attention_back = mx_k_attention_back,
    .pixel_row = mx_k_pixel_row,
    .cross_entropy_row = mx_k_cross_entropy_row,
    .square_sum = mx_k_square_sum,
    .adamw = mx_k_adamw,
    .add = mx_k_add,
    .scale = mx_k_scale,
    .erf = mx_k_erf,
    .exp = mx_k_exp,
};
