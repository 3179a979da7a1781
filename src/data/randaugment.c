/* RandAugment: draws the operations and their strength, and applies them. See randaugment.h, and docs/AUGMENT.md,
 * "RandAugment", for the arguments by level. Runs in the loader's workers on the cropped 8-bit image. */
#include "data/randaugment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/augment_ops.h"

#define MX_LEVELS   10.0
#define MX_MOST_OPS 64

/* ---- the policy string ---- */

static mx_status set_key(mx_randaugment *a, const char *item, const char *text, mx_error *e) {
    size_t letters = strcspn(item, "0123456789.-");
    char *end;
    double v = strtod(item + letters, &end);
    bool number = end != item + letters && !*end && isfinite(v) && v >= 0;
    const struct {
        const char *key;
        double *value;
    } keys[] = {{"m", &a->magnitude},
                {"mstd", &a->magnitude_std},
                {"mmax", &a->magnitude_max},
                {"p", &a->probability}};
    for (size_t i = 0; number && i < sizeof keys / sizeof *keys; i++)
        if (strlen(keys[i].key) == letters && !strncmp(item, keys[i].key, letters)) {
            *keys[i].value = v;
            return MX_OK;
        }
    if (number && letters == 1 && *item == 'n' && v == floor(v) && v <= MX_MOST_OPS) {
        a->ops = (int)v;
        return MX_OK;
    }
    if (number && letters == 3 && !strncmp(item, "inc", 3)) { /* any number turns it on, as in timm */
        a->increasing = true;
        return MX_OK;
    }
    return mx_fail(
        e, MX_ERR_ARGUMENT,
        "expected a RandAugment policy like rand-m9-mstd0.5-inc1 (keys m, n, p, mstd, mmax, inc) or none, "
        "found \"%.60s\" in %.120s",
        item, text);
}

mx_status mx_randaugment_parse(mx_randaugment *a, const char *text, mx_error *e) {
    *a = (mx_randaugment){.magnitude = 10, .magnitude_max = MX_LEVELS, .probability = 0.5, .ops = 2};
    if (!text || !*text || !strcmp(text, "none")) return MX_OK;
    char *copy = strdup(text), *rest = copy;
    if (!copy) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    mx_status s = MX_OK;
    const char *first = strsep(&rest, "-");
    if (strcmp(first, "rand"))
        s = mx_fail(e, MX_ERR_ARGUMENT, "expected a policy that begins with rand, or none, found %.120s",
                    text);
    for (char *item; !s && (item = strsep(&rest, "-"));) s = set_key(a, item, text, e);
    free(copy);
    if (!s && a->probability > 1)
        s = mx_fail(e, MX_ERR_ARGUMENT, "expected a probability p of at most 1, found %g in %.120s",
                    a->probability, text);
    a->on = !s;
    return s;
}

/* ---- one operation ---- */

static double signed_(double v, mx_rng *r) { return mx_rng_uniform(r) < 0.5 ? -v : v; }

static double factor(double share, bool increasing, mx_rng *r) {
    return increasing ? fmax(0.1, 1 + signed_(share * 0.9, r)) : share * 1.8 + 0.1;
}

double mx_augment_argument(mx_augment_kind kind, double level, bool increasing, const int side[2],
                           mx_rng *r) {
    double share = level / MX_LEVELS;
    int solarize = (int)(share * 256) < 256 ? (int)(share * 256) : 256;
    switch (kind) {
    case MX_OP_ROTATE: return signed_(share * 30, r);
    case MX_OP_POSTERIZE: return increasing ? 4 - (int)(share * 4) : (int)(share * 4);
    case MX_OP_SOLARIZE: return increasing ? 256 - solarize : solarize;
    case MX_OP_SOLARIZE_ADD: return (int)(share * 110) < 128 ? (int)(share * 110) : 128;
    case MX_OP_COLOR:
    case MX_OP_CONTRAST:
    case MX_OP_BRIGHTNESS:
    case MX_OP_SHARPNESS: return factor(share, increasing, r);
    case MX_OP_SHEAR_X:
    case MX_OP_SHEAR_Y: return signed_(share * 0.3, r);
    case MX_OP_TRANSLATE_X: return signed_(share * 0.45, r) * side[1];
    case MX_OP_TRANSLATE_Y: return signed_(share * 0.45, r) * side[0];
    default: return 0;
    }
}

static mx_status make_spare(mx_image *spare, const mx_image *im, mx_error *e) {
    if (spare->pixels && spare->width == im->width && spare->height == im->height &&
        spare->channels == im->channels && spare->type == im->type)
        return MX_OK;
    mx_image_free(spare);
    return mx_image_make(spare, im->width, im->height, im->channels, im->type, e);
}

/* Moves the pixels into spare, and swaps the two images. */
static void move(mx_image *im, mx_image *spare, const double m[6], const uint8_t *fill) {
    mx_op_affine(spare, im, m, fill);
    mx_image other = *im;
    *im = *spare, *spare = other;
}

static mx_status check_image(const mx_image *im, mx_error *e) {
    if (im->type != MX_PIXEL_U8 || (im->channels != 1 && im->channels != 3))
        return mx_fail(
            e, MX_ERR_UNSUPPORTED,
            "RandAugment and colour jitter expect 8-bit images of 1 or 3 channels, found %s with %d: "
            "--aa none --color-jitter 0 leaves them out",
            im->type == MX_PIXEL_U8    ? "8 bits"
            : im->type == MX_PIXEL_U16 ? "16 bits"
                                       : "float",
            im->channels);
    return MX_OK;
}

mx_status mx_augment_op(mx_augment_kind kind, double argument, mx_image *im, mx_image *spare,
                        const uint8_t *fill, mx_error *e) {
    double m[6] = {1, 0, 0, 0, 1, 0};
    if (check_image(im, e)) return MX_ERR_UNSUPPORTED;
    if (make_spare(spare, im, e)) return e->status;
    switch (kind) {
    case MX_OP_AUTOCONTRAST: mx_op_autocontrast(im); return MX_OK;
    case MX_OP_EQUALIZE: mx_op_equalize(im); return MX_OK;
    case MX_OP_INVERT: mx_op_invert(im); return MX_OK;
    case MX_OP_POSTERIZE: mx_op_posterize(im, (int)argument); return MX_OK;
    case MX_OP_SOLARIZE: mx_op_solarize(im, (int)argument); return MX_OK;
    case MX_OP_SOLARIZE_ADD: mx_op_solarize_add(im, (int)argument, 128); return MX_OK;
    case MX_OP_COLOR: mx_op_color(im, (float)argument); return MX_OK;
    case MX_OP_CONTRAST: mx_op_contrast(im, (float)argument); return MX_OK;
    case MX_OP_BRIGHTNESS: mx_op_brightness(im, (float)argument); return MX_OK;
    case MX_OP_SHARPNESS: mx_op_sharpness(im, spare, (float)argument); return MX_OK;
    case MX_OP_ROTATE:
        if (!mx_op_rotation(m, argument, im->width, im->height)) return MX_OK;
        break;
    case MX_OP_SHEAR_X: m[1] = argument; break;
    case MX_OP_SHEAR_Y: m[3] = argument; break;
    case MX_OP_TRANSLATE_X: m[2] = argument; break;
    case MX_OP_TRANSLATE_Y: m[5] = argument; break;
    default: return mx_fail(e, MX_ERR_ARGUMENT, "there is no operation %d", (int)kind);
    }
    move(im, spare, m, fill);
    return MX_OK;
}

/* ---- the whole policy ---- */

static double draw_level(const mx_randaugment *a, mx_rng *r) {
    double level = a->magnitude;
    if (a->magnitude_std > 100)
        level = mx_rng_uniform(r) * a->magnitude;
    else if (a->magnitude_std > 0)
        level += a->magnitude_std * mx_rng_normal(r);
    return level < 0 ? 0 : level > a->magnitude_max ? a->magnitude_max : level;
}

mx_status mx_randaugment_apply(const mx_randaugment *a, mx_image *im, mx_image *spare, const uint8_t *fill,
                               mx_rng *r, mx_error *e) {
    uint8_t kind[MX_MOST_OPS];
    const int side[2] = {im->height, im->width};
    if (check_image(im, e)) return MX_ERR_UNSUPPORTED; /* even if no operation is drawn */
    for (int i = 0; i < a->ops; i++) kind[i] = (uint8_t)mx_rng_below(r, MX_OPS);
    for (int i = 0; i < a->ops; i++) {
        if (mx_rng_uniform(r) >= a->probability) continue;
        double level = draw_level(a, r),
               argument = mx_augment_argument(kind[i], level, a->increasing, side, r);
        if (mx_augment_op(kind[i], argument, im, spare, fill, e)) return e->status;
    }
    return MX_OK;
}

mx_status mx_color_jitter(double j, mx_image *im, mx_image *spare, mx_rng *r, mx_error *e) {
    mx_augment_kind kind[3] = {MX_OP_BRIGHTNESS, MX_OP_CONTRAST, MX_OP_COLOR};
    const uint8_t unused[3] = {0};
    double low = j < 1 ? 1 - j : 0;
    for (int i = 2; i > 0; i--) {
        int k = (int)mx_rng_below(r, (uint64_t)i + 1);
        mx_augment_kind x = kind[i];
        kind[i] = kind[k], kind[k] = x;
    }
    for (int i = 0; i < 3; i++)
        if (mx_augment_op(kind[i], low + (1 + j - low) * mx_rng_uniform(r), im, spare, unused, e))
            return e->status;
    return MX_OK;
}
