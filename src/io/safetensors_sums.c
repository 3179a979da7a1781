/* Checksums of safetensors files, which reveal any flipped bit of the header or of a tensor. See
 * safetensors.h. */
#include "io/safetensors_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "io/crc32c.h"

static mx_st_sum in_digits(uint32_t crc) {
    mx_st_sum s;
    snprintf(s.text, sizeof s.text, "%08" PRIx32, crc);
    return s;
}

mx_st_sum mx_st_sum_of(const void *bytes, size_t size) { return in_digits(mx_crc32c(bytes, size)); }

mx_st_sum mx_st_sum_header(const char *text, size_t size, const char **place) {
    static const char key[] = "\"" MX_ST_SUM_HEADER "\":\""; /* inside a text its quotes would be escaped */
    const char *at = memmem(text, size, key, sizeof key - 1);
    size_t before = at ? (size_t)(at - text) + sizeof key - 1 : size;
    if (before > size - 8) before = size;
    uint32_t crc = mx_crc32c(text, before);
    if (place) *place = before < size ? text + before : NULL;
    if (before == size) return in_digits(crc);
    crc = mx_crc32c_more(crc, "00000000", 8);
    return in_digits(mx_crc32c_more(crc, text + before + 8, size - before - 8));
}

bool mx_st_summed(const mx_st *st) { return mx_st_meta(st, MX_ST_SUM_TENSORS) != NULL; }

mx_status mx_st_check_header(const mx_st *st, size_t size, mx_error *e) {
    const char *header = mx_st_meta(st, MX_ST_SUM_HEADER), *sums = mx_st_meta(st, MX_ST_SUM_TENSORS);
    if (!header && !sums) return MX_OK; /* of a model, of another program, or an older state */
    if (!header || !sums)
        return mx_fail(e, MX_ERR_FORMAT, "damaged: the metadata have \"%s\" without \"%s\"",
                       header ? MX_ST_SUM_HEADER : MX_ST_SUM_TENSORS,
                       header ? MX_ST_SUM_TENSORS : MX_ST_SUM_HEADER);
    mx_st_sum sum = mx_st_sum_header((const char *)st->bytes + 8, size, NULL);
    if (strcmp(sum.text, header))
        return mx_fail(e, MX_ERR_FORMAT, "damaged: the header's checksum is %s, expected %.8s", sum.text,
                       header);
    if (strlen(sums) != 8 * (size_t)st->count)
        return mx_fail(e, MX_ERR_FORMAT, "damaged: expected checksums of %d tensors, found %zu digits",
                       st->count, strlen(sums));
    return MX_OK;
}

mx_status mx_st_check(const mx_st *st, mx_error *e) {
    const char *sums = mx_st_meta(st, MX_ST_SUM_TENSORS);
    for (int i = 0; sums && i < st->count; i++) {
        const mx_st_tensor *t = &st->tensor[i];
        mx_st_sum sum = mx_st_sum_of(t->data, t->bytes);
        mx_st_done(st, t);
        if (memcmp(sum.text, sums + 8 * (size_t)i, 8))
            return mx_fail(e, MX_ERR_FORMAT, "damaged: tensor %s has checksum %s, expected %.8s", t->name,
                           sum.text, sums + 8 * (size_t)i);
    }
    return MX_OK;
}
