/* The registry of backends, one row each. See backends.h. */
#include "ops/backends.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/backend.h"
#include "ops/ref/ref.h"
#ifdef MX_WITH_CPU
#include "ops/cpu/cpu.h"
#define CPU(x) x
#else
#define CPU(x) NULL
#endif
#if defined(MX_WITH_CUDA) || defined(MX_WITH_CUDA_HOST)
#include "ops/cuda/cuda.h"
#endif
#ifdef MX_WITH_CUDA
#define CUDA(x) x
#else
#define CUDA(x) NULL
#endif
#ifdef MX_WITH_CUDA_HOST
#define CUDA_HOST(x) x
#else
#define CUDA_HOST(x) NULL
#endif
#ifdef MX_WITH_MOCK
#include "ops/mock/mock.h"
#define MOCK(x) x
#else
#define MOCK(x) NULL
#endif

typedef struct {
    const char *name;
    const char *needs;                                    /* the CMake option that builds it */
    const mx_backend *(*find)(void);                      /* NULL: not in this build */
    mx_status (*check)(const mx_backend *b, mx_error *e); /* NULL: runs on every machine */
    int (*devices)(void);                                 /* number of devices; NULL: one */
    size_t (*available)(int number);                      /* see mx_backend_available; NULL: not known */
    bool hidden; /* for tests: never the default, and no message offers it */
} row;

/* The first row that this build has, and that finds a device on this machine, is the default. */
static const row rows[] = {
    {.name = "cuda",
     .needs = "-DMIXMAE_CUDA=ON",
     .find = CUDA(mx_cuda_find),
     .devices = CUDA(mx_cuda_devices),
     .available = CUDA(mx_cuda_available)},
    {.name = "cpu", .needs = "-DMIXMAE_CPU=ON", .find = CPU(mx_cpu_find), .check = CPU(mx_cpu_check)},
    {.name = "ref", .find = mx_ref_find},
    {.name = "mock",
     .needs = "-DMIXMAE_MOCK=ON",
     .find = MOCK(mx_mock_find),
     .devices = MOCK(mx_mock_devices),
     .available = MOCK(mx_mock_available),
     .hidden = true},
    {.name = "cuda-host",
     .needs = "-DMIXMAE_CUDA=HOST",
     .find = CUDA_HOST(mx_cuda_find),
     .devices = CUDA_HOST(mx_cuda_devices),
     .available = CUDA_HOST(mx_cuda_available),
     .hidden = true},
};
enum { ROWS = sizeof rows / sizeof *rows };

static bool usable(const row *r) { return r->find && !r->hidden && (!r->devices || r->devices() > 0); }

/* Returns the row of a place, NULL if there is no such backend. *number: its device number, -1 if invalid. */
static const row *find_row(const char *place, int *number) {
    for (int i = 0; i < ROWS; i++) {
        size_t n = strlen(rows[i].name);
        *number = 0;
        if (!place && usable(&rows[i])) return &rows[i];
        if (!place || strncmp(place, rows[i].name, n) || (place[n] && place[n] != ':')) continue;
        if (place[n]) {
            size_t digits = strspn(place + n + 1, "0123456789") /* so a place fits 32 bytes */;
            *number = digits && digits < 6 && !place[n + 1 + digits] ? atoi(place + n + 1) : -1;
        }
        return &rows[i];
    }
    return NULL;
}

const char *mx_backend_default(void) { return find_row(NULL, &(int){0})->name; }

const mx_backend *mx_backend_find(const char *place) {
    const row *r = find_row(place, &(int){0});
    return r && r->find ? r->find() : NULL;
}

const mx_backend *mx_backend_host(void) {
    for (int i = 0; i < ROWS; i++)
        if (usable(&rows[i]) && !rows[i].find()->device_make) return rows[i].find();
    return NULL;
}

/* "cpu, ref": the choices of this build on this machine. */
static const char *choices(char *text, size_t size) {
    *text = 0;
    for (int i = 0; i < ROWS; i++)
        if (usable(&rows[i]))
            snprintf(text + strlen(text), size - strlen(text), "%s%s", *text ? ", " : "", rows[i].name);
    return text;
}

mx_status mx_backend_open(mx_ctx *c, const char *place, mx_error *e) {
    char there[128];
    const row *r = find_row(place, &c->number);
    if (!r || (!r->find && r->hidden))
        return mx_fail(e, MX_ERR_UNSUPPORTED, "device %s: expected one of those that this build has: %s",
                       place, choices(there, sizeof there));
    if (!r->find)
        return mx_fail(e, MX_ERR_UNSUPPORTED,
                       "device %s is not part of this build, which has %s (it needs %s)", r->name,
                       choices(there, sizeof there), r->needs);
    int devices = r->devices ? r->devices() : 1;
    if (!devices)
        return mx_fail(e, MX_ERR_UNSUPPORTED,
                       "device %s: this machine shows none; expected one of those that work here: %s", place,
                       choices(there, sizeof there));
    if (c->number < 0 || c->number >= devices)
        return mx_fail(e, MX_ERR_UNSUPPORTED, "device %s: expected %s or %s:N with N from 0 to %d", place,
                       r->name, r->name, devices - 1);
    c->backend = r->find();
    return mx_backend_check(c->backend, e);
}

mx_status mx_backend_check(const mx_backend *b, mx_error *e) {
    const row *r = find_row(b->name, &(int){0});
    return r->check ? r->check(b, e) : MX_OK;
}

size_t mx_backend_available(const mx_ctx *c) {
    const row *r = find_row(c->backend->name, &(int){0});
    return r->available ? r->available(c->number) : 0;
}

const char *mx_backend_name(const mx_backend *b) { return b->name; }
const char *mx_backend_isa(const mx_backend *b) { return b->isa; }
bool mx_backend_bf16(const mx_backend *b) { return b->bf16; }
bool mx_backend_is_device(const mx_backend *b) { return b->device_make != NULL; }

void mx_backend_names(char *text, size_t size, bool there) {
    *text = 0;
    for (int i = 0; i < ROWS; i++) {
        if (!rows[i].find != !there || (rows[i].hidden && !there)) continue;
        const char *isa = there ? rows[i].find()->isa : "";
        bool tells = *isa && !rows[i].hidden;
        snprintf(text + strlen(text), size - strlen(text), "%s%s%s%s%s", *text ? ", " : "", rows[i].name,
                 tells   ? " ("
                 : there ? ""
                         : " backend",
                 tells ? isa : "", tells ? ")" : "");
    }
}
