/* The built-in labelled image set: procedural pictures of 27 families (fractals, textures, patterns, shapes, scenes).
 * It needs no download and no licence. A seed determines position, scale, colours and light of each picture. The bytes
 * depend on the seed and on the C library's sin, exp and so on, not on threads. */
#ifndef MX_DATA_SYNTH_H
#define MX_DATA_SYNTH_H

#include "data/image.h"

/* Makes *out: RGB, size x size, a function of the arguments only. Classes beyond the number of families repeat them
 * from farther away, with finer detail: "-2", "-3" and so on. */
mx_status mx_synth_draw(mx_image *out, int class_index, int index, int size, uint64_t seed, bool val,
                        mx_error *e);

/* Writes folder/train/CLASS/00000.png ... with `images` pictures of each class, and folder/val/CLASS with max(1,
 * images / 5) others. The folder must be new or empty. Uses all processors. */
mx_status mx_synth_write(const char *folder, int classes, int images, int size, uint64_t seed,
                         void (*notice)(void *user, const char *line), void *user, mx_error *e);

/* Name of a class, e.g. "julia" or "waves-2". */
void mx_synth_class_name(char out[32], int class_index);

#endif
