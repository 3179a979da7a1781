/* The moving average of the weights, see ema.h. */
#include "train/ema.h"

#include <string.h>

void mx_average_start(mx_stepper *stepper) {
    mx_params *p = &stepper->model.params;
    if (p->average) memcpy(p->average, p->weight, sizeof(float) * (size_t)p->total);
}

void mx_average_step(mx_stepper *stepper) {
    mx_params *p = &stepper->model.params;
    mx_ctx *c = &stepper->session.ctx;
    if (p->average)
        mx_average(c, mx_view(p->average, MX_F32, p->total, 0, 0, 0, 0),
                   mx_view(p->weight, MX_F32, p->total, 0, 0, 0, 0), stepper->settings.ema);
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
