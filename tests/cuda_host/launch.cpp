/* Launches: the limits that a GPU would check, then the blocks of the grid one after another. */
#include "emulator.h"

#include <map>
#include <vector>

static thread_local const char *next_name;
static std::map<std::pair<void (*)(), int>, size_t> shared_limits; /* by kernel and device */

void mx_host_kernel_name(const char *name) { next_name = name; }

cudaError_t mx_host_function_attribute(void (*kernel)(), cudaFuncAttribute attribute, int value) {
    mx_host_lock lock;
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 || value > MX_HOST_SMEM_MOST)
        return mx_host_error(cudaErrorInvalidValue);
    shared_limits[{kernel, mx_host_current_device()}] = static_cast<size_t>(value);
    return cudaSuccess;
}

/* The block with number `index`, x fastest. */
static void run_block(size_t index) {
    const dim3 grid = mx_host_grid_size;
    mx_host_block_index =
        uint3{static_cast<unsigned>(index % grid.x), static_cast<unsigned>(index / grid.x % grid.y),
              static_cast<unsigned>(index / grid.x / grid.y)};
    mx_host_shared_start();
    mx_host_block_run();
}

/* By MX_CUDA_ORDER: each block once. A random order draws the next block from those that are left. */
static void run_blocks(size_t blocks) {
    std::vector<uint32_t> left;
    if (mx_host_order() == MX_HOST_RANDOM)
        for (size_t i = 0; i < blocks; i++) left.push_back(static_cast<uint32_t>(i));
    for (size_t i = 0; i < blocks; i++) {
        size_t index = mx_host_order() == MX_HOST_REVERSED ? blocks - 1 - i : i;
        if (!left.empty()) {
            size_t drawn = mx_host_choose(left.size());
            index = left[drawn], left[drawn] = left.back(), left.pop_back();
        }
        run_block(index);
        mx_host_shared_end(i == 0 || i == blocks - 1);
    }
}

static void run_grid(const char *name, const mx_host_kernel *kernel, dim3 grid, dim3 block, size_t shared) {
    mx_host_grid_size = grid, mx_host_block_size = block;
    mx_host_running.kernel = name;
    mx_host_running.call = kernel;
    mx_host_running.current = NULL;
    mx_host_shared_launch(shared);
    mx_host_block_prepare();
    run_blocks(static_cast<size_t>(grid.x) * grid.y * grid.z);
    mx_host_running.kernel = NULL;
}

static bool in_limits(dim3 n, size_t x, size_t y, size_t z) {
    return n.x >= 1 && n.y >= 1 && n.z >= 1 && n.x <= x && n.y <= y && n.z <= z;
}

cudaError_t mx_host_launch(const cudaLaunchConfig_t *config, const mx_host_kernel *kernel) {
    mx_host_lock lock;
    const char *name = next_name ? next_name : mx_host_symbol(kernel->kernel);
    next_name = NULL;
    if (mx_host_running.kernel) mx_host_die("a kernel launches another");
    const dim3 grid = config->gridDim, block = config->blockDim;
    const size_t shared = config->dynamicSmemBytes;
    if (config->numAttrs) return mx_host_error(cudaErrorNotSupported);
    if (!in_limits(grid, 2147483647, 65535, 65535) || !in_limits(block, 1024, 1024, 64) ||
        static_cast<size_t>(block.x) * block.y * block.z > MX_HOST_MAX_THREADS)
        return mx_host_error(cudaErrorInvalidConfiguration);
    const auto limit = shared_limits.find({kernel->kernel, mx_host_current_device()});
    const size_t standard = MX_HOST_SMEM_DEFAULT;
    if (shared > (limit == shared_limits.end() ? standard : limit->second))
        return mx_host_error(cudaErrorInvalidValue);
    const mx_host_kernel copy = *kernel;
    mx_host_enqueue(config->stream, name, [=] { run_grid(name, &copy, grid, block, shared); });
    return cudaSuccess;
}
