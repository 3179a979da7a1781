/* Fitting a training step into a memory limit: chooses the blocks whose activations are recomputed
 * (model/block.h). */
#ifndef MX_TRAIN_MEMORY_H
#define MX_TRAIN_MEMORY_H

#include "train/step.h"

/* Memory of a run, in bytes; total is the process's expected peak. device: 0 on CPUs; else the device's
 * memory (arena and a copy of state and tables), which --memory then limits. */
typedef struct {
    size_t arena, state, tables, loader, process, total, device;
    size_t device_free;     /* of the device, before the run; 0: not known */
    size_t images;          /* the loader's part that follows from the size of images: at_once of them */
    const mx_dataset *from; /* whose image number `image` needs most; NULL: no data */
    int64_t image;
    int at_once;
} mx_memory_plan;

/* Of a planned stepper. data may be NULL: the loader is then not counted. held: the held-out images, whose
 * loader runs at the same time, or NULL. */
void mx_plan_memory(mx_memory_plan *m, const mx_stepper *t, const mx_dataset *data, const mx_dataset *held);

/* Are images what takes most of it? Then a smaller batch hardly helps, but fewer workers or smaller images do. */
bool mx_memory_of_images(const mx_memory_plan *m);
/* What takes less, for a warning. */
const char *mx_memory_way(const mx_memory_plan *m);

/* "8G", "2500M", "7.5GB", "8GiB", or bytes; --memory's. */
mx_status mx_parse_bytes(const char *text, size_t *bytes, mx_error *e);

/* Sets s->recompute and s->extra_work for the least work that keeps the total within s->memory (0: no limit,
 * all is kept). Results of training do not depend on it. If no choice meets the limit, the error gives the smallest
 * limit that works, the image that takes most if images are the cause, and other options that were tried and fit.
 * data, held: as above. */
mx_status mx_memory_fit(mx_settings *s, const mx_dataset *data, const mx_dataset *held, mx_error *e);

/* Cost of recomputing norms and GELU for each byte saved in f32, as the FLOPs of a matrix product that takes
 * the same time. GELU takes 1.1 ns an element, the time of some 90 FLOPs of a product, and saves 4 of the 6
 * floats (docs/SPEED.md "Attention", "Memory"). */
#define MX_WORK_A_BYTE 17.0

/* Like mx_memory_fit for the arena alone. Returns the best choice found, even when it exceeds the limit. t
 * must be plan_only; it keeps the chosen levels. *work: FLOPs of a step that keeps everything; *extra: FLOPs
 * added by recomputing. */
mx_status mx_memory_choose(mx_stepper *t, size_t arena, uint8_t *recompute, double *work, double *extra,
                           mx_error *e);

/* Describes s->recompute in one line; "" when everything is kept. */
void mx_memory_text(const mx_settings *s, int blocks, char *out, size_t size);

#endif
