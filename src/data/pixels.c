/* ImageNet's pixel statistics, see pixels.h. */
#include "data/pixels.h"

mx_pixels mx_pixels_imagenet(void) {
    return (mx_pixels){.mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}};
}
