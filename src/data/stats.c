/* Mean and standard deviation of a data set's channels, for normalisation. (The paper uses ImageNet's; other data need
 * their own.)
 *
 * Each image has the same weight, whatever its size, as in training, where it becomes one crop. Sums are doubles, in
 * fixed blocks of images that are added in order, so the number of threads changes nothing. */
#include "base/parallel.h"
#include "data/index.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define MX_STATS_BLOCK 16

typedef struct {
    const mx_dataset *data;
    int channels;
    float range;
    int64_t images;       /* images to read, spread evenly */
    double *sum;          /* [blocks][1 + 2 channels]: images read, sums of means, sums of mean squares */
    atomic_bool short_of; /* memory ran out for an image */
} stats;

float mx_value_range(const mx_image *im, float range) {
    if (range > 0) return range;
    return im->type == MX_PIXEL_U8 ? 255.0f : im->type == MX_PIXEL_U16 ? 65535.0f : 1.0f;
}

bool mx_image_finite(const mx_image *im) {
    if (im->type != MX_PIXEL_F32) return true;
    const float *p = im->pixels;
    size_t n = (size_t)im->width * (size_t)im->height * (size_t)im->channels;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(p[i])) return false;
    return true;
}

static double pixel(const mx_image *im, size_t i) {
    if (im->type == MX_PIXEL_U8) return ((const uint8_t *)im->pixels)[i];
    return im->type == MX_PIXEL_U16 ? ((const uint16_t *)im->pixels)[i]
                                    : (double)((const float *)im->pixels)[i];
}

/* Adds the image's mean and mean square of each channel. */
static void add_image(double *sum, const mx_image *im, float range) {
    size_t pixels = (size_t)im->width * (size_t)im->height, c = (size_t)im->channels;
    double scale = 1.0 / (double)mx_value_range(im, range);
    for (size_t k = 0; k < c; k++) {
        double first = 0, second = 0;
        for (size_t i = 0; i < pixels; i++) {
            double v = pixel(im, i * c + k) * scale;
            first += v, second += v * v;
        }
        sum[1 + k] += first / (double)pixels;
        sum[1 + c + k] += second / (double)pixels;
    }
    sum[0] += 1;
}

static void work(void *user, int64_t block, int thread) {
    (void)thread;
    stats *s = user;
    int64_t count = mx_dataset_count(s->data), end = (block + 1) * MX_STATS_BLOCK;
    if (end > s->images) end = s->images;
    for (int64_t j = block * MX_STATS_BLOCK; j < end; j++) {
        mx_image im;
        mx_error why = {0};
        if (mx_dataset_read(s->data, j * count / s->images, s->channels, &im, &why)) {
            if (why.status == MX_ERR_MEMORY) atomic_store(&s->short_of, true);
            continue;
        }
        if (mx_image_finite(&im)) add_image(s->sum + block * (1 + 2 * s->channels), &im, s->range);
        mx_image_free(&im);
    }
}

mx_status mx_dataset_stats(const mx_dataset *d, int channels, float value_range, int64_t limit, int threads,
                           float *mean, float *std, mx_error *e) {
    stats s = {.data = d, .channels = channels, .range = value_range, .images = mx_dataset_count(d)};
    if (channels < 1 || channels > MX_MAX_CHANNELS)
        return mx_fail(e, MX_ERR_ARGUMENT, "statistics: expected 1 to %d channels, found %d", MX_MAX_CHANNELS,
                       channels);
    if (limit > 0 && limit < s.images) s.images = limit;
    int64_t blocks = (s.images + MX_STATS_BLOCK - 1) / MX_STATS_BLOCK;
    char quoted[MX_QUOTE];
    size_t row = 1 + 2 * (size_t)channels;
    if (!(s.sum = calloc((size_t)blocks * row, sizeof *s.sum)))
        return mx_fail(e, MX_ERR_MEMORY, "no memory for the statistics of %lld images", (long long)s.images);
    mx_parallel(threads, blocks, work, &s);
    for (int64_t b = 1; b < blocks; b++)
        for (size_t k = 0; k < row; k++) s.sum[k] += s.sum[(size_t)b * row + k];
    if (atomic_load(&s.short_of)) {
        free(s.sum);
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for the statistics of %lld images",
                       (long long)s.images);
    }
    double n = s.sum[0];
    for (size_t k = 0; n > 0 && k < (size_t)channels; k++) {
        double m = s.sum[1 + k] / n, variance = s.sum[1 + (size_t)channels + k] / n - m * m;
        mean[k] = (float)m;
        /* A constant channel gets std 1: dividing by its std, which is only rounding noise, would amplify noise. */
        std[k] = variance > 1e-12 * (1 + m * m) ? (float)sqrt(variance) : 1.0f;
    }
    free(s.sum);
    if (n > 0) return MX_OK;
    return mx_fail(e, MX_ERR_DATA,
                   "statistics: none of the %lld images tried in %s can be read with %d channels",
                   (long long)s.images, mx_quote(quoted, mx_dataset_root(d)), channels);
}
