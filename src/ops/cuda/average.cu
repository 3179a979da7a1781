/* The moving average of weights. */
#include "ops/cuda/state.cuh"

static __global__ void average_kernel(float *average, const float *w, int64_t n, float decay, float rest) {
    for (int64_t i = mx_cuda_index(); i < n; i += mx_cuda_stride())
        average[i] = decay * average[i] + rest * w[i];
}

extern "C" void mx_cuda_average(mx_ctx *c, mx_tensor average, mx_tensor w, double decay) {
    const int64_t n = mx_count(w);
    MX_LAUNCH(c, (mx_cuda_blocks(n, 256, 4096)), 256, 0, average_kernel, mx_f32(average), mx_f32(w), n,
              (float)decay, (float)(1 - decay));
}
