/* Patches, positions, the decoder's two sequences, pooling: the reference. */
#include "ops/ref/ref.h"

void mx_ref_patch_rows(mx_ctx *c, mx_tensor y, mx_tensor images, const mx_layout *lay, int p) {
    (void)c;
    int64_t batch = images.dim[0], channels = images.dim[1], height = images.dim[2], width = images.dim[3];
    float *out = mx_f32(y);
    for (int64_t b = 0; b < batch; b++)
        for (int t = 0; t < lay->tokens; t++) {
            int64_t source = lay->group && lay->group[t] ? batch - 1 - b : b;
            int64_t top = (int64_t)(lay->raster[t] / lay->grid_w) * p,
                    left = (int64_t)(lay->raster[t] % lay->grid_w) * p;
            for (int64_t ch = 0; ch < channels; ch++)
                for (int64_t r = 0; r < p; r++)
                    for (int64_t s = 0; s < p; s++)
                        *out++ =
                            mx_f32(images)[((source * channels + ch) * height + top + r) * width + left + s];
        }
}

void mx_ref_add_position(mx_ctx *c, mx_tensor x, mx_tensor pos, const mx_layout *lay) {
    (void)c;
    int64_t w = x.dim[2];
    for (int64_t b = 0; b < x.dim[0]; b++)
        for (int64_t t = 0; t < lay->tokens; t++)
            for (int64_t i = 0; i < w; i++)
                mx_f32(x)[(b * lay->tokens + t) * w + i] += mx_f32(pos)[(int64_t)lay->raster[t] * w + i];
}

void mx_ref_unmix(mx_ctx *c, mx_tensor y, mx_tensor z, mx_tensor token, mx_tensor pos, const mx_layout *lay) {
    (void)c;
    int64_t batch = z.dim[0], l = z.dim[1], w = z.dim[2];
    for (int64_t s = 0; s < 2 * batch; s++)
        for (int64_t t = 0; t < l; t++) {
            bool masked =
                (lay->group[t] != 0) == (s < batch); /* z1 loses tokens with mask 1, z2 those with 0 */
            const float *from = masked ? mx_f32(token) : mx_f32(z) + (s % batch * l + t) * w;
            for (int64_t i = 0; i < w; i++)
                mx_f32(y)[(s * l + t) * w + i] = from[i] + mx_f32(pos)[(int64_t)lay->raster[t] * w + i];
        }
}

void mx_ref_unmix_back(mx_ctx *c, mx_tensor dz, mx_tensor dtoken, mx_tensor dy, const mx_layout *lay,
                       void *work) {
    (void)c, (void)work;
    int64_t batch = dz.dim[0], l = dz.dim[1], w = dz.dim[2];
    for (int64_t i = 0; i < w; i++) {
        double sum = 0;
        for (int64_t s = 0; s < 2 * batch; s++)
            for (int64_t t = 0; t < l; t++) {
                float d = mx_f32(dy)[(s * l + t) * w + i];
                if ((lay->group[t] != 0) == (s < batch))
                    sum += (double)d;
                else
                    mx_f32(dz)[(s % batch * l + t) * w + i] = d;
            }
        mx_f32(dtoken)[i] += (float)sum;
    }
}

void mx_ref_mean_rows(mx_ctx *c, mx_tensor y, mx_tensor x) {
    (void)c;
    int64_t l = x.dim[1], w = x.dim[2];
    for (int64_t b = 0; b < x.dim[0]; b++)
        for (int64_t i = 0; i < w; i++) {
            double sum = 0;
            for (int64_t t = 0; t < l; t++) sum += (double)mx_f32(x)[(b * l + t) * w + i];
            mx_f32(y)[b * w + i] = (float)(sum / (double)l);
        }
}

void mx_ref_mean_rows_back(mx_ctx *c, mx_tensor dx, mx_tensor dy) {
    (void)c;
    int64_t l = dx.dim[1], w = dx.dim[2];
    for (int64_t j = 0; j < mx_count(dx); j++) mx_f32(dx)[j] = mx_f32(dy)[j / (l * w) * w + j % w] / (float)l;
}
