/* What this build is made of: backends and image formats, and those that were left out. */
#include <stdio.h>

#include "data/image.h"
#include "mixmae.h"
#include "ops/ops.h"

void mixmae_about(char *text, size_t size) {
    char there[128], missing[128], backends[64] = "ref";
    const mx_backend *cpu = mx_backend_find("cpu");
    mx_image_format_names(there, sizeof there, true);
    mx_image_format_names(missing, sizeof missing, false);
    if (cpu)
        snprintf(backends, sizeof backends, "ref, cpu (%s)%s", mx_backend_isa(cpu),
                 mx_backend_find("far") ? ", far" : "");
    const char *comma = !cpu && *missing ? ", " : "", *no_cpu = cpu ? "" : "cpu backend";
    bool whole = cpu && !*missing;
    snprintf(text, size, "backends  %s\nimages    %s\n%s%s%s%s%s", backends, there, whole ? "" : "missing   ",
             no_cpu, comma, missing, whole ? "" : "\n");
}
