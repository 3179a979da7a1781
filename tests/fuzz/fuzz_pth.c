/* PyTorch checkpoints: a file that the reader accepts must be readable to the last element. The first input
 * byte says what follows: a whole file, or a pickle around which a valid archive is built (checksums would
 * stop the fuzzer otherwise), with one storage of 64 bytes under the key "0". */
#include "io/pth.h"

#include <stdlib.h>
#include <string.h>
#include <zip.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(mx_pth *p) {
    for (int i = 0; i < mx_pth_count(p); i++) {
        const mx_pth_tensor *t = mx_pth_at(p, i);
        mx_error e = {0};
        if (mx_pth_find(p, t->name) != t || t->ndim > MX_PTH_MAX_DIM) abort();
        if (t->count > t->stored) continue; /* repeats its storage: nobody reads that */
        void *raw = malloc((size_t)t->count * (size_t)t->width + 1);
        float *values = malloc((size_t)t->count * sizeof *values + 1);
        if (raw) mx_pth_copy(p, t, raw, &e);
        if (values) mx_pth_copy_f32(p, t, values, t->count, &e);
        free(raw);
        free(values);
    }
    for (int i = 0; i < mx_pth_fact_count(p); i++) mx_pth_fact_find(p, mx_pth_fact_at(p, i)->name);
    for (int i = 0; i < mx_pth_object_count(p); i++)
        if (!mx_pth_object_at(p, i)->value) abort();
    free(mx_pth_text(p, "config", &(mx_error){0}));
}

static void parse(const void *bytes, size_t size) {
    mx_pth *p = NULL;
    mx_error e = {0};
    mx_status s = mx_pth_parse(&p, bytes, size, &e);
    if ((s == MX_OK) != (p != NULL) || s != e.status) abort();
    if (p) read_all(p);
    mx_pth_close(p);
}

/* The archive around a pickle, in memory; the caller frees it. */
static void *archive_of(const uint8_t *pickle, size_t size, size_t *length) {
    static const char storage[64];
    zip_source_t *memory = zip_source_buffer_create(NULL, 0, 0, NULL);
    zip_t *zip = memory ? zip_open_from_source(memory, ZIP_CREATE, NULL) : NULL;
    zip_stat_t st;
    void *out = NULL;
    if (!zip) return NULL;
    zip_source_keep(memory);
    const struct {
        const char *name;
        const void *bytes;
        size_t size;
    } part[] = {{"a/data.pkl", pickle, size}, {"a/data/0", storage, sizeof storage}};
    for (zip_uint64_t i = 0; i < 2; i++) {
        zip_file_add(zip, part[i].name, zip_source_buffer(zip, part[i].bytes, part[i].size, 0), 0);
        zip_set_file_compression(zip, i, ZIP_CM_STORE, 0);
    }
    if (!zip_close(zip) && !zip_source_open(memory)) {
        if (!zip_source_stat(memory, &st) && (out = malloc((size_t)st.size)))
            *length = (size_t)zip_source_read(memory, out, st.size);
        zip_source_close(memory);
    }
    zip_source_free(memory);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t length = 0;
    if (!size) return 0;
    if (data[0] & 1) {
        void *made = archive_of(data + 1, size - 1, &length);
        if (made) parse(made, length);
        free(made);
        return 0;
    }
    unsigned char *bytes = malloc(size > 1 ? size - 1 : 1); /* one byte too far is seen */
    if (!bytes) return 0;
    memcpy(bytes, data + 1, size - 1);
    parse(bytes, size - 1);
    free(bytes);
    return 0;
}
