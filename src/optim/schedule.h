/* Learning-rate schedule: linear warm-up from exactly 0, then half a cosine. Source: schedule.md 1. */
#ifndef MX_OPTIM_SCHEDULE_H
#define MX_OPTIM_SCHEDULE_H

#include <stdbool.h>

typedef struct {
    double lr, min_lr, warmup_epochs, epochs;
} mx_schedule;

/* Rate at a real-valued epoch (epoch + iteration / iterations per epoch). */
double mx_schedule_at(const mx_schedule *s, double epoch);

/* A recipe's warm-up in a run of so many epochs: at most a fifth of it, so that a short run of a long recipe
 * is annealed too. Runs of five times the warm-up keep it: 40 of 400 or 600 epochs (the paper), of 200 and
 * more. */
double mx_warmup_bound(double warmup_epochs, double epochs);
/* Does a warm-up take more than half of the run? Then it was asked for, and is worth a word. */
bool mx_warmup_long(const mx_schedule *s);

#endif
