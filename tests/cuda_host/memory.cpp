/* Memory of devices and pinned memory of the host.
 *
 * Device memory lies in one reserved range of addresses, and nobody may touch it except kernels, copies and products of
 * its own device while they run (mx_host_open). An allocation ends at a page that stays closed, up to its alignment of
 * 256; those bytes hold a pattern that is checked when it is freed. Addresses are never used twice, so that a pointer
 * to freed memory stays wrong. */
#include "emulator.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <vector>

enum { ALIGN = 256, PATTERN = 0xa5, MOST_DEVICES = 16 };
static const size_t RESERVED = static_cast<size_t>(1) << 40;

struct allocation {
    char *start;  /* what the caller got */
    size_t bytes; /* what it asked for */
    char *pages;
    size_t page_bytes;
    int device; /* -1: pinned memory of the host */
    bool live;
};
static char *arena, *next_page;     /* [RESERVED], and its first page that was never used */
static std::vector<allocation> all; /* by address */
static size_t used[MOST_DEVICES];
static int open_device = -1;
static thread_local int current_device;

/* ---- devices ---- */

static size_t from_environment(const char *name, size_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? static_cast<size_t>(strtoull(text, NULL, 10)) : otherwise;
}
int mx_host_device_count(void) {
    const size_t n = from_environment("MX_CUDA_DEVICES", 2);
    return n < MOST_DEVICES ? static_cast<int>(n) : MOST_DEVICES;
}
size_t mx_host_device_total(void) { return from_environment("MX_CUDA_MEMORY", static_cast<size_t>(1) << 30); }
size_t mx_host_device_used(int device) { return used[device]; }
int mx_host_current_device(void) { return current_device; }

cudaError_t cudaSetDevice(int device) {
    mx_host_lock lock;
    const int n = mx_host_device_count();
    if (!n) return mx_host_error(cudaErrorNoDevice);
    if (device < 0 || device >= n) return mx_host_error(cudaErrorInvalidDevice);
    current_device = device;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int *device) {
    *device = current_device;
    return cudaSuccess;
}

/* ---- finding ---- */

/* The last allocation that starts at or before p; NULL: none. */
static allocation *before(const void *p) {
    const char *address = static_cast<const char *>(p);
    size_t low = 0, high = all.size();
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (all[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &all[low - 1] : NULL;
}

static bool in_arena(const void *p) {
    const char *address = static_cast<const char *>(p);
    return arena && address >= arena && address < arena + RESERVED;
}

static allocation *around(const void *p) {
    allocation *a = in_arena(p) ? before(p) : NULL;
    return a && static_cast<const char *>(p) < a->start + a->bytes ? a : NULL;
}

mx_host_memory_kind mx_host_memory_of(const void *p) {
    if (!in_arena(p)) return MX_HOST_PAGEABLE;
    const allocation *a = around(p);
    return a && a->device < 0 ? MX_HOST_PINNED : MX_HOST_DEVICE;
}

bool mx_host_describe_address(const void *p, char *text, size_t size) {
    if (!in_arena(p)) return false;
    const allocation *a = before(p);
    if (!a) {
        snprintf(text, size, "%p, device memory that was never allocated", p);
        return true;
    }
    const size_t offset = static_cast<size_t>(static_cast<const char *>(p) - a->start);
    const char *where = offset < a->bytes ? "" : " past its end";
    char owner[40] = "pinned memory";
    if (a->device >= 0) snprintf(owner, sizeof owner, "memory of device %d", a->device);
    snprintf(text, size, "%s%s: byte %zu of an allocation of %zu bytes%s", a->live ? "" : "freed ", owner,
             offset, a->bytes, where);
    return true;
}

void mx_host_check_device_range(const char *what, const void *p, size_t bytes, int device) {
    const allocation *a = around(p);
    char text[200] = "host memory";
    if (a && a->live && a->device == device &&
        bytes <= static_cast<size_t>(a->start + a->bytes - static_cast<const char *>(p)))
        return;
    mx_host_describe_address(p, text, sizeof text);
    mx_host_die("%s: %zu bytes at %p do not lie in memory of device %d; the address is %s", what, bytes, p,
                device, text);
}

/* ---- allocating ---- */

static void reserve(void) {
    if (arena) return;
    void *p = mmap(NULL, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) mx_host_die("cannot reserve %zu bytes of addresses", RESERVED);
    arena = static_cast<char *>(p);
    next_page = arena + MX_HOST_PAGE;
}

static void protect(const allocation &a, int rights) {
    if (mprotect(a.pages, a.page_bytes, rights))
        mx_host_die("cannot change the protection of %zu bytes", a.page_bytes);
}

/* Poisons or frees for ASan what surrounds the bytes that were asked for. */
static void mark(const allocation &a) {
#if MX_HOST_ASAN
    __asan_poison_memory_region(a.pages, a.page_bytes);
    __asan_unpoison_memory_region(a.start, a.bytes);
#else
    (void)a;
#endif
}

static char *allocate(size_t bytes, int device) {
    reserve();
    const size_t aligned = mx_host_round_up(bytes, ALIGN), pages = mx_host_round_up(aligned, MX_HOST_PAGE);
    if (pages + MX_HOST_PAGE > static_cast<size_t>(arena + RESERVED - next_page))
        mx_host_die("addresses are used up");
    const allocation a = {next_page + (pages - aligned), bytes, next_page, pages, device, true};
    next_page += pages + MX_HOST_PAGE;
    protect(a, PROT_READ | PROT_WRITE);
    memset(a.pages, PATTERN, pages);
    memset(a.start, MX_HOST_NAN, bytes);
    mark(a);
    if (device >= 0 && device != open_device) protect(a, PROT_NONE);
    all.push_back(a);
    return a.start;
}

/* Stops if somebody wrote into the pattern around the allocation. */
MX_HOST_NO_ASAN static void check_pattern(const allocation &a) {
    const unsigned char *p = reinterpret_cast<const unsigned char *>(a.pages), *end = p + a.page_bytes;
    const unsigned char *start = reinterpret_cast<const unsigned char *>(a.start);
    for (; p < end; p++) {
        if (p == start) p += a.bytes;
        if (p < end && *p != PATTERN)
            mx_host_die("somebody wrote at byte %td of an allocation of %zu bytes of device %d", p - start,
                        a.bytes, a.device);
    }
}

static void release(const char *call, void *p, bool pinned) {
    allocation *a = around(p);
    if (!a || a->start != p || !a->live || (a->device < 0) != pinned)
        mx_host_die("%s(%p): no such allocation", call, p);
    if (a->device >= 0) mx_host_run_device(a->device);
    protect(*a, PROT_READ);
    check_pattern(*a);
#if MX_HOST_ASAN
    __asan_unpoison_memory_region(a->pages, a->page_bytes); /* the closed pages report a later touch */
#endif
    protect(*a, PROT_NONE);
    madvise(a->pages, a->page_bytes, MADV_DONTNEED);
    a->live = false;
    if (a->device >= 0) used[a->device] -= a->page_bytes;
}

cudaError_t cudaMalloc(void **p, size_t bytes) {
    mx_host_lock lock;
    mx_host_not_in_capture("cudaMalloc");
    *p = NULL;
    if (!bytes) return cudaSuccess;
    const int device = current_device;
    const size_t pages = mx_host_round_up(bytes, MX_HOST_PAGE);
    if (pages < bytes || pages > mx_host_device_total() - used[device])
        return mx_host_error(cudaErrorMemoryAllocation);
    used[device] += pages;
    *p = allocate(bytes, device);
    return cudaSuccess;
}

cudaError_t cudaFree(void *p) {
    mx_host_lock lock;
    mx_host_not_in_capture("cudaFree");
    if (p) release("cudaFree", p, false);
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **p, size_t bytes) { return cudaHostAlloc(p, bytes, cudaHostAllocDefault); }

cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned flags) {
    mx_host_lock lock;
    mx_host_not_in_capture("cudaHostAlloc");
    *p = NULL;
    if (flags & ~static_cast<unsigned>(cudaHostAllocPortable)) return mx_host_error(cudaErrorInvalidValue);
    if (bytes) *p = allocate(bytes, -1);
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *p) {
    mx_host_lock lock;
    for (int i = 0; p && i < mx_host_device_count(); i++) mx_host_run_device(i);
    if (p) release("cudaFreeHost", p, true);
    return cudaSuccess;
}

void mx_host_open(int device) {
    if (device == open_device) return;
    for (const allocation &a : all) {
        if (!a.live || a.device < 0) continue;
        if (a.device == device) protect(a, PROT_READ | PROT_WRITE);
        if (a.device == open_device) protect(a, PROT_NONE);
    }
    open_device = device;
}
