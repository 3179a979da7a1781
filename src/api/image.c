/* Images for the public model handle: from bytes, a file or 8-bit samples to the tensor that the model reads,
 * by its own pixel statistics; and the class names of a checkpoint (include/mixmae.h "Models"). Nothing here
 * changes the handle, so no lock is taken. Source: docs/AUGMENT.md, "Evaluation". */
#include "api/model.h"

static mx_status wrong(mx_error *e, const char *what) {
    return mx_fail(e, MX_ERR_ARGUMENT, "%s must be given, found NULL", what);
}

mixmae_status mixmae_model_preprocess(const mixmae_model *model, const void *bytes, size_t count,
                                      float *image, char *message, size_t size) {
    mx_error e = {0};
    mx_image im = {0};
    if (!bytes || !image)
        wrong(&e, "bytes and image");
    else if (!mx_image_decode(&im, bytes, count, model->f.model.config.channels, &e))
        mx_transform_image(&model->f.transform, &im, image, &e);
    mx_image_free(&im);
    return mx_public_status(&e, message, size);
}

mixmae_status mixmae_model_read_image(const mixmae_model *model, const char *path, float *image,
                                      char *message, size_t size) {
    mx_error e = {0};
    mx_image im = {0};
    if (!path || !image)
        wrong(&e, "path and image");
    else if (!mx_image_read(&im, path, model->f.model.config.channels, false, &e) &&
             mx_transform_image(&model->f.transform, &im, image, &e))
        mx_fail_where(&e, "%s", path);
    mx_image_free(&im);
    return mx_public_status(&e, message, size);
}

mixmae_status mixmae_model_preprocess_pixels(const mixmae_model *model, const uint8_t *pixels, int height,
                                             int width, int channels, float *image, char *message,
                                             size_t size) {
    mx_error e = {0};
    int want = model->f.model.config.channels;
    if (!pixels || !image)
        wrong(&e, "pixels and image");
    else if (channels != want)
        mx_fail(&e, MX_ERR_ARGUMENT, "expected samples of %d channels, found %d", want, channels);
    else if (height < 1 || width < 1 || (int64_t)width * height > MX_IMAGE_MAX_SAMPLES / channels)
        mx_fail(&e, MX_ERR_ARGUMENT, "expected 1 to %lld samples, found %dx%d pixels of %d",
                (long long)MX_IMAGE_MAX_SAMPLES, width, height, channels);
    else {
        const mx_image im = {width, height, channels, MX_PIXEL_U8, (void *)(uintptr_t)pixels};
        mx_transform_image(&model->f.transform, &im, image, &e);
    }
    return mx_public_status(&e, message, size);
}
