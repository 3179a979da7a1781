/* Recognises checkpoints of other architectures, see foreign_kinds.h. One or two tensor names identify most
 * of them. The original Swin Transformer has exactly our names. It differs in its shifted windows (their
 * masks, if stored) and in lacking the fixed position embedding. */
#include "checkpoint/foreign_kinds.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/foreign_groups.h"

/* The names that identify a kind. Each must match whole parts of a path; the first row that fits counts. */
static const struct {
    const char *kind, *name, *also;
} kinds[] = {
    {"a Swin Transformer V2", "attn.logit_scale", NULL},
    {"a Swin Transformer V2", "continuous_position_bias_mlp", NULL},
    {"a Swin Transformer under Hugging Face's names", "encoder.layers.0.blocks.0.attention.self.query", NULL},
    {"a Swin Transformer under OpenMMLab's names",
     "stages.0.blocks.0.attn.w_msa.relative_position_bias_table", NULL},
    {"a Swin Transformer under torchvision's names", "features.1.0.attn.relative_position_bias_table", NULL},
    {"a Swin-Unet", "layers_up.0", NULL},
    {"a masked autoencoder of a plain Vision Transformer (MAE)", "blocks.0.attn.qkv.weight",
     "decoder_blocks.0.attn.qkv.weight"},
    {"a Vision Transformer with decomposed relative positions (MViT, SAM)", "blocks.0.attn.rel_pos_h", NULL},
    {"a BEiT", "cls_token", "blocks.0.attn.relative_position_bias_table"},
    {"a BEiT", "cls_token", "blocks.0.gamma_1"},
    {"a Vision Transformer (ViT, DeiT)", "blocks.0.attn.qkv.weight", "cls_token"},
    {"a Vision Transformer (ViT, DeiT)", "blocks.0.attn.qkv.weight", "pos_embed"},
    {"a Vision Transformer under OpenMMLab's names", "layers.0.attn.qkv.weight", "cls_token"},
    {"a Vision Transformer under torchvision's names", "encoder.layers.encoder_layer_0.ln_1.weight", NULL},
    {"a transformer under Hugging Face's names", "encoder.layer.0.attention", NULL},
    {"a CLIP model", "transformer.resblocks.0", NULL},
    {"a CLIP model under Hugging Face's names", "vision_model.encoder.layers.0", NULL},
    {"a ConvNeXt", "downsample_layers.0.0.weight", NULL},
    {"a ConvNeXt", "stages.0.blocks.0.conv_dw.weight", NULL},
    {"a ConvNeXt", "stages.0.blocks.0.depthwise_conv.weight", NULL},
    {"a ConvNeXt", "stages.0.layers.0.dwconv.weight", NULL},
    {"a ConvNeXt", "stages.0.0.depthwise_conv.weight", NULL},
    {"a ConvNeXt", "stages.0.0.gamma", NULL},
    {"a ConvNeXt under torchvision's names", "features.1.0.layer_scale", NULL},
    {"a ResNet", "layer1.0.conv1.weight", NULL},
    {"a ResNet under Hugging Face's names", "encoder.stages.0.layers.0.layer.0.convolution.weight", NULL},
    {"a RegNet", "trunk_output.block1", NULL},
    {"a DenseNet", "features.denseblock1", NULL},
    {"an EfficientNet or MobileNet", "conv_stem.weight", NULL},
    {"an EfficientNet or MobileNet", "features.0.0.weight", "features.0.1.running_mean"},
    {"a VGG, AlexNet or another plain convolutional network", "features.0.weight", NULL},
    {"a Pyramid Vision Transformer", "patch_embed1.proj.weight", NULL},
    {"a Pyramid Vision Transformer or SegFormer", "patch_embeddings.0.proj.weight", NULL},
    {"a Hiera", "pos_embed_spatial", NULL},
    {"a U-Net of a diffusion model", "input_blocks.0.0.weight", NULL},
    {"a language model", "embeddings.word_embeddings.weight", NULL},
    {"a language model", "embed_tokens.weight", NULL},
    {"an adapter (LoRA), not a whole model", "lora_A", NULL}};

/* The first path of the file that holds `part` as whole parts of the path. */
static const char *path_with(const mx_foreign *f, const char *part) {
    size_t n = strlen(part);
    for (int i = 0; i < mx_foreign_file_count(f); i++) {
        size_t key;
        const char *path = mx_foreign_file_path(f, i, &key);
        for (const char *at = strstr(path, part); at; at = strstr(at + 1, part)) {
            bool begins = at == path || at[-1] == '.', ends = !at[n] || at[n] == '.';
            if (begins && ends && !mx_foreign_of_optimiser(path)) return path;
        }
    }
    return NULL;
}

/* Fails if the file is of a known kind. */
static mx_status name_kind(const mx_foreign *f, mx_error *e) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *first = path_with(f, kinds[i].name);
        const char *second = first && kinds[i].also ? path_with(f, kinds[i].also) : NULL;
        if (!first || (kinds[i].also && !second)) continue;
        return mx_fail(e, MX_ERR_FORMAT,
                       "this is %s (it holds %.160s%s%.160s), not a MixMAE or MixMIM encoder", kinds[i].kind,
                       first, second ? " and " : "", second ? second : "");
    }
    return MX_OK;
}

mx_status mx_foreign_refuse_kind(const mx_foreign *f, mx_error *e) {
    if (name_kind(f, e)) return e->status;
    const char *first = NULL;
    int n = 0;
    for (int i = 0; i < mx_foreign_file_count(f); i++) {
        size_t key;
        const char *path = mx_foreign_file_path(f, i, &key);
        if (mx_foreign_of_optimiser(path)) continue;
        if (!n++) first = path;
    }
    if (!n)
        return mx_fail(e, MX_ERR_FORMAT, "there is no model in the file: expected a dict of named tensors");
    return mx_fail(
        e, MX_ERR_FORMAT,
        "this is not a MixMAE or MixMIM encoder: expected names that end in patch_embed.proj.weight, "
        "layers.0.blocks.0.*, after any prefix; found %d tensors, the first %.160s",
        n, first);
}

/* ---- Swin ---- */

/* *any: does the mask of shifted windows hide anything? */
static mx_status mask_hides(bool *any, mx_foreign *f, mx_error *e) {
    const mx_foreign_tensor *t = &f->mask;
    *any = false;
    if (!t->original || t->count < 1 || t->count > INT32_MAX) return MX_OK;
    float *v = malloc(sizeof *v * (size_t)t->count);
    mx_error own = {0};
    if (!v) return mx_fail(e, MX_ERR_MEMORY, "out of memory for tensor %s", t->original);
    if (t->pth ? mx_pth_copy_f32(f->pth, t->pth, v, t->count, &own)
               : mx_st_copy_f32(t->st, v, t->count, &own))
        *any = true; /* integers or booleans: not a mask of ours; assume that it hides something */
    for (int64_t i = 0; i < t->count && !*any; i++) *any = !(v[i] == 0);
    free(v);
    return MX_OK;
}

static bool has(const mx_foreign *f, const char *format, int k) {
    char name[96];
    snprintf(name, sizeof name, format, k);
    return mx_foreign_find(f, name) != NULL;
}

static mx_status refuse_swin(const mx_foreign *f, const char *why, mx_error *e) {
    return mx_fail(
        e, MX_ERR_FORMAT,
        "this is a Swin Transformer (%s), not a MixMAE or MixMIM encoder, which has the same names%s%s "
        "but no shifted windows",
        why, *f->prefix ? " after the prefix " : "", f->prefix);
}

static mx_status refuse_mask(const mx_foreign *f, const char *reason, mx_error *e) {
    char why[256];
    snprintf(why, sizeof why, "%s%.160s is the mask of shifted windows", reason, f->mask.original);
    return refuse_swin(f, why, e);
}

/* The squares of a table of sines and cosines average one half, and about so after resizing. A learned position
 * embedding starts at deviation 0.02. */
static mx_status embedding_is_fixed(bool *fixed, mx_foreign *f, const mx_foreign_tensor *t, mx_error *e) {
    *fixed = true;
    if (t->count < 1 || t->count > INT32_MAX || t->repeats)
        return MX_OK; /* another check refuses its shape */
    float *v = malloc(sizeof *v * (size_t)t->count);
    mx_error own = {0};
    double square = 0;
    if (!v) return mx_fail(e, MX_ERR_MEMORY, "out of memory for tensor %s", t->original);
    if (!(t->pth ? mx_pth_copy_f32(f->pth, t->pth, v, t->count, &own)
                 : mx_st_copy_f32(t->st, v, t->count, &own))) {
        for (int64_t i = 0; i < t->count; i++) square += (double)v[i] * (double)v[i];
        *fixed = fabs(square / (double)t->count - 0.5) < 0.25;
    }
    free(v);
    return MX_OK;
}

static mx_status check_embedding(mx_foreign *f, const mx_foreign_hints *h, mx_error *e) {
    const mx_foreign_tensor *pos = mx_foreign_find(f, "absolute_pos_embed");
    bool fixed = true;
    if (!pos && !mx_foreign_find(f, "decoder_embed.weight") && !h->partial)
        return mx_fail(
            e, MX_ERR_FORMAT,
            "there is no %sabsolute_pos_embed, which every MixMAE encoder has: without it these are the "
            "names of a Swin Transformer, whose windows are shifted. If it is a MixMAE encoder "
            "nevertheless, --partial computes its embedding",
            f->prefix);
    if (!pos || embedding_is_fixed(&fixed, f, pos, e) || fixed) return e->status;
    if (f->mask.original) return refuse_mask(f, "the position embedding is a learned one, and ", e);
    mx_foreign_note(h,
                    "warning: absolute_pos_embed is not a table of sines and cosines, as MixMAE's is: a Swin "
                    "Transformer with a learned embedding has the same names, and shifted windows");
    return MX_OK;
}

mx_status mx_foreign_check_kind(mx_foreign *f, const mx_foreign_hints *h, mx_error *e) {
    bool shifted = false;
    int last = 0;
    const mx_foreign_tensor *patch = mx_foreign_find(f, "patch_embed.proj.weight");
    bool windows = has(f, "layers.%d.blocks.0.attn.relative_position_bias_table", 0);
    if ((!windows || path_with(f, "attn.logit_scale")) && name_kind(f, e)) return e->status;
    if (!windows) return MX_OK; /* another check names the missing tensor */
    if (patch && patch->ndim == 5) return refuse_swin(f, "of videos: its patches have three sides", e);
    if (mask_hides(&shifted, f, e)) return e->status;
    if (shifted) return refuse_mask(f, "", e);
    if (f->mask.original && !mx_foreign_find(f, "absolute_pos_embed"))
        return refuse_mask(f, "there is no absolute_pos_embed, and ", e);
    while (last < MX_MAX_STAGES && has(f, "layers.%d.blocks.0.attn.relative_position_bias_table", last + 1))
        last++;
    if (last && has(f, "layers.%d.downsample.reduction.weight", last) &&
        !has(f, "layers.%d.downsample.reduction.weight", 0))
        return refuse_swin(f, "patch merging comes before its stages, as in timm", e);
    return check_embedding(f, h, e);
}
