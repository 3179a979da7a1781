/* Opens a foreign file and lists the tensors of its model under our names, see foreign.h. foreign_groups.c finds the
 * model among the file's tensors. */
#include "checkpoint/foreign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/foreign_groups.h"
#include "checkpoint/foreign_kinds.h"

/* ---- names ---- */

static void replace(char out[160], const char *from, const char *to) {
    char *at = strstr(out, from), tail[160];
    if (!at) return;
    snprintf(tail, sizeof tail, "%s", at + strlen(from));
    snprintf(at, 160 - (size_t)(at - out), "%s%s", to,
             tail); /* no replacement is longer than what it replaces */
}

bool mx_foreign_name(char out[160], const char *original) {
    /* wrappers: data-parallel training, and mmpretrain's parts of a model */
    static const char *const prefix[] = {"module.", "backbone.", "neck."};
    static const char *const map[][2] = {{"patch_embed.projection.", "patch_embed.proj."},
                                         {".ffn.layers.0.0.", ".mlp.fc1."},
                                         {".ffn.layers.1.", ".mlp.fc2."},
                                         {".attn.w_msa.", ".attn."},
                                         {".ln1.", ".norm1."},
                                         {".ln2.", ".norm2."}};
    for (size_t i = 0; i < sizeof prefix / sizeof *prefix; i++)
        if (!strncmp(original, prefix[i], strlen(prefix[i]))) original += strlen(prefix[i]);
    if (strlen(original) >= 140) return false;
    strcpy(out, original);
    if (!strncmp(out, "head.fc.", 8)) replace(out, "head.fc.", "head.");
    if (!strncmp(out, "ln1.", 4)) replace(out, "ln1.", "norm."); /* the encoder's last norm */
    for (size_t i = 0; i < sizeof map / sizeof *map; i++) replace(out, map[i][0], map[i][1]);
    return true;
}

/* Buffers that follow from the shapes (docs/FORMATS.md, "PyTorch files"), the normalisation of mmpretrain, the
 * counter of an averaged model. */
static bool ignorable(const char *name) {
    return strstr(name, "relative_position_index") || strstr(name, "attn_mask") ||
           strstr(name, "data_preprocessor.") || !strcmp(name, "n_averaged");
}

/* Names that only mmpretrain uses, whose patch merging uses nn.Unfold. */
static bool of_mmpretrain(const char *original) {
    return strstr(original, ".ffn.layers.") || strstr(original, "patch_embed.projection.");
}

/* Other parts of a model whose encoder has its own prefix (backbone.… and neck.…, encoder.… and head.…). */
static bool beside_encoder(const char *name) {
    static const char *const known[] = {"decoder_embed.", "decoder_blocks.", "decoder_norm.",
                                        "decoder_pred.",  "mask_token",      "decoder_pos_embed",
                                        "head.weight",    "head.bias"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strncmp(name, known[i], strlen(known[i]))) return true;
    return false;
}

/* ---- the list ---- */

/* Adds tensor i of the file, named by its path after the first `cut` bytes. */
static mx_foreign_tensor tensor_at(const mx_foreign *f, int i, size_t cut) {
    mx_foreign_tensor x = {.count = 1};
    if (f->pth) {
        const mx_pth_tensor *t = mx_pth_at(f->pth, i);
        x.original = t->name + (t->key < cut ? t->key : cut);
        x.ndim = t->ndim, x.count = t->count, x.pth = t, x.repeats = t->count > t->stored;
        memcpy(x.dim, t->dim, sizeof t->dim);
        return x;
    }
    const mx_st_tensor *t = mx_st_at(f->st, i);
    x.original = t->name, x.ndim = t->ndim, x.st = t;
    memcpy(x.dim, t->dim, sizeof t->dim);
    for (int d = 0; d < t->ndim; d++) x.count *= t->dim[d];
    return x;
}

static mx_status add(mx_foreign *f, const mx_foreign_tensor *t, const char *name, mx_error *e) {
    if (ignorable(name)) {
        bool mask = strstr(name, "attn_mask") && t->ndim == 3 && !t->repeats;
        if (mask && !f->mask.original) f->mask = *t;
        return MX_OK;
    }
    f->at[f->count] = *t;
    if (!mx_foreign_name(f->at[f->count].name, name))
        return mx_fail(e, MX_ERR_FORMAT, "tensor %.100s...: no name of a model's tensor", t->original);
    f->unfold |= of_mmpretrain(t->original);
    f->count++;
    return MX_OK;
}

/* The part of the group's prefix that its neighbours share: up to its last dot but one. */
static size_t parent_of(const mx_group *g) {
    size_t at = g->prefix;
    if (at <= g->dict) return g->prefix;
    for (at--; at > g->dict && g->path[at - 1] != '.';) at--;
    return at;
}

/* A tensor outside the group. Adds known neighbours; counts others of the same dict, and keeps the first for the
 * note. */
static mx_status add_neighbour(mx_foreign *f, const mx_group *g, int i, const char **first, int *others,
                               mx_error *e) {
    size_t key, parent = parent_of(g);
    const char *path = mx_foreign_file_path(f, i, &key);
    char name[160];
    if (key != g->dict || strncmp(path, g->path, g->dict)) return MX_OK;
    bool near = parent < g->prefix && !strncmp(path, g->path, parent);
    if (near && mx_foreign_name(name, path + parent) && beside_encoder(name)) {
        mx_foreign_tensor x = tensor_at(f, i, parent);
        return add(f, &x, path + parent, e);
    }
    if (ignorable(path + key) || mx_foreign_of_optimiser(path)) return MX_OK;
    if (!(*others)++) *first = path;
    return MX_OK;
}

static mx_status list_group(mx_foreign *f, const mx_groups *groups, const mx_foreign_hints *h, mx_error *e) {
    const mx_group *g = &groups->at[groups->chosen];
    const char *first = NULL;
    int others = 0;
    snprintf(f->prefix, sizeof f->prefix, "%.*s", (int)g->prefix, g->path);
    for (int i = 0; i < mx_foreign_file_count(f); i++) { /* its own come first: they win over neighbours */
        size_t key;
        const char *path = mx_foreign_file_path(f, i, &key);
        if (mx_groups_owner(groups, path, key) != groups->chosen || mx_foreign_of_optimiser(path)) continue;
        mx_foreign_tensor x = tensor_at(f, i, g->prefix);
        if (add(f, &x, path + g->prefix, e)) return e->status;
    }
    f->own = f->count;
    for (int i = 0; i < mx_foreign_file_count(f); i++) {
        size_t key;
        const char *path = mx_foreign_file_path(f, i, &key);
        if (mx_groups_owner(groups, path, key) < 0 && add_neighbour(f, g, i, &first, &others, e))
            return e->status;
    }
    if (others)
        mx_foreign_note(h, "left out: %d tensor%s next to the model's (%s%s)", others, others > 1 ? "s" : "",
                        first, others > 1 ? ", .." : "");
    return MX_OK;
}

/* An object where tensors are expected is an error: in the model's own dict, or instead of that dict. */
static mx_status check_objects(const mx_foreign *f, const mx_group *g, mx_error *e) {
    for (int i = 0; f->pth && i < mx_pth_object_count(f->pth); i++) {
        const mx_pth_fact *o = mx_pth_object_at(f->pth, i);
        bool tensor = strstr(o->value, " (a") != NULL; /* a tensor of a kind that we do not read */
        bool inside = g && g->dict && o->key == g->dict && !strncmp(o->name, g->path, g->dict);
        bool instead = !g && (tensor || mx_group_is_model(o->name)) && !mx_foreign_of_optimiser(o->name);
        if (inside || instead)
            return mx_fail(e, MX_ERR_FORMAT, "%s: expected %s, found an object of %s", o->name,
                           inside || tensor ? "a plain tensor"
                                            : "a dict of tensors (save the model's state_dict())",
                           o->value);
    }
    return MX_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const mx_foreign_tensor *)a)->name, ((const mx_foreign_tensor *)b)->name);
}

/* Drops neighbours whose name the group has itself. Two equal names in the group are an error. */
static mx_status sort(mx_foreign *f, mx_error *e) {
    int kept = f->own;
    qsort(f->at, (size_t)f->own, sizeof *f->at, by_name);
    for (int i = f->own; i < f->count; i++)
        if (!bsearch(&f->at[i], f->at, (size_t)f->own, sizeof *f->at, by_name)) f->at[kept++] = f->at[i];
    f->count = kept;
    qsort(f->at, (size_t)f->count, sizeof *f->at, by_name);
    for (int i = 1; i < f->count; i++)
        if (!by_name(&f->at[i - 1], &f->at[i]))
            return mx_fail(e, MX_ERR_FORMAT, "tensors %s and %s are both %s", f->at[i - 1].original,
                           f->at[i].original, f->at[i].name);
    return MX_OK;
}

mx_status mx_foreign_open(mx_foreign *f, const char *path, const mx_foreign_hints *hints, mx_error *e) {
    mx_groups groups;
    *f = (mx_foreign){0};
    if (mx_pth_is_file(path) ? mx_pth_open(&f->pth, path, e) : mx_st_open(&f->st, path, e)) return e->status;
    int most = mx_foreign_file_count(f);
    if (!(f->at = calloc((size_t)most + 1, sizeof *f->at)))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for %d tensors", most);
    if (mx_groups_find(&groups, f, hints, e)) return e->status;
    const mx_group *g = groups.chosen < 0 ? NULL : &groups.at[groups.chosen];
    if (check_objects(f, g, e)) return e->status;
    if (!g) return mx_foreign_refuse_kind(f, e);
    return list_group(f, &groups, hints, e) ? e->status : sort(f, e);
}

void mx_foreign_close(mx_foreign *f) {
    mx_pth_close(f->pth);
    mx_st_close(f->st);
    free(f->at);
    *f = (mx_foreign){0};
}

const mx_foreign_tensor *mx_foreign_find(const mx_foreign *f, const char *name) {
    int low = 0, high = f->count - 1;
    while (low <= high) {
        int middle = low + (high - low) / 2, order = strcmp(name, f->at[middle].name);
        if (!order) return &f->at[middle];
        if (order < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return NULL;
}
