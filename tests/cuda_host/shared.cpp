/* Shared memory: the static variables of kernels, and one block of dynamic size.
 *
 * All of it holds NaN when a block starts, so that a value which nobody wrote shows in the result. Past the end of the
 * dynamic block lies a page that nobody may touch; what remains between (up to 127 bytes) holds a pattern that is
 * checked after each block. Static variables have ASan's red zones.
 *
 * Filling every variable of the program before every block would take longer than small blocks do. So a kernel has a
 * list of the variables that its blocks were seen to write, and only these are filled before each of its blocks. All
 * variables are looked over at the start of a launch and after its first and last block. */
#include "emulator.h"

#include <map>
#include <set>
#include <sys/mman.h>

enum { PATTERN = 0xa5, ALIGN = 128 };
static char *room; /* guard page, MX_HOST_SMEM_MOST rounded up to pages, guard page */
static size_t room_bytes;
static char *dynamic_start, *dynamic_end;           /* of this launch */
static std::map<void (*)(), std::set<size_t>> uses; /* variables by kernel */

static void make_room(void) {
    room_bytes = mx_host_round_up(MX_HOST_SMEM_MOST, MX_HOST_PAGE);
    void *p = mmap(NULL, room_bytes + 2 * MX_HOST_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) mx_host_die("no memory for shared memory");
    room = static_cast<char *>(p) + MX_HOST_PAGE;
    if (mprotect(room, room_bytes, PROT_READ | PROT_WRITE)) mx_host_die("no access to shared memory");
}

static void poison_around(bool on) {
#if MX_HOST_ASAN
    if (on) {
        __asan_poison_memory_region(room, static_cast<size_t>(dynamic_start - room));
        __asan_poison_memory_region(dynamic_end, static_cast<size_t>(room + room_bytes - dynamic_end));
    } else {
        __asan_unpoison_memory_region(room, room_bytes);
    }
#else
    (void)on;
#endif
}

static bool holds(const char *p, size_t n, int byte) {
    return !n || (static_cast<unsigned char>(p[0]) == byte && !memcmp(p, p + 1, n - 1));
}

static size_t dynamic_size(void) { return static_cast<size_t>(dynamic_end - dynamic_start); }
static size_t tail_size(void) { return static_cast<size_t>(room + room_bytes - dynamic_end); }
static char *front(void) { return dynamic_start - ALIGN < room ? room : dynamic_start - ALIGN; }
static size_t front_size(void) { return static_cast<size_t>(dynamic_start - front()); }

/* Fills the variables that a block of `kernel` has written; NULL: that anybody has written. */
static void fill_written(void (*kernel)()) {
    size_t n;
    const mx_host_range *v = mx_host_static_variables(&n);
    for (size_t i = 0; i < n; i++) {
        if (holds(v[i].start, v[i].size, MX_HOST_NAN)) continue;
        if (kernel) uses[kernel].insert(i);
        memset(v[i].start, MX_HOST_NAN, v[i].size);
    }
}

void mx_host_shared_launch(size_t dynamic_bytes) {
    if (!room) make_room();
    fill_written(NULL);
    poison_around(false);
    dynamic_start = room + room_bytes - mx_host_round_up(dynamic_bytes, ALIGN);
    dynamic_end = dynamic_start + dynamic_bytes;
    memset(front(), PATTERN, front_size());
    memset(dynamic_end, PATTERN, tail_size());
    poison_around(true);
}

void mx_host_shared_start(void) {
    memset(dynamic_start, MX_HOST_NAN, dynamic_size());
    size_t n;
    const mx_host_range *v = mx_host_static_variables(&n);
    for (size_t i : uses[mx_host_running.call->kernel]) memset(v[i].start, MX_HOST_NAN, v[i].size);
}

void mx_host_shared_end(bool look_at_all) {
    poison_around(false);
    if (!holds(dynamic_end, tail_size(), PATTERN))
        mx_host_die("a thread wrote past the %zu bytes of dynamic shared memory", dynamic_size());
    if (!holds(front(), front_size(), PATTERN))
        mx_host_die("a thread wrote before the start of dynamic shared memory");
    poison_around(true);
    if (look_at_all) fill_written(mx_host_running.call->kernel);
}

unsigned char *mx_host_dynamic_shared(void) {
    if (!mx_host_running.kernel) mx_host_die("dynamic shared memory outside a kernel");
    if (dynamic_start == dynamic_end)
        mx_host_die("the kernel uses dynamic shared memory; its launch gave none");
    return reinterpret_cast<unsigned char *>(dynamic_start);
}

bool mx_host_is_shared(const void *address, size_t bytes) {
    const char *p = static_cast<const char *>(address);
    if (p >= dynamic_start && p + bytes <= dynamic_end) return true;
    size_t n;
    const mx_host_range *v = mx_host_static_variables(&n);
    for (size_t i = 0; i < n; i++)
        if (p >= v[i].start && p + bytes <= v[i].start + v[i].size) return true;
    return false;
}

bool mx_host_in_shared_guard(const void *address) {
    const char *p = static_cast<const char *>(address);
    if (!room) return false;
    return (p >= room - MX_HOST_PAGE && p < room) ||
           (p >= room + room_bytes && p < room + room_bytes + MX_HOST_PAGE);
}
