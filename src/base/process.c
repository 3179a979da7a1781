/* Memory figures from /proc, see process.h. */
#include "base/process.h"

#include <stdio.h>
#include <string.h>

/* The number after "key:" in a /proc file whose values are in kB. */
static size_t proc_kilobytes(const char *path, const char *key) {
    FILE *f = fopen(path, "r");
    char line[256];
    size_t value = 0, n = strlen(key);
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, key, n) && line[n] == ':') {
            sscanf(line + n + 1, "%zu", &value);
            break;
        }
    if (f) fclose(f);
    return value * 1024;
}

size_t mx_process_resident(void) { return proc_kilobytes("/proc/self/status", "VmRSS"); }
size_t mx_process_peak(void) { return proc_kilobytes("/proc/self/status", "VmHWM"); }
size_t mx_machine_available(void) { return proc_kilobytes("/proc/meminfo", "MemAvailable"); }
