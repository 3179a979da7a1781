/* libFuzzer target of option files: any bytes are either refused with a message or give options whose own
 * file reads back to the same text. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "options/options.h"

/* Reads `size` bytes as pretrain's option file, through a file that only memory holds. */
static mx_status read_bytes(mx_options *o, const void *bytes, size_t size, mx_error *e) {
    char path[64];
    int fd = memfd_create("options", 0);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    mx_status status = mx_options_read(o, path, MX_CMD_PRETRAIN, NULL, e);
    close(fd);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mx_options o, back;
    mx_error e = {0};
    if (mx_options_init(&o, &e) || mx_options_init(&back, &e)) abort();
    if (!read_bytes(&o, data, size, &e)) {
        char *text = mx_options_text(&o, MX_CMD_PRETRAIN);
        if (!text || read_bytes(&back, text, strlen(text), &e)) abort();
        char *again = mx_options_text(&back, MX_CMD_PRETRAIN);
        if (!again || strcmp(text, again)) abort();
        free(again);
        free(text);
    } else if (!e.text[0])
        abort();
    mx_options_free(&o);
    mx_options_free(&back);
    return 0;
}
