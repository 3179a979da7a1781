/* The ops of a device against the reference, case by case (cases.h), in f32 and bf16: `cuda` where this machine has a
 * GPU, else `cuda-host` or `mock`, whichever this build has.
 *
 * Tensors, tables and scratch memory lie in the device's memory; what is not an input is full of NaN, outputs lie
 * between canaries. Every run gives the same bytes, on cuda-host under several orders of threads (MX_CUDA_ORDER). */
#include "compare.h"
#include "rows.h"

#define POOL    ((size_t)64 << 20)  /* host memory that names the tensors' */
#define SCRATCH ((size_t)160 << 20) /* the arena's */
#define MARGIN  320                 /* canaries before and behind an output */
#define ROUNDED (1.0 / 128)         /* of bf16 outputs whose terms may be rounded too (ops.h) */

static const char *const orders[] = {"reversed", "17"}; /* beside forward */

typedef struct {
    mx_ctx c;
    mx_arena arena;
    unsigned char *pool;
    size_t used;
    const void *table[64];
    int tables;
} device;

static device d;

static void take_in(const void *table, size_t bytes) {
    if (!table) return;
    for (int i = 0; i < d.tables; i++)
        if (d.table[i] == table) return;
    assert_true(d.tables < (int)(sizeof d.table / sizeof *d.table));
    d.table[d.tables++] = table;
    mx_attach(&d.c, table, bytes);
    mx_upload(&d.c, table, table, bytes);
}

/* Copies t into the pool, an output between canaries, and makes it name that. */
static void place(mx_tensor *t, bool output) {
    const size_t bytes = mx_bytes(*t), margin = output ? MARGIN : 0;
    if (!t->data) return;
    assert_true(d.used + bytes + 3 * MARGIN <= POOL);
    memset(d.pool + d.used, CANARY, bytes + 2 * margin);
    memcpy(d.pool + d.used + margin, t->data, bytes);
    t->data = d.pool + d.used + margin;
    d.used += (bytes + 2 * margin + 319) / 320 * 320;
}

static void run_there(const op_case *k, outputs *o) {
    mx_tensor t[MAX_TENSOR];
    memcpy(t, k->t, sizeof t);
    d.used = 0;
    for (int i = 0; i < k->count; i++) place(&t[i], i < k->row->outs);
    case_tables(k, take_in);
    mx_upload(&d.c, d.pool, d.pool, d.used);
    mx_arena_release(&d.arena, 0);
    k->row->op(&d.c, t, k->more);
    mx_download(&d.c, d.pool, d.pool, d.used);
    if (d.c.error.status != MX_OK) fail_msg("%s: %s", k->name, d.c.error.text);
    for (int i = 0; i < k->row->outs; i++) {
        const size_t bytes = mx_bytes(k->t[i]) + 2 * 272;
        const unsigned char *from = (unsigned char *)t[i].data - 272;
        o->block[i] = malloc(bytes), o->data[i] = o->block[i] + 272;
        memcpy(o->block[i], from, bytes);
        check_guards(k, o, i);
    }
}

static void check_there(const op_case *k, double limit, double half_limit) {
    outputs want, first, again;
    run(k, mx_backend_find("ref"), 1, &want);
    setenv("MX_CUDA_ORDER", "forward", 1);
    run_there(k, &first);
    compare(k, &want, &first, limit, half_limit);
    for (size_t n = 0; n < sizeof orders / sizeof *orders; n++) {
        setenv("MX_CUDA_ORDER", orders[n], 1);
        run_there(k, &again);
        for (int i = 0; i < k->row->outs; i++)
            if (memcmp(first.data[i], again.data[i], mx_bytes(k->t[i])))
                fail_msg("%s: output %d has other bytes in the order %s", k->name, i, orders[n]);
        release(k, &again);
    }
    release(k, &first);
    release(k, &want);
}

static void every_size(void **state) {
    const op_row *row = *state;
    for (int at = 0; at < row->sizes->count - row->sizes->timed; at++)
        for (int h = -1; h < MAX_HALF && (h < 0 || row->half[h].types); h++) {
            op_case k;
            if (h < 0 && row->limit < 0) continue;
            case_make(&k, row, at, h < 0 ? NULL : row->half[h].types);
            check_there(&k, h < 0 ? row->limit : row->half[h].limit,
                        h >= 0 && row->half[h].rounds_twice ? ROUNDED : BF16_LIMIT);
            case_free(&k);
        }
}

static bool takes(const op_row *row) { return row->limit >= 0 || row->half[0].types; }

static bool open_device(const char *place) {
    const size_t least = (size_t)1 << 20;
    if (!mx_backend_find(place) || mx_backend_open(&d.c, place, &d.c.error))
        return d.c.error = (mx_error){0}, false;
    d.c.arena = &d.arena, d.c.threads = 2;
    assert_int_equal(mx_arena_reserve(&d.arena, SCRATCH, &d.c.error), MX_OK);
    assert_int_equal(mx_device_open(&d.c, &d.c.error), MX_OK);
    assert_non_null(d.pool = malloc(POOL));
    mx_attach(&d.c, d.arena.base, SCRATCH);
    mx_attach(&d.c, d.pool, POOL);
    memset(d.pool, 0xff, POOL);
    for (size_t i = 0; i < SCRATCH; i += least) mx_upload(&d.c, d.arena.base + i, d.pool, least);
    assert_int_equal(d.c.error.status, MX_OK);
    return true;
}

int main(void) {
    static const char *const places[] = {"cuda", "cuda-host", "mock"};
    bool open = false;
    for (int i = 0; i < 3 && !open; i++)
        if ((open = open_device(places[i]))) printf("on %s\n", places[i]);
    if (!open) return puts("skipped: this build has no device"), 77;
    int failed = run_rows("a device against ref", NULL, 0, every_size, takes, NULL);
    mx_device_close(&d.c);
    mx_arena_free(&d.arena);
    free(d.pool);
    return failed;
}
