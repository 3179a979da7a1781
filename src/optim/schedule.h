/* Learning-rate schedule: linear warm-up from exactly 0, then half a cosine. Source: docs/TRAINING.md
 * "Learning rate". */
#ifndef MX_OPTIM_SCHEDULE_H
#define MX_OPTIM_SCHEDULE_H

#include <stdbool.h>

typedef struct {
    double lr, min_lr, warmup_epochs, epochs;
} mx_schedule;

/* Rate at a real-valued epoch (epoch + iteration / iterations per epoch). */
double mx_schedule_at(const mx_schedule *s, double epoch);

/* Limits a recipe's warm-up to a fifth of the run, so that short runs of a long recipe anneal too. The
 * paper's 40 epochs stay 40 in runs of 200 epochs or more. */
double mx_warmup_bound(double warmup_epochs, double epochs);
/* True when warm-up takes more than half of the run. Only the user's own setting can do so; the caller warns. */
bool mx_warmup_long(const mx_schedule *s);

#endif
