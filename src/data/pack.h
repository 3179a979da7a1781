/* Prepares samples for tar shards. The command is src/command/pack.c. */
#ifndef MX_DATA_PACK_H
#define MX_DATA_PACK_H

#include "data/dataset.h"

/* Sample i as an image file in memory (free(*bytes)) and its extension. shorter > 0: an 8-bit grey or RGB picture whose
 * shorter side is longer than that is resized to it (bicubic, as Pillow) and becomes a JPEG of that quality. All others
 * keep their bytes. CIFAR's records become PNG files. A sample that cannot be decoded is an error; the message does not
 * name it. */
mx_status mx_pack_sample(const mx_dataset *d, int64_t i, int shorter, int quality, void **bytes, size_t *size,
                         const char **extension, mx_error *e);
/* The part of sample i's name in a tar that follows its number: its file's name up to the first dot, without special
 * characters. out [96]. */
void mx_pack_stem(const mx_dataset *d, int64_t i, char *out);
/* order [count] = a permutation that depends on seed only. Packing must shuffle, since a reader shuffles only a few
 * shards at a time, and shards of one class each would make poor batches. */
void mx_pack_order(int64_t count, uint64_t seed, uint32_t *order);

#endif
