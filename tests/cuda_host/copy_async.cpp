/* cp.async: copies from global to shared memory that a thread starts now and waits for later.
 *
 * The bytes may arrive at any moment between; here as late as possible, or under a numeric MX_CUDA_ORDER sometimes at
 * once. A kernel that reads before its wait_group reads the NaN of fresh shared memory, or the buffer's last use. */
#include "emulator.h"

#include <vector>

struct copy {
    void *to;
    const void *from;
    int bytes;
};
static std::vector<std::vector<copy>> groups[MX_HOST_MAX_THREADS]; /* by thread; the last one is still open */
static bool used = true;                                           /* since the block started */

static void run(const copy &c) {
    memcpy(c.to, c.from, static_cast<size_t>(c.bytes));
    memset(static_cast<char *>(c.to) + c.bytes, 0, static_cast<size_t>(16 - c.bytes));
}

static std::vector<std::vector<copy>> &mine(void) {
    used = true;
    return groups[mx_host_running.current - mx_host_running.thread];
}

void mx_host_copies_start(void) {
    if (!used) return;
    for (std::vector<std::vector<copy>> &g : groups) g.assign(1, std::vector<copy>());
    used = false;
}

void mx_host_cp_async16(void *shared, const void *global, int bytes) {
    if (!mx_host_running.kernel) mx_host_die("cp.async outside a kernel");
    if (reinterpret_cast<uintptr_t>(shared) % 16 || !mx_host_is_shared(shared, 16))
        mx_host_die("cp.async: %p is not 16 aligned bytes of shared memory", shared);
    if (reinterpret_cast<uintptr_t>(global) % 16 || bytes < 0 || bytes > 16)
        mx_host_die("cp.async: %d bytes from %p; at most 16 from an address aligned to 16", bytes, global);
    const copy c = {shared, global, bytes};
    if (mx_host_order() == MX_HOST_RANDOM && mx_host_choose(4) == 0)
        run(c);
    else
        mine().back().push_back(c);
}

void mx_host_cp_async_commit(void) { mine().emplace_back(); }

void mx_host_cp_async_wait_group(int pending) {
    std::vector<std::vector<copy>> &g = mine();
    while (static_cast<int>(g.size()) - 1 > pending) {
        for (const copy &c : g.front()) run(c);
        g.erase(g.begin());
    }
}

void mx_host_copies_finish(int thread) {
    if (!used) return;
    for (const std::vector<copy> &group : groups[thread])
        if (!group.empty())
            mx_host_die("the thread returns with a cp.async to %p under way", group.front().to);
}
