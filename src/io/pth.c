/* Opens a .pth and its zip container, see pth.h. libzip reads the archive. Features that PyTorch's writer
 * never uses (encryption, two entries of one name) are refused. Nothing is ever written to disk under a name
 * from the archive. See docs/FORMATS.md, "PyTorch files". */
#include "io/pth_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/again.h"
#include "io/file.h"

#define MX_PTH_MAX_ENTRIES 1000000
#define MX_PTH_MAX_ROOT    1024
#define MX_PTH_MAX_RATIO   64 /* of an entry to the whole file, where someone packed the archive again */

/* The number that starts a legacy file, pickled: after PROTO and, from protocol 4 on, a frame's length. */
static const unsigned char legacy_magic[13] = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                               0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

static bool is_legacy(const unsigned char *b, size_t size) {
    if (size < 2 || b[0] != 0x80 || b[1] < 2 || b[1] > 5) return false;
    size_t at = size > 11 && b[2] == 0x95 ? 11 : 2;
    return size - at >= sizeof legacy_magic && !memcmp(b + at, legacy_magic, sizeof legacy_magic);
}

typedef enum { NOTHING, ZIP, LEGACY, TAR } container;

static container container_of(const unsigned char *b, size_t size) {
    if (size >= 4 && !memcmp(b, "PK\3\4", 4)) return ZIP;
    if (is_legacy(b, size)) return LEGACY;
    if (size >= 262 && !memcmp(b + 257, "ustar", 5)) return TAR;
    return NOTHING;
}

bool mx_pth_begins(const void *bytes, size_t size) { return container_of(bytes, size) != NOTHING; }

bool mx_pth_is_file(const char *path) {
    unsigned char head[512];
    int fd = mx_open_read(AT_FDCWD, path, O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : mx_read_at(fd, head, sizeof head, 0);
    if (fd >= 0) close(fd);
    return n > 0 && mx_pth_begins(head, (size_t)n);
}

/* ---- zip ------------------------------------------------------------------------------------------------
 */

/* libzip's error message. Out of memory is not damage. */
static mx_status zip_failed(zip_error_t *why, const char *what, mx_error *e) {
    bool memory = zip_error_code_zip(why) == ZIP_ER_MEMORY || zip_error_code_zip(why) == ZIP_ER_OK;
    return mx_fail(e, memory ? MX_ERR_MEMORY : MX_ERR_FORMAT, "%s: %s", what,
                   memory ? "out of memory" : zip_error_strerror(why));
}

static mx_status entry_failed(zip_error_t *why, const char *name, mx_error *e) {
    char what[128];
    snprintf(what, sizeof what, "archive entry %.100s", name);
    return zip_failed(why, what, e);
}

static mx_status check_entry(const mx_pth *p, zip_uint64_t i, mx_error *e) {
    zip_stat_t st;
    if (zip_stat_index(p->zip, i, 0, &st))
        return mx_fail(e, MX_ERR_FORMAT, "archive entry %llu: %s", (unsigned long long)i,
                       zip_strerror(p->zip));
    zip_uint64_t need = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if ((st.valid & need) != need)
        return mx_fail(e, MX_ERR_FORMAT, "archive entry %llu has no name or size", (unsigned long long)i);
    bool stored = st.comp_method == ZIP_CM_STORE && st.comp_size == st.size;
    if ((!stored && st.comp_method != ZIP_CM_DEFLATE) || st.encryption_method != ZIP_EM_NONE)
        return mx_fail(
            e, MX_ERR_FORMAT,
            "archive entry %.100s is encrypted, or compressed by another method than deflate; PyTorch "
            "stores entries as they are",
            st.name);
    if (zip_name_locate(p->zip, st.name, ZIP_FL_ENC_RAW) != (zip_int64_t)i)
        return mx_fail(e, MX_ERR_FORMAT, "two archive entries have the name %.100s", st.name);
    return MX_OK;
}

/* root/name → its index, -1 when absent */
static int64_t locate(const mx_pth *p, const char *name) {
    char path[MX_PTH_MAX_ROOT + 64];
    snprintf(path, sizeof path, "%s/%s", p->root, name);
    return zip_name_locate(p->zip, path, ZIP_FL_ENC_RAW);
}

mx_status mx_pth_zip_read(const mx_pth *p, int64_t record, size_t limit, void **out, size_t *size,
                          mx_error *e) {
    zip_stat_t st;
    zip_file_t *f = NULL;
    char *bytes = NULL;
    size_t have = 0;
    *out = NULL;
    if (zip_stat_index(p->zip, (zip_uint64_t)record, 0, &st))
        return mx_fail(e, MX_ERR_FORMAT, "archive entry %lld: %s", (long long)record, zip_strerror(p->zip));
    bool packed = st.comp_method != ZIP_CM_STORE, summed = st.crc || packed;
    if (st.size > limit || st.size / (packed ? MX_PTH_MAX_RATIO : 1) > p->size)
        return mx_fail(e, MX_ERR_FORMAT, "archive entry %.100s claims %llu bytes", st.name,
                       (unsigned long long)st.size);
    if (!(bytes = malloc((size_t)st.size + 1)))
        return mx_fail(e, MX_ERR_MEMORY, "cannot allocate %llu bytes for archive entry %.100s",
                       (unsigned long long)st.size, st.name);
    if (!(f = zip_fopen_index(p->zip, (zip_uint64_t)record, 0)))
        entry_failed(zip_get_error(p->zip), st.name, e);
    /* Reads to the end and past it: the checksum is compared there. A checksum of 0 means none
     * (set_crc32_options(False)). */
    while (f && !e->status && (summed || have < st.size)) {
        zip_int64_t n = zip_fread(f, bytes + have, st.size + (summed ? 1 : 0) - have);
        if (n == 0) break;
        if (n < 0)
            entry_failed(zip_file_get_error(f), st.name, e);
        else if ((have += (size_t)n) > st.size)
            mx_fail(e, MX_ERR_FORMAT, "archive entry %.100s is longer than it says", st.name);
    }
    if (!e->status && have != st.size) mx_fail(e, MX_ERR_FORMAT, "archive entry %.100s is cut off", st.name);
    if (f) zip_fclose(f);
    if (e->status) {
        free(bytes);
        return e->status;
    }
    bytes[have] = 0;
    *out = bytes, *size = have;
    return MX_OK;
}

mx_status mx_pth_zip_find(const mx_pth *p, const mx_pk_node *key, int64_t *record, size_t *bytes,
                          mx_error *e) {
    char path[MX_PTH_MAX_ROOT + 320];
    zip_stat_t st;
    *record = -1;
    if (key->size <= 255 && !memchr(key->text, 0, key->size)) {
        snprintf(path, sizeof path, "%s/data/%.*s", p->root, (int)key->size, key->text);
        *record = zip_name_locate(p->zip, path, ZIP_FL_ENC_RAW);
    }
    if (*record < 0 || zip_stat_index(p->zip, (zip_uint64_t)*record, 0, &st))
        return mx_fail(e, MX_ERR_FORMAT, "no archive entry for the storage \"%.*s\"",
                       key->size < 100 ? (int)key->size : 100, key->text);
    *bytes = (size_t)st.size;
    return MX_OK;
}

static mx_status read_root(mx_pth *p, mx_error *e) {
    const char *first = zip_get_name(p->zip, 0, ZIP_FL_ENC_RAW), *cut = first ? strchr(first, '/') : NULL;
    if (!cut || cut - first >= MX_PTH_MAX_ROOT)
        return mx_fail(e, MX_ERR_FORMAT, "a zip archive, but not PyTorch's: its first entry is in no folder");
    if (!(p->root = strndup(first, (size_t)(cut - first)))) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    if (locate(p, "constants.pkl") >= 0)
        return mx_fail(e, MX_ERR_FORMAT,
                       "a TorchScript program, not a checkpoint: save the model's state_dict() instead");
    if (locate(p, "data.pkl") < 0)
        return mx_fail(e, MX_ERR_FORMAT, "a zip archive, but not PyTorch's: there is no %.100s/data.pkl",
                       p->root);
    return MX_OK;
}

static mx_status read_byte_order(mx_pth *p, mx_error *e) {
    int64_t at = locate(p, "byteorder");
    void *text = NULL;
    size_t size = 0;
    if (at < 0) return MX_OK; /* written before the entry existed, on a little-endian machine */
    if (mx_pth_zip_read(p, at, 64, &text, &size, e)) return e->status;
    p->big_endian = !strncmp(text, "big", 3);
    if (!p->big_endian && strncmp(text, "little", 6))
        mx_fail(e, MX_ERR_FORMAT, "byteorder is \"%.20s\": expected little or big", (char *)text);
    free(text);
    return e->status;
}

mx_status mx_pth_zip_open(mx_pth *p, mx_error *e) {
    zip_error_t why;
    size_t size = 0;
    zip_error_init(&why);
    for (int tries = 0; !p->zip && tries < 2; tries++) { /* out of memory may be reported as damage: not
                                                            twice */
        zip_error_fini(&why);
        zip_error_init(&why);
        zip_source_t *source = zip_source_buffer_create(p->bytes, p->size, 0, &why);
        if (source && !(p->zip = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &why)))
            zip_source_free(source);
    }
    if (!p->zip) zip_failed(&why, "a damaged or cut-off zip archive", e);
    zip_error_fini(&why);
    if (e->status) return e->status;
    zip_int64_t entries = zip_get_num_entries(p->zip, 0);
    if (entries < 1 || entries > MX_PTH_MAX_ENTRIES)
        return mx_fail(e, MX_ERR_FORMAT, "expected 1 to %d archive entries, found %lld", MX_PTH_MAX_ENTRIES,
                       (long long)entries);
    if (read_root(p, e)) return e->status;
    for (zip_int64_t i = 0; i < entries; i++)
        if (check_entry(p, (zip_uint64_t)i, e)) return e->status;
    if (read_byte_order(p, e)) return e->status;
    if (mx_pth_zip_read(p, locate(p, "data.pkl"), MX_PK_MAX_BYTES, &p->pickle, &size, e)) return e->status;
    return mx_pk_parse(&p->pk, p->pickle, size, NULL, e);
}

/* ---- files ----------------------------------------------------------------------------------------------
 */

static mx_status parse(mx_pth *p, mx_error *e) {
    switch (container_of(p->bytes, p->size)) {
    case ZIP: mx_pth_zip_open(p, e); break;
    case LEGACY: mx_pth_legacy_open(p, e); break;
    case TAR:
        return mx_fail(
            e, MX_ERR_UNSUPPORTED,
            "a tar archive, as PyTorch wrote before 0.2: load it with an old PyTorch and save it anew");
    case NOTHING: return mx_fail(e, MX_ERR_FORMAT, "not a PyTorch checkpoint");
    }
    return e->status ? e->status : mx_pth_walk(p, e);
}

mx_status mx_pth_parse(mx_pth **out, const void *bytes, size_t size, mx_error *e) {
    mx_error own = {0};
    mx_pth *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    p->bytes = bytes, p->size = size, p->cached = -1;
    if (parse(p, &own)) {
        mx_pth_close(p);
        return mx_fail(e, own.status, "%s", own.text);
    }
    *out = p;
    return MX_OK;
}

mx_status mx_pth_open(mx_pth **out, const char *path, mx_error *e) {
    const void *bytes;
    size_t size;
    *out = NULL;
    if (mx_file_map(path, &bytes, &size, e)) return e->status;
    if (mx_pth_parse(out, bytes, size, e)) {
        munmap((void *)bytes, size);
        return mx_fail_where(e, "%s", path);
    }
    (*out)->mapped = true;
    return MX_OK;
}

static void free_facts(mx_pth_fact *fact, int count) {
    for (int i = 0; i < count; i++) free((char *)fact[i].name), free((char *)fact[i].value);
    free(fact);
}

void mx_pth_close(mx_pth *p) {
    if (!p) return;
    for (int i = 0; i < p->count; i++) free((char *)p->tensor[i].name);
    free(p->tensor);
    free(p->by_name);
    free_facts(p->fact, p->facts);
    free_facts(p->object, p->objects);
    mx_pk_free(p->pk);
    free(p->pickle);
    free(p->root);
    free(p->record);
    free(p->cache);
    if (p->zip) zip_discard(p->zip);
    if (p->mapped) munmap((void *)p->bytes, p->size);
    free(p);
}
