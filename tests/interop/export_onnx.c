/* Writes a checkpoint as ONNX, for onnx_check.py: export_onnx MODEL.safetensors OUT.onnx [LIMIT]. LIMIT: size
 * in bytes above which the weights go to a second file, so that this can be tested without a model of 2 GiB.
 * Built by tools/interop. */
#include <stdio.h>
#include <stdlib.h>

#include "checkpoint/export_onnx.h"

int main(int argc, char **argv) {
    mx_model m = {0};
    mx_error e = {0};
    mx_pixels pixels;
    if (argc < 3) {
        fprintf(stderr, "usage: export_onnx MODEL.safetensors OUT.onnx [LIMIT]\n");
        return 2;
    }
    const mx_onnx_notes notes = {.pixels = &pixels, .limit = argc > 3 ? strtoull(argv[3], NULL, 10) : 0};
    if (!mx_checkpoint_read(&m, &pixels, argv[1], MX_PARAMS_WEIGHTS, &e))
        mx_export_onnx(&m, &notes, argv[2], &e);
    mx_model_free(&m);
    if (e.status) fprintf(stderr, "%s\n", e.text);
    return e.status != MX_OK;
}
