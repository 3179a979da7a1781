/* Resizes position embeddings and relative-bias tables when resolution or window changes. Source:
 * docs/TRAINING.md "Starting from a file" (torch F.interpolate: bicubic, a = -0.75, align_corners = false). */
#ifndef MX_MODEL_INTERPOLATE_H
#define MX_MODEL_INTERPOLATE_H

/* out [out_h,out_w,channels] ← in [in_h,in_w,channels]; 4 taps per axis, clamped at the edges, no antialiasing. */
void mx_interpolate_bicubic(float *out, int out_h, int out_w, const float *in, int in_h, int in_w,
                            int channels);

#endif
