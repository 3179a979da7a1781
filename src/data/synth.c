/* Drawing and writing the built-in image set, see synth.h. */
#include "data/synth.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/parallel.h"
#include "data/synth_families.h"

#define OVERSAMPLE 3 /* points a pixel and axis: edges must not flicker */

void mx_synth_class_name(char out[32], int class_index) {
    int level = class_index / mx_family_count;
    const char *name = mx_families[class_index % mx_family_count].name;
    if (level)
        snprintf(out, 32, "%s-%d", name, level + 1);
    else
        snprintf(out, 32, "%s", name);
}

/* Hue, saturation and value to RGB. */
static mx_colour hsv(double h, double s, double v) {
    double c[3];
    for (int i = 0; i < 3; i++) {
        double k = fmod(5 - 2 * i + 6 * h + 6, 6), low = fmin(k, 4 - k);
        c[i] = v - v * s * fmax(0, fmin(1, low));
    }
    return (mx_colour){c[0], c[1], c[2]};
}

static void set_scene(mx_scene *s, mx_rng *r, int level) {
    for (int i = 0; i < MX_SYNTH_NUMBERS; i++) s->u[i] = mx_rng_uniform(r);
    double angle = (mx_rng_uniform(r) - 0.5) * 0.8, hue = mx_rng_uniform(r);
    s->zoom = (0.4 + 0.5 * mx_rng_uniform(r)) * (1 + 0.6 * level);
    s->x0 = 0.6 * (mx_rng_uniform(r) - 0.5), s->y0 = 0.6 * (mx_rng_uniform(r) - 0.5);
    s->cosine = cos(angle), s->sine = sin(angle);
    s->salt = mx_rng_u32(r), s->level = level;
    for (int i = 0; i < 5; i++) { /* neighbours differ in hue and in light */
        double h = hue + 0.13 * i + 0.1 * mx_rng_uniform(r),
               v = (i % 2 ? 0.85 : 0.35) + 0.3 * (mx_rng_uniform(r) - 0.5);
        s->palette[i] = hsv(h - floor(h), 0.25 + 0.6 * mx_rng_uniform(r), v);
    }
}

static uint8_t to_byte(double v) { return (uint8_t)(v < 0 ? 0 : v > 1 ? 255 : 255 * v + 0.5); }

mx_status mx_synth_draw(mx_image *out, int class_index, int index, int size, uint64_t seed, bool val,
                        mx_error *e) {
    mx_scene s;
    mx_rng r = mx_rng_make(seed, MX_RNG_SYNTH, (uint64_t)class_index, (uint32_t)(2 * index + val));
    const mx_family *family = &mx_families[class_index % mx_family_count];
    if (mx_image_make(out, size, size, 3, MX_PIXEL_U8, e)) return e->status;
    set_scene(&s, &r, class_index / mx_family_count);
    uint8_t *p = out->pixels;
    double step = 2.0 / (size * OVERSAMPLE), light = 0.85 + 0.3 * mx_rng_uniform(&r);
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++, p += 3) {
            mx_colour sum = {0, 0, 0};
            for (int k = 0; k < OVERSAMPLE * OVERSAMPLE; k++) {
                double u = (x * OVERSAMPLE + k % OVERSAMPLE + 0.5) * step - 1,
                       v = (y * OVERSAMPLE + k / OVERSAMPLE + 0.5) * step - 1;
                mx_colour c = family->colour(&s, s.x0 + s.zoom * (u * s.cosine - v * s.sine),
                                             s.y0 + s.zoom * (u * s.sine + v * s.cosine));
                sum.r += c.r, sum.g += c.g, sum.b += c.b;
            }
            double scale = light / (OVERSAMPLE * OVERSAMPLE), grain = 0.02 * (mx_rng_uniform(&r) - 0.5);
            p[0] = to_byte(sum.r * scale + grain), p[1] = to_byte(sum.g * scale + grain),
            p[2] = to_byte(sum.b * scale + grain);
        }
    return MX_OK;
}

/* ---- the folder
 * --------------------------------------------------------------------------------------------- */

typedef struct {
    const char *folder;
    int images, held, size;
    uint64_t seed;
    pthread_mutex_t lock;
    mx_error error;
} writer;

static void write_one(void *user, int64_t i) {
    writer *w = user;
    int each = w->images + w->held, class_index = (int)(i / each), index = (int)(i % each);
    bool val = index >= w->images;
    char name[32], *path = NULL;
    mx_image im = {0};
    mx_error e = {0};
    if (val) index -= w->images;
    mx_synth_class_name(name, class_index);
    if (asprintf(&path, "%s/%s/%s/%05d.png", w->folder, val ? "val" : "train", name, index) < 0) path = NULL;
    if (!path)
        mx_fail(&e, MX_ERR_MEMORY, "out of memory");
    else if (!mx_synth_draw(&im, class_index, index, w->size, w->seed, val, &e))
        mx_image_write_png(&im, path, &e);
    mx_image_free(&im);
    free(path);
    if (!e.status) return;
    pthread_mutex_lock(&w->lock);
    mx_fail(&w->error, e.status, "%s", e.text);
    pthread_mutex_unlock(&w->lock);
}

static mx_status make_folder(const char *a, const char *b, const char *c, mx_error *e) {
    char *path = NULL;
    if (asprintf(&path, "%s%s%s%s%s", a, b ? "/" : "", b ? b : "", c ? "/" : "", c ? c : "") < 0)
        return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    if (mkdir(path, 0777) && errno != EEXIST)
        mx_fail(e, MX_ERR_IO, "cannot create folder %s: %s", path, strerror(errno));
    free(path);
    return e->status;
}

static mx_status check_empty(const char *folder, mx_error *e) {
    DIR *d = opendir(folder);
    int entries = 0;
    if (!d)
        return errno == ENOENT ? MX_OK : mx_fail(e, MX_ERR_IO, "cannot open %s: %s", folder, strerror(errno));
    while (readdir(d)) entries++;
    closedir(d);
    if (entries <= 2) return MX_OK;
    return mx_fail(e, MX_ERR_IO, "--output %s is not empty: choose another folder", folder);
}

/* Every parent of path too. */
static mx_status make_parents(const char *path, mx_error *e) {
    char *copy = strdup(path);
    if (!copy) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    for (char *p = copy + 1; (p = strchr(p, '/')) && !e->status; p++) {
        *p = 0;
        make_folder(copy, NULL, NULL, e);
        *p = '/';
    }
    free(copy);
    return e->status ? e->status : make_folder(path, NULL, NULL, e);
}

mx_status mx_synth_write(const char *folder, int classes, int images, int size, uint64_t seed,
                         void (*notice)(void *user, const char *line), void *user, mx_error *e) {
    writer w = {.folder = folder,
                .images = images,
                .held = images >= 5 ? images / 5 : 1,
                .size = size,
                .seed = seed,
                .lock = PTHREAD_MUTEX_INITIALIZER};
    char line[256];
    if (check_empty(folder, e) || make_parents(folder, e)) return e->status;
    if (make_folder(folder, "train", NULL, e) || make_folder(folder, "val", NULL, e)) return e->status;
    for (int c = 0; c < classes; c++) {
        char name[32];
        mx_synth_class_name(name, c);
        if (make_folder(folder, "train", name, e) || make_folder(folder, "val", name, e)) return e->status;
    }
    mx_parallel(mx_cores(), (int64_t)classes * (w.images + w.held), write_one, &w);
    if (w.error.status) return mx_fail(e, w.error.status, "%s", w.error.text);
    snprintf(line, sizeof line, "%s: %d classes, %d training and %d held-out images each, %dx%d pixels",
             folder, classes, w.images, w.held, size, size);
    if (notice) notice(user, line);
    return MX_OK;
}
