/* Errors. Every error is one line that names kernel, block and thread, then abort(): a test's death is its report. */
#include "emulator.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#if MX_HOST_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

static cudaError_t last_error;
static std::recursive_mutex mutex;
static bool installed;
static thread_local bool has_signal_stack;
static struct sigaction
    before[2]; /* the handlers of SIGSEGV and SIGBUS that were there first, ASan's for one */

mx_host_lock::mx_host_lock() : guard(mutex) { mx_host_catch_faults(); }

/* Writes "KERNEL block (x,y,z) thread (x,y,z): "; returns its length, 0 outside a launch. */
static size_t write_place(char *text, size_t size) {
    if (!mx_host_running.kernel) return 0;
    const mx_host_thread *t = mx_host_running.current;
    const uint3 b = mx_host_block_index, i = t ? t->index : uint3{0, 0, 0};
    const int n = snprintf(text, size, "%s block (%u,%u,%u) thread (%u,%u,%u): ", mx_host_running.kernel, b.x,
                           b.y, b.z, i.x, i.y, i.z);
    return static_cast<size_t>(n) < size ? static_cast<size_t>(n) : size - 1;
}

void mx_host_die(const char *format, ...) {
    char text[1500];
    const size_t n = write_place(text, 1000);
    va_list list;
    va_start(list, format);
    vsnprintf(text + n, sizeof text - n, format, list);
    va_end(list);
    fprintf(stderr, "cuda-host: %s\n", text);
    fflush(stderr);
    abort();
}

#if MX_HOST_ASAN
/* A sanitizer does not know about kernels. */
static void after_report(void) {
    char place[1000];
    if (write_place(place, sizeof place))
        fprintf(stderr, "cuda-host: %sthe sanitizer's report is about this thread\n", place);
}

/* UBSan of GCC is a library of its own; it calls this with every report. */
extern "C" void __ubsan_on_report(void) { after_report(); }
#endif

cudaError_t mx_host_error(cudaError_t error) {
    if (error != cudaSuccess) last_error = error;
    return error;
}

cudaError_t cudaPeekAtLastError(void) { return last_error; }

cudaError_t cudaGetLastError(void) {
    const cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}

const char *cudaGetErrorString(cudaError_t error) {
    switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorNotReady: return "device not ready";
    case cudaErrorNotSupported: return "operation not supported";
    case cudaErrorUnknown: return "unknown error";
    }
    return "unrecognized error code";
}

/* Says what the touched address was meant to catch; another address goes to the handler that was there first. */
static void on_fault(int signal, siginfo_t *info, void *context) {
    char what[300];
    if (mx_host_in_stack_guard(info->si_addr)) mx_host_die("stack overflow");
    if (mx_host_in_shared_guard(info->si_addr)) mx_host_die("index outside dynamic shared memory");
    if (mx_host_describe_address(info->si_addr, what, sizeof what)) {
        if (mx_host_running.kernel) mx_host_die("touches %s", what);
        mx_host_die("host code touches %s", what);
    }
    const struct sigaction *old = &before[signal == SIGBUS];
    if (mx_host_running.kernel && !MX_HOST_ASAN)
        mx_host_die("touches address %p (0: perhaps a misaligned vector)", info->si_addr);
    if (old->sa_flags & SA_SIGINFO)
        old->sa_sigaction(signal, info, context);
    else
        sigaction(signal, old, NULL); /* and the instruction faults again */
}

/* A handler cannot run on the stack that has just overflowed. ASan gives its threads such a stack already. */
static void give_signal_stack(void) {
    if (has_signal_stack) return;
    has_signal_stack = true;
    stack_t s;
    if (!sigaltstack(NULL, &s) && !(s.ss_flags & SS_DISABLE)) return;
    s.ss_size = 64 * 1024;
    s.ss_flags = 0;
    s.ss_sp = mmap(NULL, s.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s.ss_sp != MAP_FAILED) sigaltstack(&s, NULL);
}

void mx_host_catch_faults(void) {
    give_signal_stack();
    if (installed) return;
    installed = true;
#if MX_HOST_ASAN
    __sanitizer_set_death_callback(after_report);
#endif
    struct sigaction a = {};
    a.sa_sigaction = on_fault;
    a.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &a, &before[0]);
    sigaction(SIGBUS, &a, &before[1]);
}
