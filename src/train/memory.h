/* Fitting a training step into a memory limit: which blocks compute what again (model/block.h). */
#ifndef MX_TRAIN_MEMORY_H
#define MX_TRAIN_MEMORY_H

#include "train/step.h"

/* What a run takes, in bytes; total is the process's expected peak. Where a device computes, its memory holds
 * the arena and a copy of state and tables, and is what --memory limits; else device is 0. */
typedef struct {
    size_t arena, state, tables, loader, process, total, device;
    size_t device_free; /* of the device, before the run; 0: not known */
} mx_memory_plan;

/* Of a planned trainer. data may be NULL: the loader is then not counted; held: the held-out images, whose
 * loader runs beside, or NULL. */
void mx_plan_memory(mx_memory_plan *m, const mx_trainer *t, const mx_dataset *data, const mx_dataset *held);

/* "8G", "2500M", "7.5GB", "8GiB", or bytes; --memory's. */
mx_status mx_parse_bytes(const char *text, size_t *bytes, mx_error *e);

/* Sets s->save and s->again for the least work whose total is not above s->memory (0: no limit, all is kept).
 * Results of training do not depend on it. A limit that no choice meets: an error with the least that one
 * does. data, held: as above. */
mx_status mx_memory_fit(mx_settings *s, const mx_dataset *data, const mx_dataset *held, mx_error *e);

/* Work of norms and GELU done again, in FLOPs of a product that take as long, for each byte that this saves
 * in f32: GELU of an element takes 1.1 ns, in which a core does some 90 FLOPs of a product, and saves 4 of
 * the 6 floats (docs/SPEED.md "Attention", "Memory"). */
#define MX_WORK_A_BYTE 17.0

/* The same for the arena alone: the best that was found, also when it is above the limit. t was made for
 * planning; its levels are left as chosen. *work: of a step with all kept, *again: what comes on top, in
 * FLOPs. */
mx_status mx_memory_choose(mx_trainer *t, size_t arena, uint8_t *save, double *work, double *again,
                           mx_error *e);

/* One line of text on what s->save says, "" when all is kept. */
void mx_memory_text(const mx_settings *s, int blocks, char *out, size_t size);

#endif
