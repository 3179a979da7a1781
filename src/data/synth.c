/* Draws and writes the built-in image set, see synth.h. */
#include "data/synth.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/again.h"
#include "base/parallel.h"
#include "data/synth_families.h"

#define MX_MOST_DETAIL 12 /* levels of detail; later levels differ only in their random numbers */

/* Points per pixel: first four on a rotated square; if they differ, as at an edge, all 16 of a 4x4 grid. */
#define MX_FINE        4
#define MX_FLAT        0.1 /* largest difference of the four, in any colour, that counts as flat */
#define MX_SUBPIXEL(k) (((k) + 0.5) / MX_FINE)

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

/* Five colours, alternately dark and light, by one of four schemes: neighbouring hues, two opposite hues, earth and
 * sky, all hues. Most are as muted as photographs, some as bright as posters. */
static void set_palette(mx_scene *s, mx_rng *r) {
    static const double turn[4] = {0.06, 0.5, 0.47, 0.21};
    int scheme = (int)mx_rng_below(r, 4);
    double hue = scheme == 2 ? 0.03 + 0.1 * mx_rng_uniform(r) : mx_rng_uniform(r), loud = mx_rng_uniform(r);
    for (int i = 0; i < 5; i++) {
        double h = hue + turn[scheme] * i + 0.08 * (mx_rng_uniform(r) - 0.5);
        double v = (i % 2 ? 0.82 : 0.36) + 0.3 * (mx_rng_uniform(r) - 0.5);
        s->palette[i] = hsv(h - floor(h), 0.15 + (0.35 + 0.5 * loud) * mx_rng_uniform(r), v);
    }
}

static void set_scene(mx_scene *s, mx_rng *r, const mx_family *family, int level) {
    for (int i = 0; i < MX_SYNTH_NUMBERS; i++) s->u[i] = mx_rng_uniform(r);
    double angle = (mx_rng_uniform(r) - 0.5) * (family->upright ? 0.3 : MX_TAU);
    double near = family->whole ? 0.75 : 0.4, far = family->whole ? 1.15 : 0.9;
    s->zoom = (near + (far - near) * mx_rng_uniform(r)) * (1 + 0.5 * fmin(level, MX_MOST_DETAIL));
    s->x0 = 0.4 * (mx_rng_uniform(r) - 0.5), s->y0 = 0.4 * (mx_rng_uniform(r) - 0.5);
    s->cosine = cos(angle), s->sine = sin(angle);
    s->salt = mx_rng_u32(r), s->level = level;
    set_palette(s, r);
}

typedef struct {
    const mx_scene *scene;
    mx_family_function *colour;
    double step; /* width of a pixel */
} brush;

static mx_colour look(const brush *b, double px, double py) {
    const mx_scene *s = b->scene;
    double u = px * b->step - 1, v = py * b->step - 1;
    return b->colour(s, s->x0 + s->zoom * (u * s->cosine - v * s->sine),
                     s->y0 + s->zoom * (u * s->sine + v * s->cosine));
}

/* Mean colour of pixel (x, y). */
static mx_colour pixel(const brush *b, int x, int y) {
    static const int first[MX_FINE] = {1, 3, 0,
                                       2}; /* column of row k's first point: one in each row and column */
    mx_colour low = {9, 9, 9}, high = {-9, -9, -9}, sum = {0, 0, 0};
    for (int pass = 0; pass < 2; pass++) {
        for (int k = 0; k < MX_FINE * MX_FINE; k++) {
            int row = k / MX_FINE, column = k % MX_FINE;
            if ((column == first[row]) != (pass == 0)) continue;
            mx_colour c = look(b, x + MX_SUBPIXEL(column), y + MX_SUBPIXEL(row));
            sum.r += c.r, sum.g += c.g, sum.b += c.b;
            low = (mx_colour){fmin(low.r, c.r), fmin(low.g, c.g), fmin(low.b, c.b)};
            high = (mx_colour){fmax(high.r, c.r), fmax(high.g, c.g), fmax(high.b, c.b)};
        }
        if (pass == 0 && fmax(high.r - low.r, fmax(high.g - low.g, high.b - low.b)) < MX_FLAT)
            return mx_shade(sum, 1.0 / MX_FINE);
    }
    return mx_shade(sum, 1.0 / (MX_FINE * MX_FINE));
}

static uint8_t to_byte(double v) { return (uint8_t)(v > 0 ? v < 1 ? 255 * v + 0.5 : 255 : 0); }

mx_status mx_synth_draw(mx_image *out, int class_index, int index, int size, uint64_t seed, bool val,
                        mx_error *e) {
    mx_scene s;
    *out = (mx_image){0};
    if (class_index < 0 || index < 0 || index > INT32_MAX / 2 || size < 1)
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "synth: expected class and image from 0 and at least 1 pixel, found %d, %d, %d",
                       class_index, index, size);
    mx_rng r = mx_rng_make(seed, MX_RNG_SYNTH, (uint64_t)class_index, 2 * (uint32_t)index + val);
    const mx_family *family = &mx_families[class_index % mx_family_count];
    mx_status made = mx_image_make(out, size, size, 3, MX_PIXEL_U8, e);
    if (made) return made;
    set_scene(&s, &r, family, class_index / mx_family_count);
    brush b = {&s, family->colour, 2.0 / size};
    /* Light falls from one side; grain keeps flat areas from being exactly flat. */
    double light = 0.9 + 0.2 * mx_rng_uniform(&r), across = 0.3 * (mx_rng_uniform(&r) - 0.5),
           down = 0.3 * (mx_rng_uniform(&r) - 0.5);
    double grain = 0.01 * mx_rng_uniform(&r);
    uint8_t *p = out->pixels;
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++, p += 3) {
            mx_colour c =
                mx_shade(pixel(&b, x, y), light + across * (x * b.step - 1) + down * (y * b.step - 1));
            double dust = grain * (mx_rng_uniform(&r) - 0.5);
            p[0] = to_byte(c.r + dust), p[1] = to_byte(c.g + dust), p[2] = to_byte(c.b + dust);
        }
    return MX_OK;
}

/* ---- the folder ---- */

typedef struct {
    const char *folder;
    int images, held, size;
    uint64_t seed;
    pthread_mutex_t lock;
    mx_error error;
} writer;

static void write_one(void *user, int64_t i, int thread) {
    (void)thread;
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
    DIR *d = mx_open_folder(folder);
    int entries = 0;
    if (!d)
        return errno == ENOENT ? MX_OK : mx_fail(e, MX_ERR_IO, "cannot open %s: %s", folder, strerror(errno));
    while (mx_next_name(d)) entries++;
    closedir(d);
    if (entries <= 2) return MX_OK;
    return mx_fail(e, MX_ERR_IO, "--output %s is not empty: choose another folder", folder);
}

/* Makes every parent folder of path. */
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
    if (classes < 1 || images < 1 || size < 1 || size > 16384 ||
        (int64_t)classes * ((int64_t)images + w.held) > 100000000)
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "synth: expected at least one class, image and pixel, and at most 16384 pixels a side "
                       "and 100 million images; found %d classes, %d images, %d pixels",
                       classes, images, size);
    if (check_empty(folder, e) || make_parents(folder, e)) return e->status;
    if (make_folder(folder, "train", NULL, e) || make_folder(folder, "val", NULL, e)) return e->status;
    for (int c = 0; c < classes; c++) {
        char name[32];
        mx_synth_class_name(name, c);
        if (make_folder(folder, "train", name, e) || make_folder(folder, "val", name, e)) return e->status;
    }
    mx_parallel(mx_cores(), (int64_t)classes * (w.images + w.held), write_one, &w);
    pthread_mutex_destroy(&w.lock);
    if (w.error.status) return mx_fail(e, w.error.status, "%s", w.error.text);
    snprintf(line, sizeof line, "%s: %d classes, %d training and %d held-out images each, %dx%d pixels",
             folder, classes, w.images, w.held, size, size);
    if (notice) notice(user, line);
    return MX_OK;
}
