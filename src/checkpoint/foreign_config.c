/* A model's configuration from the shapes of its tensors, see foreign.h. Widths, depths, heads and windows
 * follow from shapes (a bias table is [(2w−1)², heads]); the image's side from the position embedding; no
 * shape determines the decoder's heads, so they come from the named model that fits everything else, or are
 * the authors' 16, with a note. */
#include "checkpoint/foreign.h"
#include "checkpoint/foreign_kinds.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MX_LARGEST_DIM        1000000
#define MX_AUTHORS_DECODER    16 /* heads, of every size */
#define MX_LARGEST_MODEL_SIDE 16384

/* The tensor of this name, which must have ndim dimensions of reasonable size. */
static const mx_foreign_tensor *need(const mx_foreign *f, const char *name, int ndim, mx_error *e) {
    const mx_foreign_tensor *t = mx_foreign_find(f, name);
    if (!t) {
        mx_fail(e, MX_ERR_FORMAT, "tensor %s is missing: without it the model's configuration is not known",
                name);
        return NULL;
    }
    bool sane = t->ndim == ndim && !t->repeats;
    for (int i = 0; sane && i < ndim; i++) sane = t->dim[i] >= 1 && t->dim[i] <= MX_LARGEST_DIM;
    if (sane) return t;
    mx_fail(e, MX_ERR_SHAPE, "tensor %s: expected %d dimensions from 1 to %d", t->original, ndim,
            MX_LARGEST_DIM);
    return NULL;
}

static const mx_foreign_tensor *table_of(const mx_foreign *f, int k, int j) {
    char name[96];
    snprintf(name, sizeof name, "layers.%d.blocks.%d.attn.relative_position_bias_table", k, j);
    return mx_foreign_find(f, name);
}

static mx_status read_widths(mx_model_config *c, const mx_foreign *f, mx_error *e) {
    const mx_foreign_tensor *proj = need(f, "patch_embed.proj.weight", 4, e);
    if (!proj) return e->status;
    c->embed_dim = (int)proj->dim[0], c->channels = (int)proj->dim[1], c->patch = (int)proj->dim[2];
    if (proj->dim[3] != proj->dim[2])
        return mx_fail(e, MX_ERR_SHAPE, "tensor %s: expected square patches, found %" PRId64 "x%" PRId64,
                       proj->original, proj->dim[2], proj->dim[3]);
    while (c->stages < MX_MAX_STAGES && table_of(f, c->stages, 0)) {
        int *depth = &c->depths[c->stages];
        while (*depth < 1000 && table_of(f, c->stages, *depth)) ++*depth;
        c->stages++;
    }
    if (c->stages) return MX_OK;
    return mx_fail(
        e, MX_ERR_FORMAT,
        "tensor layers.0.blocks.0.attn.relative_position_bias_table is missing: this is not a MixMAE "
        "or MixMIM encoder");
}

/* --image-size, or the side of a square position embedding, or, without one, the named model's. */
static mx_status read_image(mx_model_config *c, const mx_foreign *f, const mx_foreign_hints *h, mx_error *e) {
    const mx_foreign_tensor *pos = mx_foreign_find(f, "absolute_pos_embed");
    mx_model_config named;
    if (pos && !(pos = need(f, "absolute_pos_embed", 3, e))) return e->status;
    int64_t tokens = pos ? pos->dim[1] : 0, side = (int64_t)(sqrt((double)tokens) + 0.5);
    c->image_h = h->image_h, c->image_w = h->image_w;
    if (!c->image_h && pos && side * side == tokens && side * c->patch <= MX_LARGEST_MODEL_SIDE)
        c->image_h = c->image_w = (int)side * c->patch;
    if (!c->image_h && h->model && mx_model_named(h->model, &named, NULL))
        c->image_h = named.image_h, c->image_w = named.image_w;
    if (!c->image_h)
        return mx_fail(e, MX_ERR_FORMAT,
                       pos ? "absolute_pos_embed has %" PRId64 " tokens, which is not a square: "
                             "give the size of the images with --image-size HxW"
                           : "no absolute_pos_embed (%" PRId64 " tokens): give the size of the "
                             "images with --image-size",
                       tokens);
    if (pos && (int64_t)(c->image_h / c->patch) * (c->image_w / c->patch) != tokens)
        return mx_fail(e, MX_ERR_SHAPE,
                       "tensor %s: expected %d tokens of a %dx%d image in patches of %d, found %" PRId64,
                       pos->original, c->image_h / c->patch * (c->image_w / c->patch), c->image_h, c->image_w,
                       c->patch, tokens);
    return MX_OK;
}

static int64_t table_rows(const mx_model_config *c, int k) {
    return (int64_t)(2 * mx_window_h(c, k) - 1) * (2 * mx_window_w(c, k) - 1);
}

static mx_status read_windows(mx_model_config *c, const mx_foreign *f, mx_error *e) {
    for (int k = 0; k < c->stages; k++) {
        const mx_foreign_tensor *t = need(f, table_of(f, k, 0)->name, 2, e);
        if (!t) return e->status;
        int largest = mx_grid_h(c, k) > mx_grid_w(c, k) ? mx_grid_h(c, k) : mx_grid_w(c, k);
        c->heads[k] = (int)t->dim[1];
        for (c->windows[k] = 1; c->windows[k] < largest && table_rows(c, k) < t->dim[0];) c->windows[k]++;
        if (table_rows(c, k) != t->dim[0])
            return mx_fail(e, MX_ERR_SHAPE,
                           "tensor %s: %" PRId64 " rows fit no window on a map of %dx%d tokens; is "
                           "--image-size right?",
                           t->original, t->dim[0], mx_grid_h(c, k), mx_grid_w(c, k));
    }
    return MX_OK;
}

static bool has_block(const mx_foreign *f, int j) {
    char name[64];
    snprintf(name, sizeof name, "decoder_blocks.%d.norm1.weight", j);
    return mx_foreign_find(f, name) != NULL;
}

static mx_status read_rest(mx_model_config *c, const mx_foreign *f, mx_error *e) {
    const mx_foreign_tensor *head = mx_foreign_find(f, "head.weight");
    c->norm_pix = true;
    if (head && !(head = need(f, "head.weight", 2, e))) return e->status;
    if (head) c->classes = (int)head->dim[0];
    if (!mx_foreign_find(f, "decoder_embed.weight")) return MX_OK;
    const mx_foreign_tensor *embed = need(f, "decoder_embed.weight", 2, e);
    if (!embed) return e->status;
    c->decoder_dim = (int)embed->dim[0];
    while (c->decoder_depth < 1000 && has_block(f, c->decoder_depth)) c->decoder_depth++;
    const char *norm = f->pth ? mx_pth_fact_find(f->pth, "args.norm_pix_loss") : NULL;
    c->norm_pix = !norm || strcmp(norm, "False");
    return MX_OK;
}

/* Do encoder and image of c equal the named model's? Compares windows after they are cut to the grid. */
static bool is_named(const mx_model_config *c, const mx_model_config *n) {
    bool same = c->image_h == n->image_h && c->image_w == n->image_w && c->patch == n->patch &&
                c->stages == n->stages && c->embed_dim == n->embed_dim;
    for (int k = 0; same && k < c->stages; k++)
        same = c->depths[k] == n->depths[k] && c->heads[k] == n->heads[k] &&
               mx_window_h(c, k) == mx_window_h(n, k);
    return same;
}

static bool find_named(const mx_model_config *c, mx_model_config *named) {
    char *names = strdup(mx_model_names()), *rest = NULL;
    bool found = false;
    for (char *n = names ? strtok_r(names, ", ", &rest) : NULL; n && !found; n = strtok_r(NULL, ", ", &rest))
        found = mx_model_named(n, named, NULL) && is_named(c, named);
    free(names);
    return found;
}

static mx_status read_name(mx_model_config *c, const mx_foreign_hints *h, mx_error *e) {
    mx_model_config named = {0};
    bool known = h->model ? mx_model_named(h->model, &named, NULL) : find_named(c, &named);
    if (h->model && !known)
        return mx_fail(e, MX_ERR_ARGUMENT, "there is no model %s; there are %s", h->model, mx_model_names());
    if (h->model && !is_named(c, &named))
        return mx_fail(
            e, MX_ERR_SHAPE,
            "expected %s (width %d, %d stages, heads from %d, %dx%d pixels), found tensors of width %d, "
            "%d stages, heads from %d, %dx%d pixels",
            h->model, named.embed_dim, named.stages, named.heads[0], named.image_h, named.image_w,
            c->embed_dim, c->stages, c->heads[0], c->image_h, c->image_w);
    snprintf(c->name, sizeof c->name, "%s", known ? named.name : "custom");
    if (!c->decoder_dim) return MX_OK;
    c->decoder_heads = h->decoder_heads                               ? h->decoder_heads
                       : known && named.decoder_dim == c->decoder_dim ? named.decoder_heads
                                                                      : MX_AUTHORS_DECODER;
    if (!h->decoder_heads)
        mx_foreign_note(
            h, "%d heads in the decoder assumed: the tensors' shapes do not show them (--decoder-num-heads)",
            c->decoder_heads);
    return MX_OK;
}

mx_status mx_foreign_config(mx_model_config *c, mx_foreign *f, const mx_foreign_hints *h, mx_error *e) {
    *c = (mx_model_config){0};
    if (mx_foreign_check_kind(f, h, e)) return e->status;
    if (read_widths(c, f, e) || read_image(c, f, h, e) || read_windows(c, f, e) || read_rest(c, f, e) ||
        read_name(c, h, e))
        return e->status;
    return mx_model_check(c, e);
}
