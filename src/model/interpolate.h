/* Resizing position embeddings and relative-bias tables when resolution or window changes.
 * Source: objective.md "Fine-tuning"; schedule.md 5 (torch F.interpolate: bicubic, a = -0.75, align_corners =
 * false). */
#ifndef MX_MODEL_INTERPOLATE_H
#define MX_MODEL_INTERPOLATE_H

/* out [out_h,out_w,channels] ← in [in_h,in_w,channels]; 4 taps an axis, edges clamped, no antialiasing. */
void mx_interpolate_bicubic(float *out, int out_h, int out_w, const float *in, int in_h, int in_w,
                            int channels);

#endif
