/* How pixels become numbers: (value / range - mean) / std of each channel. Part of a model as much as its weights. */
#ifndef MX_DATA_PIXELS_H
#define MX_DATA_PIXELS_H

#define MX_MAX_CHANNELS 64
typedef struct {
    float mean[MX_MAX_CHANNELS], std[MX_MAX_CHANNELS];
    float value_range; /* that becomes 1; 0: by the files' type */
} mx_pixels;

/* Statistics of ImageNet's training set in RGB, as every program of the field uses them. */
mx_pixels mx_pixels_imagenet(void);

#endif
