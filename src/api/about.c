/* Parts of this build: backends and image formats, and those left out. */
#include <stdio.h>

#include "data/image.h"
#include "mixmae.h"
#include "ops/ops.h"

void mixmae_about(char *text, size_t size) {
    char there[128], missing[128], backends[128], no_backends[128];
    mx_backend_names(backends, sizeof backends, true);
    mx_backend_names(no_backends, sizeof no_backends, false);
    mx_image_format_names(there, sizeof there, true);
    mx_image_format_names(missing, sizeof missing, false);
    const char *comma = *no_backends && *missing ? ", " : "";
    bool whole = !*no_backends && !*missing;
    snprintf(text, size, "backends  %s\nimages    %s\n%s%s%s%s%s", backends, there, whole ? "" : "missing   ",
             no_backends, comma, missing, whole ? "" : "\n");
}
