/* Bicubic resizing of tables, see interpolate.h. */
#include "model/interpolate.h"

#include <math.h>

#define MX_CUBIC_A (-0.75) /* torch's constant; Pillow's resize has -0.5 */

/* Weights of the taps at -1, 0, 1, 2 for a source position t in [0,1) past tap 0. */
static void cubic_weights(double w[4], double t) {
    const double a = MX_CUBIC_A, u = 1 - t;
    w[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
    w[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
    w[2] = ((a + 2) * u - (a + 3)) * u * u + 1;
    w[3] = ((a * (u + 1) - 5 * a) * (u + 1) + 8 * a) * (u + 1) - 4 * a;
}

static int clamp(int i, int n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

void mx_interpolate_bicubic(float *out, int out_h, int out_w, const float *in, int in_h, int in_w,
                            int channels) {
    for (int r = 0; r < out_h; r++)
        for (int c = 0; c < out_w; c++) {
            double sr = (r + 0.5) * in_h / out_h - 0.5, sc = (c + 0.5) * in_w / out_w - 0.5, wr[4], wc[4];
            int r0 = (int)floor(sr), c0 = (int)floor(sc);
            cubic_weights(wr, sr - r0);
            cubic_weights(wc, sc - c0);
            for (int ch = 0; ch < channels; ch++) {
                double sum = 0;
                for (int i = 0; i < 4; i++)
                    for (int j = 0; j < 4; j++)
                        sum +=
                            wr[i] * wc[j] *
                            in[((long)clamp(r0 + i - 1, in_h) * in_w + clamp(c0 + j - 1, in_w)) * channels +
                               ch];
                out[((long)r * out_w + c) * channels + ch] = (float)sum;
            }
        }
}
