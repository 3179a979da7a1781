/* Finding and identifying the model in other programs' checkpoints. Lines of "name d,d,.." become tensors
 * (zeros) of a safetensors file, which is then read as a foreign model, whole and with --partial. The first
 * line is --weights. The readers of the containers have separate targets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint/read_any.h"
#include "checkpoint/foreign.h"

#define MOST     200
#define ELEMENTS 4096 /* of a tensor, at most */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static float zeros[ELEMENTS];

static void read_model(const char *path, const char *weights, bool partial) {
    const mx_foreign_hints h = {.weights = weights, .partial = partial, .image_h = 64, .image_w = 64};
    mx_model m;
    mx_model_config c;
    mx_error e = {0}, again = {0};
    mx_pixels px;
    mx_status s = mx_foreign_read(&m, &px, path, &h, MX_PARAMS_WEIGHTS, &e);
    if (s != e.status) abort();
    if (!s && mx_foreign_read_config(&c, path, &h, &again)) abort();
    mx_model_free(&m);
}

/* "name d,d" → a tensor; false: no more than ELEMENTS fit. */
static bool tensor_of(mx_st_tensor *t, char *line) {
    int64_t count = 1;
    char *at = strrchr(line, ' ');
    *t = (mx_st_tensor){.name = line, .dtype = "F32", .data = (const void *)zeros};
    if (at) *at++ = 0;
    while (at && *at && t->ndim < 8) {
        long d = strtol(at, &at, 10);
        if (d < 0 || d > ELEMENTS || (count *= d) > ELEMENTS) return false;
        t->dim[t->ndim++] = d;
        if (*at) at++;
    }
    t->bytes = sizeof(float) * (size_t)count;
    return *line != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char path[64];
    char *text = malloc(size + 1), *rest = NULL;
    mx_st_tensor *t = calloc(MOST, sizeof *t);
    mx_error e = {0};
    int n = 0;
    if (!text || !t) abort();
    if (!*path) snprintf(path, sizeof path, "/dev/shm/fuzz_foreign-%ld.safetensors", (long)getpid());
    memcpy(text, data, size), text[size] = 0;
    const char *weights = strtok_r(text, "\n", &rest);
    for (char *line = weights ? strtok_r(NULL, "\n", &rest) : NULL; line && n < MOST;
         line = strtok_r(NULL, "\n", &rest))
        if (tensor_of(&t[n], line)) n++;
    if (weights && !mx_st_write(path, t, n, NULL, 0, &e)) {
        read_model(path, strcmp(weights, "-") ? weights : NULL, false);
        read_model(path, NULL, true);
    }
    unlink(path);
    free(t), free(text);
    return 0;
}
