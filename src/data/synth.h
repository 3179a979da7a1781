/* The built-in labelled image set: procedural pictures of sixteen families (fractals, textures, shapes,
 * scenes), each drawn with its own place, scale, colours and light from a seed. No downloads, no licence
 * question. */
#ifndef MX_DATA_SYNTH_H
#define MX_DATA_SYNTH_H

#include "data/image.h"

/* One picture: RGB, size x size. A function of its arguments only. Classes beyond the families are the same
 * families with other parameters (more detail, other colours). *out is made here. */
mx_status mx_synth_draw(mx_image *out, int class_index, int index, int size, uint64_t seed, bool val,
                        mx_error *e);

/* folder/train/CLASS/0000.png ... with `images` of each class, and folder/val/CLASS with a fifth as many more
 * (at least one). The folder must be new or empty. Drawn by all processors. */
mx_status mx_synth_write(const char *folder, int classes, int images, int size, uint64_t seed,
                         void (*notice)(void *user, const char *line), void *user, mx_error *e);

/* Name of a class, e.g. "julia" or "waves-2". */
void mx_synth_class_name(char out[32], int class_index);

#endif
