/* A fiber's machine state: a stack of its own, and the switch from one stack to another.
 *
 * The switch is a call, so the compiler has already saved what a callee may destroy. There remain six registers and
 * the stack pointer: some 2 ns, where swapcontext enters the kernel to save the signal mask. Other machines than
 * x86-64 take swapcontext (and -DMX_HOST_UCONTEXT, to test it). ASan keeps its own idea of the current stack and is
 * informed about each switch. */
#include "emulator.h"

#include <stdio.h>
#include <sys/mman.h>
#include <vector>

#if MX_HOST_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#if !defined(__x86_64__) || defined(MX_HOST_UCONTEXT)
#define SWAPCONTEXT 1
#include <ucontext.h>
#endif

static mx_host_context *came_from;

#ifdef SWAPCONTEXT
static void swap(mx_host_context *from, mx_host_context *to) {
    if (!from->pointer) from->pointer = new ucontext_t; /* lives as long as the pooled stack: until the end */
    swapcontext(static_cast<ucontext_t *>(from->pointer), static_cast<ucontext_t *>(to->pointer));
}

void mx_host_context_make(mx_host_context *c, void (*entry)(void)) {
    if (!c->pointer) c->pointer = new ucontext_t;
    ucontext_t *u = static_cast<ucontext_t *>(c->pointer);
    getcontext(u);
    u->uc_stack.ss_sp = c->stack, u->uc_stack.ss_size = c->size, u->uc_link = NULL;
    makecontext(u, entry, 0);
}
#else
/* Pushes the registers that a callee preserves, stores the stack pointer at *save, and continues where the stack at
 * `to` was left. */
extern "C" void mx_host_swap_stacks(void **save, void *to);
asm(".text\n"
    ".type mx_host_swap_stacks, @function\n"
    "mx_host_swap_stacks:\n"
    "  push %rbp\n  push %rbx\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, (%rdi)\n"
    "  mov %rsi, %rsp\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbx\n  pop %rbp\n"
    "  ret\n"
    ".size mx_host_swap_stacks, .-mx_host_swap_stacks\n");

static void swap(mx_host_context *from, mx_host_context *to) {
    mx_host_swap_stacks(&from->pointer, to->pointer);
}

static unsigned
    turn; /* stacks start at different cache lines, or all tops would share one set of the cache */

/* Builds the stack that a switch away would have left: six registers, then the address to return to. One word more
 * stands for the return address that `entry` never uses, and aligns the stack as at any function's start. */
MX_HOST_NO_ASAN void mx_host_context_make(mx_host_context *c, void (*entry)(void)) {
    char *top = static_cast<char *>(c->stack) + c->size - 64 * (turn++ % 32);
    void **word = reinterpret_cast<void **>(top) - 8;
    for (int i = 0; i < 8; i++) word[i] = NULL;
    word[6] = reinterpret_cast<void *>(entry);
    c->pointer = word;
}
#endif

void mx_host_context_switch(mx_host_context *from, mx_host_context *to) {
    came_from = from;
#if MX_HOST_ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->size);
#endif
    swap(from, to);
#if MX_HOST_ASAN
    const void *stack = NULL;
    __sanitizer_finish_switch_fiber(from->fake_stack, &stack, &came_from->size);
    came_from->stack = const_cast<void *>(stack);
#endif
}

void mx_host_context_leave(mx_host_context *from, mx_host_context *to) {
    came_from = from;
#if MX_HOST_ASAN
    __sanitizer_start_switch_fiber(NULL, to->stack, to->size); /* NULL: the fiber's fake stack may go */
#endif
    swap(from, to);
    __builtin_unreachable();
}

void mx_host_context_entered(void) {
#if MX_HOST_ASAN
    const void *stack = NULL;
    __sanitizer_finish_switch_fiber(NULL, &stack, &came_from->size);
    came_from->stack = const_cast<void *>(stack);
#endif
}

/* ---- stacks ---- */

/* A thread of a GPU has few local variables; ASan's red zones need more room. A stack that a thread gives back is the
 * next one to be taken, so kernels that never wait run on one warm stack. */
static const size_t STACK_BYTES = MX_HOST_ASAN ? 256 * 1024 : 64 * 1024;
enum { STACKS = MX_HOST_MAX_THREADS };
static char *stacks; /* [STACKS] (guard page, stack) */
static std::vector<mx_host_context> pool;

static size_t stack_stride(void) { return STACK_BYTES + MX_HOST_PAGE; }

static void make_stacks(void) {
    void *p = mmap(NULL, STACKS * stack_stride(), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) mx_host_die("no memory for %d stacks", STACKS);
    stacks = static_cast<char *>(p);
    for (int i = STACKS - 1; i >= 0; i--) {
        char *guard = stacks + static_cast<size_t>(i) * stack_stride();
        if (mprotect(guard, MX_HOST_PAGE, PROT_NONE)) mx_host_die("no guard pages for stacks");
        pool.push_back(mx_host_context{guard + MX_HOST_PAGE, STACK_BYTES, NULL, NULL});
    }
}

void mx_host_stack_take(mx_host_context *c) {
    if (!stacks) make_stacks();
    *c = pool.back();
    pool.pop_back();
}

void mx_host_stack_give(mx_host_context *c) { pool.push_back(*c); }

bool mx_host_in_stack_guard(const void *address) {
    const char *p = static_cast<const char *>(address);
    if (!stacks || p < stacks || p >= stacks + STACKS * stack_stride()) return false;
    return static_cast<size_t>(p - stacks) % stack_stride() < MX_HOST_PAGE;
}
