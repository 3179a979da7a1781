/* The moving average of the weights, see ema.h. It is computed in host memory. A device receives a copy, so that
 * one download brings the whole state. */
#include "train/ema.h"

#include <string.h>

#include "optim/average.h"

void mx_average_start(mx_stepper *stepper) {
    mx_params *p = &stepper->model.params;
    if (p->average) memcpy(p->average, p->weight, sizeof(float) * (size_t)p->total);
}

void mx_average_step(mx_stepper *stepper) {
    mx_params *p = &stepper->model.params;
    mx_ctx *c = &stepper->session.ctx;
    size_t bytes = sizeof(float) * (size_t)p->total;
    if (!p->average || !mx_ok(c)) return;
    mx_download(c, p->weight, p->weight, bytes);
    mx_average_add(p->average, p->weight, p->total, stepper->settings.ema, stepper->settings.threads);
    mx_upload(c, p->average, p->average, bytes);
}

void mx_average_exchange(mx_stepper *stepper) {
    mx_params *p = &stepper->model.params;
    if (!p->average) return;
    mx_stepper_download(stepper);
    for (int64_t i = 0; i < p->total; i++) {
        float w = p->weight[i];
        p->weight[i] = p->average[i], p->average[i] = w;
    }
    mx_stepper_upload(stepper);
}
