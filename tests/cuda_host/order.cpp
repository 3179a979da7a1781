/* MX_CUDA_ORDER: the order in which threads of a block, blocks of a grid and work of several streams take turns.
 * CUDA promises none, so each order is a legal one, and bytes that depend on it are a fault of the kernel. */
#include "emulator.h"

#include <stdlib.h>
#include <string.h>

static bool known;
static mx_host_order_kind kind;
static uint64_t state;

void mx_host_set_order(const char *order) {
    known = true;
    kind = MX_HOST_FORWARD;
    if (!order || !*order || !strcmp(order, "forward")) return;
    if (!strcmp(order, "reversed")) {
        kind = MX_HOST_REVERSED;
        return;
    }
    char *end;
    state = strtoull(order, &end, 10);
    if (*end) mx_host_die("MX_CUDA_ORDER is forward, reversed or a number, not \"%s\"", order);
    state = state * 0x9e3779b97f4a7c15u +
            0x2545f4914f6cdd1du; /* neighbouring seeds give unlike orders; never 0 */
    kind = MX_HOST_RANDOM;
}

mx_host_order_kind mx_host_order(void) {
    if (!known) mx_host_set_order(getenv("MX_CUDA_ORDER"));
    return kind;
}

size_t mx_host_choose(size_t n) {
    if (mx_host_order() == MX_HOST_FORWARD || n < 2) return 0;
    if (kind == MX_HOST_REVERSED) return n - 1;
    state ^= state << 13, state ^= state >> 7, state ^= state << 17; /* xorshift64 */
    return static_cast<size_t>((state >> 32) * n >> 32);
}
