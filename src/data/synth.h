/* The built-in labelled image set: procedural pictures of 27 families (fractals, textures, patterns, shapes,
 * scenes), each drawn with its own place, scale, colours and light from a seed. No downloads, no licence
 * question. The bytes depend on the seed and on the C library's sin, exp and so on, not on threads. */
#ifndef MX_DATA_SYNTH_H
#define MX_DATA_SYNTH_H

#include "data/image.h"

/* One picture: RGB, size x size. A function of its arguments only. Classes beyond the families are the same
 * families seen from farther away, "-2", "-3" and so on, so with finer detail. *out is made here. */
mx_status mx_synth_draw(mx_image *out, int class_index, int index, int size, uint64_t seed, bool val,
                        mx_error *e);

/* folder/train/CLASS/00000.png ... with `images` of each class, and folder/val/CLASS with max(1, images / 5)
 * more, other pictures. The folder must be new or empty. Drawn by all processors. */
mx_status mx_synth_write(const char *folder, int classes, int images, int size, uint64_t seed,
                         void (*notice)(void *user, const char *line), void *user, mx_error *e);

/* Name of a class, e.g. "julia" or "waves-2". */
void mx_synth_class_name(char out[32], int class_index);

#endif
