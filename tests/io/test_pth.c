/* PyTorch checkpoints: both containers made by hand, whole and damaged in every byte; what is refused, what
 * is kept as inert data, what we write. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "io/pth.h"
#include "io/pth_write.h"
#include "pth_files.h"

static char base[64];

static int make_base(void **state) {
    (void)state;
    snprintf(base, sizeof base, "/tmp/test_pth_XXXXXX");
    return mkdtemp(base) ? 0 : -1;
}

static int remove_base(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", base);
    return system(command);
}

/* ---- containers -----------------------------------------------------------------------------------------
 */

static const float six[] = {0, 1, 2, 3, 4, 5};

/* {'model': OrderedDict(w [2,3], t = w transposed, row = w[1], h), 'epoch': 7, 'evil': os.system('…')} */
static bytes checkpoint_pickle(bool legacy) {
    bytes b = pickle_of("}(");
    const char *none = legacy ? "N" : NULL;
    text(&b, "model");
    op(&b, "ccollections\nOrderedDict\n)R(");
    text(&b, "w"), tensor(&b, "FloatStorage", "0", 6, 0, 2, (int32_t[]){2, 3}, (int32_t[]){3, 1}, none);
    text(&b, "t"), tensor(&b, "FloatStorage", "0", 6, 0, 2, (int32_t[]){3, 2}, (int32_t[]){1, 3}, none);
    text(&b, "row"), tensor(&b, "FloatStorage", "0", 6, 3, 1, (int32_t[]){3}, (int32_t[]){1}, none);
    text(&b, "h"), tensor(&b, "HalfStorage", "key", 1, 0, 0, NULL, NULL, none);
    text(&b, "wide"),
        tensor(&b, "HalfStorage", "key", 1, 0, 2, (int32_t[]){2, 1 << 30}, (int32_t[]){0, 0}, none);
    text(&b, "none"), tensor(&b, "FloatStorage", "0", 6, 0, 2, (int32_t[]){0, 3}, (int32_t[]){3, 1}, none);
    op(&b, "u}");
    text(&b, "_metadata"), op(&b, "}sb"); /* a state dict's own state */
    text(&b, "epoch"), op(&b, "K\007");
    text(&b, "evil"), op(&b, "cos\nsystem\n"), text(&b, "touch /tmp/pth_was_here"), op(&b, "\x85R");
    text(&b, "args"), op(&b, "cargparse\nNamespace\n)\x81}");
    text(&b, "lr"), put(&b,
                        "G\x3f\xe0\0\0\0\0\0\0s"
                        "b",
                        11);
    op(&b, "u.");
    return b;
}

static bytes zip_checkpoint(zip_style style, const char *root, bool big) {
    archive z = {.style = style};
    bytes pickle = checkpoint_pickle(false);
    unsigned char storage[24];
    char name[64];
    memcpy(storage, six, 24);
    for (int i = 0; big && i < 24; i++) storage[i] = ((const unsigned char *)six)[i / 4 * 4 + 3 - i % 4];
    snprintf(name, sizeof name, "%s/data.pkl", root), entry(&z, name, pickle.at, pickle.size);
    snprintf(name, sizeof name, "%s/.format_version", root), entry(&z, name, "1", 1);
    snprintf(name, sizeof name, "%s/byteorder", root), entry(&z, name, big ? "big" : "little", big ? 3 : 6);
    snprintf(name, sizeof name, "%s/data/0", root), entry(&z, name, storage, 24);
    snprintf(name, sizeof name, "%s/data/key", root), entry(&z, name, big ? "\x3c\x00" : "\x00\x3c", 2);
    snprintf(name, sizeof name, "%s/version", root), entry(&z, name, "3\n", 2);
    free(pickle.at);
    return finish(&z);
}

static bytes legacy_checkpoint(void) {
    bytes b = {0}, pickle = checkpoint_pickle(true);
    legacy_head(&b);
    put(&b, pickle.at, pickle.size);
    put(&b, "\x80\x02](", 4); /* the storages in another order than in the object */
    text(&b, "key"), text(&b, "0"), op(&b, "e.");
    put_number(&b, 1, 8), put(&b, "\x00\x3c", 2);
    put_number(&b, 6, 8), put(&b, six, 24);
    free(pickle.at);
    return b;
}

static void check_checkpoint(const bytes *b) {
    static const float turned[] = {0, 3, 1, 4, 2, 5};
    mx_pth *p = NULL;
    mx_error e = {0};
    float out[6];
    if (mx_pth_parse(&p, b->at, b->size, &e)) fail_msg("%s", e.text);
    assert_int_equal(mx_pth_count(p), 6);
    const mx_pth_tensor *w = mx_pth_find(p, "model.w"), *t = mx_pth_find(p, "model.t"),
                        *row = mx_pth_find(p, "model.row"), *h = mx_pth_find(p, "model.h"),
                        *wide = mx_pth_find(p, "model.wide"), *none = mx_pth_find(p, "model.none");
    assert_true(w == mx_pth_at(p, 0) && w->level == 2 && w->ndim == 2 && w->dim[1] == 3 && w->count == 6);
    assert_string_equal(w->dtype, "F32");
    assert_int_equal(mx_pth_copy_f32(p, w, out, 6, &e), MX_OK);
    assert_memory_equal(out, six, 24);
    assert_int_equal(mx_pth_copy_f32(p, t, out, 6, &e), MX_OK);
    assert_memory_equal(out, turned, 24);
    assert_int_equal(mx_pth_copy_f32(p, row, out, 3, &e), MX_OK);
    assert_memory_equal(out, six + 3, 12);
    assert_int_equal(mx_pth_copy_f32(p, h, out, 1, &e), MX_OK);
    assert_true(out[0] == 1 && h->ndim == 0 && !strcmp(h->dtype, "F16"));
    assert_int_equal(mx_pth_copy_f32(p, none, out, 0, &e), MX_OK);
    assert_true(wide->count == (int64_t)2 << 30 && wide->stored == 1);
    assert_null(mx_pth_find(p, "model.x"));
    assert_string_equal(mx_pth_fact_find(p, "epoch"), "7");
    assert_string_equal(mx_pth_fact_find(p, "args.lr"), "0.5");
    assert_int_equal(mx_pth_object_count(p), 1);
    assert_string_equal(mx_pth_object_at(p, 0)->name, "evil");
    assert_string_equal(mx_pth_object_at(p, 0)->value, "os.system");
    assert_int_equal(access("/tmp/pth_was_here", F_OK), -1);
    assert_int_equal(mx_pth_copy_f32(p, w, out, 5, &e), MX_ERR_SHAPE);
    mx_pth_close(p);
}

static void both_containers(void **state) {
    (void)state;
    bytes files[] = {zip_checkpoint(STREAMED, "archive", false), zip_checkpoint(PLAIN, "best.v2", false),
                     zip_checkpoint(ZIP64, "x", false), zip_checkpoint(PLAIN, "big", true),
                     legacy_checkpoint()};
    for (int i = 0; i < 5; i++) {
        check_checkpoint(&files[i]);
        assert_true(mx_pth_begins(files[i].at, files[i].size));
        free(files[i].at);
    }
    assert_false(mx_pth_begins("\x80\x02\0\0\0\0\0\0{}", 10)); /* a safetensors header of 640 bytes */
}

/* Reads everything that a handle offers. Copies that are refused are fine. */
static void read_all(mx_pth *p) {
    for (int i = 0; i < mx_pth_count(p); i++) {
        const mx_pth_tensor *t = mx_pth_at(p, i);
        mx_error e = {0};
        if (t->count > t->stored) continue;
        void *out = malloc((size_t)t->count * (size_t)t->width + 1);
        mx_pth_copy(p, t, out, &e);
        free(out);
    }
}

/* Every cut must be refused; a flipped bit may pass where nothing depends on it, but never crash. */
static void damage(bytes whole, bool summed) {
    int noticed = 0;
    for (size_t n = 0; n < whole.size; n++) {
        unsigned char *cut = malloc(n ? n : 1);
        mx_pth *p = NULL;
        mx_error e = {0};
        memcpy(cut, whole.at, n);
        if (!mx_pth_parse(&p, cut, n, &e)) fail_msg("accepted with %zu of %zu bytes", n, whole.size);
        free(cut);
    }
    for (size_t i = 0; i < 8 * whole.size; i++) {
        mx_pth *p = NULL;
        mx_error e = {0};
        whole.at[i / 8] ^= (unsigned char)(1 << i % 8);
        if (mx_pth_parse(&p, whole.at, whole.size, &e))
            noticed++;
        else
            read_all(p);
        mx_pth_close(p);
        whole.at[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    assert_true(noticed > 0 && (!summed || noticed > (int)whole.size * 4));
    free(whole.at);
}

static void damaged_zip(void **state) {
    (void)state;
    damage(zip_checkpoint(PLAIN, "a", false), true);
    damage(zip_checkpoint(STREAMED, "a", false), true);
}

static void damaged_legacy(void **state) {
    (void)state;
    damage(legacy_checkpoint(), false);
}

/* The checksum of a storage is compared when it is read, that of the pickle at once. */
static void checksums(void **state) {
    (void)state;
    bytes b = zip_checkpoint(STREAMED, "a", false);
    unsigned char *at = memmem(b.at, b.size, six, 24);
    mx_pth *p = NULL;
    mx_error e = {0};
    float out[6];
    at[5] ^= 1;
    assert_int_equal(mx_pth_parse(&p, b.at, b.size, &e), MX_OK);
    assert_int_equal(mx_pth_copy_f32(p, mx_pth_find(p, "model.w"), out, 6, &e), MX_ERR_FORMAT);
    assert_non_null(strstr(e.text, "tensor model.w"));
    mx_pth_close(p);
    at[5] ^= 1;
    at = memmem(b.at, b.size, "pth_was", 7);
    at[0] ^= 1;
    e = (mx_error){0};
    assert_int_equal(mx_pth_parse(&p, b.at, b.size, &e), MX_ERR_FORMAT);
    assert_non_null(strstr(e.text, "data.pkl"));
    free(b.at);
}

static void refuse(const char *what, bytes b, const char *why) {
    mx_pth *p = NULL;
    mx_error e = {0};
    if (!mx_pth_parse(&p, b.at, b.size, &e) || !strstr(e.text, why))
        fail_msg("%s: %s", what, e.status ? e.text : "accepted");
    free(b.at);
}

static bytes one_pickle(bytes pickle, const char *storage, size_t size) {
    archive z = {.style = PLAIN};
    entry(&z, "a/data.pkl", pickle.at, pickle.size);
    if (storage) entry(&z, "a/data/0", storage, size);
    free(pickle.at);
    return finish(&z);
}

static bytes one_tensor(const char *type, int32_t numel, int32_t offset, int32_t dim, int32_t stride,
                        size_t size) {
    char storage[64] = "";
    bytes b = pickle_of("}");
    text(&b, "x");
    tensor(&b, type, "0", numel, offset, 1, &dim, &stride, NULL);
    op(&b, "s.");
    return one_pickle(b, storage, size);
}

static void refused_tensors(void **state) {
    (void)state;
    mx_pth *p = NULL;
    mx_error e = {0};
    bytes b = one_tensor("FloatStorage", 10, 1, 5, 2, 40); /* the last element is the last stored */
    assert_int_equal(mx_pth_parse(&p, b.at, b.size, &e), MX_OK);
    mx_pth_close(p);
    free(b.at);
    refuse("one past the end", one_tensor("FloatStorage", 10, 2, 5, 2, 40), "element 10 lies outside");
    refuse("a negative offset", one_tensor("FloatStorage", 10, -1, 5, 1, 40), "offset");
    refuse("a negative stride", one_tensor("FloatStorage", 10, 9, 5, -1, 40), "strides");
    refuse("a negative size", one_tensor("FloatStorage", 10, 0, -5, 1, 40), "shape");
    refuse("a short record", one_tensor("FloatStorage", 10, 0, 5, 1, 39), "39 bytes");
    refuse("a long record", one_tensor("FloatStorage", 10, 0, 5, 1, 44), "44 bytes");
    refuse("a negative count", one_tensor("FloatStorage", -10, 0, 5, 1, 40), "count of elements");
    refuse("an unknown type", one_tensor("StringStorage", 10, 0, 5, 1, 40),
           "not known (torch.StringStorage)");
    b = pickle_of("}");
    text(&b, "x"), tensor(&b, "FloatStorage", "1", 4, 0, 0, NULL, NULL, NULL), op(&b, "s.");
    refuse("no such record", one_pickle(b, "0123456789abcdef", 16), "no archive entry");
    b = pickle_of("}");
    text(&b, "x"), tensor(&b, "FloatStorage", "../data.pkl", 4, 0, 0, NULL, NULL, NULL), op(&b, "s.");
    refuse("a key with a path", one_pickle(b, "0123456789abcdef", 16), "no archive entry");
    b = pickle_of("}");
    text(&b, "x"), op(&b, "ctorch._utils\n_rebuild_tensor_v2\n)Rs.");
    refuse("no arguments", one_pickle(b, NULL, 0), "too few arguments");
    b = pickle_of("}(");
    text(&b, "a"), op(&b, "}"), text(&b, "b");
    tensor(&b, "FloatStorage", "0", 4, 0, 0, NULL, NULL, NULL), op(&b, "s");
    text(&b, "a.b"), tensor(&b, "FloatStorage", "0", 4, 0, 0, NULL, NULL, NULL), op(&b, "u.");
    refuse("two of a name", one_pickle(b, "0123456789abcdef", 16), "two tensors have the name a.b");
}

/* A tensor of four floats as the call of another function: f(tensor…), behind `before` and `after`. */
static bytes wrapped(const char *before, const char *after) {
    bytes b = pickle_of("}(");
    text(&b, "x"), op(&b, before);
    tensor(&b, "FloatStorage", "0", 4, 0, 1, (int32_t[]){4}, (int32_t[]){1}, NULL);
    op(&b, after), op(&b, "u.");
    return one_pickle(b, (const char *)six, 16);
}

/* The arguments of _rebuild_tensor_v2 alone, for calls that name it themselves. */
static bytes from_type(const char *function, const char *state) {
    bytes b = pickle_of("}(");
    text(&b, "x"), op(&b, "ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n");
    op(&b, function), op(&b, "\ncmine\nTensor\n((");
    text(&b, "storage"), op(&b, "ctorch\nFloatStorage\n"), text(&b, "0"), text(&b, "cpu"), whole(&b, 4);
    op(&b, "tQK\001"), tuple(&b, (int32_t[]){3}, 1), tuple(&b, (int32_t[]){1}, 1);
    op(&b, "\x89)t"), op(&b, state), op(&b, "tRu.");
    return one_pickle(b, (const char *)six, 16);
}

static void reads_from(const char *what, bytes b, int64_t first, int64_t count) {
    mx_pth *p = NULL;
    mx_error e = {0};
    float out[4];
    if (mx_pth_parse(&p, b.at, b.size, &e)) fail_msg("%s: %s", what, e.text);
    const mx_pth_tensor *t = mx_pth_find(p, "x");
    if (!t || t->count != count || mx_pth_copy_f32(p, t, out, count, &e)) fail_msg("%s: no tensor", what);
    assert_memory_equal(out, six + first, sizeof *out * (size_t)count);
    mx_pth_close(p);
    free(b.at);
}

/* Parameters, buffers, subclasses, tensors with attributes: the tensor inside; what is no plain one by name.
 */
static void wrapped_tensors(void **state) {
    (void)state;
    mx_pth *p = NULL;
    mx_error e = {0};
    reads_from("a parameter", wrapped("ctorch._utils\n_rebuild_parameter\n(", "\x88)tR"), 0, 4);
    reads_from("one with state", wrapped("ctorch._utils\n_rebuild_parameter_with_state\n(", "\x88)}tR"), 0,
               4);
    reads_from("the class itself", wrapped("ctorch.nn.parameter\nParameter\n(", "\x88t\x81"), 0, 4);
    reads_from("a buffer", wrapped("ctorch.nn.parameter\nBuffer\n(", "\x88tR"), 0, 4);
    reads_from("a subclass", from_type("_rebuild_tensor_v2", "}"), 1, 3);
    reads_from("with attributes", from_type("_rebuild_tensor_v2", "}\x8c\001aK\001s"), 1, 3);
    static const char *const odd[][2] = {{"_rebuild_sparse_tensor", "(a sparse tensor)"},
                                         {"_rebuild_qtensor", "(a quantised tensor)"},
                                         {"_rebuild_meta_tensor_no_storage", "without values"}};
    for (int i = 0; i < 3; i++) {
        bytes b = pickle_of("}(");
        text(&b, "x"), op(&b, "ctorch._utils\n"), op(&b, odd[i][0]), op(&b, "\n)Ru.");
        b = one_pickle(b, NULL, 0);
        assert_int_equal(mx_pth_parse(&p, b.at, b.size, &e), MX_OK);
        assert_true(mx_pth_count(p) == 0 && strstr(mx_pth_object_at(p, 0)->value, odd[i][1]));
        mx_pth_close(p);
        free(b.at);
    }
    bytes b = pickle_of("("); /* a list at the root: its entries' keys are numbers */
    tensor(&b, "FloatStorage", "0", 4, 0, 1, (int32_t[]){4}, (int32_t[]){1}, NULL);
    op(&b, "}"), text(&b, "x"),
        tensor(&b, "FloatStorage", "0", 4, 2, 1, (int32_t[]){2}, (int32_t[]){1}, NULL);
    op(&b, "st."), b = one_pickle(b, (const char *)six, 16);
    assert_int_equal(mx_pth_parse(&p, b.at, b.size, &e), MX_OK);
    assert_true(mx_pth_find(p, "0")->key == 0 && mx_pth_find(p, "1.x")->key == 2);
    mx_pth_close(p);
    free(b.at);
    b = pickle_of(""), tensor(&b, "FloatStorage", "0", 4, 0, 0, NULL, NULL, NULL), op(&b, ".");
    refuse("a tensor alone", one_pickle(b, (const char *)six, 16), "a single tensor without a name");
    b = pickle_of("}("), text(&b, "x"), op(&b, "ctorch._utils\n_rebuild_tensor_v2\n((");
    text(&b, "storage"), op(&b, "ctorch\nFloatStorage\n"), text(&b, "0"), text(&b, "cpu"), whole(&b, 4);
    op(&b, "tQK\001))\x89)}"), text(&b, "neg"), op(&b, "\x88stRu.");
    refuse("a negated view", one_pickle(b, (const char *)six, 16), "lazily negated");
}

/* Packed again by another program; and without checksums, as torch writes it when asked to. */
static void other_archives(void **state) {
    (void)state;
    for (int unsummed = 0; unsummed < 2; unsummed++) {
        archive z = {.style = PLAIN, .method = unsummed ? 0 : 8, .unsummed = unsummed};
        bytes pickle = checkpoint_pickle(false);
        entry(&z, "a/data.pkl", pickle.at, pickle.size);
        entry(&z, "a/data/0", six, 24), entry(&z, "a/data/key", "\x00\x3c", 2);
        bytes b = finish(&z);
        check_checkpoint(&b);
        free(pickle.at), free(b.at);
    }
}

/* Keys that cannot be said in a line lose their tensor, not the file. */
static void odd_keys(void **state) {
    (void)state;
    mx_pth *p = NULL;
    mx_error e = {0};
    bytes b = pickle_of("}("), file;
    op(&b, "N"), tensor(&b, "FloatStorage", "0", 4, 0, 0, NULL, NULL, NULL);
    text(&b, "a\nb"), tensor(&b, "FloatStorage", "0", 4, 0, 0, NULL, NULL, NULL);
    text(&b, "x"), tensor(&b, "FloatStorage", "0", 4, 0, 0, NULL, NULL, NULL), op(&b, "u.");
    file = one_pickle(b, (const char *)six, 16);
    assert_int_equal(mx_pth_parse(&p, file.at, file.size, &e), MX_OK);
    assert_true(mx_pth_count(p) == 1 && mx_pth_find(p, "x") && mx_pth_object_count(p) == 2);
    assert_string_equal(mx_pth_object_at(p, 0)->value, "a tensor whose key is no name of a line");
    mx_pth_close(p);
    free(file.at);
}

/* torch.save(…, pickle_protocol=4) writes the legacy container's first number behind a frame. */
static void framed_legacy(void **state) {
    (void)state;
    bytes b = legacy_checkpoint(), framed = {0};
    put(&framed, "\x80\x04\x95\x0d\0\0\0\0\0\0\0", 11), put(&framed, b.at + 2, b.size - 2);
    check_checkpoint(&framed);
    for (size_t n = 0; n < 24; n++) assert_false(mx_pth_begins(framed.at, n));
    assert_true(mx_pth_begins(framed.at, 24));
    free(b.at), free(framed.at);
}

static void refused_archives(void **state) {
    (void)state;
    bytes tar = {0};
    archive z = {.style = PLAIN};
    entry(&z, "a/data.pkl", "\x80\x02}.", 4), entry(&z, "a/data.pkl", "\x80\x02}.", 4);
    refuse("two entries of a name", finish(&z), "");
    z = (archive){.style = PLAIN, .method = 12};
    entry(&z, "a/data.pkl", "\x80\x02}.", 4);
    refuse("compressed", finish(&z), "compressed by another method");
    z = (archive){.style = PLAIN};
    entry(&z, "a/data.pkl", "\x80\x02}.", 4), entry(&z, "a/constants.pkl", "\x80\x02).", 4);
    refuse("TorchScript", finish(&z), "TorchScript");
    z = (archive){.style = PLAIN};
    entry(&z, "a/readme", "x", 1);
    refuse("another zip", finish(&z), "no a/data.pkl");
    z = (archive){.style = PLAIN};
    entry(&z, "readme", "x", 1);
    refuse("a zip without folders", finish(&z), "no folder");
    z = (archive){.style = PLAIN};
    entry(&z, "a/data.pkl", "\x80\x02}.", 4), entry(&z, "a/byteorder", "middle", 6);
    refuse("a strange byte order", finish(&z), "byteorder");
    refuse("a list", one_pickle(pickle_of("]."), NULL, 0), "expected a dict");
    refuse("an object", one_pickle(pickle_of("cmodels\nMixMIM\n)\x81}b."), NULL, 0),
           "object of models.MixMIM");
    refuse("nothing", (bytes){calloc(1, 1), 0, 1}, "not a PyTorch checkpoint");
    tar.at = calloc(1, 1024), tar.size = 1024;
    memcpy(tar.at, "storages", 8), memcpy(tar.at + 257, "ustar", 5);
    refuse("the tar of old", tar, "tar archive");
}

/* A dict inside itself, 100,000 levels, and one dict under two keys again and again. */
static void odd_trees(void **state) {
    (void)state;
    mx_pth *p = NULL;
    mx_error e = {0};
    bytes b = pickle_of("}");
    put(&b, "q\x00", 2), text(&b, "self"), put(&b, "h\x00s.", 4);
    b = one_pickle(b, NULL, 0);
    assert_int_equal(mx_pth_parse(&p, b.at, b.size, &e), MX_OK);
    mx_pth_close(p);
    free(b.at);
    b = pickle_of("}");
    text(&b, "deep");
    for (int i = 0; i < 100000; i++) op(&b, "]");
    for (int i = 0; i < 100000 - 1; i++) op(&b, "a");
    op(&b, "s.");
    b = one_pickle(b, NULL, 0);
    assert_int_equal(mx_pth_parse(&p, b.at, b.size, &e), MX_OK);
    assert_int_equal(mx_pth_count(p), 0);
    mx_pth_close(p);
    free(b.at);
    b = pickle_of("}");
    text(&b, "x"), op(&b, "](");
    for (int level = 0; level < 8; level++) { /* each list holds the one before it 20 times */
        op(&b, "](");
        for (int i = 0; i < 20; i++)
            if (level)
                op(&b, "h"), put_number(&b, (uint64_t)level - 1, 1);
            else
                op(&b, "N");
        op(&b, "eq"), put_number(&b, (uint64_t)level, 1);
    }
    op(&b, "es.");
    refuse("20 to the 8th entries", one_pickle(b, NULL, 0), "more than 1000000 entries");
}

static void legacy_forms(void **state) {
    (void)state;
    bytes b = {0};
    mx_pth *p = NULL;
    mx_error e = {0};
    float out[2];
    legacy_head(&b);
    put(&b, "\x80\x02}(", 4);
    text(&b, "v");
    bytes view = {0};
    op(&view, "("), text(&view, "view"), whole(&view, 2), whole(&view, 3), op(&view, "t");
    op(&b, "ctorch._utils\n_rebuild_tensor_v2\n((");
    text(&b, "storage"), op(&b, "ctorch\nFloatStorage\n"), text(&b, "0"), text(&b, "cpu"), whole(&b, 6);
    put(&b, view.at, view.size), op(&b, "tQ"), whole(&b, 1);
    tuple(&b, (int32_t[]){2}, 1), tuple(&b, (int32_t[]){1}, 1);
    op(&b, "\x89"
           "ccollections\nOrderedDict\n)RtR");
    text(&b, "net"), op(&b, "("), text(&b, "module"), op(&b, "cmodels\nNet\n"), text(&b, "net.py");
    text(&b, "class Net: pass"), op(&b, "tQ)\x81u.");
    size_t keys = b.size;
    put(&b, "\x80\x02]", 3), text(&b, "0"), op(&b, "a.");
    put_number(&b, 6, 8), put(&b, six, 24);
    assert_int_equal(mx_pth_parse(&p, b.at, b.size, &e), MX_OK);
    assert_int_equal(mx_pth_copy_f32(p, mx_pth_find(p, "v"), out, 2, &e), MX_OK);
    assert_true(out[0] == 3 && out[1] == 4 && mx_pth_legacy(p)); /* element 1 of the view that starts at 2 */
    assert_int_equal(mx_pth_object_count(p), 1);
    mx_pth_close(p);
    bytes more = {0}, twice = {0}, none = {0};
    put(&more, b.at, b.size), put(&more, "x", 1);
    refuse("a byte too many", more, "1 bytes after the last storage");
    put(&twice, b.at, keys), put(&twice, "\x80\x02](", 4), text(&twice, "0"), text(&twice, "0"),
        op(&twice, "e.");
    refuse("listed twice", twice, "list of 1 storage keys");
    put(&none, b.at, keys), put(&none, "\x80\x02]", 3), text(&none, "1"), op(&none, "a.");
    refuse("another key", none, "not in the file's list");
    free(view.at);
    free(b.at);
}

/* ---- writing --------------------------------------------------------------------------------------------
 */

static void written_and_read(void **state) {
    (void)state;
    char path[96], again[96], left[128];
    mx_error e = {0};
    mx_pth *p = NULL;
    int64_t index[] = {7, -8};
    float out[6];
    const mx_st_tensor tensors[] = {{"norm.weight", "F32", 2, {2, 3}, six, 24},
                                    {"index", "I64", 1, {2}, index, 16},
                                    {"scalar", "F32", 0, {0}, six + 5, 4},
                                    {"empty", "F32", 2, {0, 3}, six, 0}};
    const mx_st_pair texts[] = {{"config", "{\"a\":\"\303\251\"}"}, {"pixels", ""}};
    snprintf(path, sizeof path, "%s/w.pth", base), snprintf(again, sizeof again, "%s/again.pth", base);
    if (mx_pth_write(path, tensors, 4, texts, 2, &e)) fail_msg("%s", e.text);
    assert_true(mx_pth_is_file(path));
    if (mx_pth_open(&p, path, &e)) fail_msg("%s", e.text);
    assert_int_equal(mx_pth_count(p), 4);
    assert_int_equal(mx_pth_copy_f32(p, mx_pth_find(p, "model.norm.weight"), out, 6, &e), MX_OK);
    assert_memory_equal(out, six, 24);
    int64_t back[2];
    assert_int_equal(mx_pth_copy(p, mx_pth_find(p, "model.index"), back, &e), MX_OK);
    assert_memory_equal(back, index, 16);
    assert_int_equal(mx_pth_find(p, "model.empty")->count, 0);
    assert_int_equal(mx_pth_find(p, "model.scalar")->ndim, 0);
    char *config = mx_pth_text(p, "config", &e);
    assert_string_equal(config, texts[0].value);
    assert_null(mx_pth_text(p, "model", &e));
    free(config);
    mx_pth_close(p);

    void *a, *b;
    size_t size, size2;
    snprintf(left, sizeof left, "%s.%ld.9.tmp", again, (long)getpid());
    if (mx_file_write(left, "from a killed process", 21, &e)) fail_msg("%s", e.text);
    for (int i = 0; i < 20; i++) assert_int_equal(mx_pth_write(again, tensors, 4, texts, 2, &e), MX_OK);
    assert_true(mx_path_exists(left)); /* not ours */
    assert_int_equal(mx_file_read(path, 1 << 20, &a, &size, &e), MX_OK);
    assert_int_equal(mx_file_read(again, 1 << 20, &b, &size2, &e), MX_OK);
    assert_true(size == size2 && !memcmp(a, b, size));
    char *data = memmem(a, size, six, 24);
    assert_int_equal((data - (char *)a) % 64, 0);
    assert_memory_equal((char *)a + 30, "archive/data.pkl", 16);
    free(b);

    const mx_st_tensor bad[] = {
        {"x", "F4", 1, {2}, six, 1}, {"x", "F32", 1, {3}, six, 8}, {"x", "F32", 9, {1}, six, 4}};
    for (int i = 0; i < 3; i++) {
        mx_error refused = {0};
        assert_true(mx_pth_write(path, &bad[i], 1, NULL, 0, &refused) != MX_OK);
    }
    mx_error nowhere = {0};
    assert_int_equal(mx_pth_write("/nonexistent/x.pth", tensors, 1, NULL, 0, &nowhere), MX_ERR_IO);
    assert_int_equal(mx_file_read(path, 1 << 20, &b, &size2, &e), MX_OK); /* as it was */
    assert_true(size == size2 && !memcmp(a, b, size));
    free(a), free(b);
}

/* More tensors than a batch of SETITEMS holds. */
static void many_tensors(void **state) {
    (void)state;
    enum { MANY = 2001 };
    static mx_st_tensor tensors[MANY];
    static char names[MANY][16];
    static float values[MANY];
    char path[96];
    mx_error e = {0};
    mx_pth *p = NULL;
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "t%d", i);
        values[i] = (float)i;
        tensors[i] = (mx_st_tensor){names[i], "F32", 1, {1}, &values[i], 4};
    }
    snprintf(path, sizeof path, "%s/many.pth", base);
    if (mx_pth_write(path, tensors, MANY, NULL, 0, &e)) fail_msg("%s", e.text);
    if (mx_pth_open(&p, path, &e)) fail_msg("%s", e.text);
    assert_int_equal(mx_pth_count(p), MANY);
    for (int i = 0; i < MANY; i++) {
        float out = -1;
        assert_int_equal(mx_pth_copy_f32(p, mx_pth_at(p, i), &out, 1, &e), MX_OK);
        assert_true(out == values[i] && !strcmp(mx_pth_at(p, i)->name + 6, names[i]));
    }
    mx_pth_close(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_containers),  cmocka_unit_test(damaged_zip),
                                       cmocka_unit_test(damaged_legacy),   cmocka_unit_test(checksums),
                                       cmocka_unit_test(refused_tensors),  cmocka_unit_test(refused_archives),
                                       cmocka_unit_test(wrapped_tensors),  cmocka_unit_test(framed_legacy),
                                       cmocka_unit_test(other_archives),   cmocka_unit_test(odd_keys),
                                       cmocka_unit_test(odd_trees),        cmocka_unit_test(legacy_forms),
                                       cmocka_unit_test(written_and_read), cmocka_unit_test(many_tensors)};
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
