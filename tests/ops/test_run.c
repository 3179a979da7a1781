/* Every address that a backend's op receives on a device must be the device's own.
 *
 * For each row of op_list.h, so also for new ones, it generates a function that checks its addresses, and a call with
 * handles. Programs on the mock device cannot detect a table whose handle is not translated, since the host's copy at
 * the handle has the same numbers; on a GPU they would crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/run.h"

enum { TOKENS = 4, BYTES = 4096 };

static char *memory; /* the device's memory */
static const char *const ops[] = {
#define MX_OP(name, scratch, ...) #name,
#include "ops/op_list.h"
};
static int calls, wrong;   /* ops called; wrong addresses */
static char handle[BYTES]; /* the only block */
static ptrdiff_t last;     /* expected position of the last tensor */

static void *device_make(int number, mx_error *e) { return (void)number, (void)e, malloc(1); }
static void device_free(void *own) { free(own); }
static void *attach(void *own, size_t bytes, mx_error *e) {
    return (void)own, (void)e, memory = calloc(1, bytes);
}
static void detach(void *own, void *address) { (void)own, free(address); }

static void see(const void *p) { wrong += p != memory + last; }
static void see_layout(const mx_layout *l) { see(l->segment), see(l->raster), see(l->group); }
static void see_targets(const mx_targets *t) { see(t->image), see(t->patch); }

#define SEE(kind, ...)     SEE_##kind(__VA_ARGS__)
#define SEE_TENSOR(t)      see(t.data);
#define SEE_INDEX(p, n)    see(p);
#define SEE_LAYOUT(lay)    see_layout(lay);
#define SEE_TARGETS(t, n)  see_targets(t);
#define SEE_VALUE(type, x) (void)x;
#define MX_OP(name, scratch, ...)                                                                            \
    static MX_OP_FUNCTION(look_##name, scratch, __VA_ARGS__) {                                               \
        (void)c;                                                                                             \
        MX_EACH(SEE, __VA_ARGS__)                                                                            \
        MX_IF_WORK_##scratch(see(work));                                                                     \
        calls++;                                                                                             \
    }
#include "ops/op_list.h"

#define LOOK(name, ...) .name = look_##name,
static const mx_backend looks = {
    .name = "looks",
    .device_make = device_make,
    .device_free = device_free,
    .attach = attach,
    .detach = detach,
#define MX_OP LOOK
#include "ops/op_list.h"
};

/* Handles at byte `at` of the block, or outside it, for all kinds of parameters. */
static mx_tensor tensor_at(char *p) { return mx_view(p, MX_F32, 1, TOKENS, 1, 0, 0); }
static mx_layout layout_at(char *p) {
    return (mx_layout){
        .tokens = TOKENS, .segments = 1, .segment = (void *)p, .raster = (void *)p, .group = (void *)p};
}
static mx_targets targets_at(char *p) { return (mx_targets){.image = (void *)p, .patch = (void *)p}; }

#define GIVE(kind, ...)      GIVE_##kind(__VA_ARGS__)
#define GIVE_TENSOR(t)       , tensor_at(p)
#define GIVE_INDEX(index, n) , (void *)p
#define GIVE_LAYOUT(lay)     , &lay
#define GIVE_TARGETS(t, n)   , &targets
#define GIVE_VALUE(type, x)                                                                                  \
    , (type) { 0 }
#define MX_OP(name, scratch, ...)                                                                            \
    static void give_##name(mx_ctx *c, char *p, const mx_layout *layout, const mx_targets *both) {           \
        const mx_layout lay = *layout;                                                                       \
        const mx_targets targets = *both;                                                                    \
        (void)lay, (void)targets;                                                                            \
        mx_run_##name(c MX_EACH(GIVE, __VA_ARGS__) MX_IF_WORK_##scratch(, p));                               \
    }
#include "ops/op_list.h"

static void (*const give[])(mx_ctx *, char *, const mx_layout *, const mx_targets *) = {
#define MX_OP(name, scratch, ...) give_##name,
#include "ops/op_list.h"
};
enum { OPS = sizeof give / sizeof *give };

static void run_all(mx_ctx *c, char *p) {
    const mx_layout lay = layout_at(p);
    const mx_targets targets = targets_at(p);
    for (int i = 0; i < OPS; i++) {
        int before = wrong;
        c->error = (mx_error){0};
        give[i](c, p, &lay, &targets);
        if (wrong != before) print_error("%s: %d wrong addresses\n", ops[i], wrong - before);
    }
}

static void addresses_are_the_devices(void **state) {
    (void)state;
    mx_error e = {0};
    mx_ctx c = {.backend = &looks, .threads = 1};
    assert_int_equal(mx_device_open(&c, &e), MX_OK);
    mx_attach(&c, handle, BYTES);
    const ptrdiff_t at[] = {0, 64, BYTES - 32};
    for (int i = 0; i < 3; i++) {
        calls = wrong = 0, last = at[i];
        run_all(&c, handle + at[i]);
        assert_int_equal(calls, OPS);
        assert_int_equal(wrong, 0);
        assert_true(mx_ok(&c));
    }
    mx_device_close(&c);
}

/* Memory that is not attached, or only half of it, is an error, and no op runs. */
static void other_memory_is_refused(void **state) {
    (void)state;
    static char other[BYTES];
    mx_error e = {0};
    mx_ctx c = {.backend = &looks, .threads = 1};
    assert_int_equal(mx_device_open(&c, &e), MX_OK);
    mx_attach(&c, handle, BYTES);
    char *const bad[] = {other, handle + BYTES - 2};
    for (int i = 0; i < 2; i++) {
        calls = 0;
        run_all(&c, bad[i]);
        assert_int_equal(calls, 0);
        assert_int_equal(c.error.status, MX_ERR_ARGUMENT);
    }
    c.error = (mx_error){0};
    mx_attach(&c, handle + BYTES / 2, BYTES);
    assert_non_null(strstr(c.error.text, "overlaps"));
    mx_device_close(&c);
}

/* On host memory the same calls do not change addresses. */
static void host_memory_is_itself(void **state) {
    (void)state;
    mx_backend host = looks;
    host.device_make = NULL;
    mx_ctx c = {.backend = &host, .threads = 1};
    memory = handle, calls = wrong = 0, last = 64;
    run_all(&c, handle + 64);
    assert_int_equal(calls, OPS);
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(addresses_are_the_devices),
                                       cmocka_unit_test(other_memory_is_refused),
                                       cmocka_unit_test(host_memory_is_itself)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
