/* How pixels become numbers: (value / range - mean) / std per channel. Stored with a model, like its weights. */
#ifndef MX_DATA_PIXELS_H
#define MX_DATA_PIXELS_H

#define MX_MAX_CHANNELS 64
typedef struct {
    float mean[MX_MAX_CHANNELS], std[MX_MAX_CHANNELS];
    float value_range; /* sample value that becomes 1; 0: by the type of the files */
} mx_pixels;

/* Statistics of ImageNet's training set in RGB, the usual ones. */
mx_pixels mx_pixels_imagenet(void);

#endif
