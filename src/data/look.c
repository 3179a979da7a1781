/* Checks a few images before a run starts: can they be decoded with the requested channels, and which values do they
 * contain? It tries each kind (number of channels) in the index, since one image of a kind represents the others. */
#include "data/look.h"

#include <math.h>
#include <string.h>

#include "data/index.h"

#define MX_LOOK_TRIES   3  /* images tried per kind, in case some are damaged */
#define MX_LOOK_IMAGES  16 /* images whose values are read */
#define MX_LOOK_SAMPLES ((int64_t)1 << 26)

static mx_look_kind *kind_of(mx_look *look, int channels) {
    for (int k = 0; k < look->kinds; k++)
        if (look->kind[k].channels == channels) return &look->kind[k];
    if (look->kinds == MX_LOOK_KINDS) return NULL;
    look->kind[look->kinds] = (mx_look_kind){.channels = channels};
    return &look->kind[look->kinds++];
}

/* True if image i can be decoded. Sets e if memory ran out, which says nothing about the image; ignore the result
 * then. */
static bool decodes(const mx_dataset *d, int64_t i, int channels, mx_error *e) {
    mx_image im = {0};
    mx_error why = {0};
    bool good = !mx_dataset_read(d, i, channels, &im, &why);
    mx_image_free(&im);
    if (why.status == MX_ERR_MEMORY) mx_fail(e, why.status, "%s", why.text);
    return good;
}

bool mx_look_fits(const mx_dataset *d, const mx_look_kind *k, int channels, mx_error *e) {
    bool whole = false; /* an image that is not damaged was tried */
    for (int t = 0; t < k->tries; t++) {
        if (decodes(d, k->example[t], channels, e)) return true;
        whole = whole || decodes(d, k->example[t], k->channels, e);
    }
    return !whole;
}

mx_status mx_look_kinds(mx_look *look, const mx_dataset *d, mx_error *e) {
    const mx_index *x = mx_dataset_index(d);
    *look = (mx_look){.images = x->files, .first_unread = -1};
    for (int64_t i = 0; i < x->files; i++) {
        mx_look_kind *k = x->file[i].width ? kind_of(look, x->file[i].channels) : NULL;
        if (k && k->tries < MX_LOOK_TRIES) k->example[k->tries++] = i;
        if (k) k->count++;
        if (x->file[i].width) continue;
        if (!look->unread++) look->first_unread = i;
    }
    for (int64_t i = look->first_unread; i >= 0 && i < x->files;
         i++) { /* the rest may be readable without the header */
        if (x->file[i].width) continue;
        if (decodes(d, i, 1, e) || decodes(d, i, 3, e)) look->unread = 0;
        break;
    }
    return e->status;
}

static double sample(const mx_image *im, size_t i) {
    if (im->type == MX_PIXEL_U8) return ((const uint8_t *)im->pixels)[i];
    return im->type == MX_PIXEL_U16 ? ((const uint16_t *)im->pixels)[i]
                                    : (double)((const float *)im->pixels)[i];
}

static void look_at(mx_look_values *v, const mx_image *im, float range, int64_t i) {
    size_t n = (size_t)im->width * (size_t)im->height, c = (size_t)im->channels;
    double scale = 1 / (double)mx_value_range(im, range);
    for (size_t at = 0; at < n * c; at++) {
        double x = sample(im, at) * scale;
        size_t k = at % c;
        if (x < v->low[k]) v->low[k] = x;
        if (x > v->high[k]) v->high[k] = x;
        if (x < v->least)
            v->second = v->least, v->least = x, v->least_at = i;
        else if (x > v->least && x < v->second)
            v->second = x;
        if (x > v->most)
            v->last_but_one = v->most, v->most = x, v->most_at = i;
        else if (x < v->most && x > v->last_but_one)
            v->last_but_one = x;
    }
    v->white = mx_value_range(im, range);
    v->whole = im->type != MX_PIXEL_F32;
}

/* Reads images of d or, if d is NULL, of files. */
static mx_status look_at_all(mx_look_values *v, const mx_dataset *d, char *const *files, int64_t count,
                             int channels, float range, mx_error *e) {
    int64_t tries = count < MX_LOOK_IMAGES ? count : MX_LOOK_IMAGES, seen = 0;
    *v = (mx_look_values){.least = INFINITY,
                          .most = -INFINITY,
                          .second = INFINITY,
                          .last_but_one = -INFINITY,
                          .first_not_finite = -1};
    for (int c = 0; c < MX_MAX_CHANNELS; c++) v->low[c] = INFINITY, v->high[c] = -INFINITY;
    for (int64_t t = 0; t < tries && seen < MX_LOOK_SAMPLES; t++) {
        int64_t i = t * count / tries;
        mx_image im = {0};
        mx_error why = {0};
        if (d ? mx_dataset_read(d, i, channels, &im, &why)
              : mx_image_read(&im, files[i], channels, false, &why)) {
            if (why.status == MX_ERR_MEMORY) return mx_fail(e, why.status, "%s", why.text);
            continue;
        }
        v->images++, seen += (int64_t)im.width * im.height * im.channels;
        if (mx_image_finite(&im))
            look_at(v, &im, range, i);
        else if (!v->not_finite++)
            v->first_not_finite = i;
        mx_image_free(&im);
    }
    return MX_OK;
}

mx_status mx_look_at_values(mx_look_values *v, const mx_dataset *d, int channels, float range, mx_error *e) {
    return look_at_all(v, d, NULL, mx_dataset_count(d), channels, range, e);
}

mx_status mx_look_at_files(mx_look_values *v, char *const *files, int64_t count, int channels, float range,
                           mx_error *e) {
    return look_at_all(v, NULL, files, count, channels, range, e);
}
