/* `mixmae inspect` of a safetensors file, see inspect.h. */
#include "checkpoint/inspect.h"
#include "checkpoint/inspect_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/pth.h"
#include "io/safetensors.h"
#include "model/head/heads.h"

#define say mx_inspect_say

void mx_inspect_say(const mx_inspect_printer *p, const char *format, ...) {
    char text[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    p->line(p->user, text);
}

/* The kind of another file, recognised by its first bytes; NULL if unknown. */
static const char *other_kind(const unsigned char *b, size_t n) {
    if (n >= 2 && b[0] == 0x80 && b[1] >= 2 && b[1] <= 5) return "a Python pickle, but not PyTorch's";
    if (n >= 3 && !memcmp(b, "\xff\xd8\xff", 3)) return "a JPEG image";
    if (n >= 4 && !memcmp(b, "\x89PNG", 4)) return "a PNG image";
    return NULL;
}

static mx_status name_other_kind(const char *path, mx_error *e) {
    unsigned char head[8] = {0};
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f) fclose(f);
    const char *kind = other_kind(head, n);
    return kind ? mx_fail(e, MX_ERR_FORMAT, "%s is %s", path, kind) : MX_OK;
}

/* Cuts off a state's prefix first: m.layers... belongs to the encoder too. */
static const char *bare_name(const char *name) {
    static const char *const prefix[] = {"param.", "ema.", "m.", "v.", "grad.", "after."};
    for (size_t i = 0; i < sizeof prefix / sizeof *prefix; i++)
        if (!strncmp(name, prefix[i], strlen(prefix[i]))) return name + strlen(prefix[i]);
    return name;
}

enum { ENCODER, DECODER, HEAD, POSITION, GROUPS };

static int group_of(const char *name) {
    const char *n = bare_name(name);
    if (strstr(n, "pos_embed")) return POSITION;
    if (!strncmp(n, "decoder", 7) || !strcmp(n, "mask_token")) return DECODER;
    return mx_head_owns(n) ? HEAD : ENCODER;
}

static void statistics(char out[128], const mx_st_tensor *t, int64_t n) {
    mx_error quiet = {0};
    float *v = n > 0 && t->data ? malloc(sizeof *v * (size_t)n) : NULL;
    out[0] = 0;
    if (v && !mx_st_copy_f32(t, v, n, &quiet)) {
        double sum = 0, square = 0, low = INFINITY, high = -INFINITY;
        int64_t strange = 0, fine = 0;
        for (int64_t i = 0; i < n; i++) {
            if (!isfinite(v[i])) {
                strange++;
                continue;
            }
            fine++, sum += (double)v[i], square += (double)v[i] * (double)v[i];
            low = fmin(low, (double)v[i]), high = fmax(high, (double)v[i]);
        }
        double mean = fine ? sum / (double)fine : 0, var = fine ? square / (double)fine - mean * mean : 0;
        int at = snprintf(out, 128, "%10.3g %10.3g %10.3g %10.3g", low, high, mean, sqrt(var > 0 ? var : 0));
        if (strange) snprintf(out + at, 128 - (size_t)at, "  %" PRId64 " NOT FINITE", strange);
    }
    free(v);
}

int64_t mx_inspect_tensor(const mx_inspect_printer *p, const mx_st_tensor *t) {
    char shape[128] = "", stats[128];
    int64_t n = 1;
    size_t at = 0;
    for (int i = 0; i < t->ndim; i++) {
        n *= t->dim[i];
        at += (size_t)snprintf(shape + at, sizeof shape - at, "%s%" PRId64, i ? "," : "", t->dim[i]);
        if (at >= sizeof shape) break;
    }
    statistics(stats, t, n);
    say(p, "  %-58s %-5s %-18s %s", t->name, t->dtype, shape, stats);
    return n;
}

void mx_inspect_head(const mx_inspect_printer *p) {
    say(p, "  %-58s %-5s %-18s %10s %10s %10s %10s", "tensor", "type", "shape", "min", "max", "mean", "std");
}

mx_status mx_inspect(const char *path, void (*line)(void *user, const char *text), void *user, mx_error *e) {
    static const char *const group_name[GROUPS] = {"encoder", "decoder", "head", "fixed positions"};
    const mx_inspect_printer p = {line, user};
    int64_t elements[GROUPS] = {0};
    size_t bytes = 0;
    mx_st *st = NULL;
    mx_error open_error = {0};
    if (mx_pth_is_file(path)) return mx_inspect_pth(path, &p, e);
    if (mx_st_open(&st, path, &open_error)) {
        if (open_error.status == MX_ERR_FORMAT && name_other_kind(path, e)) return e->status;
        return mx_fail(e, open_error.status, "%s", open_error.text);
    }
    if (mx_st_check(st, e)) {
        mx_st_close(st);
        return mx_fail_where(e, "%s", path);
    }
    for (int i = 0; i < mx_st_count(st); i++) bytes += mx_st_at(st, i)->bytes;
    say(&p, "%s: safetensors, %d tensors, %zu bytes of data", path, mx_st_count(st), bytes);
    for (int i = 0; i < mx_st_meta_count(st); i++) {
        const char *key, *value;
        mx_st_meta_at(st, i, &key, &value);
        if (mx_st_summed(st) && !strncmp(key, "crc32c_", 7)) continue;
        say(&p, "  %-18s %s", key, value);
    }
    if (mx_st_summed(st)) say(&p, "  %-18s of header and tensors: right", "checksums");
    mx_inspect_head(&p);
    for (int i = 0; i < mx_st_count(st); i++) {
        const mx_st_tensor *t = mx_st_at(st, i);
        elements[group_of(t->name)] += mx_inspect_tensor(&p, t);
    }
    for (int g = 0; g < GROUPS; g++)
        if (elements[g]) say(&p, "  %s: %" PRId64 " elements", group_name[g], elements[g]);
    mx_st_close(st);
    return MX_OK;
}
