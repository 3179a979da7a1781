/* Finds the model in other programs' checkpoints: after any prefix, in any dict, together with its average,
 * its optimiser and other networks. Files without a MixMAE encoder are refused, with the reason. The files
 * are pickles made here from a small model's tensors under other names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/file.h"
#include "io/safetensors.h"
#include "model/interpolate.h"
#include "pth_files.h"
#include "checkpoint/read_any.h"
#include "checkpoint/foreign_groups.h"

static char base[64], path[96], notes[2000];
static mx_model model;
static float *storage; /* all of model's weights, then its fixed tables */
static int64_t numel;

static void note(void *user, const char *line) {
    (void)user;
    strncat(notes, line, sizeof notes - strlen(notes) - 2);
    strcat(notes, "\n");
}

static int make_all(void **state) {
    (void)state;
    mx_model_config c;
    mx_error e = {0};
    snprintf(base, sizeof base, "/tmp/test_foreign_groups_XXXXXX");
    if (!mkdtemp(base) || !mx_model_named("nano", &c, NULL)) return -1;
    snprintf(path, sizeof path, "%s/model.pth", base);
    c.classes = 5, c.embed_dim = 16, c.decoder_dim = 32, c.decoder_depth = 1, c.decoder_heads = 2;
    for (int k = 0; k < c.stages; k++)
        c.depths[k] = 1, c.heads[k] = 1 << k; /* small: many files are written */
    if (mx_model_make(&model, &c, MX_PARAMS_WEIGHTS, &e)) return -1;
    mx_params_init(&model.params, 3);
    numel = model.params.total + model.params.fixed_total;
    storage = malloc(sizeof *storage * (size_t)numel);
    memcpy(storage, model.params.weight, sizeof(float) * (size_t)model.params.total);
    memcpy(storage + model.params.total, model.params.fixed,
           sizeof(float) * (size_t)model.params.fixed_total);
    return 0;
}

static int remove_all(void **state) {
    (void)state;
    char command[96];
    mx_model_free(&model);
    free(storage);
    snprintf(command, sizeof command, "rm -rf %s", base);
    return system(command);
}

/* ---- files ----------------------------------------------------------------------------------------------
 */

typedef bool (*chooser)(const char *name);
static bool every(const char *name) { return name != NULL; }
static bool encoder(const char *name) {
    return strncmp(name, "decoder", 7) && strcmp(name, "mask_token") && strncmp(name, "head", 4);
}
static bool rest(const char *name) { return !encoder(name); }

static void one(bytes *b, const char *name, const char *type, const char *key, int64_t count, int64_t offset,
                int ndim, const int64_t *dim) {
    int32_t d[MX_PTH_MAX_DIM], stride[MX_PTH_MAX_DIM], step = 1;
    for (int i = ndim - 1; i >= 0; i--) d[i] = (int32_t)dim[i], stride[i] = step, step *= d[i];
    text(b, name), tensor(b, type, key, (int32_t)count, (int32_t)offset, ndim, d, stride, NULL);
}

/* prefix+name of the model's tensors, from storage "0" (their values) or "1" (as many zeros). */
static void put_model(bytes *b, const char *prefix, chooser which, const char *key) {
    for (int i = 0; i < model.params.count; i++) {
        const mx_param *q = &model.params.item[i];
        char name[200];
        if (!which(q->name)) continue;
        snprintf(name, sizeof name, "%s%s", prefix, q->name);
        one(b, name, "FloatStorage", key, numel, q->offset + (q->fixed ? model.params.total : 0), q->ndim,
            q->dim);
    }
}

static void put_small(bytes *b, const char *name) {
    one(b, name, "FloatStorage", "0", numel, 0, 1, (int64_t[]){4});
}

static void save(bytes *pickle) {
    archive z = {.style = PLAIN};
    mx_error e = {0};
    float *zeros = calloc((size_t)numel, sizeof *zeros);
    entry(&z, "a/data.pkl", pickle->at, pickle->size);
    entry(&z, "a/data/0", storage, sizeof *storage * (size_t)numel);
    entry(&z, "a/data/1", zeros, sizeof *zeros * (size_t)numel);
    bytes file = finish(&z);
    if (mx_file_write(path, file.at, file.size, &e)) fail_msg("%s", e.text);
    free(zeros), free(file.at), free(pickle->at);
}

/* The file must read as the model (key "0") or as its zeros. */
static void reads(const char *what, const char *weights, bool zeros) {
    mx_model r;
    mx_error e = {0};
    const mx_foreign_hints h = {.weights = weights, .note = note};
    notes[0] = 0;
    if (mx_foreign_read(&r, NULL, path, &h, MX_PARAMS_WEIGHTS, &e)) fail_msg("%s: %s", what, e.text);
    assert_int_equal(r.params.total, model.params.total);
    for (int i = 0; i < r.params.count; i++) {
        const mx_param *q = &r.params.item[i];
        const float *got = r.params.weight + q->offset, *want = model.params.weight + q->offset;
        for (int64_t j = 0; !q->fixed && j < q->count; j++)
            if (got[j] != (zeros ? 0 : want[j])) fail_msg("%s: %s differs", what, q->name);
    }
    mx_model_free(&r);
}

static void refused(const char *what, const mx_foreign_hints *hints, const char *why) {
    mx_model r;
    mx_error e = {0};
    mx_foreign_hints h = hints ? *hints : (mx_foreign_hints){0};
    h.note = note, notes[0] = 0;
    mx_foreign_read(&r, NULL, path, &h, MX_PARAMS_WEIGHTS, &e);
    if (!e.status || !strstr(e.text, why) || !strstr(e.text, path))
        fail_msg("%s: expected \"%s\", found: %s", what, why, e.status ? e.text : "accepted");
    mx_model_free(&r);
}

/* ---- prefixes -------------------------------------------------------------------------------------------
 */

static void prefixes(void **state) {
    (void)state;
    static const char *const behind[] = {"",
                                         "module.",
                                         "_orig_mod.",
                                         "model.",
                                         "encoder.",
                                         "backbone.",
                                         "module._orig_mod.model.",
                                         "net.",
                                         "a.b.c.",
                                         "online.encoder.",
                                         "_forward_module.model."};
    static const char *const dict[] = {NULL, "model", "state_dict", "checkpoint", "net"};
    for (size_t p = 0; p < sizeof behind / sizeof *behind; p++)
        for (size_t d = 0; d < sizeof dict / sizeof *dict; d++) {
            bytes b = pickle_of("}(");
            if (dict[d]) text(&b, dict[d]), op(&b, "}(");
            put_model(&b, behind[p], every, "0");
            if (dict[d]) op(&b, "u");
            text(&b, "optimizer"), op(&b, "}("), put_small(&b, "exp_avg"), op(&b, "u");
            op(&b, "u."), save(&b);
            reads(behind[p], NULL, false);
            assert_int_equal(strstr(notes, "names in the file begin with") != NULL, *behind[p] != 0);
        }
}

/* Names as nested dicts, and a list at the root: (state dict, epoch). */
static void other_trees(void **state) {
    (void)state;
    bytes b = pickle_of("}(");
    put_model(&b, "", every, "0"), op(&b, "uK\003\x86."), save(&b);
    reads("a tuple", NULL, false);
    b = pickle_of("}("), text(&b, "m");
    op(&b, "}(");
    for (int i = 0; i < model.params.count;
         i++) { /* each tensor in dicts of its own, one a part of its name */
        const mx_param *q = &model.params.item[i];
        char name[160], *last;
        snprintf(name, sizeof name, "%s", q->name);
        if ((last = strrchr(name, '.'))) *last++ = 0;
        text(&b, name);
        if (last) op(&b, "}");
        b.size -= last ? 0 : strlen(name) + 5;
        one(&b, last ? last : name, "FloatStorage", "0", numel,
            q->offset + (q->fixed ? model.params.total : 0), q->ndim, q->dim);
        if (last) op(&b, "s");
    }
    op(&b, "uu."), save(&b);
    reads("nested dicts", NULL, false);
}

/* An encoder behind a prefix of its own, its head and decoder beside it, and tensors of other networks. */
static void neighbours(void **state) {
    (void)state;
    bytes b = pickle_of("}("), lacking = pickle_of("}(");
    put_model(&b, "encoder.", encoder, "0"), put_model(&b, "", rest, "0");
    put_small(&b, "criterion.weight"), put_small(&b, "queue");
    op(&b, "u."), save(&b);
    reads("encoder and head", NULL, false);
    assert_non_null(strstr(notes, "left out: 2 tensors next to the model's (criterion.weight, ..)"));
    put_model(&lacking, "a.module.", encoder, "0"), op(&lacking, "u."), save(&lacking);
    mx_foreign_hints h = {0};
    mx_model r;
    mx_error e = {0};
    assert_int_equal(mx_foreign_read(&r, NULL, path, &h, MX_PARAMS_WEIGHTS, &e), MX_OK); /* encoder alone */
    assert_int_equal(r.config.classes, 0);
    mx_model_free(&r);
    lacking = pickle_of("}(");
    put_model(&lacking, "m.", encoder, "0"), put_small(&lacking, "m.strange"), op(&lacking, "u.");
    save(&lacking);
    refused("a tensor of no place", NULL, "m.strange has no place in this model");
}

/* ---- several models -------------------------------------------------------------------------------------
 */

static void averages(void **state) {
    (void)state;
    static const struct {
        const char *plain, *average; /* dict keys; a name with a dot goes into the names of one dict */
    } pairs[] = {{"model", "model_ema"},
                 {"state_dict", "state_dict_ema"},
                 {"state_dict", "ema_state_dict"},
                 {"student", "teacher"},
                 {"net", "netEma"},
                 {"model.", "model_ema.module."},
                 {"encoder.", "encoder_k."},
                 {"base_encoder.", "momentum_encoder."},
                 {"m.", "ema0.999."},
                 {"online.", "target."},
                 {"m.", "m.ema."}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        bool dicts = !strchr(pairs[i].plain, '.');
        for (int first = 0; first < 2; first++) { /* the order in the file decides nothing */
            bytes b = pickle_of("}(");
            for (int k = 0; k < 2; k++) {
                const char *name = k == first ? pairs[i].plain : pairs[i].average;
                if (dicts) text(&b, name), op(&b, "}(");
                put_model(&b, dicts ? "" : name, every, k == first ? "0" : "1");
                if (dicts) op(&b, "u");
            }
            op(&b, "u."), save(&b);
            reads(pairs[i].plain, NULL, false);
            assert_non_null(strstr(notes, "--weights 'ema'"));
            reads(pairs[i].plain, "model", false);
            reads(pairs[i].average, "ema", true);
            assert_non_null(strstr(notes, "--weights 'model'"));
            assert_null(strstr(notes, "next to the model's"));
        }
    }
    assert_false(mx_group_is_average("schema.semantic.remap.", 22));
}

static void choices(void **state) {
    (void)state;
    bytes b = pickle_of("}(");
    const mx_foreign_hints ema = {.weights = "ema"}, plain = {.weights = "model"}, no = {.weights = "netC"};
    text(&b, "netA"), op(&b, "}("), put_model(&b, "", every, "0"), op(&b, "u");
    text(&b, "netB"), op(&b, "}("), put_model(&b, "", every, "1"), op(&b, "u");
    op(&b, "u."), save(&b);
    refused("two nets", NULL, "several models: netA (");
    refused("none of a name", &no, "--weights netC: expected one of what the file holds: netA");
    refused("no average", &ema, "none of them is named like a moving average");
    reads("the first", "netA", false);
    reads("the second", "netB", true); /* what the note of the first suggests */
    b = pickle_of("}("), text(&b, "model_ema"), op(&b, "}("), put_model(&b, "", every, "0"), op(&b, "uu.");
    save(&b);
    reads("an average alone", NULL, false);
    assert_non_null(strstr(notes, "those of model_ema, a moving average: the file holds no others"));
    refused("no plain weights", &plain, "expected one of what the file holds: model_ema");
}

/* ---- other architectures --------------------------------------------------------------------------------
 */

static void kinds(void **state) {
    (void)state;
    static const char *const files[][4] = {
        {"a ResNet (it holds model.layer1.0.conv1.weight)", "conv1.weight", "layer1.0.conv1.weight"},
        {"a Vision Transformer (ViT, DeiT)", "cls_token", "patch_embed.proj.weight",
         "blocks.0.attn.qkv.weight"},
        {"a masked autoencoder of a plain", "pos_embed", "blocks.0.attn.qkv.weight",
         "decoder_blocks.0.attn.qkv.weight"},
        {"a Swin Transformer V2", "patch_embed.proj.weight", "layers.0.blocks.0.attn.logit_scale",
         "layers.0.blocks.0.attn.cpb_mlp.0.weight"},
        {"a Swin Transformer under torchvision's", "features.0.0.weight",
         "features.1.0.attn.relative_position_bias_table"},
        {"a Swin Transformer under Hugging", "swin.embeddings.patch_embeddings.projection.weight",
         "swin.encoder.layers.0.blocks.0.attention.self.query.weight"},
        {"a Swin Transformer under OpenMMLab's", "backbone.patch_embed.projection.weight",
         "backbone.stages.0.blocks.0.attn.w_msa.relative_position_bias_table"},
        {"a ConvNeXt", "stem.0.weight", "stages.0.blocks.0.conv_dw.weight"},
        {"a ConvNeXt", "downsample_layers.0.0.weight", "stages.0.0.dwconv.weight"},
        {"a BEiT", "cls_token", "blocks.0.gamma_1", "patch_embed.proj.weight"},
        {"found 2 tensors, the first model.x.weight", "x.weight", "x.bias"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        bytes b = pickle_of("}(");
        text(&b, "model"), op(&b, "}(");
        for (int k = 1; k < 4 && files[i][k]; k++) put_small(&b, files[i][k]);
        op(&b, "u"), text(&b, "optimizer"), op(&b, "}("), put_small(&b, "layer1.0.conv1.weight"),
            op(&b, "uu.");
        save(&b);
        refused(files[i][0], NULL, files[i][0]);
    }
    bytes b = pickle_of("}("); /* nothing but an optimiser; an object instead of a model; an odd tensor */
    text(&b, "optimizer"), op(&b, "}("), put_small(&b, "exp_avg"), op(&b, "uu."), save(&b);
    refused("an optimiser", NULL, "no model in the file");
    b = pickle_of("}("), text(&b, "model_ema"), op(&b, "cnets\nNet\n)\x81u."), save(&b);
    refused("an object", NULL,
            "model_ema: expected a dict of tensors (save the model's state_dict()), found an "
            "object of nets.Net");
    b = pickle_of("}("), text(&b, "w"), op(&b, "ctorch._utils\n_rebuild_sparse_tensor\n)Ru."), save(&b);
    refused("sparse", NULL,
            "w: expected a plain tensor, found an object of torch._utils._rebuild_sparse_tensor "
            "(a sparse tensor)");
}

static bool no_embedding(const char *name) { return encoder(name) && strcmp(name, "absolute_pos_embed"); }
static bool no_merging(const char *name) { return encoder(name) && !strstr(name, "downsample"); }

/* The original Swin Transformer has our names: its masks, its missing or learned embedding tell, and where
 * timm has its patch merging. */
static void swin(void **state) {
    (void)state;
    static const int64_t mask[3] = {4, 4, 4};
    const mx_foreign_hints partial = {.partial = true, .image_h = 64, .image_w = 64};
    bytes b = pickle_of("}(");
    put_model(&b, "m.", encoder, "0");
    one(&b, "m.layers.0.blocks.1.attn_mask", "FloatStorage", "0", numel, 0, 3, mask), op(&b, "u."), save(&b);
    refused("a mask that hides", &partial, "m.layers.0.blocks.1.attn_mask is the mask of shifted windows");
    b = pickle_of("}("), put_model(&b, "m.", encoder, "0");
    one(&b, "m.layers.0.blocks.1.attn_mask", "FloatStorage", "1", numel, 0, 3, mask), op(&b, "u."), save(&b);
    mx_model r;
    mx_error e = {0};
    const mx_foreign_hints h = {.note = note};
    if (mx_foreign_read(&r, NULL, path, &h, MX_PARAMS_WEIGHTS, &e))
        fail_msg("%s", e.text); /* it hides nothing */
    mx_model_free(&r);
    b = pickle_of("}("), put_model(&b, "m.", no_embedding, "0"), op(&b, "u."), save(&b);
    refused("no embedding", &(mx_foreign_hints){.image_h = 64, .image_w = 64},
            "there is no m.absolute_pos_embed");
    if (mx_foreign_read(&r, NULL, path, &partial, MX_PARAMS_WEIGHTS, &e)) fail_msg("%s", e.text);
    assert_memory_equal(r.params.fixed, model.params.fixed, 4 * 16 * 16 * (size_t)r.config.embed_dim);
    mx_model_free(&r);
    b = pickle_of("}("), put_model(&b, "", no_merging, "0");
    put_small(&b, "layers.3.downsample.reduction.weight"),
        put_small(&b, "layers.2.downsample.reduction.weight");
    op(&b, "u."), save(&b);
    refused("timm's", NULL, "patch merging comes before its stages");
    b = pickle_of("}("), put_model(&b, "", no_embedding, "0");
    one(&b, "absolute_pos_embed", "FloatStorage", "1", numel, 0, 3,
        (int64_t[]){1, 256, model.config.embed_dim});
    op(&b, "u."), save(&b);
    notes[0] = 0;
    if (mx_foreign_read(&r, NULL, path, &h, MX_PARAMS_WEIGHTS, &e)) fail_msg("%s", e.text);
    assert_non_null(strstr(notes, "warning: absolute_pos_embed is not a table of sines"));
    mx_model_free(&r);
}

/* What is missing is said with the prefix that was found. */
static bool no_norm(const char *name) { return encoder(name) && strcmp(name, "norm.bias"); }
static void missing(void **state) {
    (void)state;
    bytes b = pickle_of("}(");
    text(&b, "model"), op(&b, "}("), put_model(&b, "_orig_mod.", no_norm, "0"), op(&b, "uu."), save(&b);
    refused("a tensor", NULL,
            "tensor norm.bias is missing: expected shape [64], after the prefix model._orig_mod.");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(prefixes),   cmocka_unit_test(other_trees),
                                       cmocka_unit_test(neighbours), cmocka_unit_test(averages),
                                       cmocka_unit_test(choices),    cmocka_unit_test(kinds),
                                       cmocka_unit_test(swin),       cmocka_unit_test(missing)};
    return cmocka_run_group_tests(tests, make_all, remove_all);
}
