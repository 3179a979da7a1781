/* Learning-rate schedule, see schedule.h. */
#include "optim/schedule.h"

#include <math.h>

#define MX_WARMUP_SHARE 5 /* warm-up takes at most one fifth of the run */

double mx_warmup_bound(double warmup_epochs, double epochs) {
    return warmup_epochs * MX_WARMUP_SHARE > epochs ? epochs / MX_WARMUP_SHARE : warmup_epochs;
}

bool mx_warmup_long(const mx_schedule *s) { return 2 * s->warmup_epochs > s->epochs; }

double mx_schedule_at(const mx_schedule *s, double epoch) {
    if (epoch < s->warmup_epochs) return s->lr * epoch / s->warmup_epochs;
    double span = s->epochs - s->warmup_epochs;
    double t = span > 0 ? (epoch - s->warmup_epochs) / span : 1;
    if (t > 1) t = 1;
    return s->min_lr + (s->lr - s->min_lr) * 0.5 * (1 + cos(3.14159265358979323846 * t));
}
