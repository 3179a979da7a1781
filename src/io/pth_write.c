/* Writes a PyTorch checkpoint, see pth_write.h: the pickle is composed here, the archive by libzip. The
 * pickle contains only tensors and texts, which loaders accept that execute nothing. */
#include "io/pth_write.h"
#include "io/file.h"
#include "io/pth.h"
#include "io/safetensors_internal.h"
#include "base/text_stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#define MX_PTH_ROOT    "archive"
#define MX_PTH_ALIGN   64
#define MX_PTH_BATCH   1000   /* items between MARK and SETITEMS, as CPython writes them */
#define MX_ZIP_LOCAL   30     /* bytes of a local header without name and extra fields */
#define MX_ZIP_PADDING 0x4246 /* "FB", the id of PyTorch's own padding field */
#define MX_DOS_DATE    0x21   /* 1 January 1980: bytes must not depend on the clock */

static const char *storage_of(const char *dtype) {
    static const char *const known[][2] = {{"F32", "FloatStorage"}, {"F64", "DoubleStorage"},
                                           {"F16", "HalfStorage"},  {"BF16", "BFloat16Storage"},
                                           {"I64", "LongStorage"},  {"I32", "IntStorage"},
                                           {"I16", "ShortStorage"}, {"I8", "CharStorage"},
                                           {"U8", "ByteStorage"},   {"BOOL", "BoolStorage"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i][0], dtype)) return known[i][1];
    return NULL;
}

/* ---- the pickle -----------------------------------------------------------------------------------------
 */

static void put_little(FILE *f, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++) fputc((int)(v >> (8 * i) & 255), f);
}

static void put_text(FILE *f, const char *text) {
    size_t n = strlen(text);
    fputc('X', f);
    put_little(f, n, 4);
    fwrite(text, 1, n, f);
}

/* The shortest opcode, as CPython's. */
static void put_whole(FILE *f, int64_t v) {
    if (v < 256)
        fputc('K', f), put_little(f, (uint64_t)v, 1);
    else if (v < 65536)
        fputc('M', f), put_little(f, (uint64_t)v, 2);
    else if (v <= INT32_MAX)
        fputc('J', f), put_little(f, (uint64_t)v, 4);
    else
        fputc(0x8a, f), fputc(8, f), put_little(f, (uint64_t)v, 8);
}

static void put_tuple(FILE *f, const int64_t *v, int count) {
    if (!count) {
        fputc(')', f);
        return;
    }
    fputc('(', f);
    for (int i = 0; i < count; i++) put_whole(f, v[i]);
    fputc('t', f);
}

/* torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict()) */
static void put_tensor(FILE *f, const mx_st_tensor *t, int key) {
    int64_t stride[MX_ST_MAX_DIM], count = 1;
    char name[16];
    for (int i = t->ndim - 1; i >= 0; i--) {
        stride[i] = count; /* of an empty tensor torch counts its dimensions as 1 */
        count *= t->dim[i] > 1 ? t->dim[i] : 1;
    }
    snprintf(name, sizeof name, "%d", key);
    fputs("ctorch._utils\n_rebuild_tensor_v2\n((", f);
    put_text(f, "storage");
    fprintf(f, "ctorch\n%s\n", storage_of(t->dtype));
    put_text(f, name);
    put_text(f, "cpu");
    put_whole(f, (int64_t)(t->bytes * 8 / (size_t)mx_st_bits(t->dtype)));
    fputs("tQ", f);
    put_whole(f, 0);
    put_tuple(f, t->dim, t->ndim);
    put_tuple(f, stride, t->ndim);
    fputs("\x89"
          "ccollections\nOrderedDict\n)RtR",
          f);
}

/* The whole pickle; the caller frees it. */
static mx_status make_pickle(char **out, size_t *size, const mx_st_tensor *t, int count,
                             const mx_st_pair *text, int texts, mx_error *e) {
    *out = NULL;
    FILE *f = mx_text_stream(out, size);
    if (!f) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    fputs("\x80\x02}(", f);
    put_text(f, "model");
    fputs("ccollections\nOrderedDict\n)R", f);
    for (int i = 0; i < count; i++) {
        if (i % MX_PTH_BATCH == 0) fputc('(', f);
        put_text(f, t[i].name);
        put_tensor(f, &t[i], i);
        if (i % MX_PTH_BATCH == MX_PTH_BATCH - 1 || i == count - 1) fputc('u', f);
    }
    for (int i = 0; i < texts; i++) put_text(f, text[i].key), put_text(f, text[i].value);
    fputs("u.", f);
    if (ferror(f) | fclose(f)) return mx_fail(e, MX_ERR_MEMORY, "out of memory for %d tensors", count);
    return MX_OK;
}

/* ---- the archive ----------------------------------------------------------------------------------------
 */

typedef struct {
    zip_t *zip;
    uint64_t at; /* position of the next local header: libzip writes entries in order, without gaps */
    mx_error *e;
} archive;

/* Reports libzip's error. No error (ZIP_ER_OK) is a failed allocation that libzip does not report. */
static mx_status failed(zip_error_t *why, const char *doing, const char *path, mx_error *e) {
    int code = zip_error_code_zip(why);
    if (code == ZIP_ER_MEMORY || code == ZIP_ER_OK)
        return mx_fail(e, MX_ERR_MEMORY, "cannot %s %s: out of memory", doing, path);
    return mx_fail(e, MX_ERR_IO, "cannot %s %s: %s", doing, path, zip_error_strerror(why));
}

/* Adds an entry whose data begin on a multiple of 64 bytes; bytes must live until the archive is closed. */
static mx_status add(archive *a, const char *name, const void *bytes, size_t size) {
    static const zip_uint8_t zeros[MX_PTH_ALIGN];
    char path[64];
    int length = snprintf(path, sizeof path, "%s/%s", MX_PTH_ROOT, name);
    uint64_t start = a->at + MX_ZIP_LOCAL + (uint64_t)length + 4; /* 4: the padding field's own header */
    zip_uint16_t padding = (zip_uint16_t)((MX_PTH_ALIGN - start % MX_PTH_ALIGN) % MX_PTH_ALIGN);
    zip_source_t *source = zip_source_buffer(a->zip, bytes, size, 0);
    zip_int64_t i = source ? zip_file_add(a->zip, path, source, 0) : -1;
    if (i < 0 && source) zip_source_free(source);
    if (i < 0 || zip_set_file_compression(a->zip, (zip_uint64_t)i, ZIP_CM_STORE, 0) ||
        zip_file_set_dostime(a->zip, (zip_uint64_t)i, 0, MX_DOS_DATE, 0) ||
        zip_file_extra_field_set(a->zip, (zip_uint64_t)i, MX_ZIP_PADDING, 0, zeros, padding, ZIP_FL_LOCAL))
        return failed(zip_get_error(a->zip), "add to the archive", path, a->e);
    a->at = start + padding + size;
    return MX_OK;
}

static mx_status add_all(archive *a, const char *pickle, size_t size, const mx_st_tensor *t, int count) {
    char name[32];
    if (add(a, "data.pkl", pickle, size) || add(a, "byteorder", "little", 6)) return a->e->status;
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "data/%d", i);
        if (add(a, name, t[i].data, t[i].bytes)) return a->e->status;
    }
    return add(a, "version", "3\n", 2);
}

/* The file as libzip writes it. libzip's own file source uses another temporary, whose random name comes from
 * a library of ciphers that crashes when out of memory. */
typedef struct {
    int fd;
    int64_t at, size;
    zip_error_t why;
} output;

/* All or an error: libzip calls a part "interrupted", where the next write says that the disk is full. */
static zip_int64_t write_at(output *o, const char *bytes, zip_uint64_t n) {
    for (zip_uint64_t left = n; left;) {
        ssize_t put = pwrite(o->fd, bytes, left < 1u << 30 ? left : 1u << 30, (off_t)o->at);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) {
            zip_error_set(&o->why, ZIP_ER_WRITE, errno);
            return -1;
        }
        bytes += put, left -= (zip_uint64_t)put, o->at += put;
    }
    if (o->at > o->size) o->size = o->at;
    return (zip_int64_t)n;
}

static zip_int64_t serve(void *user, void *data, zip_uint64_t n, zip_source_cmd_t what) {
    output *o = user;
    switch (what) {
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(
            ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
            ZIP_SOURCE_FREE, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_BEGIN_WRITE, ZIP_SOURCE_WRITE,
            ZIP_SOURCE_SEEK_WRITE, ZIP_SOURCE_TELL_WRITE, ZIP_SOURCE_COMMIT_WRITE, ZIP_SOURCE_ROLLBACK_WRITE,
            ZIP_SOURCE_REMOVE, -1);
    case ZIP_SOURCE_STAT:
        zip_stat_init(data);
        ((zip_stat_t *)data)->size = 0, ((zip_stat_t *)data)->valid |= ZIP_STAT_SIZE;
        return sizeof(zip_stat_t);
    case ZIP_SOURCE_ERROR: return zip_error_to_data(&o->why, data, n);
    case ZIP_SOURCE_WRITE: return write_at(o, data, n);
    case ZIP_SOURCE_TELL_WRITE: return o->at;
    case ZIP_SOURCE_SEEK_WRITE: {
        zip_int64_t at =
            zip_source_seek_compute_offset((zip_uint64_t)o->at, (zip_uint64_t)o->size, data, n, &o->why);
        if (at >= 0) o->at = at;
        return at < 0 ? -1 : 0;
    }
    default: return 0; /* nothing is read back, and the file is there already */
    }
}

static mx_status write_archive(int fd, const char *path, const char *pickle, size_t size,
                               const mx_st_tensor *t, int count, mx_error *e) {
    zip_error_t why;
    output out = {.fd = fd};
    zip_error_init(&why);
    zip_error_init(&out.why);
    zip_source_t *source = zip_source_function_create(serve, &out, &why);
    archive a = {.zip = source ? zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &why) : NULL,
                 .e = e};
    if (!a.zip) {
        failed(&why, "create", path, e);
        zip_source_free(source);
    } else if (add_all(&a, pickle, size, t, count))
        zip_discard(a.zip);
    else if (zip_close(a.zip)) { /* which writes the file */
        failed(zip_get_error(a.zip), "write", path, e);
        zip_discard(a.zip);
    }
    zip_error_fini(&why);
    zip_error_fini(&out.why);
    return e->status;
}

static mx_status check(const mx_st_tensor *t, mx_error *e) {
    int64_t bits = t->dtype && storage_of(t->dtype) ? mx_st_bits(t->dtype) : 0;
    if (!bits) return mx_fail(e, MX_ERR_ARGUMENT, "tensor %s: PyTorch files hold no %s", t->name, t->dtype);
    bool fits = t->ndim >= 0 && t->ndim <= MX_ST_MAX_DIM;
    for (int i = 0; fits && i < t->ndim; i++)
        fits = t->dim[i] >= 0 && !__builtin_mul_overflow(bits, t->dim[i], &bits);
    if (!fits || (uint64_t)bits / 8 != t->bytes)
        return mx_fail(e, MX_ERR_SHAPE, "tensor %s: its shape does not fit its %zu bytes", t->name, t->bytes);
    return MX_OK;
}

/* ---- reading back ---------------------------------------------------------------------------------------
 */

typedef struct {
    const mx_st_tensor *tensor;
    int count;
    const mx_st_pair *text;
    int texts;
} content;

static mx_status compare_tensor(mx_pth *p, const mx_pth_tensor *found, const mx_st_tensor *t, mx_error *e) {
    static const char dict[] = "model.";
    if (strncmp(found->name, dict, sizeof dict - 1) || strcmp(found->name + sizeof dict - 1, t->name) ||
        strcmp(found->dtype, t->dtype) || found->ndim != t->ndim ||
        memcmp(found->dim, t->dim, sizeof *t->dim * (size_t)t->ndim))
        return mx_fail(e, MX_ERR_IO, "expected tensor %s, found %s of another name, type or shape", t->name,
                       found->name);
    void *bytes = malloc(t->bytes + 1);
    if (!bytes) return mx_fail(e, MX_ERR_MEMORY, "out of memory for tensor %s", t->name);
    if (t->bytes && !mx_pth_copy(p, found, bytes, e) && memcmp(bytes, t->data, t->bytes))
        mx_fail(e, MX_ERR_IO, "tensor %s: other numbers than were written", t->name);
    free(bytes);
    return e->status;
}

static mx_status compare_text(const mx_pth *p, const mx_st_pair *text, mx_error *e) {
    char *found = mx_pth_text(p, text->key, e);
    if (!e->status && (!found || strcmp(found, text->value)))
        mx_fail(e, MX_ERR_IO, "text %s: expected \"%.40s\", found \"%.40s\"", text->key, text->value,
                found ? found : "nothing");
    free(found);
    return e->status;
}

static mx_status read_back(const void *what, const char *temporary, mx_error *e) {
    const content *c = what;
    mx_pth *p = NULL;
    if (mx_pth_open(&p, temporary, e)) return e->status;
    if (mx_pth_count(p) != c->count)
        mx_fail(e, MX_ERR_IO, "expected %d tensors, found %d", c->count, mx_pth_count(p));
    for (int i = 0; i < c->count && !e->status; i++) compare_tensor(p, mx_pth_at(p, i), &c->tensor[i], e);
    for (int i = 0; i < c->texts && !e->status; i++) compare_text(p, &c->text[i], e);
    mx_pth_close(p);
    return e->status;
}

mx_status mx_pth_write(const char *path, const mx_st_tensor *tensors, int count, const mx_st_pair *texts,
                       int text_count, mx_error *e) {
    const content c = {.tensor = tensors, .count = count, .text = texts, .texts = text_count};
    char *pickle = NULL;
    size_t size = 0;
    mx_file *f = NULL;
    for (int i = 0; i < count; i++)
        if (check(&tensors[i], e)) return e->status;
    if (mx_file_begin(&f, path, e)) return e->status;
    if (!make_pickle(&pickle, &size, tensors, count, texts, text_count, e))
        write_archive(mx_file_descriptor(f), mx_file_temporary(f), pickle, size, tensors, count, e);
    mx_file_commit_read(f, read_back, &c, e);
    free(pickle);
    return e->status;
}
