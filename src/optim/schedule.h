/* Learning-rate schedule: linear warm-up from exactly 0, then half a cosine. Source: schedule.md 1. */
#ifndef MX_OPTIM_SCHEDULE_H
#define MX_OPTIM_SCHEDULE_H

typedef struct {
    double lr, min_lr, warmup_epochs, epochs;
} mx_schedule;

/* Rate at a real-valued epoch (epoch + iteration / iterations per epoch). */
double mx_schedule_at(const mx_schedule *s, double epoch);

#endif
