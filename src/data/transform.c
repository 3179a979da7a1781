/* Turns one image file into one normalised tensor: read, decode, crop, resize, mirror, normalise. Runs in the loader's
 * workers. Its result is a function of the file and the random stream only.
 *
 * Evaluation (docs/AUGMENT.md, "Evaluation"): resizes the shorter side to int(S/crop_pct), bicubic, with crop_pct 0.875
 * up to S = 224 and 1 above; then cuts out the centre, rounded half to even. For a crop that is not square, the picture
 * is scaled to cover it: by the larger ratio of the crop's edges to its own, times the same margin for the longer edge.
 * Very long pictures first lose their ends, which are not in the centre; otherwise a line of a million pixels would
 * grow to gigabytes. */
#include "data/image_internal.h"
#include "data/index.h"
#include "data/resize.h"
#include "data/source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MX_EVAL_ASPECT 16

void mx_scratch_free(mx_scratch *s) {
    free(s->bytes);
    mx_image_free(&s->small);
    mx_image_free(&s->spare);
    *s = (mx_scratch){0};
}

/* Makes s->small an image of this shape, unless it is one already. */
static mx_status make_small(mx_scratch *s, int width, int height, const mx_image *like, mx_error *e) {
    mx_image *m = &s->small;
    if (m->pixels && m->width == width && m->height == height && m->channels == like->channels &&
        m->type == like->type)
        return MX_OK;
    mx_image_free(m);
    return mx_image_make(m, width, height, like->channels, like->type, e);
}

static int eval_short(const mx_transform *t) {
    int edge = t->height > t->width ? t->height : t->width;
    return edge <= 224 ? (int)(edge / 0.875) : edge;
}

/* Crops m in place to the window [top, top+height) x [left, left+width). */
static void cut_window(mx_image *m, mx_box box) {
    size_t sample = m->type == MX_PIXEL_U8 ? 1 : m->type == MX_PIXEL_U16 ? 2 : 4;
    size_t pixel = sample * (size_t)m->channels, row = pixel * (size_t)box.width;
    char *p = m->pixels;
    for (int y = 0; y < box.height; y++)
        memmove(p + (size_t)y * row,
                p + ((size_t)(y + box.top) * (size_t)m->width + (size_t)box.left) * pixel, row);
    m->width = box.width, m->height = box.height;
}

/* Cuts off the ends of a long picture, which a centre crop never shows. For a square crop, a picture is long if one
 * side is more than MX_EVAL_ASPECT times the other. */
static mx_box cut_ends(const mx_transform *t, int width, int height) {
    mx_box whole = {0, 0, height, width};
    int64_t w = width, h = height, most_w = h * MX_EVAL_ASPECT, most_h = w * MX_EVAL_ASPECT;
    if (t->height != t->width) { /* the same limit, relative to the crop's aspect */
        most_w = h * MX_EVAL_ASPECT * t->width / t->height,
        most_h = w * MX_EVAL_ASPECT * t->height / t->width;
        if (most_w < 1) most_w = 1;
        if (most_h < 1) most_h = 1;
    }
    if (w > most_w) whole.width = (int)most_w;
    if (h > most_h) whole.height = (int)most_h;
    whole.left = (width - whole.width) / 2, whole.top = (height - whole.height) / 2;
    return whole;
}

/* The size to which evaluation resizes width x height before it cuts out the centre. */
static void eval_size(const mx_transform *t, double width, double height, double *to_w, double *to_h) {
    double edge = eval_short(t);
    if (t->height == t->width) {
        bool wide = width > height;
        *to_w = wide ? floor(edge * width / height) : edge,
        *to_h = wide ? edge : floor(edge * height / width);
        return;
    }
    int longer = t->height > t->width ? t->height : t->width;
    double across = t->width / width, down = t->height / height;
    double scale = (across > down ? across : down) * edge / longer;
    *to_w = floor(scale * width), *to_h = floor(scale * height);
    if (*to_w < t->width) *to_w = t->width; /* after rounding down */
    if (*to_h < t->height) *to_h = t->height;
}

static mx_status evaluate(const mx_transform *t, const mx_image *im, mx_scratch *s, mx_error *e) {
    mx_box whole = cut_ends(t, im->width, im->height);
    double to_w, to_h;
    eval_size(t, whole.width, whole.height, &to_w, &to_h);
    int width = (int)to_w, height = (int)to_h;
    mx_status st = make_small(s, width, height, im, e);
    if (!st) st = mx_image_resize(&s->small, im, whole, MX_FILTER_BICUBIC, e);
    if (st) return st;
    mx_box centre = {(int)rint((height - t->height) / 2.0), (int)rint((width - t->width) / 2.0), t->height,
                     t->width};
    cut_window(&s->small, centre); /* changes its size, so make_small allocates it again */
    return MX_OK;
}

/* Mirrors an 8-bit image in place, left to right. */
static void mirror(mx_image *m) {
    size_t channels = (size_t)m->channels, row = channels * (size_t)m->width;
    for (int y = 0; y < m->height; y++) {
        uint8_t *low = (uint8_t *)m->pixels + (size_t)y * row, *high = low + row - channels;
        for (; low < high; low += channels, high -= channels)
            for (size_t c = 0; c < channels; c++) {
                uint8_t x = low[c];
                low[c] = high[c], high[c] = x;
            }
    }
}

/* Applies RandAugment or colour jitter to the cropped image. These act on the mirrored image, so it mirrors first, and
 * clears *flip. */
static mx_status recolour(const mx_transform *t, mx_scratch *s, bool *flip, mx_rng *r, mx_error *e) {
    uint8_t fill[MX_MAX_CHANNELS];
    mx_image *m = &s->small;
    if (!t->randaugment.on && !(t->color_jitter > 0)) return MX_OK;
    if (m->type == MX_PIXEL_U8 && *flip) mirror(m), *flip = false;
    if (!t->randaugment.on) return mx_color_jitter(t->color_jitter, m, &s->spare, r, e);
    for (int c = 0; c < t->channels; c++) { /* the mean colour as bytes */
        double v = rint((double)t->mean[c] * (double)mx_value_range(m, t->value_range));
        fill[c] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
    return mx_randaugment_apply(&t->randaugment, m, &s->spare, fill, r, e);
}

/* The random draws for one image, before its samples are decoded. */
typedef struct {
    const mx_transform *t;
    mx_rng *r;
    bool flip;
} drawing;

static mx_box draw(void *user, int width, int height) {
    drawing *w = user;
    const mx_transform *t = w->t;
    if (!t->augment) return (mx_box){0, 0, height, width};
    mx_box box =
        t->one_shot_crop
            ? mx_crop_draw_once(w->r, width, height, t->scale_lo, t->scale_hi, t->ratio_lo, t->ratio_hi)
            : mx_crop_draw(w->r, width, height, t->scale_lo, t->scale_hi, t->ratio_lo, t->ratio_hi);
    w->flip = mx_rng_uniform(w->r) < t->flip;
    return box;
}

/* Crops, resizes and augments; the result is in s->small. box: position of the crop in im. */
static mx_status augment(const mx_transform *t, const mx_image *im, mx_box box, mx_rng *r, mx_scratch *s,
                         bool *flip, mx_error *e) {
    if (make_small(s, t->width, t->height, im, e) ||
        mx_image_resize(&s->small, im, box, MX_FILTER_BICUBIC, e))
        return e->status;
    return recolour(t, s, flip, r, e);
}

static mx_status apply(const mx_transform *t, const mx_image *im, mx_box box, bool flip, mx_rng *r,
                       mx_scratch *s, float *chw, mx_error *e) {
    if (!mx_image_finite(im)) return mx_fail(e, MX_ERR_DATA, "expected finite values, found NaN or infinity");
    mx_status st = t->augment ? augment(t, im, box, r, s, &flip, e) : evaluate(t, im, s, e);
    if (st) return st;
    mx_image_to_tensor(chw, &s->small, flip, mx_value_range(im, t->value_range), t->mean, t->std);
    if (t->augment) mx_random_erase(&t->erase, chw, t->channels, t->height, t->width, r);
    return MX_OK;
}

mx_status mx_transform_file(const mx_dataset *d, const mx_transform *t, int64_t i, mx_rng r, mx_scratch *s,
                            float *chw, mx_error *e) {
    mx_image im = {0};
    size_t size = 0;
    drawing w = {t, &r, false};
    mx_box box = {0};
    mx_part part = {.choose = draw, .user = &w};
    if (t->scaled_decode && t->augment) part.fast = true, part.out_w = t->width, part.out_h = t->height;
    mx_status st = mx_dataset_bytes(d, i, &s->bytes, &s->room, &size, e);
    if (!st) st = mx_dataset_decode_part(d, i, t->channels, s->bytes, size, &part, &im, &box, e);
    if (!st) st = apply(t, &im, box, w.flip, &r, s, chw, e);
    mx_image_free(&im);
    return st;
}

mx_status mx_transform_image(const mx_transform *t, const mx_image *im, float *chw, mx_error *e) {
    mx_scratch s = {0};
    mx_transform evaluation = *t;
    evaluation.augment = false;
    mx_status st = mx_transform_check(&evaluation, e);
    if (!st) st = apply(&evaluation, im, (mx_box){0}, false, NULL, &s, chw, e);
    mx_scratch_free(&s);
    return st;
}

mx_status mx_transform_check(const mx_transform *t, mx_error *e) {
    if (t->height < 1 || t->width < 1 || t->height > 16384 || t->width > 16384)
        return mx_fail(e, MX_ERR_ARGUMENT, "image size: expected 1 to 16384, found %dx%d", t->height,
                       t->width);
    if (t->channels < 1 || t->channels > MX_MAX_CHANNELS)
        return mx_fail(e, MX_ERR_ARGUMENT, "channels: expected 1 to %d, found %d", MX_MAX_CHANNELS,
                       t->channels);
    for (int c = 0; c < t->channels; c++)
        if (!isfinite(t->mean[c]) || !isfinite(t->std[c]) || !(t->std[c] > 0))
            return mx_fail(e, MX_ERR_ARGUMENT,
                           "channel %d: expected a finite mean and a deviation above 0, found %g, %g", c,
                           (double)t->mean[c], (double)t->std[c]);
    if (!isfinite(t->value_range) || t->value_range < 0)
        return mx_fail(e, MX_ERR_ARGUMENT, "value range: expected 0 or more, found %g",
                       (double)t->value_range);
    if (!t->augment) return MX_OK;
    if (!(t->scale_lo > 0 && t->scale_lo <= t->scale_hi && t->scale_hi <= 1))
        return mx_fail(e, MX_ERR_ARGUMENT, "crop scale: expected 0 < low <= high <= 1, found %g, %g",
                       t->scale_lo, t->scale_hi);
    if (!(t->ratio_lo > 0 && t->ratio_lo <= t->ratio_hi && isfinite(t->ratio_hi)))
        return mx_fail(e, MX_ERR_ARGUMENT, "crop ratio: expected 0 < low <= high, found %g, %g", t->ratio_lo,
                       t->ratio_hi);
    const mx_erase *r = &t->erase;
    if (!(r->probability >= 0 && r->probability <= 1) ||
        (r->probability > 0 && !(r->area_lo >= 0 && r->area_lo <= r->area_hi && r->area_hi <= 1 &&
                                 r->aspect_lo > 0 && r->aspect_lo <= 1 && r->count >= 1)))
        return mx_fail(
            e, MX_ERR_ARGUMENT,
            "random erasing: expected a probability, 0 <= area low <= high <= 1, an aspect above 0 and at "
            "least one box, found %g, %g, %g, %g, %d",
            r->probability, r->area_lo, r->area_hi, r->aspect_lo, r->count);
    if (!(t->color_jitter >= 0 && isfinite(t->color_jitter)))
        return mx_fail(e, MX_ERR_ARGUMENT, "colour jitter: expected 0 or more, found %g", t->color_jitter);
    if ((t->randaugment.on || t->color_jitter > 0) && t->channels != 1 && t->channels != 3)
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "RandAugment and colour jitter are for images of 1 or 3 channels, found %d: "
                       "--aa none --color-jitter 0 leaves them out",
                       t->channels);
    if (!(t->flip >= 0 && t->flip <= 1))
        return mx_fail(e, MX_ERR_ARGUMENT, "flip: expected a probability, found %g", t->flip);
    return MX_OK;
}

/* Bytes that resizing to out_h x out_w takes beside both pictures: the rows between the passes (bytes stay bytes,
 * all else is float), a few lines, and the weights of both axes, at most 4 in / out + 7 of each result. */
static double resize_memory(double in_w, double in_h, double out_w, double out_h, double channels,
                            int depth) {
    double middle = (depth > 1 ? 4 : 1) * in_h * out_w * channels;
    double lines = (MX_LANES * in_w + 8 * out_w) * channels;
    return middle + lines + 4 * (4 * (in_w + in_h) + 7 * (out_w + out_h));
}

/* The whole picture, resized for evaluation. */
static void eval_out(const mx_transform *t, double width, double height, double *w, double *h) {
    mx_box part = cut_ends(t, (int)width, (int)height);
    eval_size(t, part.width, part.height, w, h);
}

/* One file at its peak: while it is decoded (pages that become channels are joined into a second picture), while its
 * channels are converted or it is turned, which takes another picture, or while it is resized. Doubles: no overflow. */
static double file_memory(const mx_dataset *d, const mx_entry *f, const mx_transform *t) {
    int made = f->channels == 4 && t->channels != 4 && mx_format_drops_fourth(f->format) ? 3 : f->channels;
    double pixels = (double)f->width * f->height, stored = pixels * made * f->depth;
    double wanted = pixels * t->channels * f->depth, out_w = t->width, out_h = t->height;
    bool photo = t->channels == 1 || t->channels == 3, pages = !photo && f->channels < t->channels;
    double decoding = (pages ? 2 * wanted : stored) + (double)f->beside * MX_BESIDE;
    double most = made != t->channels && !pages ? fmax(decoding, stored + wanted) : decoding;
    bool turned = d->turn && f->turn > 1, swaps = turned && mx_orientation_swaps(f->turn);
    double w = swaps ? f->height : f->width, h = swaps ? f->width : f->height;
    if (turned) most = fmax(most, 2 * wanted);
    if (!t->augment) eval_out(t, w, h, &out_w, &out_h);
    most = fmax(most, wanted + resize_memory(w, h, out_w, out_h, t->channels, f->depth));
    bool spare = t->augment && (t->randaugment.on || t->color_jitter > 0); /* of bytes only */
    return most + (f->depth + (spare ? 1 : 0)) * out_w * out_h * t->channels;
}

/* The file as pack.c would write it with this shorter side: plain pictures become baseline JPEGs. */
static mx_entry as_packed(const mx_entry *f, int shorter) {
    mx_entry p = *f;
    uint32_t least = f->width < f->height ? f->width : f->height;
    if (shorter < 1 || least <= (uint32_t)shorter || f->depth > 1 || (f->channels != 1 && f->channels != 3))
        return p;
    p.width = (uint32_t)((double)f->width * shorter / least),
    p.height = (uint32_t)((double)f->height * shorter / least);
    p.beside = 0, p.turn = 1, p.size = (int64_t)p.width * p.height * p.channels;
    return p;
}

size_t mx_transform_memory(const mx_dataset *d, const mx_transform *t, int packed, int64_t *largest) {
    const mx_index *x = mx_dataset_index(d);
    double encoded = 0, most = 0;
    *largest = 0;
    for (int64_t i = 0; i < x->files; i++) {
        const mx_entry p = as_packed(&x->file[i], packed), *f = &p;
        if (f->size <= MX_INDEX_FILE_MAX && (double)f->size > encoded) encoded = (double)f->size;
        double here = f->width ? file_memory(d, f, t) : 0;
        if (here > most) most = here, *largest = i;
    }
    double sum = encoded + most;
    return sum < 0x1p62 ? (size_t)sum + 65536 : SIZE_MAX;
}
