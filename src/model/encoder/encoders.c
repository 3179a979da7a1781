/* The table of encoders, see encoders.h. */
#include "model/encoder/encoders.h"

#include <string.h>

#include "model/encoder/swin.h"

/* The first row is the default. */
static const mx_encoder_kind *const kinds[] = {&mx_encoder_swin};

const mx_encoder_kind *mx_encoder_of(const mx_model_config *c) { return c->encoder ? c->encoder : kinds[0]; }

const mx_encoder_kind *mx_encoder_find(const char *name) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i]->name, name)) return kinds[i];
    return NULL;
}

const char *mx_encoder_names(void) { return "swin"; }

mx_status mx_encoder_make(mx_encoder *en, const mx_model_config *config, mx_params *p, mx_error *e) {
    *en = (mx_encoder){.kind = mx_encoder_of(config), .config = config, .params = p};
    return en->kind->make(en, e);
}

void mx_encoder_free(mx_encoder *en) {
    if (en->kind) en->kind->free(en);
    *en = (mx_encoder){0};
}

void mx_encoded_mean(mx_ctx *c, mx_encoded *x) {
    if (!mx_ok(c) || mx_present(x->pooled)) return;
    x->pooled = mx_alloc(c, MX_F32, 2, (int64_t[]){x->tokens.dim[0], x->tokens.dim[2]});
    if (mx_ok(c)) mx_mean_rows(c, x->pooled, x->tokens);
}
