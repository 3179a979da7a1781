/* The reader of tar shards. Checksums are corrected at positions of headers, so that the code after their
 * check is reached; sometimes the input is left as it is. */
#include "data/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void seal(unsigned char *h) {
    unsigned sum = 0;
    char text[8];
    memset(h + 148, ' ', 8);
    for (int i = 0; i < 512; i++) sum += h[i];
    snprintf(text, sizeof text, "%06o", sum);
    memcpy(h + 148, text, 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mx_index x = {.kind = MX_SOURCE_TAR};
    mx_error e = {0};
    mx_tar_counts counts = {.most = -1};
    unsigned char *bytes = malloc(size + 1);
    int fd = memfd_create("shard", MFD_CLOEXEC);
    if (!bytes || fd < 0) abort();
    memcpy(bytes, data, size);
    for (size_t at = 0; size % 8 != 7 && at + 512 <= size; at += 512)
        if (!memcmp(bytes + at + 257, "ustar", 5)) seal(bytes + at);
    if (write(fd, bytes, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET)) abort();
    mx_index_add_folder(&x, "shard.tar", 1, &e);
    x.folder[0].size = (int64_t)size;
    if (!mx_tar_shard(&x, fd, "shard.tar", (int64_t)size, &counts, &e)) {
        for (int64_t i = 0; i < x.files; i++) {
            const mx_entry *f = &x.file[i];
            if (f->holder != 1 || f->offset < 0 || f->size < 0 || f->offset > (int64_t)size - f->size ||
                f->label > counts.most)
                abort();
        }
    } else if (!e.text[0])
        abort();
    mx_index_free(&x);
    close(fd);
    free(bytes);
    return 0;
}
