/* What the emulator's sources share. One lock guards everything: a call of the runtime holds it from start to end, and
 * kernels run inside such a call, one block after another, on the OS thread that made it. */
#ifndef MX_HOST_EMULATOR_H
#define MX_HOST_EMULATOR_H

#include "cuda_runtime.h"

#include <functional>
#include <mutex>

#if defined(__SANITIZE_ADDRESS__)
#define MX_HOST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MX_HOST_ASAN 1
#endif
#endif
#ifndef MX_HOST_ASAN
#define MX_HOST_ASAN 0
#endif
#if MX_HOST_ASAN
#include <sanitizer/asan_interface.h>
#define MX_HOST_NO_ASAN __attribute__((no_sanitize("address")))
#else
#define MX_HOST_NO_ASAN
#endif

enum {
    MX_HOST_PAGE = 4096,
    MX_HOST_NAN = 0xff,
    MX_HOST_MAX_THREADS = 1024,
    MX_HOST_SMEM_DEFAULT = 48 * 1024,
    MX_HOST_SMEM_MOST = 227 * 1024
};

static inline size_t mx_host_round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

struct mx_host_lock {
    std::lock_guard<std::recursive_mutex> guard;
    mx_host_lock();
};

/* ---- fault.cpp: every error ends the program with one line ---- */

/* "cuda-host: " + kernel, block, thread (inside a launch) + the message; then abort. */
[[noreturn]] void mx_host_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Reports touches of guard pages and of device memory by their meaning. Once per OS thread before it runs a kernel. */
void mx_host_catch_faults(void);
cudaError_t mx_host_error(cudaError_t error); /* remembers the last error, returns it */

/* ---- order.cpp: MX_CUDA_ORDER ---- */

enum mx_host_order_kind { MX_HOST_FORWARD, MX_HOST_REVERSED, MX_HOST_RANDOM };
mx_host_order_kind mx_host_order(void);
/* "forward", "reversed" or a number; for tests. The environment decides until the first call. */
void mx_host_set_order(const char *order);
/* The next of n candidates that are listed from first to last. */
size_t mx_host_choose(size_t n);

/* ---- context.cpp: a fiber's machine state ---- */

struct mx_host_context {
    void *stack; /* lowest address */
    size_t size;
    void *pointer;    /* of the stack, while others run */
    void *fake_stack; /* ASan's */
};
/* `entry` runs at the first switch to it, on the stack of c; it must not return. */
void mx_host_context_make(mx_host_context *c, void (*entry)(void));
void mx_host_context_switch(mx_host_context *from, mx_host_context *to);
/* The same from a fiber that ends. */
[[noreturn]] void mx_host_context_leave(mx_host_context *from, mx_host_context *to);
/* First call in `entry`. */
void mx_host_context_entered(void);
/* Stacks between guard pages, reused. */
void mx_host_stack_take(mx_host_context *c);
void mx_host_stack_give(mx_host_context *c);
bool mx_host_in_stack_guard(const void *address);

/* ---- block.cpp: the threads of the block that runs ---- */

enum mx_host_state { MX_HOST_NEW, MX_HOST_READY, MX_HOST_AT_BARRIER, MX_HOST_AT_MEETING, MX_HOST_DONE };
struct mx_host_thread {
    mx_host_state state;
    mx_host_context context;
    uint3 index;
    int lane;
    mx_host_visit *visit; /* AT_MEETING */
    const char *file;     /* where it waits */
    int line;
};
struct mx_host_block {
    const char *kernel; /* NULL: nothing runs */
    const mx_host_kernel *call;
    int threads;
    mx_host_thread *thread; /* [threads] */
    mx_host_thread *current;
};
extern mx_host_block mx_host_running;
/* What kernels see as threadIdx, blockIdx, blockDim and gridDim. */
extern uint3 mx_host_thread_index, mx_host_block_index;
extern dim3 mx_host_block_size, mx_host_grid_size;

/* Before the blocks of a launch. */
void mx_host_block_prepare(void);
/* Runs the block mx_host_block_index of mx_host_running to its end. */
void mx_host_block_run(void);
/* Ends the turn of the current thread, which has said in its state what it waits for. */
void mx_host_wait(void);
void mx_host_make_ready(mx_host_thread *const *list, int n);

/* ---- copy_async.cpp ---- */

void mx_host_copies_start(void);        /* at the start of a block */
void mx_host_copies_finish(int thread); /* when a thread returns */

/* ---- shared.cpp ---- */

void mx_host_shared_launch(size_t dynamic_bytes);
void mx_host_shared_start(void);           /* before each block */
void mx_host_shared_end(bool look_at_all); /* after each block; look_at_all: after the first and the last */
bool mx_host_is_shared(const void *p, size_t bytes);
bool mx_host_in_shared_guard(const void *address);

/* ---- symbols.cpp: the symbol table of the program ---- */

struct mx_host_range {
    char *start;
    size_t size;
};
/* Local static variables of C++ functions without initial value, which is how __shared__ compiles. */
const mx_host_range *mx_host_static_variables(size_t *n);
/* Name of a function with its template arguments. Valid until the end of the program. */
const char *mx_host_symbol(void (*function)());

/* ---- memory.cpp ---- */

enum mx_host_memory_kind { MX_HOST_PAGEABLE, MX_HOST_PINNED, MX_HOST_DEVICE };
mx_host_memory_kind mx_host_memory_of(const void *p);
/* Stops unless [p, p + bytes) lies in one live allocation of the device. */
void mx_host_check_device_range(const char *what, const void *p, size_t bytes, int device);
/* Makes the memory of one device accessible, and that of the others not; -1: none. */
void mx_host_open(int device);
/* What an address in device memory is, for messages; false: no device memory. */
bool mx_host_describe_address(const void *address, char *text, size_t size);
int mx_host_current_device(void);
int mx_host_device_count(void);
size_t mx_host_device_total(void);
size_t mx_host_device_used(int device);

/* ---- stream.cpp, graph.cpp ---- */

/* Queues work on a stream, or adds it to the graph that the stream captures. */
void mx_host_enqueue(cudaStream_t stream, const char *what, std::function<void()> run);
void mx_host_run_stream(cudaStream_t stream); /* until it is empty */
void mx_host_run_device(int device);
/* Stops if this call may not be made while a graph is captured. */
void mx_host_not_in_capture(const char *call);
bool mx_host_captures(cudaStream_t stream);
int mx_host_stream_device(cudaStream_t stream, const char *call);

#endif
