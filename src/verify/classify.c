/* Golden checks of the classifier: logits, soft-target loss, gradients, layer-decayed AdamW steps. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/json_text.h"
#include "verify/exam.h"

static void pass(mx_ctx *c, void *user) {
    mx_exam *x = user;
    int classes = x->model.config.classes;
    mx_tensor targets = mx_view(x->targets, MX_F32, x->batch, classes, 0, 0, 0), logits = targets;
    logits.data = x->logits;
    x->loss = 0;
    mx_upload(c, &x->loss, &x->loss, sizeof x->loss);
    mx_gradients_zero(c, &x->model.params);
    mx_classify_pass(c, &x->model, mx_view(&x->loss, MX_F32, 1, 0, 0, 0, 0), logits, x->image_tensor, targets,
                     &x->tables, NULL, 1.0f);
    mx_download(c, &x->loss, &x->loss, sizeof x->loss);
    mx_fetch(c, logits, logits);
    if (c->planning) mx_exam_update(x, c);
}

static bool read_targets(mx_exam *x) {
    int64_t n = 0, want = (int64_t)x->batch * x->model.config.classes;
    x->targets = mx_card_read(x->card, "targets", &n);
    if (!x->targets || n != want || want < 1)
        mx_fail(&x->card->error, MX_ERR_SHAPE, "targets must hold %lld numbers", (long long)want);
    else if (!(x->logits = calloc((size_t)want, sizeof *x->logits)))
        mx_fail(&x->card->error, MX_ERR_MEMORY, "out of memory for the logits");
    return x->logits != NULL;
}

/* Compares our layer ids and decay flags with the file's own list of learning-rate scales and weight decays. */
static void compare_groups(mx_exam *x) {
    const char *text = mx_st_meta(x->card->golden, "lr_scale_and_weight_decay");
    json_t *o = text ? mx_json_parse(text, strlen(text), JSON_REJECT_DUPLICATES, NULL, NULL) : NULL;
    const mx_params *p = &x->model.params;
    double worst = 0;
    for (int i = 0; i < p->count; i++) {
        const mx_param *q = &p->item[i];
        const json_t *pair = json_object_get(o, q->name);
        if (q->fixed) continue;
        if (json_array_size(pair) != 2) {
            mx_fail(&x->card->error, MX_ERR_FORMAT, "metadata lists no learning-rate scale for %s", q->name);
            break;
        }
        double scale = pow(x->adamw.layer_decay, x->adamw.layers + 1 - q->layer);
        double want = json_number_value(json_array_get(pair, 0)),
               decay = json_number_value(json_array_get(pair, 1));
        worst = fmax(worst, fabs(scale - want) / want);
        worst = fmax(worst, fabs(decay - (q->decay ? x->adamw.weight_decay : 0)));
    }
    json_decref(o);
    mx_card_add(x->card, "learning-rate scales and weight decays", worst, MX_CHECK_SETTING);
}

static void compare_steps(mx_exam *x) {
    if (x->card->activations == MX_BF16) return;
    float *losses = calloc((size_t)x->steps + 1, sizeof *losses);
    mx_exam_reset(x);
    for (int t = 0; losses && t < x->steps; t++) {
        pass(&x->session.ctx, x);
        losses[t] = x->loss;
        mx_exam_update(x, &x->session.ctx);
    }
    if (losses && mx_exam_ok(x) && x->steps) {
        mx_card_compare(x->card, "steps.losses", losses, x->steps, MX_CHECK_LOSS);
        mx_exam_compare_after(x);
    }
    free(losses);
}

void mx_verify_classify(mx_report_card *card, const mx_compute *how) {
    mx_exam x;
    mx_exam_open(&x, card, false);
    if (!card->error.status && read_targets(&x)) mx_exam_plan(&x, how, pass);
    if (!card->error.status) {
        compare_groups(&x);
        pass(&x.session.ctx, &x);
        if (mx_exam_ok(&x)) {
            mx_card_compare(card, "logits", x.logits, (int64_t)x.batch * x.model.config.classes,
                            MX_CHECK_FORWARD);
            mx_card_compare(card, "loss", &x.loss, 1, MX_CHECK_LOSS);
            mx_exam_compare_gradients(&x);
            compare_steps(&x);
        }
    }
    mx_exam_close(&x);
}
